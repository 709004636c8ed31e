"""The admin in Chromium, on the real stack: staff decide with a key or a click, whatever texts people have written."""

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.browser import Visitor, faults, looks_finished
from tests.e2e.tool_runs import call, new_session, repository, say
from tests.stack import Stack

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\u202egpj.exe\u200b" + "W" * 120


def asking(stack: Stack, root: Path, *, title: str) -> str:
    """The session of an agent that waits for a yes to a command."""
    session = new_session()
    script = call("execute_command", 0, command="sh check.sh \u202e && echo all is well") + "[[echo step=1]]"
    say(stack, f"{HOSTILE} {script}", session_id=session, directory=str(root), wait=False)
    stack.request("PATCH", f"/api/v1/conversations/{session}", {"title": title})
    return session


def test_an_approval_is_decided_in_the_inbox(visitor: Visitor, stack: Stack, tmp_path: Path) -> None:
    session = asking(stack, repository(tmp_path / "repo"), title=HOSTILE)
    page = visitor.page("/admin/")
    badge = page.get_by_role("link", name=re.compile("Approvals inbox"))
    expect(page.get_by_role("heading", name="Health")).to_be_visible()
    badge.click()
    card = page.locator("article", has_text="sh check.sh")
    for _ in range(60):  # the agent has to come to its question first
        if card.count():
            break
        page.wait_for_timeout(500)
        page.reload()
    expect(card).to_contain_text("⟨U+202E⟩")
    expect(card).to_contain_text("<img src=x onerror=alert(1)>")
    assert faults(page) == []
    # By keyboard: from the field over "Deny" to "Approve once".
    card.get_by_label("Why not?").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(card.get_by_role("button", name="Approve once")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("execute_command was approved.")).to_be_visible()
    expect(card).to_have_count(0)
    # What came of it stands in the transcript and in the timeline of the run.
    (pk, run_id) = stack.sql(
        "SELECT c.id, r.id::text FROM conversation c JOIN run r ON r.conversation_id = c.id WHERE c.session_id = %s",
        session,
    )[0]
    page.goto(f"{stack.webs[0].http}/admin/conversations/conversation/{pk}/transcript/")
    for _ in range(60):
        if page.get_by_text("completed", exact=True).count():
            break
        page.wait_for_timeout(500)
        page.reload()
    page.locator("summary", has_text="execute_command").click()
    expect(page.locator(".pg-answer details").first).to_contain_text("all is well")
    expect(page.locator(".pg-question")).to_contain_text("<script>alert(2)</script>⟨U+202E⟩gpj.exe⟨U+200B⟩")
    assert page.locator(".pg-page script, .pg-page img").count() == 0
    assert faults(page) == []
    page.get_by_role("link", name="Timeline and cost").click()
    expect(page).to_have_url(re.compile(run_id))
    expect(page.locator(".pg-timeline")).to_contain_text("execute_command")
    assert faults(page) == []


PAGES = {
    "dashboard": "/admin/",
    "conversations": "/admin/conversations/conversation/",
    "runs": "/admin/conversations/run/?made=30",
    "board": "/admin/tasks/task/board/",
    "tasks": "/admin/tasks/task/",
    "people": "/admin/penguin_site/user/",
    "new key": "/admin/penguin_site/apikey/add/",
    "group": "/admin/auth/group/1/change/",
    "audit": "/admin/penguin_site/auditentry/",
    "usage": "/admin/usage/",
}


def test_pages_can_be_read_by_everybody(visitor: Visitor, stack: Stack) -> None:
    stack.request("POST", "/api/v1/conversations/create", {"session_id": new_session(), "title": HOSTILE})
    stack.request("POST", "/api/v1/tasks", {"title": HOSTILE})
    page = visitor.page()
    for path in PAGES.values():
        page.goto(stack.webs[0].http + path)
        expect(page.locator("h1")).to_be_visible()
        looks_finished(page, is_admin=True)
    page.goto(f"{stack.webs[0].http}/admin/tasks/task/board/")
    expect(page.get_by_text("gpj.exe").first).to_be_visible()
    expect(page.locator(".pg-board")).to_contain_text("⟨U+202E⟩gpj.exe⟨U+200B⟩")


def test_the_menu_filters_and_theme_by_keyboard(visitor: Visitor, stack: Stack) -> None:
    page = visitor.page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{stack.webs[0].http}/admin/conversations/run/")
    menu = page.get_by_role("button", name="Menu")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Usage", exact=True)).to_be_in_viewport()
    tasks = page.get_by_role("link", name="Tasks", exact=True)
    tasks.scroll_into_view_if_needed()
    expect(tasks).to_be_in_viewport()
    account = page.get_by_role("button", name=re.compile("owner"))
    account.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Dark").focus()
    page.keyboard.press("Space")
    expect(page.locator("html")).to_have_class(re.compile("dark"))
    tasks.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/admin/tasks/task/"))
    expect(page.locator("html")).to_have_class(re.compile("dark"))
    page.get_by_role("button", name="Filters").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("By status").first).to_be_in_viewport()
