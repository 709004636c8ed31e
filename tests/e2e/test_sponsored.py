"""Sponsored suggestions on real processes: beside the answer, never in it, and not before both switches are on."""

import json
import subprocess
import sys
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.raw_socket import raw_socket
from tests.model_script import default_answer
from tests.processes import ROOT, eventually
from tests.stack import Stack, clean_environment

QUESTION = "I need a tax accountant"
TITLE = "Tusker & Floe, tax accountants"
MAKE_ADS = f"""
import django
django.setup()
from tests.ads.factories import AdUnitFactory
AdUnitFactory(title={TITLE!r}, example_queries=[{QUESTION!r}])
"""
OF_THE_HOUSE = (
    "SELECT count(*) FROM ad_decision d JOIN ad_agent a ON a.id = d.agent_id WHERE a.owner_email = ''"
)


@pytest.fixture
def market(stack: Stack) -> Stack:
    """The stack with one ad, and nobody's switch on."""
    if not stack.sql("SELECT 1 FROM ad_unit WHERE title = %s", TITLE):
        env = clean_environment() | {
            "DATABASE_URL": stack.database_url,
            "DJANGO_SETTINGS_MODULE": "penguin_site.settings",
            "PENGUIN_DATA_DIR": str(stack.directory / "data"),
        }
        subprocess.run([sys.executable, "-c", MAKE_ADS], cwd=ROOT, env=env, check=True)
    switch(stack, False)
    return stack


def switch(stack: Stack, is_on: bool) -> None:
    assert stack.request("PATCH", "/api/v1/sponsored", {"enabled": is_on}) == (200, {"enabled": is_on})


def conversation(stack: Stack, *, sponsored: bool) -> str:
    """The address of a new one."""
    session_id = f"sponsored-{uuid4().hex}"
    status, _ = stack.request("POST", "/api/v1/conversations/create", {"session_id": session_id})
    assert status == 200
    if sponsored:
        address = f"/api/v1/conversations/{session_id}"
        assert stack.request("PATCH", address, {"sponsored": True})[1]["sponsored"] is True
    return session_id


def say(stack: Stack, session_id: str) -> dict[str, Any]:
    status, body = stack.request("POST", "/api/v1/chat/message", {"text": QUESTION, "session_id": session_id})
    assert status == 200
    assert QUESTION in body["response"]
    assert TITLE not in body["response"]
    found: dict[str, Any] = body
    return found


def answers(stack: Stack, session_id: str) -> list[dict[str, Any]]:
    _, found = stack.request("GET", f"/api/v1/conversations/{session_id}")
    return [message for message in found["messages"] if message["role"] == "assistant"]


def first_sponsored(stack: Stack) -> tuple[str, dict[str, Any]]:
    """A conversation whose first answer carries an ad. A worker that has just begun to load its model shows none."""

    def ask() -> tuple[str, dict[str, Any]] | None:
        session_id = conversation(stack, sponsored=True)
        body = say(stack, session_id)
        return (session_id, body) if "sponsored" in body else None

    found: tuple[str, dict[str, Any]] = eventually(ask, seconds=60)  # type: ignore[assignment]
    return found


def test_nothing_is_asked_before_both_switches_are_on(market: Stack) -> None:
    before = market.sql(OF_THE_HOUSE)
    assert "sponsored" not in say(market, conversation(market, sponsored=True))
    switch(market, True)
    assert "sponsored" not in say(market, conversation(market, sponsored=False))
    assert market.sql(OF_THE_HOUSE) == before


def test_an_answer_carries_one_and_the_model_never_sees_it(market: Stack) -> None:
    switch(market, True)
    session_id, body = first_sponsored(market)
    (unit,) = body["sponsored"]
    assert unit["creative"]["title"] == TITLE
    assert unit["disclosure"]["label"] == "Sponsored"
    (answer,) = answers(market, session_id)
    assert answer["metadata"]["sponsored"] == body["sponsored"]
    assert answer["content"] == default_answer(QUESTION)

    # Read again over a socket, then four answers without one; the model is told of none of it.
    _, log = market.request("GET", f"/api/v1/conversations/{session_id}/events?limit=1")
    with raw_socket(market.webs[-1]) as socket:
        socket.send({"type": "attach", "session_id": session_id, "after": log["events"][0]["cursor"]})
        assert socket.until("complete")[-1][1]["sponsored"] == body["sponsored"]
        for _ in range(4):
            socket.send({"text": QUESTION, "session_id": session_id})
            assert "sponsored" not in socket.until("complete")[-1][1]
    eventually(lambda: "sponsored" in say(market, session_id), seconds=60)
    asked = json.dumps(market.model_requests(QUESTION))
    assert QUESTION in asked
    assert TITLE not in asked
    assert unit["creative"]["landing_url"] not in asked
    assert unit["tracking_token"] not in asked

    # Another client takes the newest away: it was one in five, and there is none any more.
    last = answers(market, session_id)[-1]
    status, _ = market.request("POST", f"/api/v1/messages/{last['id']}/sponsored/dismiss")
    assert status == 200
    assert market.request("GET", f"/api/v1/conversations/{session_id}")[1]["sponsored"] is False
    dismissed = "SELECT count(*) FROM ad_event WHERE kind = 'dismiss'"
    assert market.sql(dismissed) == [(1,)]


def test_live_output_carries_one_and_a_marketplace_that_fails_costs_no_answer(market: Stack) -> None:
    switch(market, True)

    def ask() -> dict[str, Any] | None:
        session_id = conversation(market, sponsored=True)
        with raw_socket(market.webs[0]) as socket:
            socket.send({"text": QUESTION, "session_id": session_id})
            complete = socket.until("complete")[-1][1]
        assert (complete["status"], complete["response"]) == ("completed", default_answer(QUESTION))
        return complete if "sponsored" in complete else None

    assert eventually(ask, seconds=60)
    market.sql("ALTER TABLE ad_decision_key RENAME TO ad_decision_key_elsewhere")
    try:
        assert ask() is None
        assert ask() is None
    finally:
        market.sql("ALTER TABLE ad_decision_key_elsewhere RENAME TO ad_decision_key")
    assert eventually(ask, seconds=60)
