"""A conversation that outgrows its model's window: one summary, then an answer, or a clear failure. Never a loop."""

import os
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.stack import Stack

WINDOW = 2_000
LONG = "word " * 600  # some 1,000 tokens as they are estimated


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("small-window")
    with Stack(os.environ["DATABASE_URL"], directory, PENGUIN_CONTEXT_WINDOW=WINDOW) as stack:
        yield stack.start()


def test_older_turns_are_summarised_once_and_stay_summarised(small: Stack) -> None:
    session_id = f"long-{uuid4().hex}"
    for number in range(3):
        status, body = small.request(
            "POST", "/api/v1/chat/message", {"text": f"{number} {LONG}", "session_id": session_id}
        )
        assert status == 200, body
    kinds = small.sql(
        "SELECT purpose FROM model_call m JOIN conversation c ON c.id = m.conversation_id"
        " WHERE session_id = %s ORDER BY m.id",
        session_id,
    )
    assert ("compaction",) in kinds
    asked = len(small.model_requests())
    status, _ = small.request("POST", "/api/v1/chat/message", {"text": "short", "session_id": session_id})
    assert status == 200
    last = small.model_requests()[-1]["body"]["messages"]
    assert len(small.model_requests()) - asked <= 2
    assert "Summary of the conversation" in last[0]["content"]
    assert last[-1]["content"] == "short"


def test_a_message_that_can_never_fit_is_refused_without_asking_anybody(small: Stack) -> None:
    marker = uuid4().hex
    status, body = small.request("POST", "/api/v1/chat/message", {"text": marker + LONG * 4})
    assert (status, body["code"], body["retryable"]) == (400, "context_overflow", False)
    assert small.model_requests(contains=marker) == []
