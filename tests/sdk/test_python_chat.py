"""The Python SDK and the agent server: chat, streams, approvals, conversations, tasks; each test with both clients."""

from collections.abc import Iterator
from uuid import uuid4

import penguin_sdk
import pytest
from penguin_sdk import events

from tests.e2e.task_runs import finish
from tests.e2e.tool_runs import call, new_session
from tests.model_script import default_answer, token_texts
from tests.sdk.fault_proxy import Fault
from tests.sdk.python_clients import KINDS, Clients


@pytest.fixture(params=KINDS)
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    clients = Clients(request.param)
    yield clients
    clients.close()


@pytest.fixture
def client(clients, proxy, server_key):
    return clients.make(chat_api_key=server_key, base_url=proxy.url, timeout_ms=60_000)


def tokens(stream) -> str:
    """What somebody has who does as the events say."""
    parts: dict[str, str] = {}
    for event in stream:
        if isinstance(event, events.Token):
            assert event.offset == len(parts.get(event.part_id, ""))
            parts[event.part_id] = parts.get(event.part_id, "") + event.text
        elif isinstance(event, events.PartDropped):
            parts.pop(event.part_id, None)
    return "".join(parts.values())


def test_messages_are_answered(stack, client, proxy):
    session_id = new_session()
    first = client.chat.send("hello", session_id=session_id)
    assert (first["response"], first["status"]) == (default_answer("hello"), "completed")
    proxy.faults.append(Fault("lost"))
    mark = {"session_id": session_id, "client_message_id": uuid4().hex}
    with pytest.raises(penguin_sdk.NetworkError):
        client.chat.send("again", **mark)
    assert proxy.paths() == ["message", "message"]
    assert client.chat.send("again", **mark)["response"] == default_answer("again", 2)
    accepted = client.chat.enqueue("later", session_id=session_id)
    run = client.chat.wait(accepted["run_id"], timeout_ms=60_000)
    assert (run["status"], client.chat.run(run["id"])["id"]) == ("completed", run["id"])
    found = client.conversations.get(session_id)
    assert [message["content"] for message in found["messages"] if message["role"] == "user"] == [
        "hello", "again", "later",
    ]  # fmt: skip
    assert client.chat.runs(session_id=session_id, limit=2)["runs"][0]["id"] == run["id"]
    with pytest.raises(penguin_sdk.APIRequestError) as failed:
        client.chat.send("[[error=400]] refused")
    assert (failed.value.status, failed.value.body["retryable"]) == (502, False)
    with pytest.raises(penguin_sdk.ValidationError, match="text"):
        client.chat.send(" ")


def test_a_server_that_cannot_wait_is_asked_again(stack, client, proxy):
    accepted = client.chat.enqueue("once", client_message_id=(mark := uuid4().hex))
    body = str(accepted).replace("'", '"').encode()
    proxy.faults.append(Fault(status=202, body=body))
    answer = client.chat.send("once", client_message_id=mark)
    assert (answer["run_id"], answer["response"]) == (accepted["run_id"], default_answer("once"))
    client.chat.wait(accepted["run_id"])
    proxy.only = "/message"
    proxy.faults.extend([Fault(status=202, body=body)] * 2)
    again = client.chat.send("once", client_message_id=mark)
    assert {**again, "action_results": []} == {**answer, "action_results": []}


def test_a_stream_has_each_token_once(stack, client):
    with client.chat.stream(
        "words [[reasoning=3]] [[tokens=30 delay=5]]", session_id=new_session()
    ) as stream:
        said = list(stream)
    assert isinstance(said[0], events.Started)
    assert isinstance(said[-1], events.Completed)
    expected = "".join(token_texts("words", 30))
    assert "".join(event.text for event in said if isinstance(event, events.Token)) == expected
    assert "".join(event.text for event in said if isinstance(event, events.Reasoning)).startswith(
        "thought 0"
    )
    assert (stream.text, said[-1].response, said[-1].status) == (expected, expected, "completed")
    assert {event.run_id for event in said} == {stream.run_id}
    failed = list(client.chat.stream("[[error=400]] refused"))
    assert [type(event) for event in failed[-2:]] == [events.RunFailed, events.Completed]
    assert (failed[-2].status, failed[-1].status) == (502, "failed")


def test_a_stream_that_is_cut_goes_on(stack, client, proxy):
    text = f"cut {uuid4().hex}"
    stream = client.chat.stream(f"{text} [[tokens=60 delay=30]]")
    had = ""
    for number, event in enumerate(stream):
        if isinstance(event, events.Token):
            had += event.text
        if number % 9 == 0:
            proxy.cut_sockets()
    assert had == stream.text == "".join(token_texts(text, 60))
    assert proxy.sockets_opened > 2
    assert len(stack.model_requests(text)) == 1


def test_what_is_refused_is_raised(stack, client, clients, proxy):
    with pytest.raises(penguin_sdk.APIRequestError) as refused:
        next(iter(client.chat.stream("x", directory="/absolute/path/to/repo")))
    assert (refused.value.status, refused.value.code) == (400, "invalid_directory")
    stranger = clients.make(chat_api_key="wrong", base_url=proxy.url)
    with pytest.raises(penguin_sdk.APIRequestError) as refused:
        next(iter(stranger.chat.stream("x")))
    assert (refused.value.status, refused.value.code) == (401, "authentication_failed")
    nowhere = clients.make(base_url="http://127.0.0.1:1", max_retries=1)
    with pytest.raises(penguin_sdk.NetworkError):
        next(iter(nowhere.chat.stream("x")))
    with pytest.raises(penguin_sdk.ValidationError):
        client.chat.stream("")


def test_a_stream_is_cancelled(stack, client, proxy):
    early = client.chat.stream("early [[tokens=400 delay=50]]")
    early.cancel()
    end = early.result()
    assert (end.status, end.aborted) == ("cancelled", True)
    late = client.chat.stream("late [[tokens=400 delay=50]]")
    for event in late:
        if isinstance(event, events.Token) and not event.offset:
            late.cancel()
            proxy.cut_sockets()  # the wish may be lost, and is said again
    assert late.result().status == "cancelled"


def test_a_stream_waits_for_a_person(stack, client, tmp_path):
    command = call("execute_command", 0, command="echo hello") + call("ask_user", 1, question="Red or blue?")
    session_id = new_session()
    stream = client.chat.stream(command, session_id=session_id, directory=str(tmp_path))
    seen = []
    for event in stream:
        seen.append(type(event))
        match event:
            case events.ApprovalEvent(phase="asked", approval=approval):
                assert client.decisions.approvals()["count"] >= 1
                assert client.decisions.approval(approval["id"])["status"] == "pending"
                assert stream.approve(approval, scope="once")["status"] == "approved"
                with pytest.raises(penguin_sdk.APIRequestError) as second:
                    stream.deny(approval["id"], feedback="no")
                assert (second.value.status, second.value.code) == (409, "approval_decided")
            case events.QuestionEvent(phase="asked", question=question):
                assert client.decisions.questions(session_id=session_id)["questions"]
                assert stream.answer(question["id"], "blue")["answer"] == "blue"
            case events.ToolEnded(action="execute_command"):
                assert "hello" in str(event.result)
    end = stream.result()
    assert end.status == "completed"
    assert "blue" in end.response
    assert {events.ToolStarted, events.ToolEnded, events.Status} <= set(seen)


def test_conversations_usage_and_context_files(stack, client):
    session_id = new_session()
    made = client.conversations.create(session_id=session_id, title="Birds")
    assert made["session_id"] == session_id
    assert client.conversations.update(session_id, title="Penguins")["title"] == "Penguins"
    client.chat.send("[[usage input=90 output=33]] rockhopper", session_id=session_id)
    folder = stack.directory / "data/workspace/context"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "facts.md").write_text("# Facts\n")
    assert "facts.md" in [file["path"] for file in client.context_files.list()["files"]]
    assert client.context_files.load("facts.md", session_id=session_id)["session_id"] == session_id
    assert client.usage.get(session_id=session_id)["usage"]["main_model"]["total"] == 123
    assert client.usage.get()["usage"]["total"] >= 123
    assert client.usage.session(session_id)["context_window"]["used"] > 0
    assert client.conversations.search(q="rockhopper")["results"]
    copy = client.conversations.fork(session_id)
    listed = client.conversations.list(limit=2)
    assert copy["session_id"] in [each["session_id"] for each in listed["conversations"]]
    assert client.conversations.delete(copy["session_id"])["deleted"]
    with pytest.raises(penguin_sdk.APIRequestError) as gone:
        client.conversations.get(copy["session_id"])
    assert (gone.value.status, gone.value.code) == (404, "not_found")
    assert gone.value.request_id
    with pytest.raises(penguin_sdk.ValidationError):
        client.conversations.get("")


def test_projects_and_tasks(stack, client, proxy):
    project = client.projects.create(name=f"Website {uuid4().hex}", review_required=False)
    task = client.tasks.create(title="Look around", project_id=project["id"], priority=3)
    assert client.tasks.update(task["id"], description=finish(0, "Seen."))["priority"] == 3
    started = client.tasks.execute_stored(task["id"], time_limit=5)
    ended = client.tasks.wait(started["execution_id"], timeout_ms=60_000)
    assert (ended["status"], ended["result"]["summary"]) == ("completed", "Seen.")
    assert client.tasks.get(task["id"])["status"] == "completed"
    assert client.tasks.reopen(task["id"], feedback="Once more.")["status"] == "active"
    assert client.tasks.start(task["id"])["status"] == "running"
    assert client.tasks.complete(task["id"], result="By hand.")["result"] == "By hand."
    assert client.tasks.list(project_id=project["id"])["tasks"][0]["id"] == task["id"]
    assert client.tasks.executions(task_id=task["id"])["executions"][0]["id"] == started["execution_id"]
    assert client.projects.get(project["id"])["tasks"]
    client.tasks.create(title="More", description=finish(0), project_id=project["id"])
    client.projects.run(project["id"], continuous=True)
    assert client.projects.get_run(project["id"])["project_id"] == project["id"]
    assert client.projects.cancel_run(project["id"])["id"]
    assert client.projects.list(q=project["name"])["projects"][0]["id"] == project["id"]
    assert client.projects.update(project["id"], status="archived")["status"] == "archived"


def test_a_task_is_watched(stack, client, proxy):
    script = (
        "go [[tokens=40 delay=30 step=0]]" + call("ask_user", 0, question="Red or blue?") + finish(1, "Blue.")
    )
    started = client.tasks.execute(name="Paint", description=script)
    stream = client.tasks.stream(started)
    seen, had = [], ""
    for number, event in enumerate(stream):
        seen.append(type(event))
        if isinstance(event, events.Token):
            had += event.text
        if isinstance(event, events.ClarificationNeeded):
            client.tasks.clarify(started["task_id"], "blue", question_id=event.question["id"])
        if number in (3, 9, 14):
            proxy.cut_sockets()
    end = stream.result()
    assert (end.status, end.stop_reason, end.result["summary"]) == ("completed", "finished", "Blue.")
    assert had == stream.text
    assert [had.count(f".{number}{'ÿ世🐧'[number % 3]} ") for number in range(40)] == [1] * 40
    assert {events.TaskStarted, events.TaskProgress, events.ClarificationNeeded, events.TaskEnded} <= set(
        seen
    )
    over = list(client.tasks.stream(started["execution_id"]))
    assert isinstance(over[-1], events.TaskEnded)

    slow = client.tasks.execute(name="Slow", description="[[tokens=400 delay=50]]")["execution_id"]
    client.tasks.pause(slow)
    client.tasks.resume(slow, time_limit=5)
    watching = client.tasks.stream(slow)
    with pytest.raises(penguin_sdk.TimeoutError):
        client.tasks.wait(slow, timeout_ms=300)
    watching.cancel()
    assert watching.result().status == "cancelled"
    assert client.tasks.cancel(slow)["status"] == "cancelled"
