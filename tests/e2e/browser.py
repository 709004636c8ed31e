"""Chromium as a person's: who visits the pages, what must never happen on them, and what axe-core finds wrong."""

import re
import subprocess
import sys
from importlib.resources import files
from typing import Any, Literal

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.processes import ROOT
from tests.stack import Stack, clean_environment

PATIENCE = 30_000  # milliseconds: a machine may be busy with other tests
AXE = files("axe_playwright_python") / "axe.min.js"
# What a page is looked at in; every page in each of them, light and dark.
SIZES: dict[str, ViewportSize] = {
    "narrow": {"width": 390, "height": 844},
    "wide": {"width": 1280, "height": 800},
}
SCHEMES: tuple[Literal["dark", "light"], ...] = ("dark", "light")
OF_THE_ADMIN = {("narrow", "dark"), ("wide", "light")}


def login_link(stack: Stack) -> str:
    web = stack.webs[0]
    environment = clean_environment() | {
        "DATABASE_URL": stack.database_url,
        "PENGUIN_DATA_DIR": str(stack.directory / "data"),
        "PENGUIN_PORT": str(web.port),
    }
    command = [sys.executable, "manage.py", "login_link", "--skip-checks"]
    made = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return made.stdout.strip()


class Visitor:
    """A browser of its own, and everything on its pages that must not happen."""

    def __init__(self, browser: Browser, stack: Stack, signed_in: Any = None, **options: Any) -> None:
        self.stack = stack
        self.context: BrowserContext = browser.new_context(storage_state=signed_in, **options)
        self.context.set_default_timeout(PATIENCE)
        self.wrong: list[str] = []

    def page(self, address: str = "") -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: self.wrong.append(f"dialog: {dialog.message}") or dialog.dismiss())
        page.on("request", lambda request: self._look(request.url))
        page.on("console", lambda message: self._hear(message.text))
        if address:
            page.goto(self.stack.webs[0].http + address)
        return page

    def _look(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.wrong.append(f"request: {url}")

    def _hear(self, text: str) -> None:
        if "Content Security Policy" in text:
            self.wrong.append(text)


def faults(page: Page) -> list[tuple[str, list[str]]]:
    """What axe-core finds wrong for those who cannot see or point, serious or worse, with the elements."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("() => axe.run().then(result => result.violations)")
    return [
        (fault["id"], [node["html"] for node in fault["nodes"]])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


def looks_finished(page: Page, *, is_admin: bool = False) -> None:
    """In both widths and both colours: nothing sticks out, and nobody is kept out. The page is wide and light then.

    Pages of the admin, whose theme is one for all, are looked at wide and light, and narrow and dark.
    """
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        if is_admin:  # it asks for the colours when it is loaded
            page.reload()
            is_dark = re.compile(r"(^|\s)dark(\s|$)")
            html = expect(page.locator("html"))
            if scheme == "dark":
                html.to_have_class(is_dark)
            else:
                html.not_to_have_class(is_dark)
        for name, size in SIZES.items():
            if is_admin and (name, scheme) not in OF_THE_ADMIN:
                continue
            page.set_viewport_size(size)
            _fits(page, f"{page.url}, {name}, {scheme}")
            found = faults(page)
            assert found == [], (page.url, name, scheme, found)


def _fits(page: Page, what: str) -> None:
    """Nothing is wider than the window; what a script draws (charts) may follow a moment later."""
    try:
        page.wait_for_function("document.documentElement.scrollWidth <= window.innerWidth")
    except PlaywrightTimeout:
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        raise AssertionError(f"{what}: {wide} pixels stick out") from None
