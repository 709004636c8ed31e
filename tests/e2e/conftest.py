"""Tests on real processes. One stack serves all of them in a pytest process; each test finds it whole."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.browser import PATIENCE, Visitor, login_link
from tests.stack import Stack

WEBS, WORKERS = 2, 2
CHROMIUM = Path("/usr/bin/chromium")


# Not of the session: idle webs and workers look at their tables every second, beside all tests that come later.
@pytest.fixture(scope="package")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(os.environ["DATABASE_URL"], tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def stack(running_stack: Stack) -> Stack:
    """Two webs, two workers, and the scripted model. Tests may kill any of them."""
    return running_stack.mend(webs=WEBS, workers=WORKERS)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's own: playwright's would be fetched from outside of the package registries."""
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed (apt-packages.txt)")
        pytest.skip("chromium is not installed (apt-packages.txt)")
    expect.set_options(timeout=PATIENCE)
    # Not pytest-playwright: its loop would go on beneath the asyncio tests of other files in this process.
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def signed_in() -> dict[str, Any]:
    """The cookies of the first sign-in, for the tests after it."""
    return {}


@pytest.fixture
def visitor(browser: Browser, stack: Stack, signed_in: dict[str, Any]) -> Iterator[Visitor]:
    visitor = Visitor(browser, stack, signed_in or None)
    if not signed_in:
        visitor.context.new_page().goto(login_link(stack))
        signed_in.update(visitor.context.storage_state())
    yield visitor
    visitor.context.close()
    assert visitor.wrong == []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A test that failed shows what the processes have written."""
    report: Any = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        report.sections.append(("Logs of the processes", stack.logs()))
    return report
