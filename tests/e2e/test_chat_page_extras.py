"""What stands around a conversation in Chromium: ads beside answers, the work on a task, and a page in bad company."""

import json
import re

import pytest
from playwright.sync_api import Browser, Page, WebSocketRoute, expect

from tests.e2e.browser import Visitor, looks_finished
from tests.e2e.task_runs import execute
from tests.e2e.test_chat_page import ask, ended
from tests.e2e.tool_runs import call, new_session, say
from tests.processes import eventually
from tests.stack import Stack

UNIT = {
    "creative": {
        "title": "<img src=x onerror=alert(1)> Tusker \u202e& Floe",
        "body": "Accountants" + "\u200b" + "W" * 300,
        "cta": "See <b>prices</b>",
        "landing_url": "https://advertiser.example/1",
    },
    "click_url": "http://127.0.0.1:1/functions/v1/track-click/nobodys",
    "tracking_token": "trk_nobodys",
    "disclosure": {"label": "Sponsored", "sponsor_name": "Tusker\u202e", "why": "Fits what was asked."},
}
ANSWER = (
    "SELECT m.id FROM message m JOIN conversation c ON c.id = m.conversation_id"
    " WHERE c.session_id = %s AND m.role = 'assistant'"
)


def put_ad_beside(stack: Stack, session: str, unit: object) -> str:
    """As a worker does it when the answer ends; the id of the answer."""
    ((message_id,),) = stack.sql(ANSWER, session)
    stack.sql(
        "UPDATE message SET metadata = jsonb_build_object('sponsored', %s::jsonb) WHERE id = %s",
        json.dumps([unit]),
        message_id,
    )
    stack.sql(
        "INSERT INTO sponsored_suggestion (message_id, conversation_id, number, environment, units)"
        " SELECT id, conversation_id, 1, 'test', %s::jsonb FROM message WHERE id = %s",
        json.dumps([unit]),
        message_id,
    )
    return str(message_id)


@pytest.fixture
def asked(stack: Stack) -> str:
    """A conversation with one answer, whose person allows ads."""
    session = new_session()
    say(stack, "I need a tax accountant [[echo]]", session_id=session)
    assert stack.request("PATCH", "/api/v1/sponsored", {"enabled": True})[0] == 200
    return session


def test_an_ad_is_labelled_seen_and_dismissed(visitor: Visitor, stack: Stack, asked: str) -> None:
    answer = put_ad_beside(stack, asked, UNIT)
    page = visitor.page()
    page.set_viewport_size({"width": 390, "height": 844})
    with page.expect_response(re.compile(f"/messages/{answer}/sponsored/seen")) as seen:
        page.goto(f"{stack.webs[0].http}/chat/{asked}")
    assert seen.value.status == 200
    card = page.locator(".sponsored")
    expect(card.locator(".label")).to_have_text("Sponsored")
    expect(card).to_contain_text("<img src=x onerror=alert(1)> Tusker ⟨U+202E⟩& Floe")
    expect(card).to_contain_text("Accountants⟨U+200B⟩")
    assert card.locator("img, b").count() == 0
    expect(card.get_by_role("link")).to_have_attribute("rel", re.compile("noopener.*nofollow.*sponsored"))
    looks_finished(page)
    # The switch of the conversation stands with what else can be done with it: the page is wide now.
    switch = page.locator("#sponsored")
    switch.click()
    expect(switch).to_have_text("Sponsored: on")
    card.get_by_role("button", name="Dismiss").click()
    expect(card).to_have_count(0)
    expect(switch).to_have_text("Sponsored: off")
    page.reload()
    ended(page)
    expect(card).to_have_count(0)
    assert stack.request("GET", f"/api/v1/conversations/{asked}")[1]["sponsored"] is False
    shown = stack.sql("SELECT shown_at, dismissed_at FROM sponsored_suggestion WHERE message_id = %s", answer)
    assert all(shown[0])
    stack.request("PATCH", "/api/v1/sponsored", {"enabled": False})
    page.reload()
    expect(switch).to_be_hidden()


def test_an_ad_without_a_web_address_leads_nowhere(visitor: Visitor, stack: Stack, asked: str) -> None:
    put_ad_beside(stack, asked, {**UNIT, "click_url": "javascript:alert(1)"})
    page = visitor.page(f"/chat/{asked}")
    expect(page.locator(".sponsored")).to_be_visible()
    assert page.locator(".sponsored a").get_attribute("href") is None


def test_the_progress_of_a_task_is_followed(visitor: Visitor, stack: Stack) -> None:
    progress = call("update_task", 0, progress=40, note="reading <b>files\u202e</b>")
    ask_first = call("ask_user", 1, question="Go on?", options=["yes"])
    script = f"{progress}{ask_first}" + call("finish_task", 2, summary="done", status="done")
    execution = execute(stack, script, name="Mend <i>it\u200b</i> " + "W" * 100)
    session = eventually(
        lambda: stack.sql(
            "SELECT session_id FROM conversation c JOIN execution e ON e.conversation_id = c.id WHERE e.id = %s"
            " AND e.status = 'waiting'",
            execution,
        ),
        seconds=30,
    )[0][0]  # type: ignore[index]
    page = visitor.page()
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{stack.webs[0].http}/chat/{session}")
    work = page.locator("#work")
    expect(
        page.get_by_role("button", name="Answer")
    ).to_be_in_viewport()  # the end is shown, whatever stands around it
    expect(page.locator("#to-end")).to_be_hidden()
    expect(work).to_contain_text("Mend <i>it⟨U+200B⟩</i>")
    expect(work).to_contain_text("waits for your answer")
    expect(work).to_contain_text("reading <b>files⟨U+202E⟩</b>")
    expect(work.locator("progress")).to_have_attribute("value", "40")
    looks_finished(page)
    page.get_by_role("button", name="yes").click()
    expect(work).to_contain_text("done")
    expect(work).to_have_attribute("data-status", "completed")
    page.reload()
    expect(work).to_have_attribute("data-status", "completed")


def disturb(page: Page) -> None:
    """A browser that keeps nothing, and somebody else's script that fails all the time and listens to everything."""
    page.add_init_script("""
      for (const name of ['localStorage', 'sessionStorage']) {
        Object.defineProperty(window, name, { get() { throw new DOMException('kept out', 'SecurityError'); } });
      }
      window.addEventListener('keydown', () => { throw new Error('an extension'); }, true);
      setInterval(() => { throw new Error('an extension'); }, 50);
      Promise.reject(new Error('an extension'));
      navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed'));
    """)


def test_it_works_beside_failing_scripts_and_over_a_slow_network(
    browser: Browser, stack: Stack, visitor: Visitor
) -> None:
    page = visitor.context.new_page()  # not watched: errors are what this is about
    disturb(page)
    network = visitor.context.new_cdp_session(page)
    network.send("Network.enable")
    slow = {"offline": False, "latency": 300, "downloadThroughput": 50_000, "uploadThroughput": 20_000}
    network.send("Network.emulateNetworkConditions", slow)
    page.goto(f"{stack.webs[0].http}/chat")
    expect(page.locator("#welcome")).to_be_visible()
    ask(page, "Hello **there** [[echo delay=5]]")
    expect(page.locator(".answer strong")).to_have_text("there")
    ended(page)
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    page.reload()
    expect(page.locator(".answer strong")).to_have_text("there")


def test_an_ad_comes_live_with_the_answer(visitor: Visitor) -> None:
    page = visitor.context.new_page()

    def add_ad(message: str | bytes) -> str | bytes:
        frame = json.loads(message)
        if frame["event"] == "complete":
            frame["data"]["sponsored"] = [UNIT]
        return json.dumps(frame)

    def pass_on(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()
        server.on_message(lambda message: socket.send(add_ad(message)))

    page.route_web_socket("**/chat/stream", pass_on)
    page.goto(f"{visitor.stack.webs[0].http}/chat")
    with page.expect_response(re.compile("/sponsored/seen")):
        ask(page, "I need a tax accountant [[echo]]")
    ended(page)
    expect(page.locator(".sponsored .label")).to_have_text("Sponsored")


DROP = """([kind, selector, name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name, { type: 'text/plain' }));
  const more = kind === 'paste' ? { clipboardData: data } : { dataTransfer: data };
  const Kind = kind === 'paste' ? ClipboardEvent : DragEvent;
  document.querySelector(selector).dispatchEvent(new Kind(kind, { ...more, bubbles: true, cancelable: true }));
}"""


def test_files_are_dropped_and_pasted_and_the_agents_list_is_shown(visitor: Visitor, stack: Stack) -> None:
    page = visitor.page("/chat")
    page.evaluate(DROP, ["drop", "#transcript", "one.txt", "walrus one"])
    page.evaluate(DROP, ["paste", "#message", "two\u202e.txt", "walrus two"])
    attached = page.locator("#attachments li")
    expect(attached).to_have_count(2)
    expect(attached.last).to_contain_text("two.txt")
    todos = [
        {"content": "Read <b>everything</b>\u202e", "status": "completed"},
        {"content": "Write the summary", "status": "in_progress"},
    ]
    ask(page, "Begin" + call("todo_write", 0, todos=todos) + "[[tokens=3 step=1]]")
    ended(page)
    box = page.locator("#todos")
    expect(box.locator("summary")).to_contain_text("1 of 2 done: Write the summary")
    box.locator("summary").click()
    expect(box).to_contain_text("Read <b>everything</b>⟨U+202E⟩")
    (asked, *_) = stack.model_requests("walrus one")
    assert "walrus two" in json.dumps(asked["body"])
    page.reload()
    expect(box.locator("summary")).to_contain_text("1 of 2 done")
    looks_finished(page)
