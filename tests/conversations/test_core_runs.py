"""The state machine of runs, recovery after a lost worker, the next step: tables."""

import pytest

from conversations.core.context_budget import fits, is_hopeless, summarise_through
from conversations.core.next_step import Progress, Step, next_step
from conversations.core.recovery import MOST_ATTEMPTS, LostRun, Verdict, judge
from conversations.core.run_errors import http_status, is_aborted
from conversations.core.run_states import (
    ACTIVE,
    LEASED,
    MOVES,
    TERMINAL,
    RunStatus,
    may_move,
    sources_of,
    target_of_cancel,
)

S = RunStatus


@pytest.mark.parametrize(
    "source, target, allowed",
    [
        (S.QUEUED, S.RUNNING, True),  # claimed
        (S.QUEUED, S.CANCELLED, True),  # cancelled before anybody took it
        (S.QUEUED, S.COMPLETED, False),  # nothing completes without having run
        (S.QUEUED, S.WAITING_APPROVAL, False),
        (S.RUNNING, S.QUEUED, True),  # drained, or its worker was lost
        (S.RUNNING, S.CANCELLING, True),
        (S.RUNNING, S.CANCELLED, False),  # only through its worker, or the reaper
        (S.RUNNING, S.WAITING_INPUT, True),
        (S.RUNNING, S.PAUSED, True),
        (S.RUNNING, S.TIMED_OUT, True),
        (S.WAITING_APPROVAL, S.QUEUED, True),  # decided
        (S.WAITING_APPROVAL, S.RUNNING, False),  # it has to be claimed again
        (S.WAITING_INPUT, S.PAUSED, True),
        (S.PAUSED, S.QUEUED, True),
        (S.PAUSED, S.RUNNING, False),
        (S.CANCELLING, S.CANCELLED, True),
        (S.CANCELLING, S.COMPLETED, False),  # a cancel that was asked is not taken back
        (S.CANCELLING, S.QUEUED, False),
        *[(terminal, target, False) for terminal in sorted(TERMINAL) for target in S],  # final is final
    ],
)
def test_the_table_of_moves(source: RunStatus, target: RunStatus, allowed: bool) -> None:
    assert may_move(source, target) is allowed
    assert (source in sources_of(target)) is allowed


def test_every_status_is_open_or_terminal_and_only_leased_ones_run() -> None:
    assert set(MOVES) == set(S)
    assert ACTIVE | TERMINAL | {S.QUEUED} == set(S)
    assert not ACTIVE & TERMINAL
    assert LEASED <= ACTIVE


@pytest.mark.parametrize("status", list(S))
def test_from_every_open_status_a_run_can_be_ended(status: RunStatus) -> None:
    reached, frontier = {status}, [status]
    while frontier:
        for target in MOVES[frontier.pop()]:
            if target not in reached:
                reached.add(target)
                frontier.append(target)
    assert status in TERMINAL or S.CANCELLED in reached


@pytest.mark.parametrize(
    "status, target",
    [
        (S.QUEUED, S.CANCELLED),
        (S.WAITING_APPROVAL, S.CANCELLED),
        (S.WAITING_INPUT, S.CANCELLED),
        (S.PAUSED, S.CANCELLED),
        (S.RUNNING, S.CANCELLING),  # its worker has to stop first
        (S.CANCELLING, None),  # asked already
        *[(terminal, None) for terminal in sorted(TERMINAL)],
    ],
)
def test_what_a_cancel_does(status: RunStatus, target: RunStatus | None) -> None:
    assert target_of_cancel(status) == target
    assert target is None or may_move(status, target)


@pytest.mark.parametrize(
    "run, verdict",
    [
        (LostRun(S.RUNNING, 1, False, 0, 0), Verdict.REQUEUE),  # nothing had begun: not charged
        (LostRun(S.RUNNING, 1, True, 0, 0), Verdict.REPEAT_STEP),
        (LostRun(S.RUNNING, 3, True, 1, 0), Verdict.REPEAT_STEP),  # the second loss, in another step
        (LostRun(S.RUNNING, 3, True, 1, 1), Verdict.FAIL),  # the same step killed its worker twice
        (LostRun(S.RUNNING, 5, True, 2, 0), Verdict.FAIL),  # the third loss
        (LostRun(S.RUNNING, 5, False, 2, 0), Verdict.REQUEUE),  # losses between steps are not charged ...
        (LostRun(S.RUNNING, MOST_ATTEMPTS, False, 0, 0), Verdict.FAIL),  # ... but they do not go on for ever
        (LostRun(S.CANCELLING, 1, True, 0, 0), Verdict.CANCEL),
        (LostRun(S.CANCELLING, 9, True, 2, 1), Verdict.CANCEL),  # what the user asked for comes first
    ],
)
def test_what_becomes_of_a_lost_run(run: LostRun, verdict: Verdict) -> None:
    assert judge(run) == verdict


@pytest.mark.parametrize(
    "progress, step",
    [
        (Progress(), Step.CALL_MODEL),
        (Progress(calls_completed=1, unseen_inputs=0), Step.FINISH),
        (Progress(calls_completed=1, unseen_inputs=1), Step.CALL_MODEL),  # steered
        (Progress(calls_completed=3, unseen_inputs=1, max_iterations=3), Step.STOP_AT_LIMIT),
        (Progress(calls_completed=3, unseen_inputs=0, max_iterations=3), Step.FINISH),  # reached, not passed
        (Progress(calls_completed=1, unseen_inputs=0, open_calls=1, unseen_results=True), Step.RUN_TOOLS),
        (Progress(calls_completed=1, unseen_inputs=1, open_calls=1, unseen_results=True), Step.RUN_TOOLS),
        (Progress(calls_completed=1, unseen_inputs=0, unseen_results=True), Step.CALL_MODEL),
        (Progress(calls_completed=1, unseen_inputs=0, unseen_results=True, finished=True), Step.FINISH),
        (Progress(calls_completed=1, unseen_inputs=1, unseen_results=True, finished=True), Step.CALL_MODEL),
        (
            Progress(calls_completed=3, unseen_inputs=0, unseen_results=True, max_iterations=3),
            Step.STOP_AT_LIMIT,
        ),
        (Progress(calls_completed=3, unseen_inputs=0, unseen_results=True, in_circles=True), Step.ASK_PERSON),
        (Progress(calls_completed=3, unseen_inputs=1, unseen_results=True, in_circles=True), Step.CALL_MODEL),
    ],
)
def test_the_next_step(progress: Progress, step: Step) -> None:
    assert next_step(progress) == step


@pytest.mark.parametrize(
    "turns, window, through",
    [
        ([], 1000, None),  # nothing before the question: no summary helps
        ([(1, 100)], 1000, 1),  # the question is what is large; all of the past makes room
        ([(1, 900), (2, 100)], 1000, 1),  # the newest stay
        ([(1, 100), (2, 900)], 1000, 2),  # the newest turn alone is too large to stay
        ([(1, 300), (2, 300), (3, 300)], 1000, 2),
    ],
)
def test_which_turns_a_summary_replaces(
    turns: list[tuple[int, int]], window: int, through: int | None
) -> None:
    assert summarise_through(turns, window) == through


def test_between_fitting_and_hopeless_the_provider_decides() -> None:
    assert fits(800, 1000) and not fits(801, 1000)
    assert not is_hopeless(1400, 1000) and is_hopeless(1600, 1000)
    assert fits(120_000, 128_000) and not fits(120_001, 128_000)  # never more than 8,000 tokens are kept free


@pytest.mark.parametrize(
    "kind, status",
    [
        ("provider_error", 502),
        ("provider_rate_limited", 503),
        ("provider_timeout", 504),
        ("context_overflow", 400),
        ("worker_lost_repeatedly", 500),
        ("internal_error", 500),
    ],
)
def test_the_http_status_of_a_failed_run(kind: str, status: int) -> None:
    assert http_status(kind) == status


@pytest.mark.parametrize("status", list(S))
def test_only_cancelled_and_timed_out_count_as_aborted(status: RunStatus) -> None:
    assert is_aborted(status) == (status in (S.CANCELLED, S.TIMED_OUT))
