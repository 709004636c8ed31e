"""The chores of tasks are known to the workers, and do what is due."""

from datetime import timedelta

import pytest
from django.utils import timezone
from procrastinate.contrib.django import app

from tasks import chores
from tasks.models import Execution
from tests.tasks.factories import ScheduleFactory


@pytest.mark.parametrize(
    "name, cron", [("tasks.chores.fire_schedules", "* * * * *"), ("tasks.chores.tidy_diffs", "*/5 * * * *")]
)
def test_a_worker_knows_when_to_look(name, cron):
    periodic = {task.task.name: task.cron for task in app.periodic_registry.periodic_tasks.values()}
    assert periodic[name] == cron


@pytest.mark.django_db
def test_what_is_due_is_fired_by_the_chore(settings, monkeypatch, caplog):
    settings.PENGUIN_MODEL = "openai-chat:scripted"
    monkeypatch.setenv("OPENAI_API_KEY", "scripted")
    schedule = ScheduleFactory(next_at=timezone.now() - timedelta(seconds=1))
    chores.fire_schedules(0)
    chores.fire_schedules(0)
    schedule.refresh_from_db()
    assert schedule.last_outcome == "started"
    assert Execution.objects.count() == 1
    assert caplog.text.count("1 schedules started their task, 0 did not.") == 1


@pytest.mark.django_db
def test_tidying_up_where_there_is_nothing(caplog):
    chores.tidy_diffs(0)
    assert caplog.text == ""
