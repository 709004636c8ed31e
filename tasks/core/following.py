"""What an execution does about the run it sees: it follows an open one, and judges one that has ended."""

from dataclasses import dataclass
from enum import StrEnum

from conversations.core.run_states import RunStatus
from tasks.core.execution_states import ExecutionStatus, WaitReason
from tasks.core.task_states import TaskStatus

# After a run that ended without `finish_task`, the agent is reminded so often.
MOST_REMINDERS = 2


class StopReason(StrEnum):
    """Why an execution ended, as its result says it."""

    FINISHED = "finished"  # the agent called finish_task
    NO_FINISH = "no_finish"  # it answered, and never called finish_task
    NO_READY_TASKS = "no_ready_tasks"  # continuous: nothing is left that can begin
    BUDGET = "budget"  # continuous: used up when the next task would begin
    TIME_LIMIT = "time_limit"
    CANCELLED = "cancelled"
    RUN_CANCELLED = "run_cancelled"  # somebody cancelled the run alone
    CONVERSATION_DELETED = "conversation_deleted"
    FAILED = "failed"


class Finish(StrEnum):
    """How the agent says it went; `unstated` when it does not say."""

    DONE = "done"
    PARTIAL = "partial"
    BLOCKED = "blocked"
    UNSTATED = "unstated"


# Status and wait reason of an execution whose run is open.
_FOLLOWED: dict[RunStatus, tuple[ExecutionStatus, WaitReason | None]] = {
    RunStatus.QUEUED: (ExecutionStatus.QUEUED, None),
    RunStatus.RUNNING: (ExecutionStatus.RUNNING, None),
    RunStatus.CANCELLING: (ExecutionStatus.RUNNING, None),
    RunStatus.WAITING_APPROVAL: (ExecutionStatus.WAITING, WaitReason.APPROVAL),
    RunStatus.WAITING_INPUT: (ExecutionStatus.WAITING, WaitReason.CLARIFICATION),
    RunStatus.PAUSED: (ExecutionStatus.PAUSED, WaitReason.PAUSED),
}


def followed(
    run: RunStatus, *, pause_reason: str = "", is_recovery: bool = False
) -> tuple[ExecutionStatus, WaitReason | None]:
    """What an execution is while its run is that; `is_recovery`: a lost call is asked about, not by the agent."""
    status, reason = _FOLLOWED[run]
    if run is RunStatus.PAUSED and pause_reason.startswith("budget"):
        reason = WaitReason.BUDGET
    if run is RunStatus.WAITING_INPUT and is_recovery:
        reason = WaitReason.RECOVERY
    return status, reason


def task_status_of(status: ExecutionStatus) -> TaskStatus:
    """Of the task that a live execution works on."""
    standing = (ExecutionStatus.WAITING, ExecutionStatus.PAUSED)
    return TaskStatus.WAITING if status in standing else TaskStatus.RUNNING


def task_outcome(finish: Finish, *, review_required: bool) -> TaskStatus:
    """What becomes of a task when the agent ends its work. Only what is done may do without a person's look."""
    if finish is Finish.DONE and not review_required:
        return TaskStatus.COMPLETED
    return TaskStatus.PENDING_REVIEW


def task_after(status: ExecutionStatus) -> TaskStatus:
    """Of the task at which an execution ended before its agent did."""
    return TaskStatus.CANCELLED if status is ExecutionStatus.CANCELLED else TaskStatus.FAILED


@dataclass(frozen=True, slots=True)
class Left:
    """What an execution may still use; None: without limit."""

    seconds: float | None = None
    tokens: int | None = None
    cost_micros: int | None = None

    @property
    def budget_is_used_up(self) -> bool:
        return any(left is not None and left <= 0 for left in (self.tokens, self.cost_micros))

    @property
    def time_is_over(self) -> bool:
        return self.seconds is not None and self.seconds <= 0


def must_remind(*, reminders: int, has_tools: bool) -> bool:
    """Whether a run without `finish_task` is followed by another one. Who has no tools cannot call it."""
    return has_tools and reminders < MOST_REMINDERS
