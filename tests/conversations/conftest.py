"""Clients of the API: people with keys of their own, and the local owner."""

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from django.test import Client

from conversations.sandbox import Level, box, command, detection
from penguin_site.api_keys import make_key
from penguin_site.models import User
from tests.factories import UserFactory

OWNER_KEY = "key-of-the-local-owner"


@pytest.fixture(autouse=True)
def _workspace(settings, tmp_path: Path) -> None:
    settings.PENGUIN_WORKSPACE = tmp_path / "data" / "workspace"
    settings.PENGUIN_DATA_DIR = tmp_path / "data"
    settings.PENGUIN_WORKSPACE.mkdir(parents=True)


@pytest.fixture
def person(db) -> User:
    return UserFactory()


@pytest.fixture
def client_for(db) -> Callable[..., Client]:
    """A client with a key of the person's; all the scopes that chatting needs unless told otherwise."""

    def make(user: User, *scopes: str) -> Client:
        _, key = make_key(user=user, name="tests", scopes=scopes or ("read", "chat"))
        return Client(headers={"X-API-Key": key})

    return make


@pytest.fixture
def api(client_for, person: User) -> Client:
    """The client of `person`."""
    return client_for(person)


@pytest.fixture
def owner_api(db, settings) -> Client:
    """The client of the local owner."""
    settings.PENGUIN_API_KEYS = [OWNER_KEY]
    return Client(headers={"X-API-Key": OWNER_KEY})


@pytest.fixture(params=["bubblewrap", "landlock"])
def level(request, settings) -> Level:
    """Each level of the sandbox in turn, where this machine can do it. A missing program is a failure with CI set."""
    found = Level(request.param)
    if not detection.works(found):
        if found == Level.BUBBLEWRAP and box.bubblewrap() is None and os.environ.get("CI"):
            pytest.fail("bubblewrap is not installed (apt-packages.txt)")
        pytest.skip(f"{found} does not work on this machine")
    settings.PENGUIN_SANDBOX = found.value
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where commands work."""
    path = tmp_path.resolve() / "root"
    path.mkdir()
    return path


@pytest.fixture
def sh(level: Level, root: Path) -> Callable[..., Awaitable[command.Outcome]]:
    """Runs a shell line in `root` at this level."""

    def run(
        line: str, *, network: bool = False, seconds: float = 20, **options
    ) -> Awaitable[command.Outcome]:
        where = command.box_for(root, ".", network=network)
        return command.run(command.shell_line(line), where, seconds=seconds, **options)

    return run
