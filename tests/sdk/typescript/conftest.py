"""The SDK, a stack that it talks to, and an agent of the ads marketplace; once for all tests of a process."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, eventually
from tests.sdk.typescript.package_build import PACKAGE, build
from tests.sdk.typescript.sdk_driver import Client, Driver
from tests.sdk.typescript.spoiling_proxy import SpoilingProxy
from tests.stack import KEY, Stack

QUESTION = "I need a tax accountant"


@pytest.fixture(scope="session")
def package() -> Path:
    return build()


class _Modules(SimpleHTTPRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="session")
def page_origin() -> Iterator[str]:
    """Where a page is that has the built modules beside it, on another origin than the server."""
    handler = partial(_Modules, directory=str(PACKAGE / "dist/esm"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="session")
def running_stack(tmp_path_factory: pytest.TempPathFactory, page_origin: str) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("sdk-stack")
    settings = {"PENGUIN_RATE_LIMITS": "off", "PENGUIN_CORS_ORIGINS": page_origin}
    with Stack(os.environ["DATABASE_URL"], directory, **settings) as stack:
        yield stack


@pytest.fixture
def stack(running_stack: Stack) -> Stack:
    """A web, a worker and the scripted model. Tests may kill any of them."""
    return running_stack.mend(webs=1, workers=1)


@pytest.fixture
def proxy(stack: Stack) -> Iterator[SpoilingProxy]:
    with SpoilingProxy(stack.webs[0].port) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def driver(package: Path) -> Iterator[Driver]:
    with Driver(package) as driver:
        yield driver


@pytest.fixture(scope="session")
def _signed_up(running_stack: Stack) -> dict[str, Any]:
    """Of the agent that all tests share: there are few sign-ups in a minute."""
    return {}


@pytest.fixture
def agent(stack: Stack, driver: Driver, _signed_up: dict[str, Any]) -> dict[str, Any]:
    """What sign-up gave: the ids and keys. The marketplace is ready, also in a web that has just been started."""
    web = stack.webs[0]
    if not _signed_up:
        command = [sys.executable, "manage.py", "load_demo_ads"]
        subprocess.run(command, cwd=ROOT, env=stack.environment(), check=True, capture_output=True)
        options = {"ownerEmail": "dev@agents.example", "agent_name": "MyBot"}
        _signed_up["agent"] = driver.do("signup", options=options, config={"baseUrl": web.http})
    found: dict[str, Any] = _signed_up["agent"]
    if _signed_up.get("ready") != web.pid:
        client = driver.client(apiKey=found["test_api_key"], baseUrl=web.http, timeoutMs=60_000)
        eventually(lambda: client("decide", {"context": QUESTION})["units"], seconds=60)
        _signed_up["ready"] = web.pid
    return found


@pytest.fixture
def ads(driver: Driver, proxy: SpoilingProxy, agent: dict[str, Any]) -> Client:
    """A client of the ads marketplace, behind the proxy."""
    proxy.reset()
    return driver.client(apiKey=agent["test_api_key"], baseUrl=proxy.url, agentId=agent["agent_id"])


@pytest.fixture
def chat(driver: Driver, proxy: SpoilingProxy) -> Client:
    """A client of the agent server, behind the proxy."""
    return driver.client(apiKey=KEY, baseUrl=proxy.url)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A test that failed shows what the processes have written."""
    report: Any = yield
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(stack, Stack):
        report.sections.append(("Logs of the processes", stack.logs()))
    return report
