"""What an execution does next: a function of what is stored about it and its runs, that any process may call.

It follows the run that is open, and when that has ended, it makes the next one or ends itself. All of it under the
locks of task and execution, so of two callers one finds nothing left to do; and a run is made in the same transaction
that notes it, so a crash leaves both or neither. Workers do not wait for the locks: who has them sees to it already.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from conversations import pauses, runs, turns
from conversations.core.ids import uuid7
from conversations.core.run_states import TERMINAL, RunStatus
from conversations.core.tool_calls import CallStatus
from conversations.llm import registry as models
from conversations.models import Message, Question, Run, ToolCall
from conversations.tools.registry import FINISH_TASK, may_call_tools
from penguin_site.errors import DomainError, TooManyRequests
from tasks import allowances, execution_ends, next_tasks, task_moves
from tasks.core.execution_states import LIVE, ExecutionStatus, WaitReason
from tasks.core.following import Finish, StopReason, followed, must_remind
from tasks.core.task_states import TaskStatus
from tasks.core.task_texts import REMINDER
from tasks.models import Execution, ExecutionRun, Task
from tasks.task_briefs import brief_of

logger = logging.getLogger(__name__)

KIT = "task"
_LIVE = [status.value for status in sorted(LIVE)]


class Reason:
    """Why a run was made."""

    START = "start"
    NEXT_TASK = "next_task"
    NO_FINISH = "no_finish"


def advance(
    execution_id: UUID, *, now: datetime, may_begin: bool = True, base_tree: str = "", wait: bool = False
) -> bool:
    """Takes it as far as it goes by itself; False when somebody else is at it, or at what comes next, just now.

    `may_begin`: its runs may be made here, which is for workers. `base_tree`: what its directory was like before the
    first of them. `wait`: for whoever is at it, who may have looked before the wish was stored that this is about.
    """
    found = Execution.objects.filter(id=execution_id, status__in=_LIVE).values_list("task_id").first()
    if found is None:
        return True
    try:
        with transaction.atomic():
            # The order of locks is task, execution, conversation, run.
            locked = Task.objects.select_for_update(skip_locked=not wait, of=("self",)).select_related(
                "project", "parent"
            )
            task = locked.filter(id=found[0]).first()
            if task is None:
                return False  # before the second lock: who has the first one is about to take it
            execution = (
                Execution.objects.select_for_update(skip_locked=not wait).filter(id=execution_id).first()
            )
            if execution is None or execution.task_id != task.id:
                return False
            if execution.status in _LIVE:
                execution.base_tree = base_tree or execution.base_tree
                _Advance(execution, task, now, may_begin).take()
    except next_tasks.ReadyTaskHeld:
        return False  # nothing of this look is stored: the task that was done is settled with what comes next
    return True


def fail(execution_id: UUID, *, now: datetime) -> None:
    """Ends an execution that cannot be advanced because of a mistake of ours; its run is cancelled."""
    with transaction.atomic():
        task_id = Execution.objects.values_list("task_id", flat=True).get(id=execution_id)
        task = Task.objects.select_for_update(of=("self",)).select_related("project").get(id=task_id)
        execution = Execution.objects.select_for_update().get(id=execution_id)
        if execution.status not in _LIVE:
            return
        if (run := _run_of(execution)) is not None:
            runs.cancel_run(run=run, now=now)
        error = {
            "kind": "internal_error",
            "message": "The execution failed inside the server.",
            "retryable": True,
        }
        execution_ends.end_early(
            execution, task, ExecutionStatus.FAILED, StopReason.FAILED, now=now, error=error
        )


def _run_of(execution: Execution) -> Run | None:
    return Run.objects.select_related("conversation").filter(id=execution.current_run_id).first()


@dataclass(slots=True)
class _Advance:
    """One look at an execution, under its locks."""

    execution: Execution
    task: Task
    now: datetime
    may_begin: bool

    def take(self) -> None:
        execution = self.execution
        run = _run_of(execution)
        allowances.count_use(execution)
        if execution.conversation_id is None or (execution.current_run_id and run is None):
            self._end_early(ExecutionStatus.CANCELLED, StopReason.CONVERSATION_DELETED)
        elif execution.cancel_requested_at is not None:
            self._cancel(run)
        elif run is None:
            self._begin(Reason.START)
        elif RunStatus(run.status) not in TERMINAL:
            self._follow(run)
        elif not ExecutionRun.objects.filter(run_id=run.id, task=self.task).exists():
            self._begin(Reason.NEXT_TASK)  # it has come to this task, and could not begin at once
        else:
            self._judge(run)

    # A run that is open

    def _follow(self, run: Run) -> None:
        execution = self.execution
        try:
            if execution.pause_requested_at is not None:
                run = pauses.pause_run(run=run, now=self.now)
            elif run.pause_reason and self._may_resume(run):
                run = pauses.resume_run(run=run, now=self.now, options=allowances.of_run(self.execution, run))
        except (pauses.RunNotPausable, pauses.RunNotPaused):
            return  # it ended just now, or ends: the next look finds it so
        if run.status != RunStatus.PAUSED:
            self._unpause()
        asked = Question.objects.filter(run_id=run.id, status=Question.Status.OPEN)
        is_recovery = run.status == RunStatus.WAITING_INPUT and not asked.exclude(kind="recovery").exists()
        status, reason = followed(
            RunStatus(run.status), pause_reason=run.pause_reason, is_recovery=is_recovery
        )
        execution_ends.show(execution, self.task, status, reason, now=self.now, run=run)

    def _may_resume(self, run: Run) -> bool:
        if not run.pause_reason.startswith("budget"):
            # By hand at the run itself, or a wish that was taken back.
            return (
                self.execution.status != ExecutionStatus.PAUSED
                or self.execution.wait_reason == WaitReason.PAUSED
            )
        allowances.adopt_raised_budget(self.execution)
        return not allowances.left(self.execution).budget_is_used_up

    def _unpause(self) -> None:
        """From a pause everything goes on by way of the queue."""
        if self.execution.status == ExecutionStatus.PAUSED:
            self.execution.status, self.execution.wait_reason = ExecutionStatus.QUEUED.value, ""

    def _cancel(self, run: Run | None) -> None:
        if run is not None and RunStatus(run.status) not in TERMINAL:
            run = runs.cancel_run(run=run, now=self.now)
            if RunStatus(run.status) not in TERMINAL:
                self._unpause()
                execution_ends.show(
                    self.execution, self.task, ExecutionStatus.RUNNING, None, now=self.now, run=run
                )
                return
            allowances.count_use(self.execution)
        is_late = self.execution.stop_reason == StopReason.TIME_LIMIT
        status = ExecutionStatus.TIMED_OUT if is_late else ExecutionStatus.CANCELLED
        reason = StopReason.TIME_LIMIT if is_late else StopReason.CANCELLED
        self._end_early(status, reason, run)

    # A run that has ended

    def _judge(self, run: Run) -> None:
        match RunStatus(run.status):
            case RunStatus.COMPLETED:
                self._judge_completed(run)
            case RunStatus.FAILED:
                self._end_early(ExecutionStatus.FAILED, StopReason.FAILED, run, error=run.error)
            case RunStatus.TIMED_OUT:
                self._end_early(ExecutionStatus.TIMED_OUT, StopReason.TIME_LIMIT, run)
            case _:
                self._end_early(ExecutionStatus.CANCELLED, StopReason.RUN_CANCELLED, run)

    def _judge_completed(self, run: Run) -> None:
        execution = self.execution
        if finish := _finish_of(run):
            self._settle(*finish, StopReason.FINISHED)
            return
        made = execution.runs.filter(task=self.task)
        reminders = made.filter(reason=Reason.NO_FINISH, number__gt=_last_start(execution, self.task)).count()
        if must_remind(reminders=reminders, has_tools=self._has_tools()):
            self._begin(Reason.NO_FINISH)
        else:
            self._settle(Finish.UNSTATED, _answer_of(run), StopReason.NO_FINISH)

    def _settle(self, finish: Finish, summary: str, reason: StopReason) -> None:
        """The task is done, as far as it will be: the end, or the next one."""
        execution = self.execution
        if not self.may_begin and execution.continuous:
            return  # for a worker to judge, who can go on
        execution_ends.settle_task(execution, self.task, finish, summary, now=self.now)
        if not execution.continuous:
            execution_ends.end(execution, ExecutionStatus.COMPLETED, reason, now=self.now)
            return
        now_left = allowances.left(execution)
        if now_left.time_is_over:
            self._stop(StopReason.TIME_LIMIT)
        elif now_left.budget_is_used_up:
            self._stop(StopReason.BUDGET)
        elif (task := next_tasks.next_task(execution)) is None:
            self._stop(StopReason.NO_READY_TASKS, detail=next_tasks.why_nothing_is_ready(execution))
        else:
            execution.task = self.task = task
            task.status = task_moves.move_task(
                task_id=task.id, target=TaskStatus.RUNNING, now=self.now
            ).status
            self._begin(Reason.NEXT_TASK)

    def _stop(self, reason: StopReason, *, detail: str = "") -> None:
        execution_ends.end(self.execution, ExecutionStatus.COMPLETED, reason, now=self.now, detail=detail)

    def _end_early(
        self,
        status: ExecutionStatus,
        reason: StopReason,
        run: Run | None = None,
        *,
        error: dict[str, Any] | None = None,
    ) -> None:
        partial = _answer_of(run) if run else ""
        execution_ends.end_early(
            self.execution, self.task, status, reason, now=self.now, partial=partial, error=error
        )

    # The next run

    def _begin(self, reason: str) -> None:
        execution = self.execution
        if execution.pause_requested_at is not None:
            self._stand(WaitReason.PAUSED)
            return
        allowances.adopt_raised_budget(execution)
        now_left = allowances.left(execution)
        if not now_left.budget_is_used_up:
            self._unpause()
        if now_left.time_is_over:
            self._end_early(ExecutionStatus.TIMED_OUT, StopReason.TIME_LIMIT, _run_of(execution))
        elif now_left.budget_is_used_up:
            self._stand(WaitReason.BUDGET)
        elif self.may_begin:
            self._make_run(reason)
        else:
            execution_ends.show(execution, self.task, ExecutionStatus.QUEUED, None, now=self.now)

    def _stand(self, reason: WaitReason) -> None:
        execution_ends.show(self.execution, self.task, ExecutionStatus.PAUSED, reason, now=self.now)

    def _make_run(self, reason: str) -> None:
        execution = self.execution
        is_reminder = reason == Reason.NO_FINISH
        text = REMINDER if is_reminder else brief_of(self.task, with_tools=self._has_tools())
        assert execution.conversation
        request = turns.TurnRequest(
            owner_id=execution.owner_id,
            text=text,
            session_id=execution.conversation.session_id,
            options=self._options(),
        )
        try:
            accepted = turns.accept_turn_inside(request, uuid7())
        except TooManyRequests:
            return  # the conversation is busy with what a person says there: the next look tries again
        except DomainError as error:
            told = {"kind": error.code, "message": error.message, "retryable": False}
            self._end_early(ExecutionStatus.FAILED, StopReason.FAILED, error=told)
            return
        number = execution.runs.count() + 1
        ExecutionRun.objects.create(
            execution=execution, task=self.task, number=number, run_id=accepted.run_id, reason=reason
        )
        execution.current_run_id = accepted.run_id
        execution_ends.show(execution, self.task, ExecutionStatus.QUEUED, None, now=self.now)

    def _options(self) -> dict[str, Any]:
        execution, project = self.execution, self.task.project
        options = {**execution.options, **allowances.of_run(execution), "kit": KIT}
        if project is not None:
            options["on_unknown"] = project.on_unknown
        return options

    def _has_tools(self) -> bool:
        try:
            return may_call_tools(models.model_info(models.resolve(self.execution.options.get("model"))))
        except DomainError:
            return False  # its run will say what is wrong with the model


def _finish_of(run: Run) -> tuple[Finish, str] | None:
    """How the agent said it went, and its summary; None when it did not say."""
    calls = ToolCall.objects.filter(run=run, name=FINISH_TASK, status=CallStatus.SUCCEEDED.value)
    call = calls.order_by("-step", "-place").first()
    if call is None:
        return None
    arguments = call.arguments if call.edited_arguments is None else call.edited_arguments
    return Finish(arguments["status"]), arguments["summary"]


def _answer_of(run: Run) -> str:
    """What it said last, so far as it came."""
    answer = Message.objects.filter(id=run.answer_message_id).first()
    if answer is None:
        return ""
    texts = [part["text"] for part in answer.parts if part["type"] == "text" and part["status"] == "complete"]
    return str(answer.content or next((text for text in reversed(texts) if text), ""))


def _last_start(execution: Execution, task: Task) -> int:
    """The number of the run in which it last began this task."""
    began = execution.runs.filter(task=task).exclude(reason=Reason.NO_FINISH)
    return began.order_by("-number").values_list("number", flat=True).first() or 0
