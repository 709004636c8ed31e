"""Checks of events against decisions, money and reports, for `ledger_health.py`: one statement an invariant."""

from ads.core.auction import WEIGHT_SCALE
from ads.core.tokens import LIFETIME_SECONDS, Window
from ads.report_lines import FIGURES, KEYS, lines

# So many of the last days are added up anew by the look at rollups.
ROLLED_DAYS = 35
_COLUMNS = ", ".join((*KEYS, *FIGURES))
_UNIT = (
    "JOIN ad_decision_unit u ON u.month = e.month AND u.decision_id = e.decision_id AND u.unit_id = e.unit_id"
)
_ANEW = lines(
    book="= 'live'",
    since="(rolled.day::timestamp AT TIME ZONE 'UTC')",
    until="((rolled.day::timestamp + interval '1 day') AT TIME ZONE 'UTC')",
)
_DAYS = f"(SELECT day FROM ad_rolled_day ORDER BY day DESC LIMIT {ROLLED_DAYS}) AS rolled"

BILLED_ONCE = """
SELECT kind || ' of unit ' || unit_id || ' in decision ' || decision_id FROM ad_event WHERE is_billed
GROUP BY month, decision_id, unit_id, kind HAVING count(*) > 1"""

PRICES = f"""
SELECT 'unit ' || u.unit_id || ' in decision ' || u.decision_id FROM ad_decision_unit u
JOIN ad_decision d ON d.month = u.month AND d.id = u.decision_id
WHERE u.price_cents > u.bid_cents OR u.price_cents * u.weight < d.reserve_cents * {WEIGHT_SCALE}
UNION ALL
SELECT 'price of event ' || e.id FROM ad_event e {_UNIT}
WHERE e.is_billed AND e.price_micros <> u.price_cents::bigint * CASE u.pricing WHEN 'cpm' THEN 10 ELSE 10000 END"""

# The last second of a token's life counts whole.
NOTHING_SUSPECT = f"""
SELECT 'unbilled event ' || id FROM ad_event WHERE NOT is_billed AND (transaction_id IS NOT NULL OR price_micros <> 0)
UNION ALL
SELECT 'suspect event ' || id FROM ad_event WHERE is_billed AND reason <> ''
UNION ALL
SELECT 'late event ' || e.id FROM ad_event e {_UNIT} WHERE e.is_billed AND e.occurred_at >= u.decided_at +
    make_interval(secs => 1 + CASE e.kind WHEN 'impression' THEN {LIFETIME_SECONDS[Window.IMPRESSION]}
        WHEN 'click' THEN {LIFETIME_SECONDS[Window.CLICK]} END)
UNION ALL
SELECT 'foreign event ' || e.id FROM ad_event e {_UNIT} WHERE e.agent_id <> u.agent_id OR e.book <> u.book
    OR e.campaign_id <> u.campaign_id OR e.advertiser_id <> u.advertiser_id
UNION ALL
SELECT 'marked event ' || e.id FROM ad_invalid_mark m JOIN ad_event e ON e.month = m.month AND e.id = m.event_id
WHERE e.is_billed AND NOT EXISTS (SELECT FROM ad_ledger_transaction r WHERE r.reverses_id = e.transaction_id)"""

# Replaying the log: each billed event leads to its one transaction, with its price, and each such transaction to it.
REPLAY = """
SELECT 'event ' || e.id FROM ad_event e LEFT JOIN ad_ledger_transaction t ON t.id = e.transaction_id
WHERE e.is_billed AND (t.id IS NULL OR t.book <> e.book OR t.kind <> e.kind OR t.decision_id <> e.decision_id
    OR t.unit_id <> e.unit_id OR e.price_micros <> (SELECT coalesce(-sum(p.amount_micros), 0) FROM ad_posting p
        JOIN ad_account a ON a.id = p.account_id WHERE p.transaction_id = t.id AND a.kind = 'wallet'))
UNION ALL
SELECT 'transaction ' || t.id FROM ad_ledger_transaction t
JOIN ad_decision_unit u ON u.month = ad_month_of(t.decision_id) AND u.decision_id = t.decision_id
    AND u.unit_id = t.unit_id
WHERE t.kind IN ('click', 'impression', 'session') AND NOT EXISTS (SELECT FROM ad_event e
    WHERE e.month = u.month AND e.decision_id = u.decision_id AND e.unit_id = u.unit_id AND e.kind = t.kind
        AND e.is_billed AND e.transaction_id = t.id)"""

ROLLUPS = f"""
SELECT DISTINCT 'rollups of ' || day FROM (
    (SELECT {_COLUMNS} FROM ad_rollup WHERE day IN (SELECT day FROM {_DAYS})
     EXCEPT ALL SELECT added.* FROM {_DAYS} CROSS JOIN LATERAL ({_ANEW}) AS added)
    UNION ALL
    (SELECT added.* FROM {_DAYS} CROSS JOIN LATERAL ({_ANEW}) AS added
     EXCEPT ALL SELECT {_COLUMNS} FROM ad_rollup WHERE day IN (SELECT day FROM {_DAYS}))) AS difference"""
