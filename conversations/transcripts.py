"""What was said in a conversation, read page by page."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet

from conversations.models import Conversation, Message
from penguin_site.errors import InvalidField, NotFound

PAGE = 500


class MessageNotFound(NotFound):
    """There is no such message."""


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages in the order they were said; `before` names the page in front of them (None at the start)."""

    messages: list[Message]
    before: UUID | None


def get_message(*, owner_id: int, message_id: UUID) -> Message:
    try:
        return Message.objects.get(id=message_id, owner_id=owner_id)
    except Message.DoesNotExist:
        raise MessageNotFound from None


def newest_messages(conversation: Conversation, *, limit: int, before: UUID | None = None) -> MessagePage:
    """The last `limit` messages, or the last ones in front of the message `before`."""
    messages = Message.objects.filter(conversation_id=conversation.id)
    if before is not None:
        messages = _in_front_of(messages, before)
    found = list(messages.order_by("-turn", "-step")[: limit + 1])
    page = found[:limit][::-1]
    return MessagePage(page, page[0].id if len(found) > limit else None)


def _in_front_of(messages: QuerySet[Message], message_id: UUID) -> QuerySet[Message]:
    place = messages.filter(id=message_id).values_list("turn", "step").first()
    if place is None:
        error = InvalidField("before", "no message of this conversation has this id.")
        error.errors[0]["loc"] = ["query", "before"]
        raise error
    turn, step = place
    return messages.filter(turn__lte=turn).filter(Q(turn__lt=turn) | Q(step__lt=step))


def all_messages(conversation: Conversation) -> Iterator[Message]:
    """Every message from the first on, fetched page by page, so that its length does not matter."""
    messages = Message.objects.filter(conversation_id=conversation.id).order_by("turn", "step")
    page = list(messages[:PAGE])
    while page:
        yield from page
        turn, step = page[-1].turn, page[-1].step
        page = list(messages.filter(turn__gte=turn).filter(Q(turn__gt=turn) | Q(step__gt=step))[:PAGE])
