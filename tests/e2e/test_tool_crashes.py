"""Workers are killed in the middle of runs with tools: no command runs twice, every call has one outcome."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import tool_crashes
from tests.stack import Stack


@pytest.fixture(scope="module")
def quick_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A lost worker is noticed after a second, and nobody is asked before a command runs."""
    directory = tmp_path_factory.mktemp("quick-stack")
    settings = {"PENGUIN_LEASE_SECONDS": 1, "PENGUIN_PERMISSION_MODE": "full"}
    with Stack(os.environ["DATABASE_URL"], directory, **settings) as stack:
        yield stack.start(webs=1, workers=2)


@pytest.mark.parametrize("seed", range(5))
def test_a_worker_is_killed_at_a_random_moment(quick_stack: Stack, tmp_path: Path, seed: int) -> None:
    quick_stack.mend(webs=1, workers=2)
    tool_crashes.play(quick_stack, tmp_path, seed, count=4)
