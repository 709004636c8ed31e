"""What a process of the marketplace remembers is forgotten between tests; what a text's vector is need not be."""

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone

from ads import features, keys, snapshot
from ads.api import access
from ads.core.tokens import Environment
from penguin_site import embeddings
from tests.ads.factories import AgentFactory

_vectors: dict[str, np.ndarray] = {}
_embed = embeddings.embed


def embed_once(texts, **others):
    """The model's own vectors, each computed once in a test run: the demo ads alone have a thousand texts."""
    missing = [text for text in dict.fromkeys(texts) if text not in _vectors]
    if missing:
        _vectors.update(zip(missing, _embed(missing, wait_seconds=60), strict=True))
    return np.array([_vectors[text] for text in texts], dtype=np.float32).reshape(-1, embeddings.DIMENSIONS)


@pytest.fixture(scope="session", autouse=True)
def _model_is_loaded() -> None:
    """So that no request's deadline passes over it."""
    embed_once(["Loads the model."])


@pytest.fixture(autouse=True)
def _nothing_remembered_of_ads(monkeypatch) -> None:
    features.forget()
    access.forget()
    monkeypatch.setattr(embeddings, "embed", embed_once)


@pytest.fixture(autouse=True)
def _fresh_snapshot(monkeypatch) -> None:
    """Every decision of a test sees what the test has made just before."""
    snapshot.forget()
    monkeypatch.setattr(snapshot, "LOOK_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(snapshot, "INLINE_SECONDS", 3600.0)


class AdsClient(Client):
    """A client of one agent; `post` sends JSON under `/functions/v1/`."""

    def __init__(self, agent, environment: Environment) -> None:
        _, self.key = keys.issue(agent, environment, now=timezone.now())
        self.agent = agent
        super().__init__(headers={"X-AM-API-Key": self.key, "User-Agent": "Mozilla/5.0"})

    def post(self, path, data=None, **others):
        return super().post(f"/functions/v1/{path}", data or {}, content_type="application/json", **others)


@pytest.fixture
def agent(db):
    return AgentFactory()


@pytest.fixture
def live(agent) -> AdsClient:
    return AdsClient(agent, Environment.LIVE)


@pytest.fixture
def test(agent) -> AdsClient:
    return AdsClient(agent, Environment.TEST)
