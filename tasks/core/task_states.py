"""The states of a task and the moves between them: one table that every change of a status obeys."""

from enum import StrEnum


class TaskStatus(StrEnum):
    ACTIVE = "active"  # to be done: ready, or blocked by what it depends on
    RUNNING = "running"  # an execution works on it, or a person has taken it
    WAITING = "waiting"  # its execution waits for a person, or is paused
    PENDING_REVIEW = "pending_review"  # done, says the agent; a person has to agree
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ARCHIVED = "archived"  # put away


S = TaskStatus

# An execution of these is under way, or a person is at work.
AT_WORK = frozenset({S.RUNNING, S.WAITING})
# Nothing more happens to these unless a person reopens them.
ENDED = frozenset({S.COMPLETED, S.FAILED, S.CANCELLED, S.ARCHIVED})

MOVES: dict[TaskStatus, frozenset[TaskStatus]] = {
    S.ACTIVE: frozenset({S.RUNNING, S.CANCELLED, S.ARCHIVED}),
    S.RUNNING: frozenset(
        {
            S.ACTIVE,  # given back, or its execution ended without a word on the work
            S.WAITING,
            S.PENDING_REVIEW,
            S.COMPLETED,  # by a person, or by the agent where no review is asked for
            S.FAILED,
            S.CANCELLED,
        }
    ),
    S.WAITING: frozenset({S.RUNNING, S.ACTIVE, S.PENDING_REVIEW, S.COMPLETED, S.FAILED, S.CANCELLED}),
    S.PENDING_REVIEW: frozenset({S.ACTIVE, S.COMPLETED, S.CANCELLED, S.ARCHIVED}),
    S.COMPLETED: frozenset({S.ACTIVE, S.ARCHIVED}),
    S.FAILED: frozenset({S.ACTIVE, S.CANCELLED, S.ARCHIVED}),
    S.CANCELLED: frozenset({S.ACTIVE, S.ARCHIVED}),
    S.ARCHIVED: frozenset({S.ACTIVE}),
}


def may_move(source: TaskStatus, target: TaskStatus) -> bool:
    return target in MOVES[source]


def sources_of(target: TaskStatus) -> frozenset[TaskStatus]:
    """The states from which a task may move to `target`."""
    return frozenset(source for source, targets in MOVES.items() if target in targets)
