"""Tasks over REST: make, list, read, change, delete; and how they hang together."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tasks import tasks
from tasks.models import Task, TaskDependency
from tests.tasks.factories import DependencyFactory, ExecutionFactory, ProjectFactory, TaskFactory

LIST = "/api/v1/tasks"
JSON = {"content_type": "application/json"}
NO_TASK = "018e8f5a-0000-7000-8000-000000000001"


def url(task: Task) -> str:
    return f"{LIST}/{task.id}"


def error_of(response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


# --- make


def test_a_task_is_made_and_answered_whole(api, person):
    project = ProjectFactory(owner=person)
    parent, first = TaskFactory(project=project), TaskFactory(project=project)
    body = {
        "project_id": str(project.id),
        "parent_task_id": str(parent.id),
        "title": " Landing page ",
        "description": "In React",
        "priority": 5,
        "depends_on": [str(first.id)],
        "acceptance_criteria": ["It works at 360 pixels."],
        "due_at": "2030-04-01",
        "budget_tokens": 200_000,
        "budget_cost_usd": 1.25,
        "time_limit": 30,
    }
    response = api.post(LIST, body, **JSON)
    assert response.status_code == 200, response.content
    answer = response.json()
    assert api.get(f"{LIST}/{answer['id']}").json() == answer
    task = Task.objects.get(id=answer["id"])
    assert (task.owner, task.budget_cost_micros, task.time_limit_seconds) == (person, 1_250_000, 1800)
    assert answer.pop("created_at") == answer.pop("updated_at")
    assert answer == body | {
        "id": str(task.id),
        "title": "Landing page",
        "due_at": "2030-04-01T00:00:00Z",
        "status": "active",
        "ready": False,
        "blocked_by": [str(first.id)],
        "result": "",
        "feedback": "",
        "origin": "person",
        "execution": None,
        "completed_at": None,
    }


def test_a_title_is_enough(api):
    answer = api.post(LIST, {"title": "a"}, **JSON).json()
    assert (answer["status"], answer["ready"], answer["project_id"]) == ("active", True, None)
    limits = [answer[name] for name in ("due_at", "budget_tokens", "budget_cost_usd", "time_limit")]
    assert limits == [None] * 4


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": " "}, "title"),
        ({"title": 5}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"title": "a", "description": None}, "description"),
        ({"title": "a", "priority": "high"}, "priority"),
        ({"title": "a", "priority": 101}, "priority"),
        ({"title": "a", "priority": True}, "priority"),
        ({"title": "a", "priority": 1.5}, "priority"),
        ({"title": "a", "project_id": "no-id"}, "project_id"),
        ({"title": "a", "parent_task_id": 5}, "parent_task_id"),
        ({"title": "a", "depends_on": "id"}, "depends_on"),
        ({"title": "a", "depends_on": None}, "depends_on"),
        ({"title": "a", "depends_on": ["no-id"]}, "depends_on"),
        ({"title": "a", "depends_on": [NO_TASK] * 101}, "depends_on"),
        ({"title": "a", "acceptance_criteria": "one"}, "acceptance_criteria"),
        ({"title": "a", "acceptance_criteria": [""]}, "acceptance_criteria"),
        ({"title": "a", "acceptance_criteria": [{}]}, "acceptance_criteria"),
        ({"title": "a", "acceptance_criteria": ["a"] * 101}, "acceptance_criteria"),
        ({"title": "a", "due_at": "tomorrow"}, "due_at"),
        ({"title": "a", "due_at": 5}, "due_at"),
        ({"title": "a", "budget_tokens": 0}, "budget_tokens"),
        ({"title": "a", "budget_tokens": "10"}, "budget_tokens"),
        ({"title": "a", "budget_cost_usd": 0}, "budget_cost_usd"),
        ({"title": "a", "budget_cost_usd": -1}, "budget_cost_usd"),
        ({"title": "a", "budget_cost_usd": "1"}, "budget_cost_usd"),
        ({"title": "a", "time_limit": 0}, "time_limit"),
        ({"title": "a", "time_limit": -5}, "time_limit"),
        ({"title": "a", "time_limit": "30"}, "time_limit"),
        ({"title": "a", "time_limit": True}, "time_limit"),
        ({"title": "a", "time_limit": 1e9}, "time_limit"),
    ],
    ids=lambda value: value if isinstance(value, str) else str(value)[:50],
)
def test_a_wrong_task_is_refused_with_its_field(api, body, field):
    response = api.post(LIST, body, **JSON)
    assert response.status_code == 400, response.content
    assert response.json()["errors"][0]["loc"][:2] == ["body", field]
    assert not Task.objects.exists()


@pytest.mark.parametrize("field", ["project_id", "parent_task_id", "depends_on"])
@pytest.mark.parametrize("whose", ["nobodys", "anothers"])
def test_what_a_new_task_names_has_to_be_ones_own(api, field, whose):
    found = ProjectFactory() if field == "project_id" else TaskFactory()
    named = str(found.id) if whose == "anothers" else str(uuid4())
    body = {"title": "a", field: [named] if field == "depends_on" else named}
    assert error_of(api.post(LIST, body, **JSON)) == (404, "not_found")
    assert not Task.objects.filter(title="a").exists()


def test_a_repeated_request_with_its_key_makes_one_task(api):
    for _ in range(2):
        assert api.post(LIST, {"title": "a"}, headers={"Idempotency-Key": "one"}, **JSON).status_code == 200
    assert Task.objects.count() == 1


@pytest.mark.parametrize(
    ("sent", "stored", "shown"), [(30, 1800, 30), (0.5, 30, 0.5), (1.5, 90, 1.5), (0.01, 1, 1 / 60)]
)
def test_a_time_limit_is_in_minutes(api, sent, stored, shown):
    answer = api.post(LIST, {"title": "a", "time_limit": sent}, **JSON).json()
    assert Task.objects.get().time_limit_seconds == stored
    assert answer["time_limit"] == shown


# --- how they hang together


def test_a_task_is_ready_when_all_it_depends_on_is_completed(api, person):
    first, second = TaskFactory(owner=person), TaskFactory(owner=person)
    task = api.post(LIST, {"title": "a", "depends_on": [str(first.id), str(second.id)]}, **JSON).json()

    def blocked_by() -> list[str]:
        shown = api.get(f"{LIST}/{task['id']}").json()
        assert shown["ready"] == (not shown["blocked_by"])
        return shown["blocked_by"]

    assert blocked_by() == [str(first.id), str(second.id)]
    for needed, left in ((first, [str(second.id)]), (second, [])):
        api.post(f"{url(needed)}/start", **JSON)
        assert str(needed.id) in blocked_by()  # begun is not done
        api.post(f"{url(needed)}/complete", **JSON)
        assert blocked_by() == left
    # Put away it stays done; sent back it does not.
    api.patch(url(first), {"status": "archived"}, **JSON)
    assert blocked_by() == []
    api.post(f"{url(second)}/reopen", **JSON)
    assert blocked_by() == [str(second.id)]


@pytest.mark.parametrize("status", ["pending_review", "failed", "cancelled", "archived", "waiting"])
def test_only_a_completed_task_lets_others_begin(api, person, status):
    link = DependencyFactory(task__owner=person, depends_on__status=status)
    assert api.get(url(link.task)).json()["ready"] is False


def chain(person, length: int) -> list[Task]:
    """Each depends on the one before it."""
    made = TaskFactory.create_batch(length, owner=person)
    for task, needed in zip(made[1:], made, strict=False):
        DependencyFactory(task=task, depends_on=needed)
    return made


@pytest.mark.parametrize("length", [1, 2, 4])
def test_a_cycle_of_dependencies_is_refused_and_named(api, person, length):
    made = chain(person, length)
    first, last = made[0], made[-1]
    before = TaskDependency.objects.count()
    response = api.patch(url(first), {"depends_on": [str(last.id)], "title": "new"}, **JSON)
    assert error_of(response) == (400, "dependency_cycle")
    assert response.json()["cycle"] == [str(first.id), *(str(task.id) for task in made[::-1])]
    for task in made:
        assert task.title in response.json()["detail"]
    assert TaskDependency.objects.count() == before
    first.refresh_from_db()
    assert first.title != "new"


def test_the_sentence_about_a_long_cycle_is_short(api, person):
    made = chain(person, 30)
    body = api.patch(url(made[0]), {"depends_on": [str(made[-1].id)]}, **JSON).json()
    assert len(body["cycle"]) == 31
    assert body["detail"].endswith(f'"{made[22].title}" -> 21 more -> "{made[0].title}".')


def test_a_cycle_of_parents_is_refused_and_named(api, person):
    top = TaskFactory(owner=person)
    middle = TaskFactory(owner=person, parent=top)
    bottom = TaskFactory(owner=person, parent=middle)
    response = api.patch(url(top), {"parent_task_id": str(bottom.id)}, **JSON)
    assert error_of(response) == (400, "dependency_cycle")
    assert response.json()["cycle"] == [str(task.id) for task in (top, bottom, middle, top)]
    assert error_of(api.patch(url(top), {"parent_task_id": str(top.id)}, **JSON)) == (400, "dependency_cycle")


def test_dependencies_are_replaced_as_a_whole_and_named_twice_count_once(api, person):
    one, two, task = TaskFactory.create_batch(3, owner=person)
    for wanted, stored in (([one, one], [one]), ([two, one], [two, one]), ([two], [two]), ([], [])):
        body = {"depends_on": [str(needed.id) for needed in wanted]}
        answer = api.patch(url(task), body, **JSON).json()
        assert answer["depends_on"] == [str(needed.id) for needed in stored]


def test_linked_tasks_are_of_one_project(api, person):
    project, other = ProjectFactory(owner=person), ProjectFactory(owner=person)
    inside, outside = TaskFactory(project=project), TaskFactory(owner=person)
    for field, value in (("parent_task_id", str(outside.id)), ("depends_on", [str(outside.id)])):
        body = {"title": "a", "project_id": str(project.id), field: value}
        assert error_of(api.post(LIST, body, **JSON)) == (400, "validation_error")
    for linked in (
        TaskFactory(project=project, parent=inside),
        DependencyFactory(task=TaskFactory(project=project), depends_on=inside).task,
    ):
        for task, project_id in ((linked, str(other.id)), (inside, None)):
            refused = api.patch(url(task), {"project_id": project_id}, **JSON)
            assert error_of(refused) == (400, "validation_error")
    assert Task.objects.filter(project=project).count() == 3
    moved = api.patch(url(outside), {"project_id": str(project.id)}, **JSON)
    assert moved.json()["project_id"] == str(project.id)
    linked_now = api.patch(url(outside), {"depends_on": [str(inside.id)]}, **JSON)
    assert linked_now.json()["blocked_by"] == [str(inside.id)]
    # Link and project change together.
    away = api.patch(url(outside), {"depends_on": [], "project_id": None}, **JSON)
    assert (away.status_code, away.json()["project_id"]) == (200, None)


def test_the_working_order_is_priority_then_due_then_age(person):
    now = datetime.now(UTC)
    names = {
        "third": {"priority": 1},
        "first": {"priority": 2, "created_at": now + timedelta(hours=1)},
        "fourth": {"due_at": now + timedelta(days=2), "created_at": now + timedelta(hours=2)},
        "fifth": {"created_at": now - timedelta(days=1)},
        "sixth": {},
        "second": {"priority": 1, "due_at": now},
    }
    for title, columns in names.items():
        TaskFactory(owner=person, title=title, **columns)
    DependencyFactory(
        task__owner=person, task__title="blocked", depends_on__owner=person, depends_on__status="running"
    )
    TaskFactory(project=ProjectFactory(owner=person, status="archived"), title="put away")
    TaskFactory(title="another's")
    order = [task.title for task in tasks.ready_tasks(owner_id=person.id)]
    assert order == ["first", "second", "third", "fourth", "fifth", "sixth"]


# --- list


def found(api, **query: object) -> list[str]:
    response = api.get(LIST, query)
    assert response.status_code == 200, response.content
    return [row["title"] for row in response.json()["tasks"]]


def test_tasks_are_found_by_project_status_text_parent_and_readiness(api, person):
    project = ProjectFactory(owner=person)
    alpha = TaskFactory(project=project, title="alpha", description="Quantum physics")
    TaskFactory(project=project, title="beta", parent=alpha, status="failed")
    gamma = TaskFactory(owner=person, title="gamma 100%")
    DependencyFactory(task=TaskFactory(owner=person, title="delta"), depends_on=gamma)
    TaskFactory(title="foreign")
    assert found(api) == ["delta", "gamma 100%", "beta", "alpha"]
    assert found(api, project_id=project.id) == ["beta", "alpha"]
    assert found(api, project=project.id, status="failed") == ["beta"]
    assert found(api, parent_task_id=alpha.id) == ["beta"]
    assert found(api, q="QUANT") == ["alpha"]
    assert found(api, q="%") == ["gamma 100%"]
    assert found(api, ready="true") == ["gamma 100%", "alpha"]
    assert found(api, ready="false") == ["delta", "beta"]
    assert found(api, ready="true", project_id=project.id) == ["alpha"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "done"}, "status"),
        ({"project_id": "no-id"}, "project_id"),
        ({"project_id": NO_TASK, "project": NO_TASK.replace("1", "2")}, "project"),
        ({"ready": "yes"}, "ready"),
        ({"limit": "0"}, "limit"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"q": "x" * 201}, "q"),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(value),
)
def test_a_wrong_query_is_refused_with_its_field(api, query, field):
    response = api.get(LIST, query)
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["query", field]


def test_the_tasks_of_anothers_project_or_task_are_not_there(api):
    foreign = TaskFactory(parent=TaskFactory(project=ProjectFactory()))
    for name in ("project_id", "project"):
        response = api.get(LIST, {name: foreign.parent.project_id})
        assert error_of(response) == (404, "not_found")
    assert found(api, parent_task_id=foreign.parent_id) == []


def test_a_thousand_tasks_of_a_project_are_listed_in_a_constant_number_of_statements(api, person):
    """Those that are needed, live executions, a project: all of it is there, and costs no statement a task."""
    project = ProjectFactory(owner=person)

    def add(number: int) -> None:
        made = Task.objects.bulk_create(
            Task(owner=person, project=project, title=f"Task {n}", status="active") for n in range(number)
        )
        TaskDependency.objects.bulk_create(
            TaskDependency(task=task, depends_on=needed) for task, needed in zip(made[1:], made, strict=False)
        )
        for task in made[:3]:
            ExecutionFactory(task=task)

    def statements(address: str, **query: object) -> int:
        with CaptureQueriesContext(connection) as captured:
            response = api.get(address, query)
        assert response.status_code == 200
        assert response.json()["tasks"]
        return len(captured)

    def all_statements() -> list[int]:
        return [
            statements(LIST, project_id=project.id, limit=200),
            statements(LIST, project_id=project.id, limit=200, ready="true"),
            statements(f"/api/v1/projects/{project.id}", limit=200),
        ]

    add(4)
    all_statements()  # looks the key up
    few = all_statements()
    add(996)
    assert all_statements() == few
    assert max(few) <= 8
    seen: set[str] = set()
    cursor, pages = "", 0
    while cursor is not None:
        body = api.get(LIST, {"project_id": project.id, "limit": 200, "cursor": cursor}).json()
        seen |= {task["id"] for task in body["tasks"]}
        cursor, pages = body["next_cursor"], pages + 1
    assert (len(seen), pages) == (1000, 5)


def test_a_task_shows_the_execution_under_way_and_no_ended_one(api, person):
    task = TaskFactory(owner=person, status="waiting")
    ExecutionFactory(task=task, status="failed")
    live = ExecutionFactory(task=task, status="waiting", wait_reason="approval")
    shown = {"id": str(live.id), "status": "waiting", "wait_reason": "approval"}
    assert api.get(url(task)).json()["execution"] == shown
    assert api.get(LIST).json()["tasks"][0]["execution"] == shown


# --- change, delete


def test_what_a_change_names_changes(api, person):
    task = TaskFactory(owner=person, title="old", description="stays", budget_tokens=5)
    body = {"title": "new", "budget_tokens": None, "time_limit": 2.5, "acceptance_criteria": ["a"]}
    answer = api.patch(url(task), body, **JSON).json()
    assert {name: answer[name] for name in body} == body
    assert answer["description"] == "stays"
    assert answer["updated_at"] > answer["created_at"]
    assert api.patch(url(task), {}, **JSON).json() == answer


@pytest.mark.parametrize(
    "change",
    [{"title": ""}, {"title": None}, {"status": "done"}, {"status": "waiting"}, {"budget_cost_usd": "1"}],
    ids=str,
)
def test_a_wrong_change_changes_nothing(api, person, change):
    task = TaskFactory(owner=person, title="old")
    response = api.patch(url(task), {"description": "new", **change}, **JSON)
    assert error_of(response) == (400, "validation_error")
    task.refresh_from_db()
    assert (task.title, task.description, task.status) == ("old", "", "active")


def test_a_deleted_task_leaves_its_subtasks_and_blocks_nobody(api, person):
    link = DependencyFactory(task__owner=person)
    child = TaskFactory(owner=person, parent=link.depends_on)
    response = api.delete(url(link.depends_on))
    assert (response.status_code, response.json()["deleted"]) == (200, True)
    child.refresh_from_db()
    assert child.parent is None
    assert api.get(url(link.task)).json()["ready"] is True
    assert error_of(api.delete(url(link.depends_on))) == (404, "not_found")


@pytest.mark.parametrize("status", ["queued", "running", "waiting", "paused"])
def test_a_task_at_work_is_not_deleted_and_keeps_its_project(api, person, status):
    execution = ExecutionFactory(task__owner=person, status=status)
    project = ProjectFactory(owner=person)
    for response in (
        api.delete(url(execution.task)),
        api.patch(url(execution.task), {"project_id": str(project.id)}, **JSON),
    ):
        assert error_of(response) == (409, "task_at_work")
        assert response.json()["status"] == "running"
        assert status in response.json()["detail"]
    # What it says may be made clearer meanwhile.
    assert api.patch(url(execution.task), {"description": "clearer"}, **JSON).status_code == 200
