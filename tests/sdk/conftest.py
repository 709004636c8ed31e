"""What tests of the SDKs have: one stack with ads for test keys, an agent with its keys, a proxy that spoils requests.

`stack` is one web and one worker; tests may kill either, and each finds it whole. `marketplace` is the same stack with
three ads: the offer CloudTax and the service TaxBot, both for "I need a tax accountant", and the business "Which CRM?"
for "best CRM for startups". `agent` is a sign-up there: `agent_id`, `test_api_key`. `proxy` stands before the web.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.processes import ROOT, eventually
from tests.sdk.fault_proxy import FaultProxy
from tests.stack import KEY, Stack

sys.path.insert(0, str(ROOT / "sdk/python/src"))

QUESTION = "I need a tax accountant"
MAKE_ADS = """
import django
django.setup()
from tests.ads.factories import AdUnitFactory, AdvertiserFactory
for number, fields in enumerate((
    {"title": "CloudTax", "example_queries": ["I need a tax accountant"]},
    {"title": "TaxBot", "example_queries": ["I need a tax accountant"], "ad_type": "service",
     "service_endpoint": "https://api.example.com/run", "campaign__pricing": "success"},
    {"title": "Which CRM?", "example_queries": ["best CRM for startups"], "ad_type": "dynamic_capability",
     "campaign__pricing": "session"},
)):
    advertiser = AdvertiserFactory(environment="test", paid_in=0, organisation=f"sdk{number}.example")
    AdUnitFactory(campaign__advertiser=advertiser, **fields)
"""


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    settings = {"PENGUIN_RATE_LIMITS": "signup=1000/min,chat=1000/min"}
    with Stack(os.environ["DATABASE_URL"], tmp_path_factory.mktemp("sdk"), **settings) as stack:
        yield stack


@pytest.fixture
def stack(running_stack: Stack) -> Stack:
    return running_stack.mend(webs=1, workers=1)


@pytest.fixture
def marketplace(stack: Stack, agent: dict[str, Any]) -> Stack:
    if not stack.sql("SELECT 1 FROM ad_unit WHERE title = 'CloudTax'"):
        env = stack.environment() | {"DJANGO_SETTINGS_MODULE": "penguin_site.settings"}
        subprocess.run([sys.executable, "-c", MAKE_ADS], cwd=ROOT, env=env, check=True)
    # Until its model is loaded and the inventory is read.
    eventually(lambda: len(ask(stack, "decide", agent, {"context": QUESTION})["units"]) == 2, seconds=90)
    return stack


_agents: dict[str, dict[str, Any]] = {}


@pytest.fixture
def agent(stack: Stack) -> dict[str, Any]:
    if stack.database_url not in _agents:
        who = {"owner_email": "sdk@agents.example", "agent_name": "SdkBot"}
        _agents[stack.database_url] = ask(stack, "agent-signup", {}, who)
    return _agents[stack.database_url]


@pytest.fixture
def proxy(stack: Stack) -> Iterator[FaultProxy]:
    with FaultProxy(stack.webs[0].port) as proxy:
        yield proxy


@pytest.fixture
def server_key() -> str:
    return KEY


def ask(stack: Stack, path: str, agent: dict[str, Any], body: object) -> dict[str, Any]:
    """The answer of the marketplace to a request with the agent's test key, without any SDK."""
    headers = {"Content-Type": "application/json", "X-AM-API-Key": agent.get("test_api_key", "")}
    url = f"{stack.webs[0].http}/functions/v1/{path}"
    with urlopen(Request(url, json.dumps(body).encode(), headers), timeout=60) as response:
        found: dict[str, Any] = json.loads(response.read())
        return found


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A test that failed shows what the processes have written."""
    report: Any = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        report.sections.append(("Logs of the processes", stack.logs()))
    return report
