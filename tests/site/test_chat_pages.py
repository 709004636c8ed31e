"""What the chat page is made of on the server: who sees it, its turns, and Markdown that can run nothing."""

import json
import re

import pytest
from django.test import Client
from django.utils import timezone

from conversations.core.run_states import RunStatus
from conversations.models import Conversation, Message
from penguin_site.pages.markdown import MOST_CHARACTERS, to_html
from tests.factories import ConversationFactory, MessageFactory, RunFactory, UserFactory
from tests.tasks.factories import ExecutionFactory, TaskFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(person) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    return client


@pytest.fixture
def conversation(person) -> Conversation:
    return ConversationFactory(owner=person, title="About </script><b>birds</b>")


def turn(conversation: Conversation, number: int, *parts: dict, text: str = "Why?") -> Message:
    """A question and its answer, of a run that has ended."""
    run = RunFactory(conversation=conversation, status=RunStatus.COMPLETED, turn=number)
    common = {"conversation": conversation, "owner": conversation.owner, "run_id": run.id, "turn": number}
    MessageFactory(**common, step=0, role="user", content=text)
    return MessageFactory(
        **common,
        id=run.answer_message_id,
        step=Message.ANSWER_STEP,
        role="assistant",
        content="",
        parts=list(parts),
    )


def text_part(text: str, **more) -> dict:
    return {"id": f"part-{text[:8]}", "type": "text", "text": text, "status": "complete", "call": 1, **more}


def in_page(response, name: str):
    """The JSON that stands in the page under this id."""
    found = re.search(
        rf'<script id="{name}" type="application/json">(.*?)</script>', response.content.decode()
    )
    return json.loads(found[1])


def test_strangers_sign_in_first_and_come_back(db):
    assert Client().get("/chat").headers["Location"] == "/login?next=/chat"
    assert Client().get("/chat/abc").headers["Location"] == "/login?next=/chat/abc"
    assert Client().post("/chat").status_code == 405


def test_without_authentication_it_is_the_local_owners(settings):
    settings.PENGUIN_AUTH_ENABLED = False
    page = Client().get("/chat")
    assert page.status_code == 200
    assert "owner" in page.content.decode()
    assert "Sign out" not in page.content.decode()


def test_the_page_has_a_strict_policy_and_nothing_inline(browser, conversation):
    assert 'href="/chat"' in browser.get("/").content.decode()
    response = browser.get(f"/chat/{conversation.session_id}")
    text = response.content.decode()
    assert response.status_code == 200
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    scripts = re.findall(r"<script[^>]*>", text)
    assert sorted(script.partition('type="')[2].partition('"')[0] for script in scripts) == [
        "application/json",
        "application/json",
        "module",
    ]
    assert not re.search(r"\sstyle=|\son\w+=|<style|https?://", text)
    assert "<b>birds" not in text
    assert in_page(response, "conversation")["title"] == "About </script><b>birds</b>"
    assert response.cookies["csrftoken"].value


def test_anothers_conversation_is_not_there(browser, conversation):
    theirs = ConversationFactory(owner=UserFactory(), title="private")
    for address in (f"/chat/{theirs.session_id}", "/chat/nothing-of-that-name"):
        response = browser.get(address)
        assert response.status_code == 404
        assert "private" not in response.content.decode()


def test_a_turn_has_its_parts_in_their_order(browser, conversation):
    call = {"id": "call-1", "type": "tool", "call": 1, "tool": "grep_search", "arguments": {"pattern": "x"}}
    answer = turn(
        conversation,
        1,
        {"id": "r", "type": "reasoning", "text": "hm", "status": "complete", "call": 1},
        text_part("I look."),
        {**call, "provider_call_id": "c", "status": "complete"},
        text_part("broken off", status="interrupted"),
        text_part("**Done**"),
    )
    MessageFactory(
        conversation=conversation,
        owner=conversation.owner,
        run_id=answer.run_id,
        turn=1,
        step=Message.FIRST_TOOL_STEP,
        role="tool",
        content="found " + "y" * 9_000,
        metadata={
            "part_id": "call-1",
            "tool_call_id": "call-1",
            "tool": "grep_search",
            "status": "completed",
        },
    )
    (shown,) = in_page(browser.get(f"/chat/{conversation.session_id}"), "conversation")["turns"]
    assert [item["kind"] for item in shown["items"]] == ["reasoning", "text", "tool", "text"]
    tool = shown["items"][2]
    assert (tool["tool"], tool["status"], tool["truncated"]) == ("grep_search", "completed", True)
    assert len(tool["result"]) < 5_000
    assert shown["items"][3]["html"].strip() == "<p><strong>Done</strong></p>"
    assert shown["questions"][0]["text"] == "Why?"
    assert shown["status"] == "completed"
    again = browser.get(f"/chat/data/runs/{answer.run_id}").json()["turn"]
    assert again == shown


def test_what_moderators_say_stands_beside_a_turn(browser, conversation):
    turn(conversation, 1, text_part("Hello"))
    asked = Message.objects.get(conversation=conversation, role="user")
    asked.metadata = {"warning": "Not <b>so</b>"}
    asked.save()
    address = f"/chat/data/conversations/{conversation.session_id}/messages"
    shown = browser.get(f"{address}/{asked.id}").json()["turn"]
    (note,) = shown["notes"]
    assert "<strong>A moderator's warning:</strong> Not &lt;b&gt;so&lt;/b&gt;" in note["html"]
    assert [item["text"] for item in shown["items"]] == ["Hello"]
    theirs = MessageFactory()
    assert browser.get(f"{address}/{theirs.id}").json() == {"turn": None}
    elsewhere = f"/chat/data/conversations/{theirs.conversation.session_id}/messages/{theirs.id}"
    assert browser.get(elsewhere).status_code == 404


def test_pages_of_turns_meet_and_cost_the_same_statements(
    browser, conversation, django_assert_num_queries, settings
):
    settings.PENGUIN_RATE_LIMITS = {}
    for number in range(1, 101):
        turn(conversation, number, text_part(f"answer {number}"))
    address = f"/chat/data/conversations/{conversation.session_id}"
    browser.get(address)
    with django_assert_num_queries(6):  # session, user, snapshot, runs, thumbs, work on a task
        page = browser.get(address).json()
    seen, before = [shown["turn"] for shown in page["turns"]], page["before"]
    while before:
        with django_assert_num_queries(6):  # and the conversation
            page = browser.get(f"{address}/earlier?before={before}").json()
        seen, before = [shown["turn"] for shown in page["turns"]] + seen, page["before"]
    assert seen == list(range(1, 101))
    for wrong in ("0", "x", "-1", str(1 << 70)):
        assert browser.get(f"{address}/earlier?before={wrong}").status_code == 400


def test_a_turn_longer_than_a_page_is_shown_whole(browser, conversation):
    turn(conversation, 1, text_part("first"))
    answer = turn(conversation, 2, text_part("at last"), text="Do a lot")
    Message.objects.bulk_create(
        Message(
            conversation=conversation,
            owner=conversation.owner,
            run_id=answer.run_id,
            turn=2,
            step=Message.FIRST_TOOL_STEP + number,
            role="tool",
            content=f"result {number}",
            metadata={"part_id": f"call-{number}", "tool": "read_file", "status": "completed"},
            created_at=timezone.now(),
        )
        for number in range(100)
    )
    address = f"/chat/data/conversations/{conversation.session_id}"
    page = browser.get(address).json()
    (shown,) = page["turns"]
    assert shown["questions"][0]["text"] == "Do a lot"
    assert len(shown["items"]) == 101
    (first,) = browser.get(f"{address}/earlier?before={page['before']}").json()["turns"]
    assert first["turn"] == 1


def test_ads_beside_an_answer_until_they_are_dismissed(browser, conversation):
    answer = turn(conversation, 1, text_part("See."))
    unit = {"creative": {"title": "<b>Ad</b>"}, "disclosure": {"label": "Sponsored"}}
    address = f"/chat/{conversation.session_id}"
    for metadata, shown in (
        ({}, []),
        ({"sponsored": [unit]}, [unit]),
        ({"sponsored": [unit], "sponsored_dismissed": True}, []),
    ):
        Message.objects.filter(pk=answer.pk).update(metadata=metadata)
        page = browser.get(address)
        assert in_page(page, "conversation")["turns"][0]["sponsored"] == shown
        assert "<b>Ad" not in page.content.decode()
    assert in_page(page, "settings")["sponsored"] is False


def test_the_work_on_a_task_stands_above_its_conversation(browser, conversation, person):
    address = f"/chat/{conversation.session_id}"
    assert in_page(browser.get(address), "conversation")["execution"] is None
    task = TaskFactory(owner=person, title="Mend it", status="running")
    progress = {"progress": {"percent": 30, "note": "reading"}}
    ExecutionFactory(task=task, conversation=conversation, result=progress)
    shown = in_page(browser.get(address), "conversation")["execution"]
    assert (shown["status"], shown["task"]["name"], shown["progress"]["percent"]) == (
        "running",
        "Mend it",
        30,
    )


def test_markdown_is_rendered_for_those_who_are_signed_in(browser):
    browser.get("/chat")
    headers = {"X-CSRFToken": browser.cookies["csrftoken"].value}

    def render(body, **more):
        return browser.post("/chat/data/rendered", body, content_type="application/json", **more)

    assert render({"text": "*a*"}, headers=headers).json() == {"html": "<p><em>a</em></p>\n"}
    assert render({"text": "x" * (MOST_CHARACTERS + 1)}, headers=headers).json() == {"html": None}
    assert render({"text": 5}, headers=headers).status_code == 400
    assert render({"text": "*a*"}).status_code == 403


def test_folders_are_those_that_a_conversation_may_use(browser, person, settings, tmp_path):
    settings.PENGUIN_WORKSPACE = tmp_path / "workspace"
    settings.PENGUIN_DATA_DIR = tmp_path
    own = settings.PENGUIN_WORKSPACE / "users" / str(person.pk)
    for name in ("birds", ".hidden", "fish"):
        (own / name).mkdir(parents=True)
    (own / "file").write_text("")
    assert browser.get("/chat/data/folders").json() == {
        "path": str(own),
        "parent": "",
        "folders": ["birds", "fish"],
    }
    below = browser.get("/chat/data/folders", {"path": f"{own}/birds"}).json()
    assert (below["parent"], below["folders"]) == (str(own), [])
    for path in (str(tmp_path), "/etc", "relative", f"{own}/missing", f"{own}/file"):
        response = browser.get("/chat/data/folders", {"path": path})
        assert (response.status_code, response.json()["code"]) == (400, "invalid_directory"), path


@pytest.mark.parametrize(
    "text, html",
    [
        # HTML of the text's own is shown, not used.
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("<img src=x onerror=alert(1)>", "<p>&lt;img src=x onerror=alert(1)&gt;</p>"),
        ("[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>"),
        ("[a](data:text/html;base64,AA)", "<p>[a](data:text/html;base64,AA)</p>"),
        ("[a](vbscript:x)", "<p>[a](vbscript:x)</p>"),
        # Nothing is fetched from elsewhere: an image is a link.
        (
            "![c](https://e.example/c.png)",
            '<p>!<a href="https://e.example/c.png" target="_blank" rel="noopener noreferrer nofollow">c</a></p>',
        ),
        ('```"><script>\nx\n```', '<pre data-language="script"><code>x\n</code></pre>'),
        (
            "```python\nNone\n```",
            '<pre data-language="python"><code><span class="hl-kc">None</span>\n</code></pre>',
        ),
        ("    <b>", "<pre><code>&lt;b&gt;\n</code></pre>"),
        ("|a|\n|-:|\n|1|", '<th class="right">a</th>'),
        ("a ~~b~~", "<p>a <s>b</s></p>"),
    ],
    ids=range(11),
)
def test_markdown_is_html_that_can_run_nothing(text, html):
    made = to_html(text)
    assert html in made
    assert not re.search(r"<(script|img|style|iframe|svg)|\son\w+=|style=", re.sub(r"&lt;.*?&gt;", "", made))


@pytest.mark.parametrize("piece", ["[", "![", "`a", "*a ", "> ", "- ", "|a", "&", "```java\na a\n", "<a "])
def test_hostile_markdown_takes_bounded_time(piece):
    """Seconds, not minutes: what grows with the square of the length is cut by MOST_CHARACTERS and by the lexers."""
    assert to_html(piece * (MOST_CHARACTERS // len(piece)))
