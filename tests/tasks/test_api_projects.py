"""Projects over REST: make, list, read, change, delete."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations.models import Conversation
from tasks.core.task_states import TaskStatus
from tasks.models import Execution, Project, Task
from tests.tasks.factories import (
    ExecutionFactory,
    ProjectFactory,
    ProjectRunFactory,
    TaskFactory,
)

LIST = "/api/v1/projects"
JSON = {"content_type": "application/json"}


def url(project: Project) -> str:
    return f"{LIST}/{project.id}"


def error_of(response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def counts(**named: int) -> dict[str, int]:
    return {status.value: 0 for status in TaskStatus} | named


# --- make


def test_a_project_is_made_and_answered_whole(api, person):
    response = api.post(LIST, {"name": "Website", "description": "React and FastAPI"}, **JSON)
    assert response.status_code == 200, response.content
    project = Project.objects.get()
    assert project.owner == person
    body = response.json()
    moments = (body.pop("created_at"), body.pop("updated_at"))
    assert moments[0] == moments[1]
    assert datetime.fromisoformat(moments[0]) == project.created_at
    assert body == {
        "id": str(project.id),
        "name": "Website",
        "description": "React and FastAPI",
        "status": "active",
        "directory": None,
        "review_required": True,
        "on_unknown": "ask",
        "task_counts": counts(),
    }


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "  \n"}, "name"),
        ({"name": None}, "name"),
        ({"name": 5}, "name"),
        ({"name": ["a"]}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a", "description": 5}, "description"),
        ({"name": "a", "description": "x" * 100_001}, "description"),
        ({"name": "a", "review_required": "true"}, "review_required"),
        ({"name": "a", "on_unknown": "guess"}, "on_unknown"),
        ({"name": "a", "directory": 5}, "directory"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value)[:40],
)
def test_a_wrong_project_is_refused_with_its_field(api, body, field):
    response = api.post(LIST, body, **JSON)
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["body", field]
    assert not Project.objects.exists()


@pytest.mark.parametrize("body", [["name"], "name", None, 5, {"name": "a\x00b"}], ids=repr)
def test_a_body_that_is_no_object_or_no_text_is_refused(api, body):
    assert api.post(LIST, body, **JSON).status_code == 400


def test_a_name_is_unique_among_ones_own(api, person, client_for):
    ProjectFactory(owner=person, name="Website")
    assert error_of(api.post(LIST, {"name": "Website"}, **JSON)) == (409, "project_exists")
    assert error_of(api.post(LIST, {"name": " Website "}, **JSON)) == (409, "project_exists")
    assert Project.objects.count() == 1
    other = ProjectFactory(name="Another's")
    assert client_for(other.owner).post(LIST, {"name": "Website"}, **JSON).status_code == 200


def test_a_repeated_request_with_its_key_makes_one_project(api):
    headers = {"Idempotency-Key": "one"}
    first = api.post(LIST, {"name": "Website"}, headers=headers, **JSON)
    again = api.post(LIST, {"name": "Website"}, headers=headers, **JSON)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    other = api.post(LIST, {"name": "Another"}, headers=headers, **JSON)
    assert error_of(other) == (409, "idempotency_mismatch")


def test_a_refused_name_leaves_its_key_free(api, person):
    ProjectFactory(owner=person, name="Website")
    headers = {"Idempotency-Key": "one"}
    assert api.post(LIST, {"name": "Website"}, headers=headers, **JSON).status_code == 409
    assert api.post(LIST, {"name": "Webshop"}, headers=headers, **JSON).status_code == 200


def test_a_directory_is_looked_up_as_a_sessions_is(owner_api, tmp_path):
    folder = tmp_path / "repo"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    made = owner_api.post(LIST, {"name": "a", "directory": str(tmp_path / "link")}, **JSON)
    assert made.json()["directory"] == str(folder.resolve())
    project = Project.objects.get()
    assert project.directory_inode == folder.stat().st_ino
    for wrong in (str(tmp_path / "missing"), "repo", "/etc", "/", ""):
        response = owner_api.post(LIST, {"name": "b", "directory": wrong}, **JSON)
        assert response.status_code == 400, wrong
    changed = owner_api.patch(url(project), {"directory": None}, **JSON)
    assert changed.json()["directory"] is None
    project.refresh_from_db()
    assert (project.directory, project.directory_inode) == (None, None)


def test_another_persons_workspace_is_no_directory_of_a_project(api, settings):
    foreign = settings.PENGUIN_WORKSPACE / "users" / "0"
    foreign.mkdir(parents=True)
    response = api.post(LIST, {"name": "a", "directory": str(foreign)}, **JSON)
    assert error_of(response) == (400, "invalid_directory")


def test_a_key_needs_the_scope_to_change_but_not_to_look(client_for, person):
    project = ProjectFactory(owner=person)
    chatting = client_for(person, "read", "chat")
    assert chatting.get(url(project)).status_code == 200
    assert error_of(chatting.post(LIST, {"name": "a"}, **JSON)) == (403, "scope_missing")
    assert error_of(chatting.patch(url(project), {}, **JSON)) == (403, "scope_missing")
    assert error_of(chatting.delete(url(project))) == (403, "scope_missing")


# --- list


def test_the_list_counts_tasks_by_state(api, person):
    project = ProjectFactory(owner=person)
    empty = ProjectFactory(owner=person)
    TaskFactory.create_batch(2, project=project)
    TaskFactory(project=project, status="completed")
    TaskFactory(owner=person)  # of no project
    ProjectFactory()
    rows = {row["id"]: row["task_counts"] for row in api.get(LIST).json()["projects"]}
    assert rows == {str(project.id): counts(active=2, completed=1), str(empty.id): counts()}


def test_pages_of_projects_miss_and_repeat_nothing(api, person):
    now = datetime.now(UTC)
    expected = [
        str(ProjectFactory(owner=person, created_at=now - timedelta(minutes=n // 3)).id) for n in range(8)
    ]
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        body = api.get(LIST, {"limit": 3, "cursor": cursor}).json()
        seen += [row["id"] for row in body["projects"]]
        cursor = body["next_cursor"]
        ProjectFactory(owner=person, created_at=now + timedelta(minutes=len(seen)))
    assert sorted(seen) == sorted(expected)


def test_projects_are_found_by_status_and_text(api, person):
    one = ProjectFactory(owner=person, name="Website", description="in React")
    two = ProjectFactory(owner=person, name="100% done", status="archived")

    def found(**query: str) -> set[str]:
        return {row["id"] for row in api.get(LIST, query).json()["projects"]}

    assert found() == {str(one.id), str(two.id)}
    assert found(status="archived") == {str(two.id)}
    assert found(q="REACT") == {str(one.id)}
    assert found(q="%") == {str(two.id)}
    assert found(q="%", status="active") == set()


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "x" * 201}, "cursor"),
        ({"status": "closed"}, "status"),
        ({"q": "x" * 201}, "q"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value)[:30],
)
def test_a_wrong_query_is_refused_with_its_field(api, query, field):
    response = api.get(LIST, query)
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["query", field]


def test_the_number_of_statements_does_not_grow_with_the_projects(api, person):
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert api.get(LIST, {"limit": 200}).status_code == 200
        return len(captured)

    statements()  # looks the key up
    TaskFactory(project=ProjectFactory(owner=person))
    few = statements()
    for project in ProjectFactory.create_batch(15, owner=person):
        TaskFactory.create_batch(2, project=project)
    assert statements() == few


# --- read, change, delete


def test_a_project_is_read_with_its_newest_tasks(api, person):
    project = ProjectFactory(owner=person)
    now = datetime.now(UTC)
    made = [TaskFactory(project=project, created_at=now - timedelta(hours=n)) for n in range(3)]
    TaskFactory(owner=person)
    body = api.get(url(project), {"limit": 2}).json()
    assert [task["id"] for task in body["tasks"]] == [str(task.id) for task in made[:2]]
    assert body["task_counts"] == counts(active=3)
    rest = api.get("/api/v1/tasks", {"project_id": project.id, "cursor": body["next_cursor"]}).json()
    assert [task["id"] for task in rest["tasks"]] == [str(made[2].id)]


def test_what_a_change_names_changes(api, person):
    project = ProjectFactory(owner=person, name="old", description="stays")
    response = api.patch(
        url(project), {"name": "new", "review_required": False, "on_unknown": "tell"}, **JSON
    )
    assert response.status_code == 200, response.content
    body = api.get(url(project)).json()
    assert (body["name"], body["description"]) == ("new", "stays")
    assert (body["review_required"], body["on_unknown"]) == (False, "tell")
    assert body["updated_at"] > body["created_at"]
    unchanged = api.patch(url(project), {}, **JSON).json()
    assert unchanged["updated_at"] == body["updated_at"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"name": ""}, 400),
        ({"name": None}, 400),
        ({"status": "gone"}, 400),
        ({"directory": "/no/such/directory"}, 400),
        ({"name": "taken"}, 409),
    ],
    ids=str,
)
def test_a_wrong_change_changes_nothing(api, person, change, status):
    ProjectFactory(owner=person, name="taken")
    project = ProjectFactory(owner=person, name="old")
    response = api.patch(url(project), {"description": "new", **change}, **JSON)
    assert response.status_code == status
    project.refresh_from_db()
    assert (project.name, project.description, project.status) == ("old", "", "active")


def test_an_archived_project_takes_no_tasks_and_has_none_ready(api, person):
    project = ProjectFactory(owner=person)
    task = TaskFactory(project=project)
    assert api.patch(url(project), {"status": "archived"}, **JSON).json()["status"] == "archived"
    assert api.get(f"/api/v1/tasks/{task.id}").json()["ready"] is False
    refused = api.post("/api/v1/tasks", {"project_id": str(project.id), "title": "a"}, **JSON)
    assert error_of(refused) == (409, "project_archived")
    assert error_of(api.post(f"/api/v1/tasks/{task.id}/start")) == (409, "project_archived")
    api.patch(url(project), {"status": "active"}, **JSON)
    assert api.get(f"/api/v1/tasks/{task.id}").json()["ready"] is True


def test_a_deleted_project_takes_its_tasks_along_and_leaves_conversations(api, person):
    project = ProjectFactory(owner=person)
    task, other = TaskFactory(project=project), TaskFactory(owner=person)
    execution = ExecutionFactory(task=task, status="completed")
    response = api.delete(url(project))
    assert (response.status_code, response.json()) == (200, {"id": str(project.id), "deleted": True})
    assert list(Task.objects.all()) == [other]
    assert not Execution.objects.exists()
    assert Conversation.objects.filter(id=execution.conversation_id).exists()
    assert error_of(api.delete(url(project))) == (404, "not_found")


@pytest.mark.parametrize("status", ["queued", "running", "waiting", "paused"])
def test_a_project_at_work_is_neither_deleted_nor_put_away(api, person, status):
    project = ProjectFactory(owner=person)
    execution = ExecutionFactory(task__project=project, status=status)
    for response in (api.delete(url(project)), api.patch(url(project), {"status": "archived"}, **JSON)):
        assert error_of(response) == (409, "project_at_work")
        assert status in response.json()["detail"]
        assert response.json()["execution_id"] == str(execution.id)
    assert Task.objects.filter(project__status="active").count() == 1


def test_a_project_that_is_worked_through_is_not_deleted(api, person):
    project = ProjectFactory(owner=person)
    running = ProjectRunFactory(project=project)
    assert error_of(api.delete(url(project))) == (409, "project_at_work")
    running.status, running.ended_at = "completed", datetime.now(UTC)
    running.save()
    assert api.delete(url(project)).status_code == 200
