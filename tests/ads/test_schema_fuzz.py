"""The ads API against its own document: whatever a client sends, no 5xx and no answer that is not in it."""

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import positive_data_acceptance

from ads import keys
from ads.core.tokens import Environment
from penguin_site.core.rate_limits import parse_limits
from penguin_site.wsgi import application
from tests.ads.factories import NOW, AdUnitFactory, AdvertiserFactory, AgentFactory

schema = schemathesis.openapi.from_wsgi("/functions/v1/api-v1/openapi.json", application)


@pytest.fixture
def _one_connection():
    """The test's transaction must outlive its requests."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def key(db, _one_connection, settings) -> str:
    settings.PENGUIN_RATE_LIMITS = parse_limits("off")
    AdUnitFactory()
    return keys.issue(AgentFactory(), Environment.TEST, now=NOW)[1]


@pytest.fixture
def advertiser_key(key) -> str:
    return keys.issue(AdvertiserFactory(), Environment.LIVE, now=NOW)[1]


@schema.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_documented(case, key, advertiser_key):
    # That a token must be one that was given out, say, stands in no schema: such requests may be refused.
    own = {"X-AM-API-Key": advertiser_key if "/advertiser" in case.path else key}
    # Where the headers are what is wrong with the request, ours would put them right.
    headers = {} if case.meta and case.meta.is_negative_at(ParameterLocation.HEADER) else own
    case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])
