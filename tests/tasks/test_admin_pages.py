"""Staff see a board of tasks and the timelines of executions, and are audited for it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conversations.core.ids import uuid7
from penguin_site.models import AuditEntry
from tasks import board, timelines
from tasks.core.task_states import TaskStatus
from tasks.models import Execution, ExecutionRun
from tests.factories import (
    ApprovalFactory,
    ModelCallFactory,
    QuestionFactory,
    RunFactory,
    ToolCallFactory,
    UserFactory,
)
from tests.site.staff import in_group, told
from tests.tasks.factories import (
    ExecutionFactory,
    ProjectFactory,
    ProjectRunFactory,
    ScheduleFactory,
    TaskFactory,
)

BOARD = "/admin/tasks/task/board/"


@pytest.fixture
def staff(db) -> Client:
    client = Client()
    client.force_login(UserFactory(username="staff", is_staff=True, is_superuser=True))
    return client


def looks() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "object"))


@pytest.mark.parametrize(
    ("factory", "name"),
    [
        (ProjectFactory, "project"),
        (TaskFactory, "task"),
        (ExecutionFactory, "execution"),
        (ProjectRunFactory, "projectrun"),
        (ScheduleFactory, "schedule"),
    ],
)
def test_each_look_is_audited_and_nothing_is_changed(staff, factory, name):
    row = factory()
    page = f"/admin/tasks/{name}/{row.pk}/change/"
    assert staff.get(f"/admin/tasks/{name}/", {"q": "x"}).status_code == 200
    assert staff.get(page).status_code == 200
    assert looks() == [("staff.listed", f"tasks.{name}"), ("staff.looked", f"tasks.{name}:{row.pk}")]
    assert staff.post(page, {"title": "Changed"}).status_code == 403


def test_the_board_has_a_column_for_each_state(staff):
    project = ProjectFactory(name="Website")
    for status in TaskStatus:
        TaskFactory(project=project, status=status.value, title=f"This one is {status}")
    TaskFactory(title="Of no project")
    text = staff.get(BOARD, {"project": str(project.id)}).content.decode()
    for status in TaskStatus:
        assert f"<h2>{status.replace('_', ' ')} (1)</h2>" in text
        assert f"This one is {status}" in text
    assert "Of no project" not in text
    for query in ("", "no id", str(uuid7())):
        assert "Of no project" in staff.get(BOARD, {"project": query}).content.decode()
    assert looks() == [("staff.listed", "tasks.task")] * 4


def test_titles_are_text_on_the_board(staff):
    TaskFactory(title="<script>alert(1)</script>")
    text = staff.get(BOARD).content.decode()
    assert "<script>alert(1)</script>" not in text
    assert "&lt;script&gt;" in text


def test_who_may_not_look_at_tasks_sees_no_board(db):
    for is_staff, status in ((False, 302), (True, 403)):
        client = Client()
        client.force_login(UserFactory(is_staff=is_staff))
        assert client.get(BOARD).status_code == status
    assert looks() == []


@pytest.mark.django_db
def test_a_board_counts_all_and_shows_the_tasks_changed_last_in_two_statements():
    owner, now = UserFactory(), datetime.now(UTC)
    for n in range(board.MOST_CARDS + 5):
        TaskFactory(owner=owner, title=str(n), updated_at=now - timedelta(minutes=n))
    TaskFactory()
    with CaptureQueriesContext(connection) as captured:
        columns = {column.status: column for column in board.columns(owner_id=owner.id)}
    assert len(captured) == 2
    active = columns.pop("active")
    assert active.count == board.MOST_CARDS + 5
    assert [task.title for task in active.tasks] == [str(n) for n in range(board.MOST_CARDS)]
    assert [column.count for column in columns.values()] == [0] * 7


def worked() -> Execution:
    """An execution whose run asked the model twice, called a tool and asked for a yes and an answer."""
    begin = datetime(2024, 3, 30, 12, tzinfo=UTC)

    def at(seconds: float) -> datetime:
        return begin + timedelta(seconds=seconds)

    execution = ExecutionFactory()
    run = RunFactory(
        conversation=execution.conversation, created_at=at(0), started_at=at(1), finished_at=at(9), attempt=1
    )
    ExecutionRun.objects.create(execution=execution, number=1, run_id=run.id, reason="start")
    ModelCallFactory(run=run, model="first", started_at=at(1), finished_at=at(3.5), cost_micros=1_234)
    ModelCallFactory(run=run, model="second", started_at=at(6), cost_micros=None)
    tool = ToolCallFactory(
        run=run,
        name="read_file",
        status="succeeded",
        summary="# Contents",
        created_at=at(4),
        started_at=at(4),
        finished_at=at(5),
    )
    ApprovalFactory(tool_call=tool, created_at=at(4.5), status="approved", resolved_at=at(4.75))
    asking = ToolCallFactory(run=run, name="ask_user", status="started", created_at=at(7), started_at=at(7))
    QuestionFactory(tool_call=asking, text="Which one?", created_at=at(8))
    RunFactory(conversation=execution.conversation, created_at=at(2))  # of the same session, but not its own
    return execution


@pytest.mark.django_db
def test_a_timeline_has_all_of_an_execution_in_order():
    execution = worked()
    with CaptureQueriesContext(connection) as captured:
        entries = timelines.timeline(execution)
    assert len(captured) == 7
    assert [(entry.kind, entry.name, entry.status) for entry in entries] == [
        ("run", "start", "completed"),
        ("model", "first", "succeeded"),
        ("tool", "read_file", "succeeded"),
        ("approval", "read_file", "approved"),
        ("model", "second", "succeeded"),
        ("tool", "ask_user", "started"),
        ("question", "ask_user", "open"),
    ]
    assert [entry.seconds for entry in entries] == [8.0, 2.5, 1.0, 0.25, None, None, None]
    assert [entry.cost_micros for entry in entries if entry.kind == "model"] == [1_234, None]
    assert (entries[2].text, entries[1].tokens) == ("# Contents", 120)


def test_the_page_of_an_execution_shows_its_timeline(staff):
    text = staff.get(f"/admin/tasks/execution/{worked().pk}/change/").content.decode()
    for piece in ("read_file", "# Contents", "0.001234", "Which one?"):
        assert piece in text
    empty = staff.get(f"/admin/tasks/execution/{ExecutionFactory().pk}/change/").content.decode()
    assert "Nothing yet" in empty


def test_the_list_of_executions_can_be_narrowed_to_a_task(staff):
    execution, other = ExecutionFactory(), ExecutionFactory()
    page = staff.get("/admin/tasks/execution/", {"task__id__exact": str(execution.task_id)})
    assert page.status_code == 200, page.headers
    assert str(execution.id) in page.content.decode()
    assert str(other.id) not in page.content.decode()


def test_staff_reviews_what_an_agent_says_is_done(staff):
    task = TaskFactory(status="pending_review", result="All of it.", title="\u202egnp")
    page, review = f"/admin/tasks/task/{task.pk}/change/", f"/admin/tasks/task/{task.pk}/review/"
    text = staff.get(page).content.decode()
    assert "All of it." in text
    assert "⟨U+202E⟩gnp" in text
    assert told(staff.post(review, {"decision": "reopen", "text": "No tests"})) == ["The task is active."]
    task.refresh_from_db()
    assert (task.status, task.feedback) == ("active", "No tests")
    (refusal,) = told(staff.post(review, {"decision": "complete"}))
    assert "cannot become completed" in refusal
    assert told(staff.post(review, {"decision": "burn"})) == ["decision: complete or reopen"]
    task.status = "pending_review"
    task.save()
    assert told(staff.post(review, {"decision": "complete", "text": "Good"})) == ["The task is completed."]
    done = [
        (entry.action, entry.after)
        for entry in AuditEntry.objects.filter(action__startswith="task.").order_by("id")
    ]
    assert done == [
        ("task.reopened", {"status": "active", "text": "No tests"}),
        ("task.completed", {"status": "completed", "text": "Good"}),
    ]
    auditor = in_group("auditor")
    assert b'value="reopen"' not in auditor.get(page).content
    assert auditor.post(review, {"decision": "reopen"}).status_code == 403


def test_staff_pauses_resumes_and_cancels_an_execution(staff):
    execution = ExecutionFactory(status="queued", task__status="running")
    page, steer = (f"/admin/tasks/execution/{execution.pk}/{what}/" for what in ("change", "steer"))

    def wishes() -> set[str]:
        return set(re.findall(r'name="wish" value="(\w+)"', staff.get(page).content.decode()))

    assert wishes() == {"pause", "cancel"}
    assert told(staff.post(steer, {"wish": "pause"})) == ["The execution is paused."]
    assert wishes() == {"resume", "cancel"}
    assert told(staff.post(steer, {"wish": "resume"})) == ["The execution is queued."]
    assert told(staff.post(steer, {"wish": "cancel"})) == ["The execution is cancelled."]
    assert wishes() == set()
    (refusal,) = told(staff.post(steer, {"wish": "pause"}))
    assert "cannot be paused" in refusal
    assert told(staff.post(steer, {"wish": "burn"})) == ["wish: choose from cancel, pause, resume"]
    wished = AuditEntry.objects.filter(action__startswith="execution.").values_list("action", flat=True)
    assert list(wished.order_by("id")) == [
        "execution.pause",
        "execution.resume",
        "execution.cancel",
        "execution.pause",
    ]
    assert in_group("auditor").post(steer, {"wish": "cancel"}).status_code == 403
