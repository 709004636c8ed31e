"""The states of an execution and the moves between them: one table that every change of a status obeys."""

from enum import StrEnum


class ExecutionStatus(StrEnum):
    QUEUED = "queued"  # accepted; its run is not taken by a worker yet
    RUNNING = "running"
    WAITING = "waiting"  # for a person: an approval or an answer
    PAUSED = "paused"  # by hand or by a budget; resumable
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"


class WaitReason(StrEnum):
    """What a waiting or paused execution waits for."""

    APPROVAL = "approval"
    CLARIFICATION = "clarification"
    RECOVERY = "recovery"  # what became of a call whose worker was lost
    BUDGET = "budget"
    PAUSED = "paused"  # by hand


S = ExecutionStatus

TERMINAL = frozenset({S.COMPLETED, S.FAILED, S.CANCELLED, S.TIMED_OUT})
# A task has at most one execution in one of these.
LIVE = frozenset(S) - TERMINAL
# Time does not count against the limit, and somebody can act.
STANDING = frozenset({S.WAITING, S.PAUSED})

# An execution follows the runs of its conversation, and who follows may see a run only when it is further: a queued
# execution may be found completed. What is paused goes on only when somebody says so.
_FOLLOWING = frozenset(S)
MOVES: dict[ExecutionStatus, frozenset[ExecutionStatus]] = {
    S.QUEUED: _FOLLOWING - {S.QUEUED},
    S.RUNNING: _FOLLOWING - {S.RUNNING},
    S.WAITING: _FOLLOWING - {S.WAITING},
    S.PAUSED: frozenset({S.QUEUED, S.FAILED, S.CANCELLED}),
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
    S.TIMED_OUT: frozenset(),
}


def may_move(source: ExecutionStatus, target: ExecutionStatus) -> bool:
    return target in MOVES[source]


def sources_of(target: ExecutionStatus) -> frozenset[ExecutionStatus]:
    """The states from which an execution may move to `target`."""
    return frozenset(source for source, targets in MOVES.items() if target in targets)
