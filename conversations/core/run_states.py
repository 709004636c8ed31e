"""The states of a run and the moves between them: one table that every change of a status obeys."""

from enum import StrEnum


class RunStatus(StrEnum):
    QUEUED = "queued"  # accepted; a worker has not taken it yet
    RUNNING = "running"  # a worker holds its lease
    WAITING_APPROVAL = "waiting_approval"  # a tool call waits for a person
    WAITING_INPUT = "waiting_input"  # a question to the person is open
    PAUSED = "paused"  # by hand or by a budget; resumable
    CANCELLING = "cancelling"  # cancel is asked, the worker has not confirmed yet
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


S = RunStatus

TERMINAL = frozenset({S.COMPLETED, S.FAILED, S.CANCELLED, S.TIMED_OUT})
# At most one run of a conversation is in one of these; the rest of its open runs are queued.
ACTIVE = frozenset({S.RUNNING, S.WAITING_APPROVAL, S.WAITING_INPUT, S.PAUSED, S.CANCELLING})
OPEN = ACTIVE | {S.QUEUED}
# A worker holds a lease on these.
LEASED = frozenset({S.RUNNING, S.CANCELLING})
WAITING = frozenset({S.WAITING_APPROVAL, S.WAITING_INPUT})
# It goes on only when somebody has said so.
STANDING = WAITING | {S.PAUSED}

MOVES: dict[RunStatus, frozenset[RunStatus]] = {
    S.QUEUED: frozenset({S.RUNNING, S.PAUSED, S.CANCELLED}),
    S.RUNNING: frozenset(
        {
            S.WAITING_APPROVAL,
            S.WAITING_INPUT,
            S.PAUSED,
            S.QUEUED,  # the worker drains, or its lease expired
            S.CANCELLING,
            S.COMPLETED,
            S.FAILED,
            S.TIMED_OUT,
        }
    ),
    S.WAITING_APPROVAL: frozenset({S.QUEUED, S.PAUSED, S.CANCELLED}),
    S.WAITING_INPUT: frozenset({S.QUEUED, S.PAUSED, S.CANCELLED}),
    # Resumed while a person is still asked something, it waits for them again.
    S.PAUSED: frozenset({S.QUEUED, S.WAITING_APPROVAL, S.WAITING_INPUT, S.CANCELLED}),
    S.CANCELLING: frozenset({S.CANCELLED}),
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
    S.TIMED_OUT: frozenset(),
}


def may_move(source: RunStatus, target: RunStatus) -> bool:
    return target in MOVES[source]


def sources_of(target: RunStatus) -> frozenset[RunStatus]:
    """The states from which a run may move to `target`."""
    return frozenset(source for source, targets in MOVES.items() if target in targets)


def target_of_cancel(status: RunStatus) -> RunStatus | None:
    """What a cancel makes of a run: at once `cancelled`, through its worker `cancelling`, or None (nothing to do)."""
    if status in TERMINAL or status == S.CANCELLING:
        return None
    return S.CANCELLING if status == S.RUNNING else S.CANCELLED
