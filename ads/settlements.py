"""What falls due by itself: holds, services and sessions that nobody came for, bonuses whose time is over."""

from dataclasses import astuple, dataclass
from datetime import datetime

from django.db import connection

from ads import agents, bonuses, holds, services, sessions
from ads.core.books import LIVE
from ads.core.tokens import Environment
from ads.models import Agent, Bonus, Hold, ServiceTransaction, Session

_TEST_MARK = "test:"


@dataclass(frozen=True, slots=True)
class Settled:
    holds: int
    services: int
    bonuses: int
    sessions: int


def settle_due(book: str, *, now: datetime) -> Settled:
    """Settles what fell due in a book until `now`, by its clock; services and sessions before other holds."""
    ended = services.release_expired(book=book, now=now)
    idle = sessions.expire_idle(book=book, now=now)
    return Settled(
        holds=holds.release_expired(book=book, now=now),
        services=ended,
        bonuses=bonuses.resolve_due(book=book, now=now),
        sessions=idle,
    )


def settle_all(*, now: datetime) -> Settled:
    """The live book, and every test book in which something is open, by its own clock."""
    total = [settle_due(LIVE, now=now)]
    open_rows = (
        Hold.objects.filter(state=Hold.State.OPEN),
        ServiceTransaction.objects.filter(state=ServiceTransaction.State.OPEN),
        Bonus.objects.filter(state=Bonus.State.OPEN),
        Session.objects.filter(state=Session.State.ACTIVE),
    )
    open_books = {book for rows in open_rows for book in rows.values_list("book", flat=True).distinct()}
    for book in sorted(open_books - {LIVE}):
        agent = Agent.objects.filter(pk=book.removeprefix(_TEST_MARK)).first()
        if agent is not None:
            total.append(settle_due(book, now=agents.time_of(agent, Environment.TEST, now=now)))
    return Settled(*(sum(counts) for counts in zip(*map(astuple, total), strict=True)))


def make_months(*, now: datetime, ahead: int = 2) -> None:
    """Makes the partitions of this month and the next ones, where they are missing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT ad_make_month((%s::timestamptz + make_interval(months => n))::date)"
            " FROM generate_series(0, %s) AS n",
            [now, ahead],
        )
