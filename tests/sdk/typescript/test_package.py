"""The package as it would be published: its size and forms, its types against the served documents, all samples."""

import http.client
import json
import re
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from tests.e2e.task_runs import finish
from tests.e2e.tool_runs import call
from tests.processes import free_port
from tests.sdk.typescript.compiled import (
    SAMPLES,
    Project,
    add_document,
    new_project,
    readme_samples,
    with_surroundings,
)
from tests.sdk.typescript.conftest import QUESTION
from tests.sdk.typescript.package_build import PACKAGE, npm, run
from tests.sdk.typescript.sdk_driver import Client, SdkError
from tests.stack import KEY, Stack


def recorded_frames(client: Client, folder: Path) -> tuple[list[Any], list[Any]]:
    """Of every kind that the sockets send, from a chat and from a task."""
    script = " ".join(
        [
            "[[reasoning=2]] [[error=429 retry_after=1 times=1]]",
            call("todo_write", 0, todos=[{"content": "Look", "status": "pending"}]),
            call("execute_command", 1, command="echo one; sleep 0.5; echo two"),
            call("ask_user", 2, question="Which one?"),
        ]
    )
    fields = {"text": f"{script} {uuid4().hex}", "directory": str(folder), "include_reasoning": True}
    chat = client.stream("chat", fields)
    chat.act("approve", chat.find("approval", phase="asked")["approval"])
    chat.act("answer", chat.find("question", phase="asked")["question"], "This one.")
    failed = client.stream("chat", {"text": f"[[error=400]] {uuid4().hex}"}).end()
    wish = {
        "name": "Look around",
        "description": f"{call('ask_user', 0, question='Where?')} {finish(1)} {uuid4().hex}",
    }
    task = client.stream("tasks", wish)
    task.act("answer", task.find("clarification_needed")["question"], "Here.")
    return [*chat.end().events, *failed.events], task.end().events


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory, package: Path) -> Project:
    return new_project(tmp_path_factory.mktemp("sdk-user"))


@pytest.fixture
def project(compiled: Project, stack: Stack, chat: Client, tmp_path: Path) -> Project:
    """All that is compiled, in one run of tsc: drift, recorded frames, samples of the reference and of the README."""
    if (compiled.folder / "out").exists():
        return compiled
    for name, path in (("api", "/api/schema?format=json"), ("ads", "/functions/v1/api-v1/openapi.json")):
        status, document = stack.request("GET", path)
        assert status == 200
        add_document(compiled, name, document)
    compiled.write("drift.ts", (SAMPLES.parent / "drift.ts").read_text())
    of_chat, of_tasks = recorded_frames(chat, tmp_path)
    kinds = {event["event"] for event in of_chat}
    assert kinds >= {
        "start", "token", "reasoning", "tool", "approval", "question", "todos", "status", "error", "complete",
    }, kinds  # fmt: skip
    frames = f"export const ofChat: ChatEvent[] = {json.dumps(of_chat)};\n"
    frames += f"export const ofTasks: TaskEvent[] = {json.dumps(of_tasks)};\n"
    compiled.write("frames.ts", f"import type {{ ChatEvent, TaskEvent }} from 'penguin-sdk';\n{frames}")
    for sample in SAMPLES.glob("*.ts"):
        compiled.write(f"seed_{sample.name}", with_surroundings(sample.read_text()))
    for name, text in readme_samples().items():
        compiled.write(f"readme_{name}.ts", with_surroundings(text))
    compiled.compile()
    return compiled


def test_types_and_limits_are_those_of_the_served_documents(project: Project, package: Path) -> None:
    """tsc has compared them; here the limits, which types do not tell."""
    checks = (package / "dist/esm/ads-checks.js").as_uri()
    script = str(SAMPLES.parent / "limits.mjs")
    found = json.loads(run("node", script, checks, "ads.json", cwd=project.folder))
    assert found["wrong"] == []
    assert found["checked"] > 100


def printed(sample: str, project: Project, stack: Stack, agent: dict[str, Any], **environment: str) -> str:
    return project.run(
        sample,
        PENGUIN_BASE_URL=stack.webs[0].http,
        PENGUIN_ADS_KEY=agent["test_api_key"],
        PENGUIN_API_KEY=KEY,
        **environment,
    )


def click(unit: dict[str, Any]) -> None:
    address = urlsplit(unit["click_url"])
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    connection.request("GET", address.path, headers={"User-Agent": "Mozilla/5.0"})
    assert connection.getresponse().status == 302
    connection.close()


def test_samples_of_the_reference(project: Project, stack: Stack, ads: Client, agent: dict[str, Any]) -> None:
    """As they are printed; what a reader has to fill in, ids and tokens, is filled in."""
    run_sample = partial(printed, project=project, stack=stack, agent=agent)
    web = stack.webs[0].http
    units = ads("decide", {"context": QUESTION, "max_results": 3})["units"]
    first, second = units[:2]
    token = {"AD": json.dumps(first)}

    def refused(code: str, method: str, options: dict[str, Any]) -> None:
        """So it was done by the sample."""
        with pytest.raises(SdkError) as raised:
            ads(method, options)
        assert (raised.value.status, raised.value.code) == (409, code)

    run_sample("seed_configuration")
    run_sample("seed_decide")
    compiled = project.folder / "out/seed_event.js"
    filled = compiled.read_text().replace("agt_your_id", agent["agent_id"])
    filled = filled.replace("ad-unit-uuid", first["_meta"]["unit_id"]).replace(
        "trk_...", first["tracking_token"]
    )
    compiled.write_text(filled)
    run_sample("seed_event")
    other = {"event_id": "evt_unique_id", "event_type": "click", "tracking_token": second["tracking_token"]}
    refused("duplicate_event", "trackEvent", other)

    run_sample("seed_feedback_manual", AD=json.dumps(first))
    refused(
        "duplicate_feedback",
        "sendFeedback",
        {"tracking_token": first["tracking_token"], "reaction": "negative"},
    )
    run_sample("seed_feedback_auto", AD=json.dumps(second))
    refused(
        "duplicate_feedback",
        "sendFeedback",
        {"trackingToken": second["tracking_token"], "reaction": "negative"},
    )

    found = ads("decide", {"context": "please translate this contract into German", "max_results": 5})[
        "units"
    ]
    service = next(unit for unit in found if unit["ad_type"] == "service")
    compiled = project.folder / "out/seed_service_result.js"
    compiled.write_text(compiled.read_text().replace("txn_abc123", service["transaction_id"]))
    run_sample("seed_service_result")
    refused(
        "duplicate_service_result",
        "logServiceResult",
        {"transactionId": service["transaction_id"], "success": True},
    )

    click(first)
    run_sample("seed_rating", **token)
    rating = {"trackingToken": first["tracking_token"], "adUnitId": first["_meta"]["unit_id"], "rating": 1}
    refused("duplicate_rating", "rateBusiness", rating)

    run_sample("seed_signup")
    again = {"options": {"owner_email": "dev@example.com", "agent_name": "MyBot"}, "config": {"baseUrl": web}}
    with pytest.raises(SdkError) as raised:
        ads.driver.do("signup", **again)
    assert (raised.value.status, raised.value.code) == (409, "duplicate_agent")


def test_the_error_handling_of_the_reference(project: Project, stack: Stack, agent: dict[str, Any]) -> None:
    web, nobody = stack.webs[0].http, f"http://127.0.0.1:{free_port()}"
    right = agent["test_api_key"]
    for message, key, address, said in (
        ("I need a tax accountant", right, web, ""),
        ("", right, web, "Bad request: context must not be empty."),
        ("hello", "am_test_wrong", web, "API error: 401 authentication_failed {"),
        ("hello", right, nobody, "Network error: "),
    ):
        environment = {"PENGUIN_BASE_URL": address, "PENGUIN_ADS_KEY": key, "PENGUIN_API_KEY": KEY}
        output = project.run("seed_errors", **environment, USER_MESSAGE=message)
        assert output.startswith(said) and bool(output) == bool(said), output


def test_samples_of_the_readme(project: Project, stack: Stack, agent: dict[str, Any]) -> None:
    folder = stack.directory / "data/workspace/context"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "readme.md").write_text("# Penguins\n")
    said = {name: printed(f"readme_{name}", project, stack, agent) for name in readme_samples()}
    assert "Sponsored: " in said["ads"]
    assert "agt_" in said["registering_an_agent"] and "am_test_" in said["registering_an_agent"]
    assert "«Name three penguins.»" in said["chat"]
    assert "«And a fourth one?» in message 2" in said["as_it_is_written"]
    assert said["as_it_is_written"].endswith("completed\n")
    assert said["projects_and_tasks"].startswith("completed")
    assert "summary" in said["watching_a_task"]
    assert "Main model usage: " in said["conversations_usage_context_files"]
    assert re.search(r"Not sent: max_results", said["errors_and_attempts"])
    assert said["configuration"].startswith("20")
    assert len(said) == 10


def test_the_package_is_small_and_complete(project: Project) -> None:
    weighed = npm("run", "-s", "size")
    assert re.search(r"modules, \d+ bytes gzipped of 15360", weighed), weighed
    installed = project.folder / "node_modules/penguin-sdk"
    manifest = json.loads((installed / "package.json").read_text())
    assert not manifest.get("dependencies")
    assert manifest["engines"] == {"node": ">=18"}
    for name in ("README.md", "CHANGELOG.md", "LICENSE", "dist/esm/index.d.ts", "dist/cjs/index.d.ts"):
        assert (installed / name).exists(), name
    for entry in (*manifest["browser"], *manifest["browser"].values()):
        assert (installed / entry).exists(), entry
    lock = json.loads((PACKAGE / "package-lock.json").read_text())
    assert not [name for name, entry in lock["packages"].items() if "resolved" in entry]

    # As CommonJS, which has the same errors, and as a module.
    use = "new PenguinClient({ apiKey: 'x' }).decide({}).catch((e) => console.log(e instanceof ValidationError))"
    names = "{ PenguinClient, ValidationError }"
    (project.folder / "use.cjs").write_text(f"const {names} = require('penguin-sdk');\n{use}")
    (project.folder / "use.mjs").write_text(f"import {names} from 'penguin-sdk';\n{use}")
    assert (
        run("node", "use.cjs", cwd=project.folder) == run("node", "use.mjs", cwd=project.folder) == "true\n"
    )
    # Only what is loaded for Node alone speaks of Node's modules.
    for module in (installed / "dist/esm").glob("*.js"):
        assert ("node:" in module.read_text()) == (module.name == "node-websocket.js"), module.name
