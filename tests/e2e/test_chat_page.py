"""The chat page in Chromium, on the real stack: what a person sees and does, whatever the connection or a text does."""

import json
import re
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.e2e.browser import Visitor, faults, login_link, looks_finished
from tests.e2e.tool_runs import call, new_session, repository, say
from tests.stack import Stack


def ask(page: Page, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def ended(page: Page, *, turns: int = 1) -> None:
    """So many answers are complete, with what can be done with them."""
    expect(page.locator(".turn .after:visible")).to_have_count(turns)


def test_from_the_banners_link_to_the_first_answer(stack: Stack, browser: Browser) -> None:
    visitor = Visitor(browser, stack)
    page = visitor.page()
    page.goto(login_link(stack))
    expect(page).to_have_url(re.compile(r"/chat$"))
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    ask(page, "Hello **there** [[echo delay=5]]")
    expect(page.locator(".answer strong")).to_have_text("there")
    ended(page)
    expect(page).to_have_url(re.compile(r"/chat/conversation_\d{8}_\d{6}_[0-9a-f]{8}$"))
    expect(page.locator("#conversations a[aria-current=page]")).to_contain_text("Hello")
    expect(page.locator("#meter")).to_contain_text("tokens")
    # Out again: nothing is shown to who comes next.
    address = page.url
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile(r"/login"))
    page.goto(address)
    expect(page).to_have_url(re.compile(r"/login\?next="))
    visitor.context.close()
    assert visitor.wrong == []


def test_an_agent_asks_and_a_person_decides(visitor: Visitor, tmp_path: Path) -> None:
    root = repository(tmp_path / "repo")
    page = visitor.page("/chat")
    page.get_by_role("button", name="Folder").click()
    page.get_by_label("Path on the server").fill(str(root))
    page.get_by_role("button", name="Use this folder").click()
    expect(page.locator("#folder")).to_contain_text("repo")
    page.get_by_label("Message", exact=True).fill(
        "Mend it [[reasoning=2]]"
        + call("edit_file", 0, path="sums.py", old_string="a - b", new_string="a + b")
        + call("execute_command", 1, command="sh check.sh && echo all is well")
        + call("execute_command", 2, command="rm -rf /")
        + "[[echo step=3]]"
    )
    page.get_by_role("button", name="Send").click()
    card = page.locator(".approval")
    expect(card.locator("h2")).to_have_text("Run this command? (execute_command)")
    expect(card.locator(".resource")).to_contain_text("sh check.sh")
    expect(page.locator(".tool").first).to_have_attribute("data-status", "completed")
    looks_finished(page)
    # What is asked is there after a reload, too.
    page.reload()
    with page.expect_request("**/approve") as approving:
        card.get_by_role("button", name="Approve", exact=True).click()
    sent = approving.value.post_data_json
    assert sent["scope"] == "once" and len(sent["digest"]) == 64
    expect(card.first).to_contain_text("Approved by owner.")
    again = card.nth(1)
    expect(again.locator(".resource")).to_contain_text("rm -rf /")
    again.get_by_placeholder("If not").fill("not everything")
    again.get_by_role("button", name="Deny").click()
    expect(again).to_contain_text("Denied by owner: not everything")
    ended(page)
    tools = page.locator(".tool")
    expect(tools).to_have_count(3)
    expect(tools.nth(1)).to_contain_text("all is well")
    expect(tools.nth(1).locator("pre").last).to_be_hidden()  # folded
    expect(tools.nth(2)).to_have_attribute("data-status", "denied")
    assert (root / "sums.py").read_text() == "def add(a, b):\n    return a + b\n"
    # All of it as before from what is stored.
    page.reload()
    expect(tools).to_have_count(3)
    expect(page.locator(".reasoning").first).to_be_visible()
    tools.nth(1).locator("summary").click()
    expect(tools.nth(1).locator("pre").last).to_contain_text("all is well")
    assert faults(page) == []


def test_a_question_of_the_agent_is_answered(visitor: Visitor) -> None:
    page = visitor.page("/chat")
    ask(page, call("ask_user", 0, question="Which one?", options=["red", "blue"]))
    page.get_by_role("button", name="blue").click()
    expect(page.locator(".card")).to_contain_text("Answered: blue")
    ended(page)
    expect(page.locator(".answer .text")).to_contain_text("blue")


def test_reload_in_the_middle_second_tab_and_stop(visitor: Visitor) -> None:
    first = visitor.page("/chat")
    ask(first, "Count [[tokens=150 delay=40]]")
    expect(first.locator(".text.open")).to_contain_text(".5")
    second = visitor.page()
    second.goto(first.url)
    first.reload()
    for page in (first, second):
        expect(page.locator(".text.open")).to_contain_text(".60")
    ended(first)
    ended(second)
    pieces = first.locator(".text").inner_text().split()
    assert [piece.partition(".")[2][:-1] for piece in pieces] == [str(number) for number in range(150)]
    assert second.locator(".text").inner_text().split() == pieces
    # What the second tab asks is shown in the first, with its question; the first one stops it.
    ask(second, "Now for long [[tokens=2000 delay=40]]")
    expect(first.locator(".question").nth(1)).to_contain_text("Now for long")
    expect(first.locator(".text.open")).to_contain_text(".3")
    first.get_by_role("button", name="Stop").click()
    for page in (first, second):
        expect(page.locator(".turn").nth(1)).to_contain_text("Stopped.")
        expect(page.locator("#stop")).to_be_hidden()


def test_a_lost_connection_loses_no_text(visitor: Visitor, stack: Stack) -> None:
    web = stack.webs[0]
    page = visitor.page("/chat")
    ask(page, "Go on [[tokens=200 delay=30]]")
    expect(page.locator(".text.open")).to_contain_text(".5")
    stack.kill(web)
    expect(page.locator("#banner")).to_contain_text("The connection is lost")
    stack.webs.insert(0, stack.start_web(port=web.port))
    stack.webs.pop()
    expect(page.locator("#banner")).to_be_hidden()
    ended(page)
    pieces = page.locator(".text").inner_text().split()
    assert [piece.partition(".")[2][:-1] for piece in pieces] == [str(number) for number in range(200)]
    # Without a network: what is sent then arrives when it is back.
    visitor.context.set_offline(True)
    expect(page.locator("#banner")).to_be_visible()
    ask(page, "Sent without a network [[echo]]")
    visitor.context.set_offline(False)
    ended(page, turns=2)
    expect(page.locator(".question")).to_have_count(2)


HOSTILE = """<script>alert(1)</script> <img src=x onerror=alert(2)> <svg onload=alert(3)></svg>
[a](javascript:alert(4)) [b](data:text/html,<script>alert(5)</script>) ![c](https://tracker.example/c.png)
<style>body { display: none }</style> <a href="//x.example" onclick="alert(6)">d</a> <iframe src="//e.example"></iframe>

```"><script>alert(7)</script>
</code></pre><script>alert(8)</script>
```

| <b onmouseover=alert(9)>x</b> |
|--|
| \u202egnp.exe \u200b\u200d\ufeff |
"""


def test_hostile_texts_and_names_run_nothing(visitor: Visitor, stack: Stack, tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>\u202egpj.exe\u200b" + "W" * 120
    (tmp_path / "a.txt").write_text(HOSTILE)
    session = new_session()
    say(stack, HOSTILE + "[[echo]]", session_id=session, directory=str(tmp_path))
    say(stack, call("read_file", 0, path="a.txt"), session_id=session)
    stack.request("PATCH", f"/api/v1/conversations/{session}", {"title": name})
    page = visitor.page(f"/chat/{session}")
    ended(page, turns=2)
    expect(page.locator("#title")).to_contain_text("<img src=x onerror=alert(1)>gpj.exeWWW")
    ask(page, HOSTILE + "[[echo]]")  # the same live
    ended(page, turns=3)
    answers = page.locator(".turn .answer .rich")
    for answer in (answers.first, answers.last):
        expect(answer).to_contain_text("<script>alert(1)</script>")
        assert answer.locator("script, img, svg, style, iframe, [onclick], [onerror]").count() == 0
        links = answer.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
        assert links == ["https://tracker.example/c.png"]
    # A command that would read otherwise than it runs shows what is in it.
    ask(page, call("execute_command", 0, command="echo \u202e/ fr- mr\u202c; id") + "[[echo step=1]]")
    expect(page.locator(".approval .resource")).to_contain_text("⟨U+202E⟩")
    page.get_by_role("button", name="Deny").click()
    ended(page, turns=4)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_conversations_are_found_renamed_put_away_and_deleted(visitor: Visitor, stack: Stack) -> None:
    session = new_session()
    word = session.replace("-", "")
    stack.request("POST", "/api/v1/conversations/create", {"session_id": session, "title": f"About {word}"})
    page = visitor.page("/chat")
    page.get_by_label("Search conversations").fill(word)
    rows = page.locator("#conversations a")
    expect(rows).to_have_count(1)
    rows.click()
    expect(page.locator("#title")).to_have_text(f"About {word}")
    page.get_by_role("button", name="Rename").click()
    page.get_by_label("Title").fill(f"Over {word}")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text(f"Over {word}")
    page.get_by_role("button", name="Archive", exact=True).click()
    page.get_by_label("Search conversations").fill(word)
    expect(page.locator("#no-conversations")).to_be_visible()
    page.get_by_role("button", name="Archived").click()
    expect(rows).to_have_text(re.compile(f"Over {word}"))
    page.get_by_role("button", name="Delete").click()
    page.locator("dialog").get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(r"/chat$"))
    assert stack.request("GET", f"/api/v1/conversations/{session}")[0] == 404


def test_files_thumbs_and_errors(visitor: Visitor, stack: Stack, tmp_path: Path) -> None:
    pixel = (
        "89504e470d0a1a0a0000000d4948445200000001000000010806000000" "1f15c4890000000d49444154789c6360606060"
        "00000005000" "1a5f645400000000049454e44ae426082"
    )  # fmt: skip
    (tmp_path / "dot.png").write_bytes(bytes.fromhex(pixel))
    (tmp_path / "notes.txt").write_text("remember the milk")
    (tmp_path / "tool.bin").write_bytes(b"\x00\x01")
    page = visitor.page("/chat")
    files = [tmp_path / name for name in ("dot.png", "notes.txt", "tool.bin")]
    page.locator("#file").set_input_files(files)
    expect(page.locator("#attachments li")).to_have_count(2)
    expect(page.locator("#notice")).to_contain_text("Only images and text files")
    ask(page, "See these")
    ended(page)
    asked = stack.model_requests("remember the milk")[-1]["body"]
    assert "notes.txt" in json.dumps(asked)
    page.reload()
    image = page.locator(".question img")
    expect(image).to_have_attribute("alt", "dot.png")
    assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1
    page.get_by_role("button", name="Bad answer").click()
    page.get_by_label("What was wrong?").fill("too short")
    page.get_by_role("button", name="Save comment").click()
    expect(page.locator(".answer")).to_contain_text("Your comment is saved")
    page.reload()
    expect(page.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")
    assert stack.sql("SELECT rating, comment FROM message_feedback") == [("down", "too short")]
    # A run that fails says what one can do, and is tried again.
    ask(page, "Fail once [[error=400 message=nonsense times=1]] [[echo]]")
    failure = page.locator(".failure:visible")
    expect(failure).to_contain_text("choose another model")
    failure.get_by_role("button", name="Try again").click()
    expect(page.locator(".turn").last.locator(".text")).to_have_text("Fail once")


def test_a_long_conversation_on_a_narrow_page(visitor: Visitor, stack: Stack) -> None:
    session = new_session()
    stack.request("POST", "/api/v1/conversations/create", {"session_id": session, "title": "Long"})
    stack.sql(
        "INSERT INTO message (id, conversation_id, owner_id, turn, step, role, content)"
        " SELECT gen_random_uuid(), c.id, c.owner_id, n / 2 + 1, CASE mod(n, 2) WHEN 0 THEN 0 ELSE 30000 END,"
        " CASE mod(n, 2) WHEN 0 THEN 'user' ELSE 'assistant' END, 'message **' || n || '** `code`'"
        " FROM conversation c, generate_series(0, 999) n WHERE c.session_id = %s",
        session,
    )
    page = visitor.page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    page.goto(f"{stack.webs[0].http}/chat/{session}")
    expect(page.locator(".turn").last).to_contain_text("message 999")
    expect(page.locator(".turn")).to_have_count(30)
    expect(page.locator(".turn").last).to_be_in_viewport()
    page.get_by_role("button", name="Show earlier messages").click()
    expect(page.locator(".turn")).to_have_count(60)
    expect(page.locator(".turn").first).to_contain_text("message 881")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("button", name="Conversations").click()
    expect(page.get_by_role("link", name="New conversation")).to_be_in_viewport()
    assert faults(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="New conversation")).to_be_hidden()
