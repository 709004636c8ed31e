"""Every sample of the usage guide that needs no tools, run against real processes; beside each what goes wrong.

Two webs serve one database: one asks for a key (`your-key`), the other does not, as the keyless samples assume.
"""

import ast
import http.client
import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.sync.client import connect

from tests.e2e.samples_runner import Guide, Ran, run_until
from tests.model_script import default_answer
from tests.processes import can_connect, eventually, free_port
from tests.stack import KEY, MODEL, Process, Stack, clean_environment

GUIDES_CONVERSATION = "conversation_20240330_123456"
GUIDES_DIRECTORY = "/absolute/path/to/repo"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    directory = tmp_path_factory.mktemp("guide")
    with Stack(os.environ["DATABASE_URL"], directory, PENGUIN_API_KEYS=f"{KEY},your-key") as stack:
        yield stack.start()


@pytest.fixture(scope="module")
def open_server(stack: Stack) -> str:
    """The address of a server without authentication."""
    assert stack.model
    port = free_port()
    environment = {
        "DATABASE_URL": stack.database_url,
        "PENGUIN_DATA_DIR": str(stack.directory / "data"),
        "PENGUIN_PORT": str(port),
        "PENGUIN_AUTH_ENABLED": "false",
        "PENGUIN_MODEL": MODEL,
        "OPENAI_API_KEY": "scripted",
        "OPENAI_BASE_URL": f"{stack.model.http}/v1",
    }
    log = stack.directory / "open-web.log"
    web = Process("open web", "manage.py", "web", log=log, env=clean_environment() | environment, port=port)
    stack.webs.append(web)  # ended with the others
    eventually(lambda: can_connect(port), seconds=40)
    return f"127.0.0.1:{port}"


@pytest.fixture
def guide(stack: Stack, open_server: str, tmp_path: Path) -> Guide:
    workspace = stack.directory / "data/workspace"
    return Guide(tmp_path, open_server, f"127.0.0.1:{stack.webs[0].port}", workspace)


# Asking


def test_python_asks_with_a_key(guide: Guide) -> None:
    ran = guide.run_with_keys("chat_message.py")
    answer = default_answer("Write a Python function to calculate the Fibonacci sequence.")
    assert (ran.stdout, ran.returncode) == (f"{answer}\n", 0), ran.stderr


def test_python_asks_with_a_wrong_key(guide: Guide) -> None:
    ran = guide.run_with_keys("chat_message.py", {"your-key": "another-key"})
    assert ran.stdout == ""
    assert "KeyError: 'response'" in ran.stderr
    for headers in ({}, {"X-API-Key": "another-key"}, {"Authorization": "Bearer another-key"}):
        url = f"http://{guide.server_with_keys}/api/v1/chat/message"
        refused = requests.post(url, headers=headers, json={"text": "hello"}, timeout=30)
        assert (refused.status_code, refused.json()["code"]) == (401, "authentication_failed")
        assert "WWW-Authenticate" in refused.headers


def test_javascript_asks_with_a_key(guide: Guide) -> None:
    ran = guide.run_with_keys("chat_message.js")
    assert ran.stdout == default_answer("Explain quantum computing in simple terms") + "\n", ran.stderr


def test_javascript_asks_with_a_wrong_key(guide: Guide) -> None:
    ran = guide.run_with_keys("chat_message.js", {"your-key": "another-key"})
    assert (ran.stdout, ran.returncode) == ("undefined\n", 0), ran.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("chat_message.sh", "Generate a hello world program in Rust"),
        ("key_features.sh", "What are the key features of Penguin?"),
    ],
)
def test_curl_asks(name: str, text: str, guide: Guide) -> None:
    answer = json.loads(guide.run(name).stdout)
    assert answer["response"] == default_answer(text)
    assert answer["action_results"] == []
    assert (answer["status"], answer["aborted"]) == ("completed", False)
    assert answer["session_id"] == answer["conversation_id"]
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0


@pytest.mark.parametrize(
    "body",
    [
        '{"text": "   "}',  # nothing is said
        '{"text": 5}',  # a number is no text
        '["text"]',  # no object
        '{"text": ',  # no JSON
    ],
)
def test_curl_asks_wrongly(body: str, guide: Guide) -> None:
    printed = '{"text": "Generate a hello world program in Rust"}'
    ran = guide.run("chat_message.sh", {printed: body, "-X POST": "-w '\n%{http_code}' -X POST"})
    answer, status = ran.stdout.rsplit("\n", 1)
    assert status == "400"
    assert json.loads(answer)["detail"]


def test_java_asks(guide: Guide) -> None:
    ran = guide.run("PenguinApiExample.java")
    assert ran.stderr == ""
    assert json.loads(ran.stdout)["response"] == default_answer("Explain SOLID principles")


def test_java_asks_without_the_key_that_is_needed(guide: Guide) -> None:
    ran = guide.run_with_keys("PenguinApiExample.java")
    assert json.loads(ran.stdout)["code"] == "authentication_failed"


def test_go_asks_and_asks_wrongly_on_the_same_connection(guide: Guide) -> None:
    """The very bytes that Go's `http.Post` writes; it keeps the connection for the next request."""
    host, text = guide.open_server, "Explain container orchestration"
    with socket.create_connection(tuple(host.split(":")), timeout=30) as connection:
        status, answer = _go_posts(connection, host, b'{"text":"%s"}' % text.encode())
        assert (status, answer["response"]) == (200, default_answer(text))
        status, answer = _go_posts(connection, host, b'{"txt":"%s"}' % text.encode())
        assert (status, answer["code"]) == (400, "validation_error")


def _go_posts(connection: socket.socket, host: str, body: bytes) -> tuple[int, Any]:
    head = (
        "POST /api/v1/chat/message HTTP/1.1\r\n"
        f"Host: {host}\r\n"
        "User-Agent: Go-http-client/1.1\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Content-Type: application/json\r\n"
        "Accept-Encoding: gzip\r\n"
        "\r\n"
    )
    connection.sendall(head.encode() + body)
    response = http.client.HTTPResponse(connection)
    response.begin()
    assert response.getheader("Content-Encoding") is None
    return response.status, json.loads(response.read())


# Conversations and directories


def test_curl_continues_a_conversation(guide: Guide) -> None:
    guide.forget(GUIDES_CONVERSATION)
    first = {"text": "Generate a hello world program", "conversation_id": GUIDES_CONVERSATION}
    guide.ask("POST", "/chat/message", first)
    answer = json.loads(guide.run("chat_in_conversation.sh").stdout)
    # The scripted model says how many of the user's messages it was sent.
    text = "Explain the key components of the code you just generated"
    assert answer["response"] == default_answer(text, 2)
    assert answer["conversation_id"] == GUIDES_CONVERSATION


def test_curl_continues_a_conversation_wrongly(guide: Guide) -> None:
    ran = guide.run("chat_in_conversation.sh", {GUIDES_CONVERSATION: "no/such name"})
    assert json.loads(ran.stdout)["code"] == "validation_error"
    two_names = {"text": "hello", "session_id": "one", "conversation_id": "another"}
    guide.ask("POST", "/chat/message", two_names, status=400, code="validation_error")


def test_curl_binds_a_directory(guide: Guide) -> None:
    guide.forget("repo-session-1")
    repo, other = guide.folder / "repo", guide.folder / "other"
    repo.mkdir()
    other.mkdir()
    link = guide.folder / "link"
    link.symlink_to(repo)

    def bind(directory: Path) -> dict[str, Any]:
        ran = guide.run("chat_in_directory.sh", {GUIDES_DIRECTORY: str(directory)})
        return json.loads(ran.stdout)

    assert bind(repo)["response"] == default_answer("Run checks in this repo")
    assert guide.ask("GET", "/conversations/repo-session-1")["directory"] == str(repo.resolve())
    assert bind(other)["code"] == "directory_conflict"
    rebound = {"text": "hello", "session_id": "repo-session-1", "directory": str(other)}
    guide.ask("POST", "/chat/message", rebound, status=409, code="directory_conflict")
    # The same directory by another name.
    assert bind(link)["response"] == default_answer("Run checks in this repo", 2)


@pytest.mark.parametrize("directory", [GUIDES_DIRECTORY, "repo", "/etc", "/", __file__])
def test_a_directory_that_cannot_be_bound(directory: str, guide: Guide) -> None:
    ran = guide.run("chat_in_directory.sh", {GUIDES_DIRECTORY: directory})
    assert json.loads(ran.stdout)["code"] == "invalid_directory"
    body = {"text": "Run checks in this repo", "session_id": "never-made", "directory": directory}
    guide.ask("POST", "/chat/message", body, status=400, code="invalid_directory")
    guide.ask("GET", "/conversations/never-made", status=404, code="not_found")


# The socket


def test_javascript_streams(guide: Guide) -> None:
    guide.forget("stream-session-1")
    replacing = {GUIDES_DIRECTORY: str(guide.folder)}
    output = run_until("Action results:", "chat_stream.js", guide.open_server, guide.folder, replacing)
    answer = default_answer("Write a step-by-step guide to installing TensorFlow.")
    assert output == f"Response started\n{answer}\nResponse completed\nAction results: []\n"


def test_javascript_streams_without_the_key_that_is_needed(guide: Guide) -> None:
    ran = guide.run_with_keys("chat_stream.js", {GUIDES_DIRECTORY: str(guide.folder)})
    assert ran.stdout == ""


def test_a_wrong_message_leaves_the_socket_open(guide: Guide) -> None:
    session_id = "stream-session-2"
    guide.forget(session_id)
    message = {"text": "hello", "session_id": session_id}
    other = guide.folder / "other"
    other.mkdir()
    with connect(f"ws://{guide.open_server}/api/v1/chat/stream", proxy=None) as websocket:

        def heard(frame: object) -> dict[str, Any]:
            websocket.send(frame if isinstance(frame, str) else json.dumps(frame))
            found = json.loads(websocket.recv(timeout=30))
            return {"event": found["event"], **found["data"]}

        for wrong, status, code in [
            ("not JSON", 400, "invalid_frame"),
            ([message], 400, "invalid_frame"),
            ({"session_id": session_id}, 400, "validation_error"),
            ({**message, "directory": GUIDES_DIRECTORY}, 400, "invalid_directory"),
        ]:
            answer = heard(wrong)
            assert (answer["event"], answer["status"], answer["code"]) == ("error", status, code)
        assert heard({**message, "directory": str(guide.folder)})["event"] == "start"
        while (frame := json.loads(websocket.recv(timeout=30)))["event"] != "complete":
            assert frame["event"] == "token"
        assert frame["data"]["response"] == default_answer("hello")
        rebound = heard({**message, "directory": str(other)})
        assert (rebound["event"], rebound["status"], rebound["code"]) == ("error", 409, "directory_conflict")


# Managing conversations


def test_python_lists_conversations(guide: Guide) -> None:
    empty = guide.ask("POST", "/conversations/create")["session_id"]
    answered = guide.ask("POST", "/chat/message", {"text": "hello"})["session_id"]
    ran = guide.run("list_conversations.py")
    newest = [f"ID: {answered}, Messages: 2", f"ID: {empty}, Messages: 0"]
    assert ran.stdout.splitlines()[:2] == newest, ran.stderr


@pytest.mark.parametrize("query", ["limit=0", "limit=many", "cursor=nonsense", "archived=perhaps"])
def test_a_list_that_is_asked_for_wrongly(query: str, guide: Guide) -> None:
    guide.ask("GET", f"/conversations?{query}", status=400)


def test_python_creates_a_conversation(guide: Guide) -> None:
    ran = guide.run("create_conversation.py")
    match = re.fullmatch(r"Created conversation: (conversation_\d{8}_\d{6}_[0-9a-f]{8})\n", ran.stdout)
    assert match, ran.stderr
    assert guide.ask("GET", f"/conversations/{match[1]}")["messages"] == []


def test_a_conversation_that_cannot_be_created(guide: Guide) -> None:
    taken = guide.ask("POST", "/conversations/create")["session_id"]
    guide.ask("POST", "/conversations/create", {"session_id": taken}, status=409, code="session_exists")
    guide.ask("POST", "/conversations/create", {"session_id": "a b"}, status=400, code="validation_error")
    guide.ask("POST", "/conversations/create", ["title"], status=400)


def test_python_retrieves_a_conversation(guide: Guide) -> None:
    guide.forget(GUIDES_CONVERSATION)
    missing = guide.run("retrieve_conversation.py")
    assert "KeyError: 'messages'" in missing.stderr
    guide.ask("GET", f"/conversations/{GUIDES_CONVERSATION}", status=404, code="not_found")
    guide.ask("POST", "/chat/message", {"text": "hello", "conversation_id": GUIDES_CONVERSATION})
    ran = guide.run("retrieve_conversation.py")
    assert ran.stdout == f"user: hello\nassistant: {default_answer('hello')}\n", ran.stderr


# Projects and tasks


def printed(ran: Ran, beginning: str) -> Any:
    """What a Python sample printed behind these words."""
    assert ran.stdout.startswith(beginning), ran.stderr
    return ast.literal_eval(ran.stdout.removeprefix(beginning))


def test_python_creates_a_project(guide: Guide) -> None:
    for earlier in guide.ask("GET", "/projects?q=Website")["projects"]:  # names are unique
        guide.ask("DELETE", f"/projects/{earlier['id']}")
    project = printed(guide.run("create_project.py"), "Created project: ")
    assert project["name"] == "Website Development"
    assert project["description"] == "Create a responsive website with React and FastAPI backend"
    assert (project["status"], project["directory"]) == ("active", None)
    assert project["created_at"] == project["updated_at"]
    found = guide.ask("GET", f"/projects/{project['id']}")
    assert {name: found[name] for name in project} == project
    assert found["tasks"] == []
    again = printed(guide.run("create_project.py"), "Created project: ")
    assert again["code"] == "project_exists"


def test_python_creates_a_project_wrongly(guide: Guide) -> None:
    refused = printed(guide.run("create_project.py", {"Website Development": " "}), "Created project: ")
    assert (refused["code"], refused["errors"][0]["loc"]) == ("validation_error", ["body", "name"])
    without_key = printed(guide.run_with_keys("create_project.py"), "Created project: ")
    assert without_key["code"] == "authentication_failed"
    guide.ask("POST", "/projects", ["name"], status=400)
    guide.ask("GET", "/projects/018e8f5a-0000-7000-8000-000000000001", status=404, code="not_found")


def test_python_executes_a_task(guide: Guide) -> None:
    started = printed(guide.run("execute_task.py"), "Task execution started: ")
    assert started["status"] == "started"
    assert started.keys() == {"status", "task_id", "execution_id", "session_id", "links"}

    def ended() -> object:
        found = guide.ask("GET", f"/executions/{started['execution_id']}")
        return found if found["ended_at"] else None

    found: Any = eventually(ended, seconds=40)
    assert (found["status"], found["time_limit"], found["continuous"]) == ("completed", 30, False)
    task = guide.ask("GET", f"/tasks/{started['task_id']}")
    assert (task["title"], task["status"]) == ("Generate API documentation", "pending_review")
    assert guide.ask("GET", f"/conversations/{started['session_id']}")["messages"]


def test_python_executes_a_task_wrongly(guide: Guide) -> None:
    refused = printed(
        guide.run("execute_task.py", {"Generate API documentation": " "}), "Task execution started: "
    )
    assert (refused["code"], refused["errors"][0]["loc"]) == ("validation_error", ["body", "name"])
    without_key = printed(guide.run_with_keys("execute_task.py"), "Task execution started: ")
    assert without_key["code"] == "authentication_failed"
    guide.ask("GET", "/executions/018e8f5a-0000-7000-8000-000000000001", status=404, code="not_found")


# Usage, context files, errors


def test_python_reads_the_token_usage(guide: Guide) -> None:
    before = guide.ask("GET", "/token-usage")["usage"]["main_model"]["total"]
    guide.ask("POST", "/chat/message", {"text": "[[usage input=90 output=33]] hello"})
    ran = guide.run("token_usage.py")
    assert ran.stdout == f"Main model usage: {before + 123} tokens\n", ran.stderr


def test_token_usage_that_is_asked_for_wrongly(guide: Guide) -> None:
    guide.ask("GET", "/token-usage?session_id=no-such-session", status=404, code="not_found")
    guide.ask("GET", "/token-usage?from=yesterday", status=400)


def test_python_lists_and_loads_context_files(guide: Guide) -> None:
    folder = guide.workspace / "context/docs"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "api_reference.md").write_text("# Référence\n")
    ran = guide.run("context_files.py")
    listed, loaded = ran.stdout.splitlines()
    assert listed == "File: docs/api_reference.md, Size: 14"
    assert loaded.startswith(
        "Context file loaded: {'success': True, 'file_path': 'docs/api_reference.md', 'size': 14"
    )
    session_id = re.search(r"'session_id': '([^']+)'", loaded)[1]  # type: ignore[index]
    (message,) = guide.ask("GET", f"/conversations/{session_id}")["messages"]
    assert "# Référence" in message["content"]


@pytest.mark.parametrize(
    ("file_path", "status"),
    [("docs/missing.md", 404), ("../../secret_key", 400), ("/etc/passwd", 400), ("", 400), ("docs", 400)],
)
def test_a_context_file_that_cannot_be_loaded(file_path: str, status: int, guide: Guide) -> None:
    (guide.workspace / "context/docs").mkdir(parents=True, exist_ok=True)
    guide.ask("POST", "/context-files/load", {"file_path": file_path}, status=status)


def test_python_is_told_what_is_wrong(guide: Guide) -> None:
    detail = guide.ask("POST", "/chat/message", {"invalid_param": "value"}, status=400)["detail"]
    assert "text" in detail
    ran = guide.run("error_handling.py")
    assert (ran.stdout, ran.returncode) == (f"Bad request: {detail}\n", 0)
    ran = guide.run_with_keys("error_handling.py")
    assert ran.stdout.startswith("HTTP error: 401 Client Error")


def test_python_is_told_that_the_model_provider_failed(guide: Guide) -> None:
    wrong, failing = '"invalid_param": "value"', '"text": "[[error=400]] refused by the provider"'
    ran = guide.run("error_handling.py", {wrong: failing})
    assert ran.stdout.startswith("HTTP error: 502 Server Error")
