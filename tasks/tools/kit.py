"""The tools that agents have inside a task, beside those of every run."""

from collections.abc import Sequence
from functools import cache

from conversations.tools.base import Tool
from tasks.tools.add_task import AddTask
from tasks.tools.update_task import UpdateTask


@cache
def task_tools() -> Sequence[Tool]:
    return (AddTask(), UpdateTask())
