"""The API against its own document: whatever a client thinks of, there is no 5xx and no answer that is not in it."""

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from penguin_site.api_keys import make_key
from penguin_site.core.rate_limits import parse_limits
from penguin_site.wsgi import application
from tests.factories import UserFactory, WorkerFactory

HEALTH = "/api/v1/health"
schema = schemathesis.openapi.from_wsgi("/api/schema", application)


@pytest.fixture
def _one_connection():
    """The test's transaction must outlive its requests."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def key(db, _one_connection, settings, tmp_path) -> str:
    settings.PENGUIN_RATE_LIMITS = parse_limits("off")
    settings.PENGUIN_DATA_DIR = tmp_path
    settings.PENGUIN_WORKSPACE = tmp_path / "workspace"
    settings.PENGUIN_WORKSPACE.mkdir()
    return make_key(user=UserFactory(), name="fuzz", scopes=["read", "chat", "tasks", "approvals:decide"])[1]


few_examples = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def check(case, key: str) -> None:
    # That a cursor must be one that was given out, say, stands in no schema: such requests may be refused.
    case.call_and_validate(headers={"X-API-Key": key}, excluded_checks=[positive_data_acceptance])


@schema.exclude(path=HEALTH).parametrize()
@few_examples
def test_answers_are_as_documented(case, key):
    check(case, key)


@schema.include(path=HEALTH).parametrize()
@few_examples
def test_healths_answers_are_as_documented(case, transactional_db):
    WorkerFactory()  # health looks over a connection of its own, so it must be committed
    check(case, "")
