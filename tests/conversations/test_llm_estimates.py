"""The pure parts: when a failed call is repeated, and how many tokens a text is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.core.retries import TRIES, retry_delay_seconds
from conversations.core.token_estimate import message_tokens, request_tokens, schema_tokens, text_tokens


@pytest.mark.parametrize(
    ("tries", "retryable", "shown", "retry_after", "jitter", "delay"),
    [
        (1, True, False, None, 0.0, 0.25),  # half of the delay at least
        (1, True, False, None, 1.0, 0.5),
        (2, True, False, None, 1.0, 1.0),  # doubles
        (3, True, False, None, 1.0, 2.0),
        (4, True, False, None, 1.0, None),  # four tries in all
        (1, False, False, None, 1.0, None),
        (1, True, True, None, 1.0, None),  # never twice what somebody has seen
        (1, True, False, 7.0, 1.0, 7.0),  # the provider says when
        (3, True, False, 0.1, 1.0, 2.0),  # but not sooner than we would
        (1, True, False, 60.0, 0.0, 60.0),
        (1, True, False, 61.0, 0.0, None),  # nobody waits that long
    ],
)
def test_retries(tries, retryable, shown, retry_after, jitter, delay) -> None:
    assert delay == retry_delay_seconds(
        tries=tries, retryable=retryable, shown=shown, retry_after_seconds=retry_after, jitter=jitter
    )


@given(st.integers(1, 50), st.floats(0, 1), st.none() | st.floats(0, 1000))
def test_delays_are_bounded_and_end(tries: int, jitter: float, retry_after: float | None) -> None:
    delay = retry_delay_seconds(
        tries=tries, retryable=True, shown=False, retry_after_seconds=retry_after, jitter=jitter
    )
    assert delay is None or (tries < TRIES and (retry_after or 0) <= delay <= 60)


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("世界", 2), ("🐧", 2), ("\ud800", 1)]
)
def test_tokens_of_a_text(text: str, tokens: int) -> None:
    assert text_tokens(text) == tokens


def test_messages_and_requests_count_everything() -> None:
    plain = message_tokens(["hello"])
    assert message_tokens(["hello", '{"a": 1}']) > plain
    assert message_tokens(["hello"], images=2) == plain + 2 * 1600
    assert request_tokens([plain, plain]) > 2 * plain
    assert request_tokens([plain], tools=[schema_tokens('{"type": "object"}')]) > request_tokens([plain])
