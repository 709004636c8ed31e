"""People who may read but not write for a while, and warnings."""

from datetime import datetime
from typing import Any
from uuid import UUID

from conversations import log
from conversations.core.log_events import EventType
from conversations.models import Message, UserBlock, UserWarning
from penguin_site.errors import Forbidden


class Blocked(Forbidden):
    """You can read here, but not write: a moderator has blocked this account."""

    code = "account_blocked"


class NotToBeBlocked(Forbidden):
    """Staff cannot be blocked here. An administrator can take their rights."""

    code = "staff_not_blocked"


def check_may_write(user_id: int) -> None:
    """Blocked, with the reason, when a block of this person is in force."""
    block = UserBlock.objects.filter(user_id=user_id, lifted_at__isnull=True).first()
    if block is not None:
        why = f" Reason: {block.reason}" if block.reason else ""
        raise Blocked(
            f"You can read here, but not write: a moderator has blocked this account.{why}",
            reason=block.reason,
        )


def block(user: Any, *, reason: str, by: Any, now: datetime) -> None:
    """Runs that are under way go on; new messages are refused. A block in force stays as it is."""
    if user.is_staff or user.is_superuser:
        raise NotToBeBlocked
    UserBlock.objects.bulk_create(
        [UserBlock(user=user, reason=reason, blocked_by=by, blocked_at=now)], ignore_conflicts=True
    )


def lift(user_id: int, *, by: Any, now: datetime) -> bool:
    """Ends the block of a person; False when there is none."""
    in_force = UserBlock.objects.filter(user_id=user_id, lifted_at__isnull=True)
    return bool(in_force.update(lifted_by=by, lifted_at=now))


def warn(message: Message, *, reason: str, by: Any, now: datetime) -> None:
    """A word to the author, shown beside the message. Of several the last one stands."""
    withdraw(message, by=by, now=now)
    UserWarning.objects.create(
        user_id=message.owner_id, message_id=message.id, reason=reason, warned_by=by, warned_at=now
    )
    _note(message.id, {"warning": reason})


def withdraw(message: Message, *, by: Any, now: datetime) -> bool:
    """Takes the warning about a message back; False when there is none."""
    found = UserWarning.objects.filter(message_id=message.id, withdrawn_at__isnull=True)
    if not found.update(withdrawn_by=by, withdrawn_at=now):
        return False
    _note(message.id, {"warning": None})
    return True


def _note(message_id: UUID, change: dict[str, str | None]) -> None:
    message = Message.objects.select_for_update().get(pk=message_id)
    noted = {**message.metadata, **change}
    message.metadata = {
        name: value for name, value in noted.items() if not (name in change and value is None)
    }
    message.save(update_fields=["metadata"])
    payload = {"message_id": str(message.id), "role": message.role, **change}
    log.append(message.conversation_id, EventType.MESSAGE_MODERATED, payload, run_id=message.run_id)
