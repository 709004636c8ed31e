"""Figures of developers and advertisers: rollups of days that are over, and the events of those that are not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db import connection

from ads.core.books import LIVE
from ads.report_lines import FIGURES, KEYS, lines

MOST_ROWS = 10_000
BY = ("day", "placement", "campaign")
_COLUMN_OF = {"day": "day", "placement": "placement", "campaign": "campaign_id"}


@dataclass(frozen=True, slots=True)
class Whose:
    """Of whom the figures are: an agent's in its book, or an advertiser's (book None: in all test books)."""

    book: str | None
    agent_id: UUID | None = None
    advertiser_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """`key` has a value for each name of `by`, in that order."""

    key: tuple[Any, ...]
    figures: dict[str, int]


_COLUMNS = ", ".join((*KEYS, *FIGURES))
_ONLY = {"agent": "agent_id = %(agent)s", "advertiser": "advertiser_id = %(advertiser)s"}


def _live(only: str) -> str:
    today = lines(
        book="= 'live'",
        since="(open.day AT TIME ZONE 'UTC')",
        until="((open.day + interval '1 day') AT TIME ZONE 'UTC')",
        only=only,
    )
    return f"""
SELECT {_COLUMNS} FROM ad_rollup WHERE day BETWEEN %(since)s AND %(until)s AND {only}
UNION ALL
SELECT added.* FROM (
    SELECT g.day FROM generate_series(%(since)s::timestamp, %(until)s::timestamp, '1 day') AS g(day)
    WHERE NOT EXISTS (SELECT FROM ad_rolled_day r WHERE r.day = g.day::date)
) AS open CROSS JOIN LATERAL ({today}) AS added"""


def _test(only: str, book: str) -> str:
    return lines(
        book=book,
        since="(%(since)s::timestamp AT TIME ZONE 'UTC')",
        until="((%(until)s::timestamp + interval '1 day') AT TIME ZONE 'UTC')",
        only=only,
    )


def report(whose: Whose, *, since: date, until: date, by: Sequence[str]) -> list[Row]:
    """The figures from `since` to `until`, both included (UTC), for each value of `by`; MOST_ROWS + 1 at most."""
    only = _ONLY["agent" if whose.agent_id else "advertiser"]
    if whose.book == LIVE:
        source = _live(only)
    else:
        source = _test(only, "LIKE 'test:%%'" if whose.book is None else "= %(book)s")
    columns = [_COLUMN_OF[name] for name in by]
    figures = ", ".join(f"sum({name})::bigint" for name in FIGURES)
    grouped = f"GROUP BY {', '.join(columns)} ORDER BY {', '.join(columns)}" if columns else ""
    statement = (
        f"SELECT {', '.join([*columns, figures])} FROM ({source}) AS figures {grouped} LIMIT {MOST_ROWS + 1}"
    )
    values = {
        "since": since,
        "until": until,
        "book": whose.book,
        "agent": whose.agent_id,
        "advertiser": whose.advertiser_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        rows = cursor.fetchall()
    return [
        Row(row[: len(by)], {name: value or 0 for name, value in zip(FIGURES, row[len(by) :], strict=True)})
        for row in rows
    ]
