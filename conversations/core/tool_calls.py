"""The states of a tool call and the moves between them, and what its effect class means after a crash."""

from enum import StrEnum


class Effect(StrEnum):
    """What running a call twice would do."""

    READ_ONLY = "read_only"
    IDEMPOTENT = "idempotent"  # the same end, however often
    RECONCILABLE = "reconcilable"  # hashes of what it writes say whether it was applied
    AT_MOST_ONCE = "at_most_once"  # never again by itself


class CallStatus(StrEnum):
    PROPOSED = "proposed"  # the model asked for it
    PENDING_APPROVAL = "pending_approval"
    READY = "ready"
    STARTED = "started"  # its effect may have begun
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"  # its worker was lost and nobody can tell; a person is asked
    RESOLVED_APPLIED = "resolved_applied"
    RESOLVED_NOT_APPLIED = "resolved_not_applied"
    ABANDONED = "abandoned"  # unknown for good


S = CallStatus

MOVES: dict[CallStatus, frozenset[CallStatus]] = {
    S.PROPOSED: frozenset({S.DENIED, S.PENDING_APPROVAL, S.READY, S.CANCELLED, S.FAILED}),
    S.PENDING_APPROVAL: frozenset({S.READY, S.DENIED, S.CANCELLED}),
    # What was ready may have to ask again: a rule, a mode or the file itself has changed since.
    S.READY: frozenset({S.STARTED, S.PENDING_APPROVAL, S.DENIED, S.CANCELLED, S.FAILED}),
    # Again `started`: by the worker that took the run over, for what may run twice.
    S.STARTED: frozenset({S.STARTED, S.SUCCEEDED, S.FAILED, S.CANCELLED, S.UNKNOWN}),
    S.UNKNOWN: frozenset({S.RESOLVED_APPLIED, S.RESOLVED_NOT_APPLIED, S.ABANDONED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.DENIED: frozenset(),
    S.CANCELLED: frozenset(),
    S.RESOLVED_APPLIED: frozenset(),
    S.RESOLVED_NOT_APPLIED: frozenset(),
    S.ABANDONED: frozenset(),
}

ENDED = frozenset(status for status, targets in MOVES.items() if not targets)
# Without an outcome: the run cannot go on to its next model call.
OPEN = frozenset(MOVES) - ENDED

# What a person may say of an unknown call: what they found, or run it again, or end the run.
RECOVERY_CHOICES = ("applied", "not_applied", "retry", "stop")

# What clients are told of an outcome (`action_results[].status`).
OUTCOMES: dict[CallStatus, str] = {
    S.SUCCEEDED: "completed",
    S.FAILED: "error",
    S.DENIED: "denied",
    S.CANCELLED: "cancelled",
    S.UNKNOWN: "unknown",
    S.RESOLVED_APPLIED: "completed",
    S.RESOLVED_NOT_APPLIED: "error",
    S.ABANDONED: "unknown",
}


def may_move(source: CallStatus, target: CallStatus) -> bool:
    return target in MOVES[source]


def sources_of(target: CallStatus) -> frozenset[CallStatus]:
    return frozenset(source for source, targets in MOVES.items() if target in targets)
