"""What executions make of their runs and of their agents' words: tables of cases."""

import pytest

from conversations.core.run_states import ACTIVE, OPEN, RunStatus
from conversations.core.usage import empty, exhausted
from tasks.core.execution_states import LIVE, STANDING, ExecutionStatus, WaitReason
from tasks.core.following import (
    MOST_REMINDERS,
    Finish,
    Left,
    followed,
    must_remind,
    task_after,
    task_outcome,
    task_status_of,
)
from tasks.core.task_states import AT_WORK, TaskStatus, may_move
from tasks.core.task_texts import MOST_OF_A_RESULT, Brief, task_text

E, R, T, W = ExecutionStatus, RunStatus, TaskStatus, WaitReason


@pytest.mark.parametrize(
    ("run", "more", "expected"),
    [
        (R.QUEUED, {}, (E.QUEUED, None)),
        (R.RUNNING, {}, (E.RUNNING, None)),
        (R.RUNNING, {"pause_reason": "asked"}, (E.RUNNING, None)),  # at its next step
        (R.CANCELLING, {}, (E.RUNNING, None)),  # its worker is still at work
        (R.WAITING_APPROVAL, {}, (E.WAITING, W.APPROVAL)),
        (R.WAITING_INPUT, {}, (E.WAITING, W.CLARIFICATION)),
        (R.WAITING_INPUT, {"is_recovery": True}, (E.WAITING, W.RECOVERY)),
        (R.PAUSED, {"pause_reason": "asked"}, (E.PAUSED, W.PAUSED)),
        (R.PAUSED, {"pause_reason": "budget_tokens"}, (E.PAUSED, W.BUDGET)),
        (R.PAUSED, {"pause_reason": "budget_cost"}, (E.PAUSED, W.BUDGET)),
    ],
)
def test_an_execution_follows_its_run(run, more, expected):
    assert followed(run, **more) == expected


@pytest.mark.parametrize("run", sorted(OPEN))
def test_every_open_run_is_followed_by_a_live_execution_that_says_what_it_waits_for(run):
    status, reason = followed(run)
    assert status in LIVE
    assert (status in STANDING) == (reason is not None)
    assert task_status_of(status) in AT_WORK
    assert run in ACTIVE or status is E.QUEUED


@pytest.mark.parametrize(
    ("finish", "review", "expected"),
    [
        (Finish.DONE, True, T.PENDING_REVIEW),
        (Finish.DONE, False, T.COMPLETED),
        (Finish.PARTIAL, False, T.PENDING_REVIEW),  # only what is done goes without a look
        (Finish.BLOCKED, False, T.PENDING_REVIEW),
        (Finish.UNSTATED, False, T.PENDING_REVIEW),
    ],
)
def test_what_becomes_of_a_task_when_its_agent_ends(finish, review, expected):
    assert task_outcome(finish, review_required=review) is expected


@pytest.mark.parametrize("status", [E.FAILED, E.CANCELLED, E.TIMED_OUT])
@pytest.mark.parametrize("task", sorted(AT_WORK))
def test_an_end_in_the_middle_is_a_move_that_the_task_may_make(status, task):
    assert may_move(task, task_after(status))


@pytest.mark.parametrize(
    ("left", "budget", "time"),
    [
        (Left(), False, False),
        (Left(seconds=0.5, tokens=1, cost_micros=1), False, False),
        (Left(seconds=0, tokens=1), False, True),
        (Left(tokens=0), True, False),
        (Left(tokens=5, cost_micros=-1), True, False),  # the last call went beyond it
    ],
)
def test_what_is_left(left, budget, time):
    assert (left.budget_is_used_up, left.time_is_over) == (budget, time)


@pytest.mark.parametrize(
    ("tokens", "cost_usd", "budget", "expected"),
    [
        (100, 0.5, {}, ""),
        (100, 0.5, {"tokens": 101, "cost_micros": 500_001}, ""),
        (100, 0.5, {"tokens": 100}, "budget_tokens"),
        (100, 0.5, {"cost_micros": 500_000}, "budget_cost"),
        (100, 0.5, {"tokens": 100, "cost_micros": 1}, "budget_tokens"),
        (0, 0.0, {"tokens": 0}, "budget_tokens"),
    ],
)
def test_a_budget_of_a_run(tokens, cost_usd, budget, expected):
    assert exhausted({**empty(), "total_tokens": tokens, "cost_usd": cost_usd}, budget) == expected


def test_a_budget_holds_before_anything_was_used():
    assert (exhausted({}, {"tokens": 1}), exhausted({}, {"tokens": 0})) == ("", "budget_tokens")


def test_reminders_are_bounded_and_only_for_who_can_obey():
    assert [must_remind(reminders=n, has_tools=True) for n in range(MOST_REMINDERS + 1)] == [
        True,
        True,
        False,
    ]
    assert not must_remind(reminders=0, has_tools=False)


def test_an_agent_is_told_all_that_is_known_of_its_task():
    text = task_text(
        Brief(
            title="Write the page",
            description="With React.",
            project="Website\nA shop.",
            criteria=["It works at 360 pixels."],
            needed=[("Choose colours", "Blue and white."), ("Silent one", "")],
            feedback="The menu covers the title.",
            earlier_result="A page with a menu.",
            subtask_of="Relaunch",
        )
    )
    order = [
        "Task: Write the page",
        "Project: Website\nA shop.",
        "Part of: Relaunch",
        "With React.",
        "- It works at 360 pixels.",
        "## Choose colours\nBlue and white.",
        "## Silent one\n(no result was noted)",
        "A page with a menu.",
        "The menu covers the title.",
        "finish_task",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)


def test_a_task_of_few_words_is_told_in_few():
    assert task_text(Brief(title="Rest", with_tools=False)) == "Task: Rest"


def test_long_results_are_cut():
    text = task_text(Brief(title="Next", needed=[("Long", "x" * (MOST_OF_A_RESULT + 1))]))
    assert "x" * MOST_OF_A_RESULT + " […]" in text
