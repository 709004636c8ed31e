"""How events and money are added up, as one statement: for rollups, for reports of today, for the look at both.

Counts come from the events, money from the ledger. Invalid is a part of gross: what was found automatic, repeated or
too late, and what was marked later. Money that was taken back counts as invalid on the day on which it was charged.
"""

FIGURES = (
    "shown", "impressions", "clicks", "conversions", "invalid_impressions", "invalid_clicks", "invalid_conversions",
    "charged_micros", "invalid_charged_micros", "earned_micros", "invalid_earned_micros",
)  # fmt: skip
KEYS = ("day", "agent_id", "advertiser_id", "campaign_id", "placement")
# Why an event was no good; other reasons (budget, paused) say that it was, and that nobody paid.
INVALID_REASONS = ("bot", "prefetch", "head", "duplicate", "expired", "late", "invalid")

_COUNTED = "('impression', 'click', 'conversion')"
_REASONS = ", ".join(f"'{reason}'" for reason in INVALID_REASONS)

# An event counts as valid once for a unit and a kind: the first that nothing speaks against.
IS_INVALID = f"""
(e.reason IN ({_REASONS}) OR EXISTS (SELECT FROM ad_invalid_mark m WHERE m.event_id = e.id)
    OR EXISTS (SELECT FROM ad_event f WHERE f.decision_id = e.decision_id AND f.unit_id = e.unit_id AND f.kind = e.kind
        AND f.id < e.id AND f.reason NOT IN ({_REASONS})
        AND NOT EXISTS (SELECT FROM ad_invalid_mark m WHERE m.event_id = f.id)))"""


def lines(*, book: str, since: str, until: str, only: str = "true") -> str:
    """A query for KEYS and FIGURES, grouped. The arguments are SQL: `book` a condition, `until` the first moment after.

    `only` speaks of `agent_id` and `advertiser_id`. Nothing that a client has sent belongs in here but as a parameter.
    """
    # A decision's events come within a week; months before that lie in other partitions.
    months = f"BETWEEN date_trunc('month', {since} - interval '8 days')::date AND ({until})::date"
    figures = ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in FIGURES)
    return f"""
SELECT day, agent_id, advertiser_id, campaign_id, placement, {figures} FROM (
    SELECT (u.decided_at AT TIME ZONE 'UTC')::date AS day, u.agent_id, u.advertiser_id, u.campaign_id, d.placement,
        1 AS shown, 0 AS impressions, 0 AS clicks, 0 AS conversions,
        0 AS invalid_impressions, 0 AS invalid_clicks, 0 AS invalid_conversions,
        0 AS charged_micros, 0 AS invalid_charged_micros, 0 AS earned_micros, 0 AS invalid_earned_micros
    FROM ad_decision_unit u JOIN ad_decision d ON d.month = u.month AND d.id = u.decision_id
    WHERE u.book {book} AND u.decided_at >= {since} AND u.decided_at < {until} AND u.month {months}
    UNION ALL
    SELECT day, agent_id, advertiser_id, campaign_id, placement, 0,
        (kind = 'impression')::int, (kind = 'click')::int, (kind = 'conversion')::int,
        (kind = 'impression' AND is_invalid)::int, (kind = 'click' AND is_invalid)::int,
        (kind = 'conversion' AND is_invalid)::int, 0, 0, 0, 0
    FROM (
        SELECT (e.occurred_at AT TIME ZONE 'UTC')::date AS day, e.agent_id, e.advertiser_id, e.campaign_id, d.placement,
            e.kind, {IS_INVALID} AS is_invalid
        FROM ad_event e JOIN ad_decision d ON d.month = e.month AND d.id = e.decision_id
        WHERE e.book {book} AND e.occurred_at >= {since} AND e.occurred_at < {until} AND e.month {months}
            AND e.kind IN {_COUNTED}
    ) AS event
    UNION ALL
    SELECT (t.occurred_at AT TIME ZONE 'UTC')::date, u.agent_id, u.advertiser_id, u.campaign_id, d.placement,
        0, 0, 0, 0, 0, 0, 0,
        charged, CASE WHEN r.id IS NULL THEN 0 ELSE charged END, earned, CASE WHEN r.id IS NULL THEN 0 ELSE earned END
    FROM ad_ledger_transaction t
    JOIN ad_decision_unit u ON u.month = ad_month_of(t.decision_id) AND u.decision_id = t.decision_id
        AND u.unit_id = t.unit_id
    JOIN ad_decision d ON d.month = u.month AND d.id = u.decision_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(p.amount_micros) FILTER (WHERE a.kind = 'agent'), 0) AS earned,
            -- A service was taken from the wallet when it was decided on; it is charged when it has succeeded.
            coalesce(-sum(p.amount_micros) FILTER (WHERE a.kind = CASE
                WHEN t.kind IN ('click', 'impression', 'session') THEN 'wallet'
                WHEN t.kind = 'service' THEN 'escrow' END), 0) AS charged
        FROM ad_posting p JOIN ad_account a ON a.id = p.account_id WHERE p.transaction_id = t.id
    ) AS money
    LEFT JOIN ad_ledger_transaction r ON r.reverses_id = t.id
    WHERE t.book {book} AND t.occurred_at >= {since} AND t.occurred_at < {until} AND t.reverses_id IS NULL
        AND t.kind NOT IN ('top_up', 'payout', 'escrow', 'escrow_return')
) AS line
WHERE {only}
GROUP BY day, agent_id, advertiser_id, campaign_id, placement
"""
