"""The chat half of the SDK against a real server: answers, streams that are cut, approvals, tasks."""

import random
import time
from pathlib import Path
from uuid import uuid4

import pytest

from tests.e2e.task_runs import finish
from tests.e2e.tool_runs import call
from tests.model_script import default_answer, token_texts
from tests.processes import eventually, free_port
from tests.sdk.typescript.sdk_driver import Client, Driver, SdkError, Stream
from tests.sdk.typescript.spoiling_proxy import LOST, SpoilingProxy, late, status
from tests.stack import KEY, Stack

PIECES = 120


def text_of(stream: Stream) -> str:
    """Put together from the tokens alone, as a program that shows them does; raises where one does not fit."""
    parts: dict[str, str] = {}
    for event in stream.events:
        data = event["data"]
        if event["event"] == "token":
            part = parts.setdefault(data["part_id"], "")
            assert data["offset"] == len(part), (data, part)
            parts[data["part_id"]] = part + data["token"]
        elif data.get("status") == "interrupted":
            parts.pop(data["part_id"], None)
    return "".join(parts.values())


def grow(stream: Stream, count: int) -> None:
    """Until there are so many more events, or the run waits for a person."""
    wanted = len(stream.look().events) + count
    stream.until(lambda stream: len(stream.events) >= wanted or stream.all("question", phase="asked"))


def test_a_stream_that_is_cut_twenty_times_yields_exactly_the_text(
    chat: Client, proxy: SpoilingProxy, stack: Stack
) -> None:
    """Sockets are killed, the web process, and the worker; no token is lost, none comes twice."""
    chance = random.Random(7)
    question = f"cut {uuid4().hex}"
    # However slow this machine is, the answer is not complete before all cuts: it has a question in its middle.
    script = f"[[tokens={PIECES} delay=60 step=0]] {call('ask_user', 0, question='On?')} [[tokens=9 step=1]]"
    stream = chat.stream("chat", {"text": f"{script} {question}"}, {"heartbeatMs": 2_000})
    cuts = ["web", "worker", *["socket"] * 18]
    chance.shuffle(cuts)
    for cut in cuts:
        grow(stream, chance.randint(0, 3))
        if cut == "web":
            stack.kill(stack.webs[0])
            proxy.target = stack.start_web().port
        elif cut == "worker":
            stream.until(lambda stream: stream.seen["runId"])
            stack.kill(stack.workers[0])
            stack.start_worker(wait=False)
        else:
            eventually(lambda: proxy.cut(), seconds=60)
    stream.act("answer", stream.find("question", phase="asked")["question"], "Yes.")
    first, second = ("".join(token_texts(question, count)) for count in (PIECES, 9))
    (complete,) = stream.end().all("complete")
    assert complete["response"] == second
    assert text_of(stream) == stream.seen["text"] == first + second
    assert stream.act("result") == complete
    assert proxy.sockets >= 19
    # The message was accepted once, however often it was sent.
    assert stack.sql(
        "SELECT count(*) FROM message WHERE role = 'user' AND content LIKE %s", f"%{question}"
    ) == [(1,)]
    assert len(stream.all("start")) == len(stream.all("question", phase="asked")) == 1


def test_a_message_and_its_answer(chat: Client, proxy: SpoilingProxy) -> None:
    answer = chat("chat.send", "Name three penguins.")
    assert answer["response"] == default_answer("Name three penguins.")
    assert proxy.served == ["POST /api/v1/chat/message"]
    # It is sent once. Sent again under its own id, it is the same message.
    message = {"text": "And a fourth?", "sessionId": answer["session_id"], "client_message_id": uuid4().hex}
    for fault, name in ((LOST, "NetworkError"), (status(503), "APIRequestError")):
        proxy.reset()
        proxy.faults.append(fault)
        with pytest.raises(SdkError) as raised:
            chat("chat.send", message)
        assert raised.value.name == name
        assert len(proxy.asked) == 1
    assert chat("chat.send", message)["response"] == default_answer("And a fourth?", 2)
    conversation = chat("conversations.get", answer["session_id"])
    assert [message["role"] for message in conversation["messages"]] == ["user", "assistant"] * 2
    proxy.faults.append(late(3))
    with pytest.raises(SdkError) as raised:
        chat("chat.send", "late", {"timeoutMs": 300})
    assert raised.value.name == "TimeoutError"
    for wrong in ("", {"text": 5}, {"text": "x", "session_id": "s" * 129}):
        proxy.reset()
        with pytest.raises(SdkError) as raised:
            chat("chat.send", wrong)
        assert raised.value.name == "ValidationError" and proxy.asked == []
    with pytest.raises(SdkError) as raised:
        chat("chat.send", {"text": "x", "session_id": answer["session_id"], "on_busy": "never"})
    assert (raised.value.status, raised.value.code) == (400, "validation_error")
    assert raised.value.requestId


def test_an_answer_that_takes_longer_than_a_request(
    driver: Driver, proxy: SpoilingProxy, stack: Stack
) -> None:
    client = driver.client(apiKey=KEY, baseUrl=proxy.url, waitMs=500)
    question = f"slow {uuid4().hex}"
    answer = client("chat.send", f"[[model_delay=1500]] {question}")
    assert answer["response"] == default_answer(question)
    assert len(proxy.served) > 1
    said = "SELECT count(*) FROM message WHERE role = 'user' AND content LIKE %s"
    assert stack.sql(said, f"%{question}") == [(1,)]


def test_cancelling_and_leaving(chat: Client, stack: Stack) -> None:
    stream = chat.stream("chat", {"text": f"[[tokens=3 delay=1]][[hang]] {uuid4().hex}"})
    stream.until(lambda stream: len(stream.all("token")) >= 1)
    stream.act("cancel")
    (complete,) = stream.end().all("complete")
    assert (complete["status"], complete["aborted"]) == ("cancelled", True)
    assert complete["response"] == stream.seen["text"] == text_of(stream)
    # Cancelled before anything of it is known.
    early = chat.stream("chat", {"text": f"[[hang]] {uuid4().hex}"})
    early.act("cancel")
    assert early.end().all("complete")[0]["status"] == "cancelled"
    # Whoever leaves stops nothing.
    mark = uuid4().hex
    left = chat.stream("chat", {"text": f"[[tokens=9]][[hold={mark}]] {mark}"}, {"abortAfterMs": 3_000})
    with pytest.raises(SdkError) as raised:
        left.end()
    assert raised.value.name == "AbortError"
    stack.release(mark)
    session_id = left.seen["sessionId"]
    eventually(
        lambda: chat("conversations.get", session_id)["messages"][-1]["role"] == "assistant", seconds=30
    )
    with pytest.raises(SdkError):
        left.act("result")


def test_what_a_stream_refuses_and_gives_up(
    driver: Driver, chat: Client, proxy: SpoilingProxy, stack: Stack
) -> None:
    busy = chat.stream("chat", {"text": f"[[hang]] {uuid4().hex}"})
    session_id = busy.find("start")["session_id"]
    with pytest.raises(SdkError) as raised:
        chat.stream("chat", {"text": "me too", "sessionId": session_id, "on_busy": "reject"}).end()
    assert (raised.value.name, raised.value.code) == ("APIRequestError", "conversation_busy")
    assert raised.value.body["run_id"] == busy.seen["runId"]
    # A conversation that was deleted meanwhile is not made anew.
    port, proxy.target = proxy.target, free_port()
    proxy.cut()
    assert stack.request("DELETE", f"/api/v1/conversations/{session_id}")[1]["deleted"] is True
    proxy.target = port
    with pytest.raises(SdkError) as raised:
        busy.end()
    assert (raised.value.status, raised.value.code) == (404, "not_found")
    failed = chat.stream("chat", {"text": f"[[error=400 code=bad message=No.]] {uuid4().hex}"}).end()
    assert failed.all("error")[0]["run_id"] == failed.all("complete")[0]["run_id"]
    assert failed.all("complete")[0]["status"] == "failed"
    wrong = driver.client(apiKey="not a key", baseUrl=proxy.url)
    with pytest.raises(SdkError) as raised:
        wrong.stream("chat", {"text": "x"}).end()
    assert (raised.value.status, raised.value.code) == (401, "authentication_failed")
    nobody = driver.client(apiKey=KEY, baseUrl=f"http://127.0.0.1:{free_port()}", maxRetries=1)
    with pytest.raises(SdkError) as raised:
        nobody.stream("chat", {"text": "x"}).end()
    assert raised.value.name == "NetworkError"
    assert KEY not in str(raised.value.fields)


def test_a_connection_that_dies_without_a_word(chat: Client, proxy: SpoilingProxy, stack: Stack) -> None:
    """Nothing goes through, and nobody is told: the heartbeat finds out. Then the story goes on from its place."""
    question = f"mute {uuid4().hex}"
    message = {
        "text": f"[[reasoning=2]][[tokens=20 delay=20]][[hold={question[5:]}]] {question}",
        "include_reasoning": True,
    }
    stream = chat.stream("chat", message, {"heartbeatMs": 250})
    stream.until(lambda stream: len(stream.all("token")) >= 2)
    proxy.is_mute = True
    sockets = proxy.sockets
    eventually(lambda: proxy.sockets > sockets, seconds=30)
    proxy.is_mute = False
    proxy.cut()
    stack.release(question[5:])
    (complete,) = stream.end().all("complete")
    assert complete["response"] == text_of(stream) == "".join(token_texts(question, 20))
    assert complete["reasoning"] == "".join(data["token"] for data in stream.all("reasoning"))


def test_a_log_that_is_not_kept(chat: Client, proxy: SpoilingProxy, stack: Stack) -> None:
    """Who comes back after a long time reads the rest from the stored message."""
    question = f"gone {uuid4().hex}"
    stream = chat.stream("chat", {"text": f"[[tokens=30 delay=20]][[hold={question[5:]}]] {question}"})
    run_id = stream.until(lambda stream: len(stream.all("token")) > 2 and stream.seen["runId"])
    port, proxy.target = proxy.target, free_port()
    proxy.cut()
    stack.release(question[5:])
    eventually(lambda: stack.request("GET", f"/api/v1/runs/{run_id}")[1]["status"] == "completed", seconds=30)
    ((pk, head),) = stack.sql(
        "SELECT c.id, head_seq FROM conversation c JOIN run ON run.conversation_id = c.id WHERE run.id = %s",
        run_id,
    )
    stack.sql("DELETE FROM conversation_event WHERE conversation_id = %s", pk)
    stack.sql("UPDATE conversation SET kept_after_seq = %s WHERE id = %s", head, pk)
    proxy.target = port
    (complete,) = stream.end().all("complete")
    assert complete["response"] == text_of(stream) == "".join(token_texts(question, 30))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    (folder / "notes.txt").write_text("Penguins\n")
    return folder


def test_tools_approvals_and_questions(chat: Client, proxy: SpoilingProxy, repository: Path) -> None:
    def ask(*calls: str) -> Stream:
        return chat.stream("chat", {"text": f"{' '.join(calls)} {uuid4().hex}", "directory": str(repository)})

    command = {"command": "for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done"}
    stream = ask(call("execute_command", 0, **command), call("ask_user", 1, question="Which one?"))
    approval = stream.find("approval", phase="asked")["approval"]
    assert [one["id"] for one in chat("decisions.approvals")["pending"]] == [approval["id"]]
    proxy.cut()  # what waits is still there afterwards
    assert stream.act("approve", approval, {"scope": "once"})["status"] == "approved"
    stream.until(
        lambda stream: [data for data in stream.all("tool", phase="progress") if "2" in data["output"]]
    )
    proxy.cut()
    question = stream.find("question", phase="asked")["question"]
    open_ones = [one for one in chat("decisions.questions")["questions"] if one["status"] == "open"]
    assert [one["id"] for one in open_ones] == [question["id"]]
    stream.act("answer", question["id"], "The second.")
    (complete,) = stream.end().all("complete")
    assert complete["status"] == "completed"
    ends = {data["action"]: data for data in stream.all("tool", phase="end")}
    assert "line 6" in ends["execute_command"]["result"]
    output = ""
    for data in stream.all("tool", phase="progress"):
        assert data["offset"] == len(output)
        output += data["output"]
    assert output in "".join(f"line {number}\n" for number in range(1, 7))
    with pytest.raises(SdkError) as raised:
        stream.act("deny", approval["id"])
    assert (raised.value.status, raised.value.code) == (409, "approval_decided")

    stream = ask(call("execute_command", 0, command="rm notes.txt"))
    approval = stream.find("approval", phase="asked")["approval"]
    denied = stream.act("deny", approval["id"], {"feedback": "Not that one."})
    assert (denied["status"], denied["feedback"]) == ("denied", "Not that one.")
    assert stream.end().all("complete")[0]["status"] == "completed"
    assert (repository / "notes.txt").exists()


def test_a_task_and_its_stream(chat: Client, proxy: SpoilingProxy, stack: Stack) -> None:
    """Started once, watched through cuts, and looked at."""
    project = chat("projects.create", {"name": f"Website {uuid4().hex[:8]}", "reviewRequired": False})
    question = f"task {uuid4().hex}"
    script = f"[[tokens=40 delay=40 step=0]] {finish(0, 'All done.')} {question}"
    wish = {
        "name": "Generate API documentation",
        "description": script,
        "projectId": project["id"],
        "timeLimit": 30,
    }
    stream = chat.stream("tasks", wish)
    for wanted in (4, 8, 12, 16):
        stream.until(lambda stream, wanted=wanted: len(stream.events) >= wanted or stream.seen["isOver"])
        proxy.cut()
    stream.end()
    assert stream.events[0]["event"] == "task_started"
    assert stream.events[-1]["event"] == "task_completed"
    (end,) = stream.all("task_completed")
    assert (end["status"], end["stop_reason"]) == ("completed", "finished")
    assert stream.act("result") == end
    assert text_of(stream) == stream.seen["text"]
    cursors = [event["data"]["cursor"] for event in stream.events if "cursor" in event["data"]]
    assert len(cursors) == len(set(cursors))
    assert proxy.served.count("POST /api/v1/tasks/execute") == 1
    assert len(chat("projects.get", project["id"])["tasks"]) == 1

    started = chat(
        "tasks.execute", {"name": "Another", "description": finish(0, "Quick."), "project_id": project["id"]}
    )
    proxy.reset()
    proxy.faults.extend([status(503), LOST])
    found = chat("tasks.wait", started, {"timeoutMs": 60_000})
    assert (found["status"], found["result"]["summary"]) == ("completed", "Quick.")
    assert chat("tasks.get", started["task_id"])["status"] == "completed"
    # The whole story can be read afterwards.
    after = chat.stream("tasks", {"execution_id": started["execution_id"]}).end()
    assert after.events[0]["event"] == "task_started" and after.all("task_completed")

    stored = chat("tasks.create", {"title": "Later", "description": "[[hang]]", "projectId": project["id"]})
    started = chat("tasks.executeStored", stored["id"])
    with pytest.raises(SdkError) as raised:
        chat("tasks.wait", started["execution_id"], {"timeoutMs": 400})
    assert raised.value.name == "TimeoutError"
    stream = chat.stream("tasks", started["execution_id"])
    stream.find("task_started")
    stream.act("cancel")
    assert stream.end().all("task_cancelled")
    assert chat("tasks.reopen", stored["id"], {"feedback": "Once more."})["status"] == "active"
    assert chat("tasks.list", {"projectId": project["id"], "ready": True})["tasks"][0]["id"] == stored["id"]
    assert chat("tasks.update", stored["id"], {"priority": 5})["priority"] == 5
    assert len(chat("tasks.executions", {"task_id": stored["id"]})["executions"]) == 1
    assert chat("tasks.start", stored["id"])["status"] == "running"
    assert chat("tasks.complete", stored["id"], {"result": "By hand."})["result"] == "By hand."
    assert chat("tasks.delete", stored["id"])["deleted"] is True
    assert chat("projects.update", project["id"], {"status": "archived"})["status"] == "archived"
    assert chat("projects.delete", project["id"])["deleted"] is True


def test_conversations_usage_and_context_files(chat: Client, proxy: SpoilingProxy, stack: Stack) -> None:
    session_id = f"birds/{uuid4().hex}".replace("/", "-")
    assert (
        chat("conversations.create", {"sessionId": session_id, "title": "Birds"})["session_id"] == session_id
    )
    assert chat("conversations.update", session_id, {"title": "Penguins"})["title"] == "Penguins"
    chat("chat.send", {"text": "[[usage input=9 output=3]] hello", "session_id": session_id})
    found = chat("conversations.list", {"search": session_id, "limit": 1})["conversations"]
    assert [(one["title"], one["message_count"]) for one in found] == [("Penguins", 2)]
    assert chat("usage.session", session_id)["usage"]["total"] == 12
    assert (
        chat("usage.get", {"sessionId": session_id, "from": "2020-01-01"})["usage"]["main_model"]["total"]
        == 12
    )
    folder = stack.directory / "data/workspace/context"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "notes.md").write_text("# Penguins\n")
    listed = chat("contextFiles.list")["files"]
    loaded = chat("contextFiles.load", {"filePath": listed[0]["path"], "session_id": session_id})
    assert loaded["success"] is True and loaded["session_id"] == session_id
    # A repeated creation with the same key is one.
    key = {"idempotencyKey": uuid4().hex}
    one, again = (chat("conversations.create", {}, key)["session_id"] for _ in range(2))
    assert one == again
    assert chat("conversations.delete", session_id)["status"] == "deleted"
    with pytest.raises(SdkError) as raised:
        chat("conversations.get", session_id)
    assert (raised.value.status, raised.value.code) == (404, "not_found")
    began = time.monotonic()
    proxy.reset()
    proxy.faults.append(status(429, "Retry-After: 1"))
    chat("conversations.list")
    assert time.monotonic() - began >= 1
