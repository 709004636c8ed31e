"""What staff do about a flag: claim it, decide it, take the decision back. Each is done by one person, and audited.

The conversation's row is locked first, as everywhere. Then the flag moves by a conditional UPDATE: of two moderators
one changes it, and the other is told who did.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from conversations import blocks, hidden_messages, holds, runs
from conversations.core.moderation import FlagOutcome, FlagState
from conversations.models import Conversation, ModerationFlag, UserBlock
from penguin_site import audit
from penguin_site.errors import Conflict, DomainError, Forbidden, InvalidRequest, NotFound

# Somebody who has claimed a flag and gone home does not keep it.
CLAIM_MINUTES = 15
LONGEST_REASON = 500
DECIDE, BLOCK = "conversations.decide_moderationflag", "conversations.block_author"
# What is decided for the whole message, whichever of its flags was looked at.
_OF_THE_MESSAGE = {FlagOutcome.HIDDEN, FlagOutcome.BLOCKED}
_ACTIONS = {
    FlagOutcome.HIDDEN: "moderation.hidden",
    FlagOutcome.RESTORED: "moderation.restored",
    FlagOutcome.DISMISSED: "moderation.dismissed",
    FlagOutcome.WARNED: "moderation.warned",
    FlagOutcome.BLOCKED: "moderation.blocked",
}


class FlagNotFound(NotFound):
    """There is no such flag: its conversation may have been deleted."""


class AlreadyDecided(Conflict):
    """Somebody else has decided this flag."""

    code = "flag_decided"


class Claimed(Conflict):
    """Somebody else is looking at this flag."""

    code = "flag_claimed"


class NotDecided(Conflict):
    """This flag has no such decision: look at it again."""

    code = "flag_not_decided"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one flag of several; `flag` is it as it is now, where something was done."""

    flag_id: int
    flag: ModerationFlag | None
    error: DomainError | None = None


def check_may(user: Any, outcome: FlagOutcome) -> None:
    """Forbidden without the right to this kind of decision."""
    wanted = BLOCK if outcome == FlagOutcome.BLOCKED else DECIDE
    if not user.has_perm(wanted):
        raise Forbidden("You may not do that: ask an administrator for the right.")


def claim(*, flag_id: int, by: Any, now: datetime, request: Any = None) -> ModerationFlag:
    """Tells others that one is looking at it; for so many minutes nobody else decides it."""
    check_may(by, FlagOutcome.DISMISSED)
    with transaction.atomic():
        free = _decidable(by, now).filter(pk=flag_id)
        if not free.update(state=FlagState.CLAIMED.value, claimed_by=by, claimed_at=now):
            raise _refusal(flag_id)
        flag = _get(flag_id)
        audit.record(by, "moderation.claimed", flag, request=request)
    return flag


def release(*, flag_id: int, by: Any, request: Any = None) -> ModerationFlag:
    """Gives one's own claim back."""
    with transaction.atomic():
        mine = ModerationFlag.objects.filter(pk=flag_id, state=FlagState.CLAIMED.value, claimed_by=by)
        if not mine.update(state=FlagState.OPEN.value, claimed_by=None, claimed_at=None):
            raise _refusal(flag_id)
        flag = _get(flag_id)
        audit.record(by, "moderation.released", flag, request=request)
    return flag


def decide(
    *, flag_id: int, outcome: FlagOutcome, reason: str, by: Any, now: datetime, request: Any = None
) -> ModerationFlag:
    """Decides a waiting flag, once. Hiding and blocking settle the message's other flags with it.

    Without a reason its author is given the rule's own; a dismissal needs none. AlreadyDecided and Claimed say who was
    first.
    """
    check_may(by, outcome)
    if outcome == FlagOutcome.RESTORED:
        return restore(flag_id=flag_id, reason=reason, by=by, now=now, request=request)
    if len(reason) > LONGEST_REASON:
        raise InvalidRequest(f"A reason has at most {LONGEST_REASON} characters.")
    with transaction.atomic():
        flag = _lock(flag_id)
        reason = reason.strip() or ("" if outcome == FlagOutcome.DISMISSED else flag.rule.notice)
        if not _decidable(by, now).filter(pk=flag_id).update(**_decision(outcome, reason, by, now)):
            raise _refusal(flag_id)
        if outcome in _OF_THE_MESSAGE:
            others = ModerationFlag.objects.filter(message_id=flag.message_id)
            others.exclude(state=FlagState.DECIDED.value).update(**_decision(outcome, reason, by, now))
        before = {"state": flag.state}
        _carry_out(flag, outcome, reason, by=by, now=now)
        _audit(flag, outcome, before, reason, by=by, request=request)
    return _get(flag_id)


def decide_many(
    *, flag_ids: Sequence[int], outcome: FlagOutcome, reason: str, by: Any, now: datetime, request: Any = None
) -> list[Outcome]:
    """Each by itself: what somebody else has decided meanwhile is left as it is, and named.

    A flag that an earlier one of the same call has settled counts as done.
    """
    check_may(by, outcome)
    outcomes = []
    for flag_id in flag_ids:
        try:
            flag = decide(flag_id=flag_id, outcome=outcome, reason=reason, by=by, now=now, request=request)
            outcomes.append(Outcome(flag_id, flag))
        except DomainError as error:
            known = ModerationFlag.objects.filter(
                pk=flag_id, outcome=outcome.value, decided_by=by, decided_at=now
            ).first()
            outcomes.append(Outcome(flag_id, known, None if known else error))
    return outcomes


def restore(*, flag_id: int, reason: str, by: Any, now: datetime, request: Any = None) -> ModerationFlag:
    """Shows a message again that was hidden for this flag; the decision becomes `restored`."""
    check_may(by, FlagOutcome.RESTORED)
    with transaction.atomic():
        flag = _lock(flag_id)
        hidden = ModerationFlag.objects.filter(
            message_id=flag.message_id, state=FlagState.DECIDED.value, outcome=FlagOutcome.HIDDEN.value
        )
        if not hidden.filter(pk=flag_id).exists():
            raise NotDecided("The message is not hidden by this flag.")
        hidden.update(
            outcome=FlagOutcome.RESTORED.value, reason=reason[:LONGEST_REASON], decided_by=by, decided_at=now
        )
        hidden_messages.show(flag.message)
        _audit(flag, FlagOutcome.RESTORED, {"outcome": flag.outcome}, reason, by=by, request=request)
    return _get(flag_id)


def reopen(*, flag_id: int, by: Any, now: datetime, request: Any = None) -> ModerationFlag:
    """Takes a decision back: what it did is undone, and the flag waits again, with those that were settled with it.

    A run that was cancelled with its hidden message stays cancelled; its author can have it tried again.
    """
    with transaction.atomic():
        flag = _lock(flag_id)
        if flag.state != FlagState.DECIDED.value:
            raise NotDecided
        outcome = FlagOutcome(flag.outcome)
        check_may(by, outcome)
        settled_with_it = ModerationFlag.objects.filter(
            message_id=flag.message_id, outcome=flag.outcome, decided_at=flag.decided_at
        )
        settled_with_it.update(
            state=FlagState.OPEN.value,
            outcome="",
            decided_by=None,
            decided_at=None,
            claimed_by=None,
            claimed_at=None,
            reason="",
        )
        _take_back(flag, outcome, by=by, now=now)
        audit.record(
            by,
            "moderation.reopened",
            flag,
            before={"outcome": flag.outcome, "reason": flag.reason, "decided_by": str(flag.decided_by or "")},
            after={"state": FlagState.OPEN.value},
            request=request,
        )
    return _get(flag_id)


def lift_block(*, block: UserBlock, by: Any, now: datetime, request: Any = None) -> bool:
    """Lets a blocked person write again; False when somebody else has."""
    check_may(by, FlagOutcome.BLOCKED)
    with transaction.atomic():
        if not blocks.lift(block.user_id, by=by, now=now):
            return False
        audit.record(by, "moderation.block_lifted", block, {"reason": block.reason}, None, request)
    return True


def settled_with(flag: ModerationFlag) -> list[int]:
    """The flags of the message that were decided in one with this one, or all that wait with it; itself among them."""
    together = ModerationFlag.objects.filter(message_id=flag.message_id, outcome=flag.outcome)
    together = together.filter(decided_at=flag.decided_at) if flag.decided_at else together
    return list(together.order_by("id").values_list("id", flat=True))


# The database's side


def _decidable(by: Any, now: datetime) -> QuerySet[ModerationFlag]:
    stale = now - timedelta(minutes=CLAIM_MINUTES)
    return ModerationFlag.objects.filter(
        Q(state=FlagState.OPEN.value)
        | Q(state=FlagState.CLAIMED.value, claimed_by=by)
        | Q(state=FlagState.CLAIMED.value, claimed_by=None)
        | Q(state=FlagState.CLAIMED.value, claimed_at__lt=stale)
    )


def _decision(outcome: FlagOutcome, reason: str, by: Any, now: datetime) -> dict[str, Any]:
    return {
        "state": FlagState.DECIDED.value,
        "outcome": outcome.value,
        "reason": reason,
        "decided_by": by,
        "decided_at": now,
    }


def _get(flag_id: int) -> ModerationFlag:
    flags = ModerationFlag.objects.select_related(
        "rule", "author", "message", "conversation", "decided_by", "claimed_by"
    )
    flag = flags.filter(pk=flag_id).first()
    if flag is None:
        raise FlagNotFound
    return flag


def _lock(flag_id: int) -> ModerationFlag:
    """The flag, read anew under its conversation's lock."""
    found = ModerationFlag.objects.filter(pk=flag_id).values_list("conversation_id", flat=True).first()
    if found is None or not Conversation.objects.select_for_update().filter(pk=found).exists():
        raise FlagNotFound
    return _get(flag_id)


def _refusal(flag_id: int) -> DomainError:
    flag = _get(flag_id)
    if flag.state == FlagState.DECIDED.value:
        who = flag.decided_by.get_username() if flag.decided_by else "Somebody"
        return AlreadyDecided(
            f"{who} has already decided this: {flag.outcome}.", decided_by=who, outcome=flag.outcome
        )
    if flag.state == FlagState.CLAIMED.value:
        who = flag.claimed_by.get_username() if flag.claimed_by else "Somebody"
        return Claimed(f"{who} is looking at this one.", claimed_by=who)
    return NotDecided()


def _carry_out(flag: ModerationFlag, outcome: FlagOutcome, reason: str, *, by: Any, now: datetime) -> None:
    if outcome == FlagOutcome.HIDDEN:
        hidden_messages.hide(flag.message, reason=reason, by=by, now=now)
    elif outcome == FlagOutcome.WARNED:
        blocks.warn(flag.message, reason=reason, by=by, now=now)
    elif outcome == FlagOutcome.BLOCKED:
        blocks.block(flag.author, reason=reason, by=by, now=now)
    if outcome in _OF_THE_MESSAGE:
        for run in holds.waiting_for(flag.message_id):
            runs.cancel_run(run=run, now=now)
    else:
        holds.settle(flag.message_id)


def _take_back(flag: ModerationFlag, outcome: FlagOutcome, *, by: Any, now: datetime) -> None:
    if outcome == FlagOutcome.HIDDEN:
        hidden_messages.show(flag.message)
    elif outcome == FlagOutcome.WARNED:
        blocks.withdraw(flag.message, by=by, now=now)
    elif outcome == FlagOutcome.BLOCKED and not _is_blocked_for_more(flag):
        blocks.lift(flag.author_id, by=by, now=now)


def _is_blocked_for_more(flag: ModerationFlag) -> bool:
    """Another message of the same person was a reason to block them, too."""
    blocking = ModerationFlag.objects.filter(
        author_id=flag.author_id, state=FlagState.DECIDED.value, outcome=FlagOutcome.BLOCKED.value
    )
    return blocking.exclude(message_id=flag.message_id).exists()


def _audit(
    flag: ModerationFlag, outcome: FlagOutcome, before: dict[str, Any], reason: str, *, by: Any, request: Any
) -> None:
    after = {
        "outcome": outcome.value,
        "reason": reason,
        "rule": flag.rule.name,
        "message": str(flag.message_id),
        "author": flag.author.get_username(),
    }
    audit.record(by, _ACTIONS[outcome], flag, before=before, after=after, request=request)
