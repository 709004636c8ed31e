"""What a person does with a task, over REST; and the one function by which its status changes."""

from datetime import UTC, datetime
from itertools import product
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from tasks import task_moves, tasks
from tasks.core.execution_states import LIVE, TERMINAL, ExecutionStatus
from tasks.core.task_states import MOVES, TaskStatus, may_move
from tasks.models import Execution, Task
from tests.tasks.factories import (
    DependencyFactory,
    ExecutionFactory,
    ProjectFactory,
    ProjectRunFactory,
    ScheduleFactory,
    TaskFactory,
)

JSON = {"content_type": "application/json"}
VERBS = {"start": "running", "complete": "completed", "reopen": "active"}
EVERY_STATUS = [status.value for status in TaskStatus]


def act(api, task: Task, verb: str, body: object = None):
    return api.post(f"/api/v1/tasks/{task.id}/{verb}", body or {}, **JSON)


def error_of(response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_person_moves_a_task_by_the_table(api, person, verb):
    target = TaskStatus(VERBS[verb])
    for status in EVERY_STATUS:
        task = TaskFactory(owner=person, status=status)
        response = act(api, task, verb)
        task.refresh_from_db()
        if may_move(TaskStatus(status), target):
            assert (response.status_code, response.json()["status"], task.status) == (200, target, target)
            assert (task.completed_at is not None) == (target == "completed")
            assert task.updated_at > task.created_at
        else:
            assert error_of(response) == (409, "wrong_task_state")
            assert response.json()["status"] == status
            assert f"is {status}" in response.json()["detail"]
            assert task.status == status


@pytest.mark.parametrize("target", [status.value for status in task_moves.BY_PERSON])
def test_a_change_of_the_status_is_the_same_move(api, person, target):
    for status in EVERY_STATUS:
        task = TaskFactory(owner=person, status=status)
        response = api.patch(f"/api/v1/tasks/{task.id}", {"status": target, "title": "new"}, **JSON)
        task.refresh_from_db()
        if target == status or may_move(TaskStatus(status), TaskStatus(target)):
            assert (response.status_code, task.status, task.title) == (200, target, "new")
        else:
            assert error_of(response) == (409, "wrong_task_state")
            assert (task.status, task.title == "new") == (status, False)


def test_a_review_ends_with_a_yes_or_with_feedback(api, person):
    task = TaskFactory(owner=person, status="pending_review", result="The agent's summary.")
    back = act(api, task, "reopen", {"feedback": "The menu covers the title."}).json()
    assert (back["status"], back["feedback"], back["ready"]) == ("active", "The menu covers the title.", True)
    assert back["result"] == "The agent's summary."
    Task.objects.update(status="pending_review")
    done = act(api, task, "complete").json()
    assert (done["status"], done["result"]) == ("completed", "The agent's summary.")
    assert datetime.fromisoformat(done["completed_at"]) <= datetime.now(UTC)
    again = act(api, task, "reopen").json()
    assert (again["completed_at"], again["feedback"]) == (None, "")
    act(api, task, "start")
    assert act(api, task, "complete", {"result": "By hand."}).json()["result"] == "By hand."


@pytest.mark.parametrize(
    ("verb", "body"),
    [
        ("reopen", {"feedback": 5}),
        ("reopen", {"feedback": None}),
        ("complete", {"result": ["a"]}),
        ("reopen", ["a"]),
    ],
    ids=str,
)
def test_a_wrong_word_on_it_is_refused(api, person, verb, body):
    task = TaskFactory(owner=person, status="pending_review")
    assert error_of(act(api, task, verb, body))[0] == 400
    task.refresh_from_db()
    assert task.status == "pending_review"


def test_a_blocked_task_is_not_begun(api, person):
    link = DependencyFactory(task__owner=person)
    response = act(api, link.task, "start")
    assert error_of(response) == (409, "task_blocked")
    assert (response.json()["status"], response.json()["blocked_by"]) == ("active", [str(link.depends_on_id)])
    # The state is what is wrong first.
    Task.objects.filter(id=link.task_id).update(status="failed")
    assert error_of(act(api, link.task, "start")) == (409, "wrong_task_state")


@pytest.mark.parametrize("verb", VERBS)
def test_nobody_moves_a_task_on_which_an_execution_works(api, person, verb):
    for live in sorted(LIVE):
        execution = ExecutionFactory(task__owner=person, status=live.value)
        response = act(api, execution.task, verb)
        assert error_of(response) == (409, "task_at_work")
        assert (response.json()["status"], response.json()["execution_id"]) == ("running", str(execution.id))
        assert api.get(f"/api/v1/tasks/{execution.task_id}").json()["status"] == "running"


def test_an_ended_execution_hinders_nobody(api, person):
    for ended in sorted(TERMINAL):
        execution = ExecutionFactory(task__owner=person, task__status="pending_review", status=ended.value)
        assert act(api, execution.task, "complete").status_code == 200


@pytest.mark.django_db
def test_the_function_for_executions_refuses_what_the_table_does():
    now = datetime.now(UTC)
    for source, target in product(TaskStatus, TaskStatus):
        task = TaskFactory(status=source.value)
        if may_move(source, target):
            moved = task_moves.move_task(task_id=task.id, target=target, now=now, result="so")
            assert (moved.status, moved.result) == (target, "so")
        else:
            with pytest.raises(task_moves.WrongMove, match=f"is {source}"):
                task_moves.move_task(task_id=task.id, target=target, now=now)


@pytest.mark.django_db
def test_a_task_that_is_gone_is_not_moved():
    with pytest.raises(tasks.TaskNotFound):
        task_moves.move_task(task_id=uuid4(), target=TaskStatus.RUNNING, now=datetime.now(UTC))


@pytest.mark.parametrize("target", sorted(set(MOVES) - set(task_moves.BY_PERSON)), ids=str)
def test_what_only_executions_do_nobody_else_can(target, person):
    task = TaskFactory(owner=person, status="running")
    with pytest.raises(ValueError, match=target.value):
        task_moves.set_status(task_id=task.id, owner_id=person.id, target=target, now=datetime.now(UTC))


# --- what the database itself refuses


@pytest.mark.django_db
def test_a_task_has_one_live_execution():
    for first in sorted(LIVE):
        task = ExecutionFactory(status=first.value).task
        with pytest.raises(IntegrityError, match="execution_one_live_per_task"), transaction.atomic():
            ExecutionFactory(task=task, status="queued")
        ExecutionFactory(task=task, status="failed")
        assert Execution.objects.filter(task=task).count() == 2


@pytest.mark.django_db
def test_a_conversation_has_one_live_execution():
    conversation = ExecutionFactory().conversation
    with pytest.raises(IntegrityError, match="execution_one_live_per_conversation"), transaction.atomic():
        ExecutionFactory(conversation=conversation)
    ExecutionFactory(conversation=conversation, status="completed")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("columns", "constraint"),
    [
        ({"status": "completed", "ended_at": None}, "execution_ended_at_its_end"),
        ({"status": "running", "ended_at": datetime(2024, 1, 1, tzinfo=UTC)}, "execution_ended_at_its_end"),
        ({"status": "waiting", "wait_reason": ""}, "execution_says_what_it_waits_for"),
        ({"status": "running", "wait_reason": "budget"}, "execution_says_what_it_waits_for"),
        (
            {"status": "paused", "wait_reason": "budget", "running_since": datetime(2024, 1, 1, tzinfo=UTC)},
            "execution_time_runs_while_running",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else value["status"],
)
def test_an_execution_contradicts_itself_in_no_row(columns, constraint):
    execution = ExecutionFactory()
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        Execution.objects.filter(id=execution.id).update(**columns)


@pytest.mark.django_db
def test_every_status_fits_into_its_column():
    for status in ExecutionStatus:
        assert ExecutionFactory(status=status.value).status == status
    for status in TaskStatus:
        assert TaskFactory(status=status.value).status == status


@pytest.mark.django_db
def test_a_deleted_conversation_leaves_what_is_known_of_its_execution(api, person):
    execution = ExecutionFactory(task__owner=person, task__status="completed", status="completed")
    session_id = execution.conversation.session_id
    assert api.delete(f"/api/v1/conversations/{session_id}").status_code == 200
    execution.refresh_from_db()
    assert (execution.conversation, execution.status) == (None, "completed")


@pytest.mark.django_db
def test_a_deleted_person_takes_all_of_it_along(person):
    task = TaskFactory(project=ProjectFactory(owner=person))
    execution = ExecutionFactory(task=task, project_run=ProjectRunFactory(project=task.project))
    ScheduleFactory(task=task)
    TaskFactory(owner=person, parent=TaskFactory(owner=person), added_by=execution)
    other = TaskFactory()
    person.delete()
    assert list(Task.objects.all()) == [other]
    assert not Execution.objects.exists()
