"""Clients of the API: people with keys of their own, and the local owner."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from penguin_site.api_keys import make_key
from penguin_site.models import User
from tests.conversations.conftest import level, root
from tests.factories import UserFactory

__all__ = ["level", "root"]  # fixtures of the sandbox

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
    """A client with a key of the person's; all the scopes that work on tasks needs unless told otherwise."""

    def make(user: User, *scopes: str) -> Client:
        _, key = make_key(user=user, name="tests", scopes=scopes or ("read", "chat", "tasks"))
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
