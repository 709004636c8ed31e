"""The tables of moves: of tasks and of executions."""

from itertools import product

import pytest

from tasks.core import execution_states, task_states
from tasks.core.execution_states import LIVE, STANDING, TERMINAL, ExecutionStatus
from tasks.core.task_states import AT_WORK, ENDED, TaskStatus

# Every move of a task there is; all others are refused.
TASK_MOVES = {
    "active": "running cancelled archived",
    "running": "active waiting pending_review completed failed cancelled",
    "waiting": "running active pending_review completed failed cancelled",
    "pending_review": "active completed cancelled archived",
    "completed": "active archived",
    "failed": "active cancelled archived",
    "cancelled": "active archived",
    "archived": "active",
}
EXECUTION_MOVES = {
    "queued": "running waiting paused completed failed cancelled timed_out",
    "running": "queued waiting paused completed failed cancelled timed_out",
    "waiting": "queued running paused completed failed cancelled timed_out",
    "paused": "queued failed cancelled",
    "completed": "",
    "failed": "",
    "cancelled": "",
    "timed_out": "",
}


@pytest.mark.parametrize(("source", "target"), list(product(TaskStatus, TaskStatus)), ids=str)
def test_a_task_moves_by_the_table(source, target):
    allowed = target.value in TASK_MOVES[source.value].split()
    assert task_states.may_move(source, target) == allowed
    assert (source in task_states.sources_of(target)) == allowed


@pytest.mark.parametrize(("source", "target"), list(product(ExecutionStatus, ExecutionStatus)), ids=str)
def test_an_execution_moves_by_the_table(source, target):
    allowed = target.value in EXECUTION_MOVES[source.value].split()
    assert execution_states.may_move(source, target) == allowed
    assert (source in execution_states.sources_of(target)) == allowed


def test_an_ended_execution_is_final_and_a_live_one_can_be_cancelled():
    assert set(ExecutionStatus) == LIVE | TERMINAL
    assert STANDING < LIVE
    for status in TERMINAL:
        assert not execution_states.MOVES[status]
    for status in LIVE:
        assert execution_states.may_move(status, ExecutionStatus.CANCELLED)


def test_every_task_can_become_active_again_but_the_active_one():
    assert task_states.sources_of(TaskStatus.ACTIVE) == set(TaskStatus) - {TaskStatus.ACTIVE}
    assert not AT_WORK & ENDED
