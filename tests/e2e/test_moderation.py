"""Moderation on real processes, where messages wait for it: sockets, the model's context, and the queue in Chromium."""

import os
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Page, expect

from penguin_site.core.secret_tokens import token_hash
from tests.e2e.browser import Visitor, faults, login_link, looks_finished
from tests.e2e.raw_socket import names, raw_socket
from tests.processes import eventually
from tests.stack import Stack

QUEUE = "/admin/conversations/moderationflag/"
# What the phrases of the rules that come with it find. The answers do not repeat it: they would be flagged, too.
BAD = "go kill yourself [[tokens=3]]"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("moderation")
    with Stack(os.environ["DATABASE_URL"], directory, PENGUIN_MODERATION="hold") as stack:
        stack.start()
        # One rule a hit is enough here, and no process has to load the model of meanings.
        stack.sql("UPDATE moderation_rule SET is_on = false WHERE kind = 'examples'")
        yield stack


@pytest.fixture(scope="module")
def signed_in(browser: Browser, stack: Stack) -> Any:
    visitor = Visitor(browser, stack)
    visitor.context.new_page().goto(login_link(stack))
    state = visitor.context.storage_state()
    visitor.context.close()
    return state


@pytest.fixture
def visitor(browser: Browser, stack: Stack, signed_in: Any) -> Iterator[Visitor]:
    visitor = Visitor(browser, stack, signed_in)
    yield visitor
    visitor.context.close()
    assert visitor.wrong == []


def new_session() -> str:
    return f"moderated-{uuid4().hex}"


def say(stack: Stack, text: str, session_id: str) -> str:
    """The run of a message that is not waited for."""
    body = {"text": text, "session_id": session_id, "wait": False}
    status, accepted = stack.request("POST", "/api/v1/chat/message", body)
    assert status == 202
    return str(accepted["run_id"])


def status_of(stack: Stack, run_id: str) -> tuple[str, str]:
    (found,) = stack.sql("SELECT status, hold FROM run WHERE id = %s", run_id)
    return found


def flagged(stack: Stack, text: str) -> tuple[str, str]:
    """(session, run) of a message that waits for staff."""
    session_id = new_session()
    run_id = say(stack, text, session_id)
    eventually(lambda: status_of(stack, run_id) == ("queued", "review"), seconds=60)
    return session_id, run_id


def put_flag(stack: Stack, like: str, role: str) -> None:
    """As if a rule had been hit."""
    stack.sql(
        "INSERT INTO moderation_flag (message_id, conversation_id, author_id, rule_id, score, excerpt, hit_start,"
        " hit_end) SELECT m.id, conversation_id, owner_id, (SELECT min(id) FROM moderation_rule), 1, content, 0, 8"
        " FROM message m WHERE content LIKE %s AND role = %s",
        like,
        role,
    )


def card(page: Page, text: str) -> Any:
    return page.locator(".mq-card", has_text=text).first


def test_what_is_flagged_waits_for_staff_and_the_socket_says_so(stack: Stack, visitor: Visitor) -> None:
    with raw_socket(stack.webs[0]) as socket:
        socket.send({"text": "Good morning", "session_id": new_session()})
        frames = socket.until("complete", seconds=60)
        assert names(frames)[:2] == ["start", "status"]
        assert frames[1][1]["reason"] == "moderation_check"
        marker = f"{BAD}, this morning"  # no digits: one in twenty of them reads like gibberish, another rule
        socket.send({"text": marker, "session_id": new_session()})
        frames = socket.until("status", reason="moderation_review", seconds=60)
        assert [(name, data.get("reason")) for name, data in frames] == [
            ("start", None),
            ("status", "moderation_check"),
            ("status", "moderation_review"),
        ]
        assert stack.model_requests(marker) == []
        page = visitor.page(QUEUE)
        card(page, marker).get_by_role("button", name="Dismiss").click()
        after = socket.until("complete", seconds=60)
        assert [data["reason"] for name, data in after if name == "status"] == ["moderation_passed"]
        assert after[-1][1]["status"] == "completed"
    # Nothing is lost with a worker: what was said while there was none is checked by the next one.
    stack.kill(stack.workers[0])
    run_id = say(stack, "Good evening", new_session())
    stack.start_worker()
    eventually(lambda: status_of(stack, run_id) == ("completed", ""), seconds=60)


def test_who_is_blocked_is_told_so_over_the_socket(stack: Stack) -> None:
    key = f"key-{uuid4().hex}"
    stack.sql(
        "WITH person AS (INSERT INTO penguin_site_user (username, password, first_name, last_name, email, is_staff,"
        " is_superuser, is_active, date_joined) VALUES ('mallory', '', '', '', '', false, false, true, now())"
        " RETURNING id), blocked AS (INSERT INTO user_block (user_id, reason, blocked_at) SELECT id, 'Enough.', now()"
        " FROM person) INSERT INTO api_key (user_id, name, prefix, key_hash, scopes) SELECT id, 'tests', 'key', %s,"
        " '{read,chat}' FROM person",
        token_hash(key),
    )
    with raw_socket(stack.webs[0], key=key) as socket:
        for busy in ("enqueue", "steer"):
            socket.send({"text": "Hello", "session_id": "s", "on_busy": busy})
            name, data = socket.receive()
            assert (name, data["code"], data["status"]) == ("error", "account_blocked", 403)
            assert "Enough." in data["message"]
        socket.send({"type": "ping"})  # and the socket stays open
        assert socket.receive()[0] == "pong"


def test_what_is_hidden_is_not_in_the_models_context(stack: Stack, visitor: Visitor) -> None:
    session_id, secret = new_session(), "heliotrope"
    stack.request(
        "POST", "/api/v1/chat/message", {"text": f"Remember {secret} [[echo]]", "session_id": session_id}
    )
    stack.request("POST", "/api/v1/chat/message", {"text": "What is red? [[echo]]", "session_id": session_id})
    put_flag(stack, f"Remember {secret}%", "user")
    page = visitor.page(QUEUE)
    card(page, secret).get_by_role("button", name="Hide").click()
    expect(card(page, secret)).to_contain_text("Hidden by owner.")
    said = "And now the other colour"
    stack.request("POST", "/api/v1/chat/message", {"text": said, "session_id": session_id})
    (asked,) = stack.model_requests(said)
    assert "What is red?" in str(asked) and secret not in str(asked)
    # Its owner sees that it is hidden.
    chat = visitor.page(f"/chat/{session_id}")
    expect(chat.locator(".turn").first).to_contain_text("This message was hidden by a moderator.")
    expect(chat.locator(".turn").nth(1)).to_contain_text("What is red?")
    chat.close()


def test_an_open_chat_page_shows_what_is_decided(
    stack: Stack, visitor: Visitor, browser: Browser, signed_in: Any
) -> None:
    session_id, word = new_session(), "cerulean"
    for text in (f"Tell of {word} [[echo]]", "Tell of nothing [[echo]]"):
        stack.request("POST", "/api/v1/chat/message", {"text": text, "session_id": session_id})
    put_flag(stack, f"Tell of {word}%", "user")
    put_flag(stack, f"%{word}%", "assistant")
    notice = "This message was hidden by a moderator."
    reader = Visitor(browser, stack, signed_in)
    chat = reader.page(f"/chat/{session_id}")
    turn, other = chat.locator(".turn").first, chat.locator(".turn").nth(1)
    question, answer = turn.locator(".question"), turn.locator("[data-is=items]")
    notes = turn.locator("[data-is=notes]")
    expect(question).to_contain_text(word)
    expect(answer).to_contain_text(word)
    expect(notes).to_be_empty()
    page = visitor.page(QUEUE)
    cards = page.locator(".mq-card", has_text=word)
    expect(cards).to_have_count(2)
    asked, answered = cards.nth(0), cards.nth(1)  # the longest first

    page.get_by_label("Reason").fill("Too blue.")
    asked.get_by_role("button", name="Hide").click()
    expect(question).to_contain_text(notice)
    expect(notes).to_contain_text("Hidden by a moderator: Too blue.")
    expect(chat.locator("#title")).to_contain_text("Hidden by a moderator")
    expect(chat.locator("#announcer")).to_have_text("A moderator has hidden a message.")
    answered.get_by_role("button", name="Hide").click()
    expect(answer).to_contain_text(notice)
    expect(chat.locator("#transcript")).not_to_contain_text(word)
    expect(other).to_contain_text("Tell of nothing")
    looks_finished(chat)

    for hidden in (asked, answered):
        hidden.get_by_role("button", name="Undo").click()
    expect(question).to_contain_text(word)
    expect(answer).to_contain_text(word)
    expect(answer).not_to_contain_text(notice)
    expect(notes).to_be_empty()
    expect(chat.locator("#title")).to_contain_text(word)

    # What was decided while nobody was connected is shown when the connection is back.
    reader.context.set_offline(True)
    expect(chat.locator("#banner")).to_contain_text("The connection is lost")
    page.get_by_label("Reason").fill("Please, no blue.")
    asked.get_by_role("button", name="Warn").click()
    expect(asked).to_contain_text("Warned by owner.")
    expect(notes).to_be_empty()
    reader.context.set_offline(False)
    expect(notes).to_have_text("A moderator's warning: Please, no blue.")
    expect(question).to_contain_text(word)
    asked.get_by_role("button", name="Undo").click()
    expect(notes).to_be_empty()
    reader.context.close()
    assert reader.wrong == []


def test_copies_and_what_was_just_begun_are_followed_too(
    stack: Stack, visitor: Visitor, browser: Browser, signed_in: Any
) -> None:
    reader = Visitor(browser, stack, signed_in)
    chat = reader.page("/chat")
    chat.get_by_label("Message", exact=True).fill("Tell of vermilion [[echo]]")
    chat.keyboard.press("Enter")
    expect(chat.locator(".turn .after:visible")).to_have_count(1)
    session_id = chat.url.rpartition("/")[2]
    status, copied = stack.request("POST", f"/api/v1/conversations/{session_id}/fork", {})
    assert status in (200, 201)
    copy = reader.page(f"/chat/{copied['session_id']}")
    put_flag(stack, "Tell of vermilion%", "user")  # one of each
    page = visitor.page(QUEUE)
    cards = page.locator(".mq-card", has_text="vermilion")
    expect(cards).to_have_count(2)
    for each in (0, 1):
        cards.nth(each).get_by_role("button", name="Hide").click()
    for shown in (chat, copy):
        expect(shown.locator(".question")).to_contain_text("This message was hidden by a moderator.")
        expect(shown.locator(".turn")).to_have_count(1)
        expect(shown.locator("[data-is=items]")).to_contain_text("Tell of vermilion")
    reader.context.close()
    assert reader.wrong == []


def test_the_queue_is_worked_by_keyboard(
    stack: Stack, visitor: Visitor, browser: Browser, signed_in: Any
) -> None:
    marks = [f"number{number}x" for number in range(6)]
    runs = [flagged(stack, f"You {BAD}, {mark}") for mark in marks]
    phrases = stack.sql(
        "SELECT id FROM moderation_rule WHERE name LIKE '%%self-harm: phrases' ORDER BY id LIMIT 1"
    )[0][0]
    address = f"{QUEUE}?rule={phrases}&age=hour&author=owner"
    page, second = visitor.page(address), visitor.page(address)
    current = page.locator(".mq-current")
    expect(page.locator(".mq-card")).to_have_count(6)
    expect(current).to_contain_text(marks[0])
    assert faults(page) == []
    # One key a decision, and on to the next.
    page.keyboard.press("h")
    expect(card(page, marks[0])).to_contain_text("Hidden by owner.")
    expect(current).to_contain_text(marks[1])
    assert status_of(stack, runs[0][1])[0] == "cancelled"
    page.keyboard.press("u")
    expect(card(page, marks[0])).to_have_attribute("data-state", "open")
    expect(current).to_contain_text(marks[0])
    page.keyboard.press("d")
    expect(card(page, marks[0])).to_contain_text("Dismissed by owner.")
    # A reason, typed: keys are letters there.
    page.keyboard.press("r")
    page.keyboard.type("hdwb")
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    expect(card(page, marks[1])).to_contain_text("Warned by owner.")
    assert stack.sql("SELECT reason FROM user_warning WHERE withdrawn_at IS NULL") == [("hdwb",)]
    expect(page.get_by_label("Reason")).to_have_value("")  # it was for that one
    # What is around it.
    page.keyboard.press("o")
    expect(current.locator(".mq-said")).to_contain_text(f"You {BAD}, {marks[2]}")
    page.keyboard.press("o")
    expect(current.locator(".mq-said")).to_have_count(0)
    # Staff are not blocked: the card says why, and still waits.
    page.keyboard.press("b")
    expect(card(page, marks[2])).to_contain_text("Staff cannot be blocked here.")
    expect(card(page, marks[2])).to_have_attribute("data-state", "open")
    # Several at once.
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.locator("#mq-chosen")).to_have_text("2 chosen")
    page.keyboard.press("h")
    expect(page.locator("#mq-live")).to_have_text("2 done.")
    expect(current).to_contain_text(marks[4])
    # Somebody else has the page open as it was before.
    second.locator(".mq-current").wait_for()
    card(second, marks[3]).get_by_role("button", name="Dismiss").click()
    expect(card(second, marks[3])).to_contain_text("owner has already decided this: hidden.")
    expect(card(second, marks[3]).get_by_role("button", name="Undo")).to_be_hidden()
    # No connection: nothing is lost, it is said, and it can be tried again.
    visitor.context.set_offline(True)
    page.keyboard.press("d")
    expect(page.locator("#mq-live")).to_contain_text("The server cannot be reached")
    visitor.context.set_offline(False)
    page.keyboard.press("d")
    expect(card(page, marks[4])).to_contain_text("Dismissed by owner.")
    page.keyboard.press("c")
    expect(card(page, marks[5])).to_contain_text("owner is looking at it.")
    page.keyboard.press("d")
    expect(page.get_by_role("link", name="Look again")).to_be_visible()
    page.get_by_role("link", name="Look again").click()
    expect(page.locator(".mq-empty")).to_contain_text("Nothing waits here")
    eventually(lambda: status_of(stack, runs[4][1]) == ("completed", ""), seconds=60)
    _look_in_all_ways(stack, browser, signed_in)


def _look_in_all_ways(stack: Stack, browser: Browser, signed_in: Any) -> None:
    flagged(stack, f"<script>alert(1)</script> {BAD}, {'a-very-long-word-' * 30}")
    visitor = Visitor(browser, stack, signed_in, color_scheme="dark")
    page = visitor.page(QUEUE)
    expect(page.locator(".mq-card").last).to_contain_text("<script>alert(1)</script>")
    expect(page.locator("html")).to_have_class(re.compile("dark"))
    looks_finished(page, is_admin=True)
    visitor.context.close()
    assert visitor.wrong == []
