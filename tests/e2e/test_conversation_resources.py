"""Deletion, export, forks, context files and uploads on real processes: with a worker at work and Daphne in front."""

import json
import urllib.error
import urllib.request
from typing import Any
from uuid import uuid4

from tests.model_script import default_answer
from tests.processes import eventually
from tests.stack import KEY, Stack

CHAT = "/api/v1/chat/message"
LIST = "/api/v1/conversations"


def new_id() -> str:
    return f"resource-{uuid4().hex}"


def said(stack: Stack, text: str, **fields: Any) -> dict[str, Any]:
    status, body = stack.request("POST", CHAT, {"text": text, **fields})
    assert status in (200, 202), body
    return dict(body)


def raw(
    stack: Stack, method: str, path: str, body: bytes = b"", content_type: str = ""
) -> tuple[int, bytes, Any]:
    """(status, body, headers) of a request whose answer need not be JSON."""
    headers = {"X-API-Key": KEY} | ({"Content-Type": content_type} if content_type else {})
    request = urllib.request.Request(f"{stack.webs[0].http}{path}", body or None, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def multipart(name: str, data: bytes, content_type: str) -> tuple[bytes, str]:
    lines = [
        "--b",
        f'Content-Disposition: form-data; name="file"; filename="{name}"',
        f"Content-Type: {content_type}",
    ]
    head = "\r\n".join(lines) + "\r\n\r\n"
    return head.encode() + data + b"\r\n--b--\r\n", "multipart/form-data; boundary=b"


def test_deleting_while_an_answer_is_written_waits_for_the_worker(stack: Stack) -> None:
    session_id = new_id()
    run_id = said(stack, f"{session_id} [[tokens=2000 delay=20]]", session_id=session_id, wait=False)[
        "run_id"
    ]
    eventually(lambda: stack.sql("SELECT 1 FROM fragment WHERE run_id = %s", run_id))
    queued = said(stack, "and then?", session_id=session_id, wait=False)["run_id"]
    status, body = stack.request("DELETE", f"{LIST}/{session_id}")
    assert (status, body["deleted"]) == (200, True)
    assert stack.request("GET", f"{LIST}/{session_id}")[0] == 404
    for table in ("run", "message", "model_call", "conversation_event", "fragment"):
        where = "id" if table == "run" else "run_id"
        assert not stack.sql(f"SELECT 1 FROM {table} WHERE {where} = ANY(%s)", [run_id, queued])
    # The name is free again, and nothing of the old answer comes after it.
    answer = said(stack, "Anybody there?", session_id=session_id)
    assert answer["response"] == default_answer("Anybody there?")
    assert stack.request("GET", f"{LIST}/{session_id}")[1]["message_count"] == 2


def test_deleting_while_the_worker_is_dead_ends_too(stack: Stack) -> None:
    session_id = new_id()
    run_id = said(stack, f"{session_id} [[tokens=2000 delay=20]]", session_id=session_id, wait=False)[
        "run_id"
    ]
    eventually(lambda: stack.sql("SELECT 1 FROM fragment WHERE run_id = %s", run_id))
    stack.kill(stack.worker_of(run_id))
    status, body = stack.request("DELETE", f"{LIST}/{session_id}")
    assert (status, body["deleted"]) == (200, True)


def test_a_long_export_arrives_whole(stack: Stack) -> None:
    session_id = new_id()
    said(stack, "The first question", session_id=session_id)
    stack.sql(
        "INSERT INTO message (id, conversation_id, owner_id, turn, step, role, content)"
        " SELECT gen_random_uuid(), c.id, c.owner_id, -n, 0, 'user', repeat('é', 1000) || n"
        " FROM conversation c, generate_series(1, 1500) n WHERE c.session_id = %s",
        session_id,
    )
    status, body, headers = raw(stack, "GET", f"{LIST}/{session_id}/export?format=json")
    assert status == 200
    assert int(headers["Content-Length"]) == len(body) > 2_000_000
    contents = [message["content"] for message in json.loads(body)["messages"]]
    assert contents[:1500] == ["é" * 1000 + str(n) for n in range(1500, 0, -1)]
    assert contents[1500:] == ["The first question", default_answer("The first question")]


def test_a_fork_is_continued_with_its_history(stack: Stack) -> None:
    session_id, marker = new_id(), uuid4().hex
    said(stack, f"Remember {marker}", session_id=session_id)
    later = said(stack, "Something that the fork does not know", session_id=session_id)
    messages = stack.request("GET", f"{LIST}/{session_id}")[1]["messages"]
    status, fork = stack.request("POST", f"{LIST}/{session_id}/fork", {"message_id": messages[1]["id"]})
    assert status == 200
    said(stack, f"What was it? {fork['session_id']}", session_id=fork["session_id"])
    [asked] = stack.model_requests(fork["session_id"])
    sent = json.dumps(asked)
    assert marker in sent
    assert "does not know" not in sent
    assert later["session_id"] == session_id


def test_a_context_file_reaches_the_model(stack: Stack) -> None:
    marker = uuid4().hex
    folder = stack.directory / "data" / "workspace" / "context"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{marker}.md").write_text(f"The word is {marker}-inside.")
    assert f"{marker}.md" in [
        file["path"] for file in stack.request("GET", "/api/v1/context-files")[1]["files"]
    ]
    status, loaded = stack.request("POST", "/api/v1/context-files/load", {"file_path": f"{marker}.md"})
    assert status == 200
    said(stack, f"What is the word? {loaded['session_id']}", session_id=loaded["session_id"])
    [asked] = stack.model_requests(loaded["session_id"])
    assert f"{marker}-inside" in json.dumps(asked)


def test_an_upload_goes_through_and_comes_back(stack: Stack) -> None:
    data = "é🐧\r\n".encode() * 300_000  # larger than a JSON body may be
    status, body, _ = raw(stack, "POST", "/api/v1/upload", *multipart("notes.txt", data, "text/plain"))
    assert status == 200
    status, given, headers = raw(stack, "GET", json.loads(body)["path"])
    assert (status, given) == (200, data)
    assert headers["Content-Disposition"].startswith("attachment")


def test_a_broken_upload_is_refused_in_the_envelope(stack: Stack) -> None:
    for form in (b"--b--\r\n", b"garbage", b"--b\r\n", b"\x00"):
        status, body, _ = raw(stack, "POST", "/api/v1/upload", form, "multipart/form-data; boundary=b")
        assert (status, set(json.loads(body))) == (400, {"detail", "code", "errors"})
    status, body, _ = raw(stack, "POST", "/api/v1/upload", b"x", "multipart/form-data")
    assert (status, json.loads(body)["code"]) == (400, "invalid_json")
