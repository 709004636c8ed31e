"""What is shown of a tool's arguments and output, and what a circle is."""

import json

import pytest

from conversations.core.loop_guard import goes_in_circles
from conversations.core.tool_calls import ENDED, MOVES, OPEN, OUTCOMES, CallStatus, may_move, sources_of
from conversations.core.tool_results import MOST_ARGUMENTS, cut, shown_approval, shown_arguments, storable

S = CallStatus


def test_a_short_text_stays_as_it_is() -> None:
    assert cut("a" * 24_000) == "a" * 24_000


def test_of_a_long_text_the_beginning_and_the_end_are_shown() -> None:
    text = "".join(f"line {number}\n" for number in range(10_000))
    shown = cut(text, where="all of it is artifact 7")
    assert shown.startswith("line 0\n") and shown.endswith("line 9999\n")
    assert f"{len(text) - 24_000} characters left out: all of it is artifact 7" in shown
    assert len(shown) < 24_200


@pytest.mark.parametrize(
    "arguments",
    [
        {"content": "x" * 2_000_000},
        {"edits": [{"old": "a" * 900, "new": "b" * 900}] * 500},
        {f"key {number}": "v" * 60 for number in range(5_000)},
        {"content": "\u2028\u0001🐧" * 100_000},
    ],
    ids=["one long text", "many texts", "many keys", "escapes"],
)
def test_arguments_are_shown_within_their_limit(arguments: dict[str, object]) -> None:
    assert len(json.dumps(shown_arguments(arguments))) <= MOST_ARGUMENTS


@pytest.mark.parametrize("arguments", [{}, {"path": "a", "limit": 3, "deep": [1, None, {"x": True}]}, None])
def test_small_arguments_are_shown_whole(arguments: object) -> None:
    assert shown_arguments(arguments) == arguments


def test_an_approval_in_the_log_is_bounded_too() -> None:
    shape = {
        "arguments": {"a": "x" * 99_999},
        "edited_arguments": None,
        "resource": "r" * 99_999,
        "diff": "d" * 99_999,
    }
    assert len(json.dumps(shown_approval(shape))) < 32_000
    assert shown_approval({**shape, "diff": None})["diff"] is None


def test_what_the_database_cannot_hold_is_replaced() -> None:
    assert storable("a\x00b\ud800c") == "a\ufffdb?c"


@pytest.mark.parametrize(
    "steps, circles",
    [
        ([], False),
        (["a", "a"], False),
        (["a", "a", "a"], True),
        (["b", "a", "a", "a"], True),
        (["a", "a", "b"], False),
        (["a", "b", "a", "b", "a"], False),
        ([None, None, None], False),
    ],
)
def test_three_times_the_same_is_a_circle(steps: list[str | None], circles: bool) -> None:
    assert goes_in_circles(steps) is circles


def test_every_call_ends_exactly_once() -> None:
    """What has ended moves nowhere, everything else can end, and every outcome has its word for clients."""
    assert all(not MOVES[status] for status in ENDED)
    reachable = {S.PROPOSED}
    for _ in MOVES:
        reachable |= {target for status in reachable for target in MOVES[status]}
    assert reachable == set(CallStatus)
    assert set(OUTCOMES) == ENDED | {S.UNKNOWN}
    for status in OPEN:
        ends, frontier = set[CallStatus](), {status}
        for _ in MOVES:
            frontier = {target for one in frontier for target in MOVES[one]} | frontier
        ends = frontier & ENDED
        assert ends, status


@pytest.mark.parametrize(
    "source, target",
    [
        (S.PROPOSED, S.STARTED),  # the policy comes first
        (S.PENDING_APPROVAL, S.STARTED),
        (S.DENIED, S.READY),
        (S.STARTED, S.READY),
        (S.UNKNOWN, S.STARTED),
        (S.SUCCEEDED, S.FAILED),
    ],
)
def test_moves_that_must_not_be(source: CallStatus, target: CallStatus) -> None:
    assert not may_move(source, target)
    assert source not in sources_of(target)
