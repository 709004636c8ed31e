"""The routes of executions, without a worker: what is accepted, refused, shown, and how often the database is asked."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conversations.models import Conversation
from tasks.models import Execution, Task
from tests.factories import ConversationFactory
from tests.tasks.factories import DependencyFactory, ExecutionFactory, ProjectFactory, TaskFactory

JSON = "application/json"


def post(api: Client, path: str, body: object = None, **headers):
    return api.post(f"/api/v1/{path}", body or {}, content_type=JSON, headers=headers or None)


def test_the_body_of_a_start(api, person):
    response = post(api, "tasks/execute", {"name": "Generate API documentation", "time_limit": 30})
    body = response.json()
    assert (response.status_code, body["status"]) == (200, "started")
    execution = Execution.objects.get()
    assert (body["execution_id"], body["task_id"]) == (str(execution.id), str(execution.task_id))
    assert body["session_id"] == execution.conversation.session_id
    assert (execution.time_limit_seconds, execution.task.time_limit_seconds) == (1800, 1800)
    assert (execution.status, Task.objects.get().status) == ("queued", "running")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": " "}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "x", "time_limit": 0}, "time_limit"),
        ({"name": "x", "time_limit": "30"}, "time_limit"),
        ({"name": "x", "continuous": "yes"}, "continuous"),
        ({"name": "x", "budget_tokens": -1}, "budget_tokens"),
        ({"name": "x", "session_id": "create"}, "session_id"),
        ({"name": "x", "directory": "relative"}, "directory"),
        ({"name": "x", "agent_mode": "fast"}, "agent_mode"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_refused(api, body, field):
    response = post(api, "tasks/execute", body)
    assert response.status_code == 400
    assert field in str(response.json()["errors"])
    assert not Execution.objects.exists()
    assert not Task.objects.exists()
    assert not Conversation.objects.exists()


def test_a_model_that_is_not_there_is_said(api):
    response = post(api, "tasks/execute", {"name": "x", "model": "nobody:knows"})
    assert (response.status_code, Task.objects.count()) == (400, 0)


def test_a_start_that_is_repeated_happens_once(api):
    key = {"Idempotency-Key": "once"}
    first = post(api, "tasks/execute", {"name": "Once"}, **key)
    again = post(api, "tasks/execute", {"name": "Once"}, **key)
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Execution.objects.count() == 1


def test_who_cannot_wait_here_gets_what_was_started(api):
    """Django's test client sees the first response, as a client of a WSGI server would."""
    response = post(api, "tasks/execute-sync", {"name": "Wait"})
    assert (response.status_code, response.json()["status"]) == (202, "started")
    task = TaskFactory(owner=Execution.objects.get().owner)
    response = post(api, f"tasks/{task.id}/execute?wait=true")
    assert (response.status_code, response.json()["task_id"]) == (202, str(task.id))
    assert post(api, f"tasks/{task.id}/execute?wait=perhaps").status_code == 400


def test_only_what_is_active_and_ready_begins(api, person):
    done = TaskFactory(owner=person, status="completed")
    response = post(api, f"tasks/{done.id}/execute")
    assert (response.status_code, response.json()["code"]) == (409, "wrong_task_state")
    assert "completed" in response.json()["detail"]
    blocked = DependencyFactory(task__owner=person)
    response = post(api, f"tasks/{blocked.task_id}/execute")
    assert (response.status_code, response.json()["code"]) == (409, "task_blocked")
    assert response.json()["blocked_by"] == [str(blocked.depends_on_id)]


def test_a_session_that_is_bound_elsewhere_is_refused(api, person, settings, tmp_path):
    settings.PENGUIN_ALLOWED_ROOTS = [str(tmp_path)]
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    body = {"name": "x", "session_id": "bound", "directory": str(here)}
    assert post(api, "tasks/execute", body).status_code == 200
    Execution.objects.all().delete()
    response = post(api, "tasks/execute", {**body, "directory": str(there)})
    assert (response.status_code, response.json()["code"]) == (409, "directory_conflict")


def test_the_project_s_directory_is_where_its_agents_work(api, person, settings, tmp_path):
    settings.PENGUIN_ALLOWED_ROOTS = [str(tmp_path)]
    here = tmp_path / "here"
    here.mkdir()
    project = post(api, "projects", {"name": "Here", "directory": str(here)}).json()
    body = post(api, "tasks/execute", {"name": "x", "project_id": project["id"]}).json()
    conversation = Conversation.objects.get(session_id=body["session_id"])
    assert conversation.directory == str(here.resolve())


@pytest.mark.parametrize(
    ("what", "body"),
    [("pause", {}), ("resume", {})],
    ids=["pause", "resume"],
)
@pytest.mark.parametrize("status", ["completed", "failed", "cancelled", "timed_out"])
def test_what_has_ended_stays_so(api, person, status, what, body):
    execution = ExecutionFactory(task__owner=person, task__status="pending_review", status=status)
    response = post(api, f"executions/{execution.id}/{what}", body)
    assert (response.status_code, response.json()["code"]) == (409, "wrong_execution_state")
    assert status in response.json()["detail"]
    assert post(api, f"executions/{execution.id}/cancel").json()["status"] == status


def test_what_no_worker_has_begun_ends_and_pauses_at_once(api):
    first = post(api, "tasks/execute", {"name": "First"}).json()["execution_id"]
    assert post(api, f"executions/{first}/cancel").json()["status"] == "cancelled"
    second = post(api, "tasks/execute", {"name": "Second"}).json()["execution_id"]
    response = post(api, f"executions/{second}/pause")
    assert (response.status_code, response.json()["status"]) == (200, "paused")
    assert api.get(f"/api/v1/executions/{second}").json()["wait_reason"] == "paused"
    assert post(api, f"executions/{second}/resume").json()["status"] == "queued"


def test_nothing_is_asked_so_nothing_is_answered(api, person):
    task = TaskFactory(owner=person)
    response = post(api, f"tasks/{task.id}/clarification/resume", {"answer": "Yes."})
    assert (response.status_code, response.json()["code"]) == (409, "no_clarification")


def test_starting_needs_the_scope(client_for, person):
    reader = client_for(person, "read")
    assert post(reader, "tasks/execute", {"name": "x"}).status_code == 403
    assert reader.get("/api/v1/executions").status_code == 200


def test_executions_are_listed_in_a_constant_number_of_statements(api, person):
    counts = []
    assert api.get("/api/v1/executions").status_code == 200  # who asks is known from here on
    for number in (1, 12):
        for _ in range(number):
            ExecutionFactory(task__owner=person, conversation=ConversationFactory(owner=person))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            found = api.get("/api/v1/executions?limit=200").json()["executions"]
        counts.append(len(queries))
    assert (len(found), counts[0]) == (13, counts[1])


def test_executions_are_found_by_task_project_and_state(api, person):
    project = ProjectFactory(owner=person)
    task = TaskFactory(project=project, status="running")
    wanted = ExecutionFactory(task=task, conversation=ConversationFactory(owner=person))
    ExecutionFactory(task__owner=person, task__status="failed", status="failed")
    for query in (f"task_id={task.id}", f"project_id={project.id}", "status=running"):
        found = api.get(f"/api/v1/executions?{query}").json()["executions"]
        assert [one["id"] for one in found] == [str(wanted.id)], query
    assert api.get("/api/v1/executions?status=lost").status_code == 400
    assert api.get(f"/api/v1/executions?task_id={TaskFactory().id}").status_code == 404


def test_the_run_of_a_project_without_a_run(api, person):
    project = ProjectFactory(owner=person)
    assert api.get(f"/api/v1/projects/{project.id}/run").status_code == 404
    response = post(api, f"projects/{project.id}/run", {"parallel": 5})
    assert response.status_code == 400
    response = post(api, f"projects/{project.id}/run")
    assert (response.status_code, response.json()["code"]) == (409, "no_ready_tasks")
