"""Callers with their different ways in."""

from collections.abc import Callable

import pytest
from django.test import Client

from penguin_site.api_keys import make_key
from penguin_site.models import User
from tests.factories import UserFactory

OWNER_KEY = "the-local-owners-key"


@pytest.fixture
def person(db) -> User:
    return UserFactory()


@pytest.fixture
def key_of(db) -> Callable[..., str]:
    """The text of a new key of the person's; to read and chat unless told otherwise."""

    def make(user: User, *scopes: str) -> str:
        return make_key(user=user, name="tests", scopes=scopes or ("read", "chat"))[1]

    return make


@pytest.fixture
def client_for(key_of) -> Callable[..., Client]:
    def make(user: User, *scopes: str) -> Client:
        return Client(headers={"X-API-Key": key_of(user, *scopes)})

    return make


@pytest.fixture
def owner_key(settings) -> str:
    settings.PENGUIN_API_KEYS = [OWNER_KEY]
    return OWNER_KEY
