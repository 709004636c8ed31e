"""Tables of projects, tasks and their executions.

Locks are always taken in the order project -> task -> execution -> conversation -> run (the last two as the
conversations app says). A status is changed by a conditional update from the statuses that `tasks/core` allows.
"""

from tasks.models.diffs import ExecutionDiff
from tasks.models.executions import Execution, ExecutionRun
from tasks.models.project_runs import ProjectRun
from tasks.models.projects import Project
from tasks.models.schedules import Schedule
from tasks.models.tasks import Task, TaskDependency

__all__ = [
    "Execution",
    "ExecutionDiff",
    "ExecutionRun",
    "Project",
    "ProjectRun",
    "Schedule",
    "Task",
    "TaskDependency",
]
