"""Looks whether money adds up, at any time, on the living database: one statement an invariant, nothing is changed."""

from dataclasses import dataclass

from django.db import connection

from ads import event_health

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Check:
    """`violations` selects a text for each thing that should not be."""

    code: str
    title: str
    violations: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check has found; `examples` are some of the violations."""

    code: str
    title: str
    is_ok: bool
    examples: list[str]


CHECKS = (
    Check(
        "I1",
        "each transaction sums to zero",
        """SELECT 'transaction ' || t.id FROM ad_ledger_transaction t LEFT JOIN ad_posting p ON p.transaction_id = t.id
           GROUP BY t.id HAVING coalesce(sum(p.amount_micros), 0) <> 0 OR count(p.id) <> t.postings_count""",
    ),
    Check(
        "I2",
        "all balances of a book sum to zero",
        """SELECT 'book ' || a.book FROM ad_posting p JOIN ad_account a ON a.id = p.account_id
           GROUP BY a.book HAVING sum(p.amount_micros) <> 0""",
    ),
    Check(
        "I3",
        "nothing is overspent: wallets, campaigns, days",
        """SELECT name || ' ' || id FROM (
               SELECT 'wallet' AS name, id, cap_micros, held_micros, spent_micros FROM ad_wallet UNION ALL
               SELECT 'campaign budget', id, cap_micros, held_micros, spent_micros FROM ad_campaign_budget UNION ALL
               SELECT 'campaign day', id, cap_micros, held_micros, spent_micros FROM ad_campaign_day) AS limited
           WHERE held_micros < 0 OR spent_micros < 0 OR held_micros + spent_micros > cap_micros""",
    ),
    Check(
        "I3b",
        "what is held is the open holds: wallets, campaigns, days",
        """SELECT 'wallet ' || w.id FROM ad_wallet w WHERE held_micros <> coalesce((SELECT sum(amount_micros)
               FROM ad_hold h WHERE h.state = 'open' AND h.book = w.book AND h.advertiser_id = w.advertiser_id), 0)
           UNION ALL
           SELECT 'campaign budget ' || t.id FROM ad_campaign_budget t WHERE held_micros <> coalesce((
               SELECT sum(amount_micros) FROM ad_hold h
               WHERE h.state = 'open' AND h.book = t.book AND h.campaign_id = t.campaign_id), 0)
           UNION ALL
           SELECT 'campaign day ' || d.id FROM ad_campaign_day d WHERE held_micros <> coalesce((
               SELECT sum(amount_micros) FROM ad_hold h WHERE h.state = 'open' AND h.book = d.book
               AND h.campaign_id = d.campaign_id AND h.day = d.day), 0)""",
    ),
    Check(
        "I4",
        "each balance is the sum of its postings",
        """SELECT 'account ' || a.id FROM ad_account a WHERE balance_micros <> coalesce((
               SELECT sum(amount_micros) FROM ad_posting p WHERE p.account_id = a.id), 0)""",
    ),
    Check(
        "I5",
        "wallets, campaigns and days have spent what the ledger says",
        """SELECT 'wallet ' || w.id FROM ad_wallet w
           WHERE cap_micros - spent_micros <> coalesce((SELECT balance_micros FROM ad_account a
               WHERE a.kind = 'wallet' AND a.book = w.book AND a.owner_id = w.advertiser_id), 0)
               + coalesce((SELECT sum(amount_micros) FROM ad_service_transaction s
               WHERE s.state = 'open' AND s.book = w.book AND s.advertiser_id = w.advertiser_id), 0)
           UNION ALL
           SELECT 'campaign ' || t.campaign_id FROM ad_campaign_budget t WHERE spent_micros <> coalesce((
               SELECT -sum(p.amount_micros) FROM ad_ledger_transaction l
               JOIN ad_posting p ON p.transaction_id = l.id JOIN ad_account a ON a.id = p.account_id
               WHERE l.book = t.book AND l.campaign_id = t.campaign_id AND a.kind = 'wallet'), 0)
               - coalesce((SELECT sum(amount_micros) FROM ad_service_transaction s
               WHERE s.state = 'open' AND s.book = t.book AND s.campaign_id = t.campaign_id), 0)
           UNION ALL
           SELECT 'days of campaign ' || t.campaign_id FROM ad_campaign_budget t WHERE spent_micros <> coalesce((
               SELECT sum(spent_micros) FROM ad_campaign_day d
               WHERE d.book = t.book AND d.campaign_id = t.campaign_id), 0)""",
    ),
    Check("I6", "one billed event for a decision, a unit and a kind", event_health.BILLED_ONCE),
    Check("I7", "prices lie between reserve and bid, and are billed as decided", event_health.PRICES),
    Check("I8", "nothing is paid for suspect, late, marked or foreign events", event_health.NOTHING_SUSPECT),
    Check("I9", "the days of reports are what events and ledger add up to", event_health.ROLLUPS),
    Check(
        "I10",
        "no transaction touches two books",
        """SELECT 'transaction ' || l.id FROM ad_ledger_transaction l JOIN ad_posting p ON p.transaction_id = l.id
           LEFT JOIN ad_account a ON a.id = p.account_id WHERE a.book IS DISTINCT FROM l.book""",
    ),
    Check(
        "I11",
        "each book's bonus reserve is the sum of its open bonuses",
        """SELECT 'bonus reserve of ' || book FROM (
               SELECT a.book, sum(p.amount_micros) AS micros FROM ad_account a JOIN ad_posting p ON p.account_id = a.id
               WHERE a.kind = 'bonus' GROUP BY a.book UNION ALL
               SELECT book, -sum(amount_micros) FROM ad_bonus WHERE state = 'open' GROUP BY book) AS sides
           GROUP BY book HAVING sum(micros) <> 0""",
    ),
    Check(
        "I12",
        "each book's escrow is the sum of its open service transactions and unreleased sessions",
        """SELECT 'escrow of ' || book FROM (
               SELECT a.book, sum(p.amount_micros) AS micros FROM ad_account a JOIN ad_posting p ON p.account_id = a.id
               WHERE a.kind = 'escrow' GROUP BY a.book UNION ALL
               SELECT book, -sum(amount_micros) FROM ad_service_transaction WHERE state = 'open' GROUP BY book UNION ALL
               SELECT book, -sum(escrow_micros) FROM ad_session GROUP BY book) AS sides
           GROUP BY book HAVING sum(micros) <> 0""",
    ),
    Check("I15", "each billed event has its one transaction, at its price", event_health.REPLAY),
)


def ledger_health() -> list[Finding]:
    """What every check finds, in one snapshot each: a transaction under way is seen whole or not at all."""
    findings = []
    with connection.cursor() as cursor:
        for check in CHECKS:
            cursor.execute(f"SELECT * FROM ({check.violations}) AS violations LIMIT {SHOWN}")
            examples = [text for (text,) in cursor.fetchall()]
            findings.append(Finding(check.code, check.title, not examples, examples))
    return findings
