"""Tests on real processes. One stack serves all tests of a pytest process; each test finds it whole."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.stack import Stack

WEBS, WORKERS = 2, 2


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(os.environ["DATABASE_URL"], tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def stack(running_stack: Stack) -> Stack:
    """Two webs, two workers, and the scripted model. Tests may kill any of them."""
    return running_stack.mend(webs=WEBS, workers=WORKERS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A test that failed shows what the processes have written."""
    report: Any = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        report.sections.append(("Logs of the processes", stack.logs()))
    return report
