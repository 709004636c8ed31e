"""Schedules: over REST, and fired across changes of the clock, long stops, two workers and crashes."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from django.utils import timezone

from conversations.models import Conversation
from tasks import executions, schedules
from tasks.models import Execution, Schedule, Task
from tests.factories import UserFactory
from tests.tasks.factories import (
    DependencyFactory,
    ExecutionFactory,
    ProjectFactory,
    ScheduleFactory,
    TaskFactory,
)

LIST = "/api/v1/schedules"
JSON = {"content_type": "application/json"}
NOW = datetime(2026, 3, 28, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _model(settings, monkeypatch) -> None:
    settings.PENGUIN_MODEL = "openai-chat:scripted"
    monkeypatch.setenv("OPENAI_API_KEY", "scripted")


@pytest.fixture
def task(person) -> Task:
    return TaskFactory(owner=person)


def due(task: Task, **fields: object) -> Schedule:
    """A schedule of each hour, due at NOW."""
    return ScheduleFactory(**{"task": task, "cron": "0 * * * *", "next_at": NOW, **fields})


def after(schedule: Schedule) -> Schedule:
    schedule.refresh_from_db()
    return schedule


# --- REST


def test_a_schedule_is_made_read_changed_and_deleted(api, task):
    body = {"task_id": str(task.id), "cron": " 30 6 * * mon-fri ", "timezone": "Europe/Berlin"}
    made = api.post(LIST, body, **JSON)
    assert made.status_code == 200, made.content
    schedule = made.json()
    assert (schedule["cron"], schedule["timezone"], schedule["enabled"]) == (
        "30 6 * * mon-fri",
        "Europe/Berlin",
        True,
    )
    assert datetime.fromisoformat(schedule["next_at"]) > timezone.now()
    assert (schedule["last_at"], schedule["last_outcome"], schedule["last_execution_id"]) == (None, "", None)
    address = f"{LIST}/{schedule['id']}"
    assert api.get(address).json() == schedule
    off = api.patch(address, {"enabled": False}, **JSON).json()
    assert (off["enabled"], off["next_at"], off["cron"]) == (False, None, schedule["cron"])
    on = api.patch(address, {"enabled": True, "cron": "@daily", "timezone": "UTC"}, **JSON).json()
    tomorrow = timezone.now().date() + timedelta(days=1)
    assert datetime.fromisoformat(on["next_at"]) == datetime(
        tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=UTC
    )
    assert api.delete(address).json() == {"id": schedule["id"], "deleted": True}
    assert api.get(address).status_code == 404


@pytest.mark.parametrize(
    "change, field",
    [
        ({"cron": "* * * *"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": ""}, "cron"),
        ({"cron": 5}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../etc/passwd"}, "timezone"),
        ({"timezone": None}, "timezone"),
        ({"enabled": "true"}, "enabled"),
    ],
)
def test_what_is_wrong_is_named_and_changes_nothing(api, task, change, field):
    response = api.post(LIST, {"task_id": str(task.id), "cron": "@daily", **change}, **JSON)
    assert (response.status_code, response.json()["code"]) == (400, "validation_error"), response.content
    assert response.json()["errors"][0]["loc"] == ["body", field]
    schedule = ScheduleFactory(task=task)
    response = api.patch(f"{LIST}/{schedule.id}", change, **JSON)
    assert response.status_code == 400
    before = (schedule.cron, schedule.timezone, schedule.next_at)
    assert (after(schedule).cron, schedule.timezone, schedule.next_at) == before
    assert Schedule.objects.count() == 1


def test_anothers_task_cannot_be_scheduled(api):
    foreign = TaskFactory()
    response = api.post(LIST, {"task_id": str(foreign.id), "cron": "@daily"}, **JSON)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert api.get(LIST, {"task_id": str(foreign.id)}).status_code == 404


def test_the_list_is_ones_own_paged_in_a_constant_number_of_statements(
    api, person, task, django_assert_max_num_queries
):
    ScheduleFactory()
    made = [ScheduleFactory(task=task, created_at=NOW + timedelta(minutes=number)) for number in range(5)]
    other = ScheduleFactory(task__owner=person)
    api.get(LIST)
    with django_assert_max_num_queries(3):
        page = api.get(LIST, {"limit": 4}).json()
    rest = api.get(LIST, {"limit": 4, "cursor": page["next_cursor"]}).json()
    shown = [schedule["id"] for schedule in page["schedules"] + rest["schedules"]]
    assert set(shown) == {str(schedule.id) for schedule in [*made, other]}
    assert rest["next_cursor"] is None
    mine = api.get(LIST, {"task_id": str(task.id)}).json()["schedules"]
    assert [schedule["id"] for schedule in mine] == [str(schedule.id) for schedule in reversed(made)]


def test_it_takes_the_scope_for_tasks(client_for, person, task):
    reader = client_for(person, "read")
    response = reader.post(LIST, {"task_id": str(task.id), "cron": "@daily"}, **JSON)
    assert response.status_code == 403
    assert reader.get(LIST).status_code == 200


def test_a_key_repeated_makes_one_schedule(api, task):
    body = {"task_id": str(task.id), "cron": "@daily"}
    first, second = (
        api.post(LIST, body, headers={"Idempotency-Key": "once"}, **JSON).json() for _ in range(2)
    )
    assert first == second
    assert Schedule.objects.count() == 1


# --- firing


def test_what_is_due_starts_its_task_and_moves_on(task):
    schedule = due(task)
    fired = schedules.fire_due(now=NOW + timedelta(seconds=3))
    assert (fired.started, fired.skipped) == (1, 0)
    execution = Execution.objects.get(task=task)
    assert (execution.status, execution.owner_id) == ("queued", task.owner_id)
    after(schedule)
    assert (schedule.last_outcome, schedule.last_execution_id) == ("started", execution.id)
    assert (schedule.last_at, schedule.last_missed) == (NOW + timedelta(seconds=3), 0)
    assert schedule.next_at == NOW + timedelta(hours=1)
    task.refresh_from_db()
    assert task.status == "running"
    assert schedules.fire_due(now=NOW + timedelta(minutes=1)).started == 0


def test_what_is_not_due_or_not_enabled_is_left(task):
    due(task, next_at=NOW + timedelta(seconds=1))
    due(task, enabled=False, next_at=None)
    assert schedules.fire_due(now=NOW).started == 0
    assert not Execution.objects.exists()


def test_a_long_stop_is_made_up_for_by_one_firing(task):
    schedule = due(task)
    now = NOW + timedelta(days=2, minutes=30)
    assert schedules.fire_due(now=now).started == 1
    after(schedule)
    assert schedule.last_missed == 48
    assert schedule.next_at == NOW + timedelta(days=2, hours=1)
    assert Execution.objects.count() == 1


def test_a_year_of_minutes_is_not_counted_out(task):
    schedule = due(task, cron="* * * * *")
    schedules.fire_due(now=NOW + timedelta(days=365))
    assert after(schedule).last_missed == schedules.MOST_MISSED


def test_nine_o_clock_stays_nine_when_the_clock_changes(person):
    """Every morning from the Friday before to the Monday after, and the leap in between."""
    task = TaskFactory(owner=person, project=ProjectFactory(owner=person, review_required=False))
    schedule = due(
        task, cron="0 9 * * *", timezone="Europe/Berlin", next_at=datetime(2026, 3, 27, 8, tzinfo=UTC)
    )
    leap = due(
        TaskFactory(owner=person),
        cron="30 2 29 3 *",
        timezone="Europe/Berlin",
        next_at=datetime(2026, 3, 29, 1, tzinfo=UTC),
    )
    started = []
    for minutes in range(0, 4 * 24 * 60, 30):
        now = datetime(2026, 3, 27, 0, tzinfo=UTC) + timedelta(minutes=minutes)
        if schedules.fire_due(now=now).started:
            started.append(now.strftime("%d %H:%M"))
            Execution.objects.update(status="completed", ended_at=now)
            Task.objects.update(status="completed", completed_at=now)
    assert started == ["27 08:00", "28 08:00", "29 01:00", "29 07:00", "30 07:00"]
    assert after(schedule).next_at == datetime(2026, 3, 31, 7, tzinfo=UTC)
    assert after(leap).next_at == datetime(2027, 3, 29, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "status, outcome",
    [
        ("active", "started"),
        ("completed", "started"),  # done again
        ("failed", "started"),
        ("running", "skipped: running"),  # a person has taken it
        ("pending_review", "skipped: pending_review"),
        ("cancelled", "skipped: cancelled"),
        ("archived", "skipped: archived"),
    ],
)
def test_what_becomes_of_a_firing_by_the_state_of_its_task(person, status, outcome):
    task = TaskFactory(owner=person, status=status)
    schedule = due(task)
    fired = schedules.fire_due(now=NOW)
    assert after(schedule).last_outcome == outcome
    assert (fired.started, fired.skipped) == ((1, 0) if outcome == "started" else (0, 1))
    assert schedule.next_at == NOW + timedelta(hours=1)
    assert Execution.objects.count() == fired.started
    task.refresh_from_db()
    assert task.status == ("running" if fired.started else status)


@pytest.mark.parametrize("status", ["queued", "running", "waiting", "paused"])
def test_no_overlap_of_the_same_task(person, status):
    before = ExecutionFactory(task__owner=person, status=status)
    schedule = due(before.task, last_execution=before)
    schedules.fire_due(now=NOW)
    after(schedule)
    assert (schedule.last_outcome, schedule.last_execution_id) == ("skipped: at_work", before.id)
    assert Execution.objects.count() == 1


def test_a_task_that_waits_for_another_is_skipped_as_it_is(person):
    task = TaskFactory(owner=person, status="completed")
    DependencyFactory(task=task)
    schedule = due(task)
    schedules.fire_due(now=NOW)
    assert after(schedule).last_outcome == "skipped: blocked"
    task.refresh_from_db()
    assert task.status == "completed"
    assert task.completed_at is not None


def test_what_is_wrong_with_the_start_is_told(person):
    project = ProjectFactory(owner=person, status="archived")
    schedule = due(TaskFactory(project=project))
    schedules.fire_due(now=NOW)
    assert after(schedule).last_outcome == "failed: project_archived"
    assert not Conversation.objects.filter(owner=person).exists()


def test_nobody_works_for_somebody_who_is_locked_out(task):
    task.owner.is_active = False
    task.owner.save()
    schedule = due(task)
    schedules.fire_due(now=NOW)
    assert after(schedule).last_outcome == "skipped: owner_inactive"


def test_a_mistake_of_ours_with_one_does_not_stop_the_others(person, monkeypatch, caplog):
    broken, sound = TaskFactory(owner=person), TaskFactory(owner=person)
    first, second = due(broken, next_at=NOW - timedelta(minutes=1)), due(sound)
    start = executions.start

    def stumble(*, task: Task, **more: object) -> Execution:
        if task.id == broken.id:
            raise ZeroDivisionError
        return start(task=task, **more)

    monkeypatch.setattr(executions, "start", stumble)
    schedules.fire_due(now=NOW)
    assert after(first).last_outcome == "failed: internal_error"
    assert after(second).last_outcome == "started"
    assert first.next_at > NOW
    assert "could not be fired" in caplog.text


def test_a_rhythm_that_is_none_any_more_fires_once_and_rests(task):
    schedule = due(task, timezone="Old/Zone")
    assert schedules.fire_due(now=NOW).started == 1
    assert after(schedule).next_at is None
    assert schedules.fire_due(now=NOW + timedelta(days=1)).started == 0


def test_a_change_goes_on_from_now(api, task):
    schedule = due(task, next_at=timezone.now() - timedelta(days=3))
    api.patch(f"{LIST}/{schedule.id}", {"cron": "30 * * * *"}, **JSON)
    assert after(schedule).next_at > timezone.now()
    assert schedules.fire_due(now=timezone.now()).started == 0


def test_the_local_owners_schedule_works_with_what_is_theirs(owner_api, api, person, task):
    from penguin_site.principals import local_owner_user

    own = TaskFactory(owner=local_owner_user())
    assert owner_api.post(LIST, {"task_id": str(own.id), "cron": "@daily"}, **JSON).status_code == 200
    assert api.post(LIST, {"task_id": str(task.id), "cron": "@daily"}, **JSON).status_code == 200
    assert schedules.fire_due(now=timezone.now() + timedelta(days=2)).started == 2
    told = {
        execution.task_id: execution.options.get("is_local_owner") for execution in Execution.objects.all()
    }
    assert told == {own.id: True, task.id: None}


# --- two at once, and crashes


def at_once(number: int, now: datetime) -> int:
    """How many executions that many workers started together."""
    together, started = threading.Barrier(number), []

    def work() -> None:
        try:
            together.wait(30)
            started.append(schedules.fire_due(now=now).started)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(started) == number
    return sum(started)


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_fire_each_schedule_once():
    owner = UserFactory()
    made = [due(TaskFactory(owner=owner)) for _ in range(12)]
    assert at_once(4, NOW) == 12
    assert Execution.objects.count() == 12
    for schedule in made:
        assert after(schedule).next_at == NOW + timedelta(hours=1)
        assert schedule.last_outcome == "started"


@pytest.mark.django_db(transaction=True)
def test_two_schedules_of_one_task_do_not_start_it_twice():
    task = TaskFactory()
    made = [due(task), due(task, cron="*/5 * * * *")]
    assert at_once(3, NOW) == 1
    assert sorted(after(schedule).last_outcome for schedule in made) == ["skipped: at_work", "started"]


@pytest.mark.django_db(transaction=True)
def test_a_crash_in_between_leaves_both_or_neither(monkeypatch):
    """The worker dies behind the start of the execution: nothing of it stays, and the next look does all of it."""
    task = TaskFactory()
    schedule = due(task)

    class Killed(BaseException):
        pass

    start = executions.start

    def start_and_die(**named: object) -> Execution:
        start(**named)
        raise Killed

    monkeypatch.setattr(executions, "start", start_and_die)
    with pytest.raises(Killed):
        schedules.fire_due(now=NOW)
    assert (after(schedule).next_at, schedule.last_at) == (NOW, None)
    assert not Execution.objects.exists()
    assert not Conversation.objects.exists()
    task.refresh_from_db()
    assert task.status == "active"
    monkeypatch.setattr(executions, "start", start)
    assert schedules.fire_due(now=NOW).started == 1
    assert Execution.objects.count() == 1
