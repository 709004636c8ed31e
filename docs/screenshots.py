"""`make screenshots`: the pictures of the README, of a throw-away stack with the scripted model and made-up data.

`python -m docs.screenshots [NAME ...] [--into FOLDER]` makes some of them. A picture that cannot be made is named at
the end, and the exit code is 1. The scripted model does what directives in a question say; the pictures show the
questions and answers that are put in their place afterwards.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from benchmarks.stand import stand
from docs import screenshot_data
from tests.e2e.browser import login_link
from tests.processes import ROOT
from tests.stack import Stack

IMAGES = ROOT / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
WIDE, NARROW = (1280, 800), (390, 844)
MOST_BYTES = 150_000
PATIENCE = 60_000  # milliseconds


@dataclass(frozen=True)
class Picture:
    """`made` gives the address, once what is to be seen there has been made; `ready` waits for it on the page."""

    name: str
    made: Callable[[Stack], str]
    ready: Callable[[Page], None] = lambda page: None
    size: tuple[int, int] = WIDE
    is_dark: bool = False


def _answered(page: Page) -> None:
    expect(page.locator(".turn .after:visible").last).to_be_visible()


def _asked(page: Page) -> None:
    expect(page.locator(".approval h2")).to_be_visible()


PICTURES = [
    Picture("chat", screenshot_data.conversation, _answered),
    Picture("chat-narrow", screenshot_data.conversation, _answered, NARROW, is_dark=True),
    Picture("approval", screenshot_data.approval, _asked),
    Picture("dashboard", screenshot_data.dashboard),
    Picture("developer", screenshot_data.developer),
    Picture("admin", lambda stack: "/admin/"),
    Picture("moderation", screenshot_data.moderation),
]


@contextmanager
def signed_in_browser(stack: Stack) -> Iterator[tuple[Browser, Any]]:
    """Chromium, and the cookies of the local owner."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        context = browser.new_context()
        context.new_page().goto(login_link(stack))
        yield browser, context.storage_state()
        browser.close()


def take(picture: Picture, stack: Stack, browser: Browser, cookies: Any, folder: Path) -> None:
    address = picture.made(stack)
    width, height = picture.size
    context = browser.new_context(
        storage_state=cookies,
        viewport={"width": width, "height": height},
        color_scheme="dark" if picture.is_dark else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    response = page.goto(stack.webs[0].http + address)
    assert response is not None and response.ok, f"{address} answered {response and response.status}"
    picture.ready(page)
    page.wait_for_load_state("networkidle")
    path = folder / f"{picture.name}.png"
    page.screenshot(path=path)
    context.close()
    size = path.stat().st_size
    assert size <= MOST_BYTES, f"{path} has {size:,} bytes; {MOST_BYTES:,} are enough"
    print(f"{path}: {size:,} bytes")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m docs.screenshots", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *(picture.name for picture in PICTURES)])
    parser.add_argument("--into", type=Path, default=IMAGES, metavar="FOLDER")
    wanted = parser.parse_args(arguments)
    wanted.into.mkdir(parents=True, exist_ok=True)
    expect.set_options(timeout=PATIENCE)
    failed = []
    with TemporaryDirectory() as workspace, stand(PENGUIN_WORKSPACE=workspace) as stack:
        screenshot_data.prepare(stack)
        with signed_in_browser(stack) as (browser, cookies):
            for picture in PICTURES:
                if wanted.names and picture.name not in wanted.names:
                    continue
                try:
                    take(picture, stack, browser, cookies, wanted.into)
                except Exception as error:  # the others can still be made
                    failed.append(f"{picture.name}: {str(error).strip().splitlines()[0]}")
    for line in failed:
        print(f"NOT MADE: {line}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
