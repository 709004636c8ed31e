"""Wallets and budgets: money is taken only where wallet, campaign and day all have room, and never twice.

Each row is locked in the one order (wallets, then campaigns, then days, the smaller key first) and changed only while
its lock is held, so races are settled by Postgres. The rows' own constraints refuse what would still be too much.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest

from ads import ledger
from ads.core.books import LIVE
from ads.models import Campaign, CampaignBudget, CampaignDay


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody wants to spend so much of a campaign, on that day of its advertiser."""

    advertiser_id: UUID
    campaign_id: UUID
    day: date
    amount_micros: int


_CLAIMS = """
claim AS (
    SELECT * FROM unnest(%(numbers)s::int[], %(advertisers)s::uuid[], %(campaigns)s::uuid[], %(days)s::date[],
        %(amounts)s::bigint[]) AS c(n, advertiser_id, campaign_id, day, amount)
)"""

# Which claims fit, with the rows of those locked. Where a claim's rows are not there yet nothing is locked, and no row
# comes back: a day's row is made together with those above it, and none is ever deleted.
ROOM = """
known AS MATERIALIZED (
    SELECT NOT EXISTS (SELECT FROM claim WHERE NOT EXISTS (
        SELECT FROM ad_campaign_day d
        WHERE d.campaign_id = claim.campaign_id AND d.day = claim.day AND d.book = %(book)s)) AS are_all
), wallet AS MATERIALIZED (
    SELECT w.id, claim.n, coalesce(w.cap_micros - w.held_micros - w.spent_micros >= claim.amount, true) AS has_room
    FROM ad_wallet w JOIN claim ON claim.advertiser_id = w.advertiser_id
    WHERE w.book = %(book)s AND (SELECT are_all FROM known) ORDER BY w.advertiser_id FOR UPDATE OF w
), total AS MATERIALIZED (
    SELECT t.id, claim.n, coalesce(t.cap_micros - t.held_micros - t.spent_micros >= claim.amount, true) AS has_room
    FROM ad_campaign_budget t JOIN claim ON claim.campaign_id = t.campaign_id
    WHERE t.book = %(book)s AND (SELECT count(*) FROM wallet) > 0 ORDER BY t.campaign_id FOR UPDATE OF t
), daily AS MATERIALIZED (
    SELECT d.id, claim.n, coalesce(d.cap_micros - d.held_micros - d.spent_micros >= claim.amount, true) AS has_room
    FROM ad_campaign_day d JOIN claim ON claim.campaign_id = d.campaign_id AND claim.day = d.day
    WHERE d.book = %(book)s AND (SELECT count(*) FROM total) > 0 ORDER BY d.campaign_id FOR UPDATE OF d
), answer AS MATERIALIZED (
    SELECT claim.n, claim.amount, wallet.id AS wallet_id, total.id AS total_id, daily.id AS daily_id,
        wallet.has_room AND total.has_room AND daily.has_room AS is_granted
    FROM claim JOIN wallet USING (n) JOIN total USING (n) JOIN daily USING (n)
)"""


def taken(column: str, condition: str) -> str:
    """The part of a statement that takes the money of those rows of `answer` for which `condition` holds."""
    return f"""
from_wallet AS (
    UPDATE ad_wallet w SET {column} = {column} + a.amount FROM answer a WHERE w.id = a.wallet_id AND {condition}
), from_total AS (
    UPDATE ad_campaign_budget t SET {column} = {column} + a.amount FROM answer a
    WHERE t.id = a.total_id AND {condition}
), from_daily AS (
    UPDATE ad_campaign_day d SET {column} = {column} + a.amount FROM answer a WHERE d.id = a.daily_id AND {condition}
)"""


def _take_statement(column: str) -> str:
    return f"WITH {_CLAIMS}, {ROOM}, {taken(column, 'a.is_granted')} SELECT is_granted FROM answer ORDER BY n"


_HOLD = _take_statement("held_micros")
_SPEND = _take_statement("spent_micros")


def moved(held: int | str, spent: int | str) -> str:
    """The part of a statement that moves on what the rows of `claim` took: from held to spent, or back.

    Claims on the same row are added up.
    """
    return f"""
wallet AS MATERIALIZED (
    SELECT w.id, c.amount
    FROM ad_wallet w JOIN (SELECT advertiser_id, sum(amount) AS amount FROM claim GROUP BY 1) c USING (advertiser_id)
    WHERE w.book = %(book)s ORDER BY w.advertiser_id FOR UPDATE OF w
), total AS MATERIALIZED (
    SELECT t.id, c.amount
    FROM ad_campaign_budget t JOIN (SELECT campaign_id, sum(amount) AS amount FROM claim GROUP BY 1) c
        USING (campaign_id)
    WHERE t.book = %(book)s AND (SELECT count(*) FROM wallet) > 0 ORDER BY t.campaign_id FOR UPDATE OF t
), daily AS MATERIALIZED (
    SELECT d.id, c.amount
    FROM ad_campaign_day d JOIN (SELECT campaign_id, day, sum(amount) AS amount FROM claim GROUP BY 1, 2) c
        USING (campaign_id, day)
    WHERE d.book = %(book)s AND (SELECT count(*) FROM total) > 0 ORDER BY d.campaign_id, d.day FOR UPDATE OF d
), of_wallet AS (
    UPDATE ad_wallet w
    SET held_micros = held_micros + {held} * s.amount, spent_micros = spent_micros + {spent} * s.amount
    FROM wallet s WHERE w.id = s.id
), of_total AS (
    UPDATE ad_campaign_budget t
    SET held_micros = held_micros + {held} * s.amount, spent_micros = spent_micros + {spent} * s.amount
    FROM total s WHERE t.id = s.id
), of_daily AS (
    UPDATE ad_campaign_day d
    SET held_micros = held_micros + {held} * s.amount, spent_micros = spent_micros + {spent} * s.amount
    FROM daily s WHERE d.id = s.id
)"""


_MOVE = f"WITH {_CLAIMS}, {moved('%(held)s', '%(spent)s')} SELECT count(*) FROM daily"

# A live wallet is opened with its advertiser and filled by top-ups; an agent's test copy of it comes filled.
_OPEN = """
WITH claim AS (
    SELECT DISTINCT c.campaign_id, c.day, k.advertiser_id, k.total_budget_micros, k.daily_budget_micros,
        CASE WHEN %(is_live)s THEN 0 ELSE a.test_wallet_micros END AS wallet_micros
    FROM unnest(%(campaigns)s::uuid[], %(days)s::date[]) AS c(campaign_id, day)
    JOIN ad_campaign k ON k.id = c.campaign_id JOIN ad_advertiser a ON a.id = k.advertiser_id
), wallet AS (
    INSERT INTO ad_wallet (book, advertiser_id, cap_micros, held_micros, spent_micros)
    SELECT DISTINCT %(book)s, advertiser_id, wallet_micros, 0, 0 FROM claim ORDER BY advertiser_id
    ON CONFLICT DO NOTHING RETURNING advertiser_id, cap_micros
), total AS (
    INSERT INTO ad_campaign_budget (book, campaign_id, cap_micros, held_micros, spent_micros)
    SELECT DISTINCT %(book)s, campaign_id, total_budget_micros, 0, 0 FROM claim ORDER BY campaign_id
    ON CONFLICT DO NOTHING
), daily AS (
    INSERT INTO ad_campaign_day (book, campaign_id, day, cap_micros, held_micros, spent_micros)
    SELECT %(book)s, campaign_id, day, daily_budget_micros, 0, 0 FROM claim ORDER BY campaign_id, day
    ON CONFLICT DO NOTHING
)
SELECT advertiser_id, cap_micros FROM wallet WHERE cap_micros > 0
"""


def hold(claims: Sequence[Claim], *, book: str, now: datetime) -> list[bool]:
    """Which claims fit: their money is kept ready, to be settled or released later."""
    return _take(_HOLD, claims, book, now)


def spend(claims: Sequence[Claim], *, book: str, now: datetime) -> list[bool]:
    """Which claims fit: their money is spent at once."""
    return _take(_SPEND, claims, book, now)


def settle(claims: Iterable[Claim], *, book: str) -> None:
    """What was held for the claims is spent."""
    _move(claims, book=book, held=-1, spent=1)


def release(claims: Iterable[Claim], *, book: str) -> None:
    """What was held for the claims is free again."""
    _move(claims, book=book, held=-1, spent=0)


def refund(claims: Iterable[Claim], *, book: str) -> None:
    """What the claims spent is free again, on the days it was spent."""
    _move(claims, book=book, held=0, spent=-1)


def apply_caps(campaign: Campaign) -> None:
    """Makes a campaign's changed limits hold in every book; what is spent or held already stays allowed."""
    used = F("held_micros") + F("spent_micros")
    for rows, cap in (
        (CampaignBudget.objects, campaign.total_budget_micros),
        (CampaignDay.objects, campaign.daily_budget_micros),
    ):
        keys = list(
            rows.filter(campaign=campaign).order_by("pk").select_for_update().values_list("pk", flat=True)
        )
        rows.filter(pk__in=keys).update(cap_micros=None if cap is None else Greatest(used, cap))


def open_rows(claims: Sequence[Claim], *, book: str, now: datetime) -> None:
    """Makes the rows that are missing; the money in a new test wallet is booked as paid in."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, {"book": book, "is_live": book == LIVE, **_columns(claims)})
        filled = cursor.fetchall()
    ledger.post(
        [
            ledger.Movement(
                kind=ledger.Kind.TOP_UP,
                reference=f"test money:{book}:{advertiser_id.hex}",
                amounts={ledger.CASH: -amount, ledger.wallet_of(advertiser_id): amount},
            )
            for advertiser_id, amount in filled
        ],
        book=book,
        now=now,
    )


def _take(statement: str, claims: Sequence[Claim], book: str, now: datetime) -> list[bool]:
    if not claims:
        return []
    if len({claim.advertiser_id for claim in claims}) < len(claims):
        raise ValueError("at most one claim an advertiser: each is looked at alone")
    granted = _ask(statement, claims, book)
    if len(granted) < len(claims):
        open_rows(claims, book=book, now=now)
        granted = _ask(statement, claims, book)
    return granted


def _ask(statement: str, claims: Sequence[Claim], book: str) -> list[bool]:
    with connection.cursor() as cursor:
        cursor.execute(statement, {"book": book, **_columns(claims)})
        return [is_granted for (is_granted,) in cursor.fetchall()]


def _move(claims: Iterable[Claim], *, book: str, held: int, spent: int) -> None:
    columns = _columns(list(claims))
    if columns["numbers"]:
        with connection.cursor() as cursor:
            cursor.execute(_MOVE, {"book": book, "held": held, "spent": spent, **columns})


def _columns(claims: Sequence[Claim]) -> dict[str, list[Any]]:
    return {
        "numbers": list(range(len(claims))),
        "advertisers": [claim.advertiser_id for claim in claims],
        "campaigns": [claim.campaign_id for claim in claims],
        "days": [claim.day for claim in claims],
        "amounts": [claim.amount_micros for claim in claims],
    }
