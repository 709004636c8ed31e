"""Clarifications: what the agent of a task asked a person, and the answer it goes on with."""

from datetime import datetime
from typing import Any
from uuid import UUID

from conversations import answers
from conversations.models import Question
from penguin_site.errors import Conflict
from tasks import executions
from tasks.models import Execution, Task


class NoClarification(Conflict):
    """The agent of this task has asked nothing that is still open."""

    code = "no_clarification"


def open_questions(execution: Execution) -> list[Question]:
    """What is asked about the run of an execution, the oldest first; recovery questions are decided elsewhere."""
    if execution.current_run_id is None:
        return []
    asked = Question.objects.filter(run_id=execution.current_run_id, status=Question.Status.OPEN)
    asked = asked.exclude(kind=Question.Kind.RECOVERY).select_related("conversation", "answered_by")
    return list(asked.order_by("created_at", "id"))


def resume(
    task: Task,
    answer: str,
    *,
    user: Any,
    now: datetime,
    question_id: UUID | None = None,
    request: Any = None,
) -> Execution:
    """Answers the oldest open question of the task's agent, or the one named. Its execution goes on."""
    execution = executions.live_execution(task)
    asked = open_questions(execution) if execution else []
    if question_id is not None:
        asked = [question for question in asked if question.id == question_id]
    if execution is None or not asked:
        raise NoClarification(
            f"The agent of this task asks nothing; the task is {task.status}.", status=task.status
        )
    answers.answer_question(asked[0], answer, user=user, now=now, request=request)
    return executions.refreshed(execution, now=now)
