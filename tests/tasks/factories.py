"""One factory a model of projects and tasks. What a test does not name is made up, and valid."""

from datetime import UTC, datetime, timedelta

import factory
from factory.django import DjangoModelFactory

from tasks.core.execution_states import LIVE, STANDING, ExecutionStatus
from tasks.models import Execution, Project, ProjectRun, Schedule, Task, TaskDependency
from tests.factories import ConversationFactory, UserFactory


def _now() -> datetime:
    return datetime.now(UTC)


class ProjectFactory(DjangoModelFactory):
    class Meta:
        model = Project

    owner = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"Project {n}")
    created_at = factory.LazyFunction(_now)
    updated_at = factory.SelfAttribute("created_at")


class TaskFactory(DjangoModelFactory):
    """A task without a project unless one is given, whose owner it has then."""

    class Meta:
        model = Task

    owner = factory.LazyAttribute(lambda task: task.project.owner if task.project else UserFactory())
    project = None
    title = factory.Sequence(lambda n: f"Task {n}")
    created_at = factory.LazyFunction(_now)
    updated_at = factory.SelfAttribute("created_at")
    completed_at = factory.LazyAttribute(lambda task: _now() if task.status == "completed" else None)
    status = "active"


class DependencyFactory(DjangoModelFactory):
    class Meta:
        model = TaskDependency

    task = factory.SubFactory(TaskFactory)
    depends_on = factory.SubFactory(TaskFactory, owner=factory.SelfAttribute("..task.owner"))


class ProjectRunFactory(DjangoModelFactory):
    class Meta:
        model = ProjectRun

    project = factory.SubFactory(ProjectFactory)
    owner = factory.SelfAttribute("project.owner")
    status = "running"
    created_at = factory.LazyFunction(_now)
    ended_at = factory.LazyAttribute(lambda run: None if run.status == "running" else _now())


class ExecutionFactory(DjangoModelFactory):
    """An execution of a task in the state that belongs to it; its conversation is new, and nothing runs in it."""

    class Meta:
        model = Execution

    task = factory.SubFactory(TaskFactory, status="running")
    owner = factory.SelfAttribute("task.owner")
    conversation = factory.SubFactory(ConversationFactory, owner=factory.SelfAttribute("..owner"))
    status = ExecutionStatus.RUNNING.value
    wait_reason = factory.LazyAttribute(
        lambda execution: "paused" if ExecutionStatus(execution.status) in STANDING else ""
    )
    created_at = factory.LazyFunction(_now)
    ended_at = factory.LazyAttribute(
        lambda execution: None if ExecutionStatus(execution.status) in LIVE else _now()
    )


class ScheduleFactory(DjangoModelFactory):
    class Meta:
        model = Schedule

    task = factory.SubFactory(TaskFactory)
    owner = factory.SelfAttribute("task.owner")
    cron = "0 6 * * *"
    timezone = "UTC"
    next_at = factory.LazyAttribute(lambda schedule: _now() + timedelta(days=1) if schedule.enabled else None)
    enabled = True
    created_at = factory.LazyFunction(_now)
