"""What moderators look at: flags that wait, page by page, and what was said around one."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from conversations.core.moderation import FlagState
from conversations.models import HiddenMessage, Message, ModerationFlag

PAGE = 25
MOST_SHOWN = 6_000
# Messages in front of the flagged one, and behind it.
BEFORE, AFTER = 2, 1

AGES = {
    "hour": "the last hour",
    "day": "the last 24 hours",
    "week": "the last 7 days",
    "older": "longer ago than 7 days",
}
_LIMITS = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


@dataclass(frozen=True, slots=True)
class QueuePage:
    """Flags, the longest waiting first; `next_after` reads on, None at the end."""

    flags: list[ModerationFlag]
    next_after: int | None


def waiting_flags(
    *, rule_id: int | None = None, age: str = "", author: str = "", after: int | None = None, now: datetime
) -> QueuePage:
    """A page of what is to be decided, in a constant number of statements and without counting.

    `author` is a whole user name, `after` the id of the last flag of the page before.
    """
    waiting = ModerationFlag.objects.exclude(state=FlagState.DECIDED.value)
    if rule_id is not None:
        waiting = waiting.filter(rule_id=rule_id)
    if author:
        waiting = waiting.filter(author__username=author)
    waiting = _of_age(waiting, age, now)
    if after is not None:
        waiting = _behind(waiting, after)
    found = list(with_names(waiting).order_by("created_at", "id")[: PAGE + 1])
    return QueuePage(found[:PAGE], found[PAGE - 1].id if len(found) > PAGE else None)


def with_names(flags: QuerySet[ModerationFlag]) -> QuerySet[ModerationFlag]:
    """With what a card shows. The messages themselves may be long: what was hit stands in the excerpt."""
    return flags.select_related(
        "rule", "author", "conversation", "message", "claimed_by", "decided_by"
    ).defer("message__content", "message__parts", "message__metadata", "conversation__todos")


def _of_age(flags: QuerySet[ModerationFlag], age: str, now: datetime) -> QuerySet[ModerationFlag]:
    if age in _LIMITS:
        return flags.filter(created_at__gte=now - _LIMITS[age])
    return flags.filter(created_at__lt=now - _LIMITS["week"]) if age == "older" else flags


def _behind(flags: QuerySet[ModerationFlag], flag_id: int) -> QuerySet[ModerationFlag]:
    place = ModerationFlag.objects.filter(pk=flag_id).values_list("created_at", flat=True).first()
    if place is None:
        return flags
    # The first condition is what lets the index begin there; the second one settles ties.
    return flags.filter(created_at__gte=place).filter(Q(created_at__gt=place) | Q(id__gt=flag_id))


@dataclass(frozen=True, slots=True)
class SaidAround:
    """A message in the neighbourhood of a flagged one, as it was said."""

    role: str
    text: str
    is_cut: bool
    is_flagged: bool
    is_hidden: bool
    created_at: datetime


def said_around(flag: ModerationFlag) -> list[SaidAround]:
    """The flagged message, what was said before it, and what came of it. Hidden texts are shown: to staff."""
    turn, step = flag.message.turn, flag.message.step
    near = Message.objects.filter(conversation_id=flag.conversation_id).exclude(role=Message.Role.TOOL)
    columns = ("id", "role", "content", "created_at", "turn", "step")
    in_front = near.filter(turn__lte=turn).filter(Q(turn__lt=turn) | Q(step__lt=step))
    behind = near.filter(turn__gte=turn).filter(Q(turn__gt=turn) | Q(step__gt=step))
    before = list(in_front.order_by("-turn", "-step").values(*columns)[:BEFORE])[::-1]
    own = list(near.filter(id=flag.message_id).values(*columns))
    after = list(behind.order_by("turn", "step").values(*columns)[:AFTER])
    rows = [*before, *own, *after]
    hidden = dict(
        HiddenMessage.objects.filter(message_id__in=[row["id"] for row in rows]).values_list(
            "message_id", "content"
        )
    )
    return [_shown(row, flag, hidden) for row in rows]


def _shown(row: dict[str, Any], flag: ModerationFlag, hidden: dict[Any, str]) -> SaidAround:
    text = hidden.get(row["id"], row["content"])
    return SaidAround(
        role=row["role"],
        text=text[:MOST_SHOWN],
        is_cut=len(text) > MOST_SHOWN,
        is_flagged=row["id"] == flag.message_id,
        is_hidden=row["id"] in hidden,
        created_at=row["created_at"],
    )
