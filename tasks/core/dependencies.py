"""Tasks that depend on tasks: no task may, in the end, depend on itself."""

from collections.abc import Hashable, Iterable, Mapping
from typing import TypeVar

Task = TypeVar("Task", bound=Hashable)


def find_cycle(depends_on: Mapping[Task, Iterable[Task]], start: Task) -> list[Task] | None:
    """The way from `start` along what it depends on back to itself, `start` first and last; None when there is none.

    Of several the shortest. Takes time in proportion to the dependencies that can be reached.
    """
    came_from: dict[Task, Task] = {}
    reached = [start]
    for task in reached:  # grows while it is walked: breadth first
        for needed in depends_on.get(task, ()):
            if needed == start:
                return _way_back(came_from, task, start)
            if needed not in came_from:
                came_from[needed] = task
                reached.append(needed)
    return None


def _way_back(came_from: Mapping[Task, Task], last: Task, start: Task) -> list[Task]:
    way = [start]
    while last != start:
        way.append(last)
        last = came_from[last]
    way.append(start)
    return way[::-1]
