"""Live events on real processes: what comes, over which way, from where on, for whom, and how it ends."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from conversations.live.outbox import ROOM_SECONDS
from tests.e2e.answers import chat_clients
from tests.e2e.live_client import Event, LiveClient, Texts, live_client, run_of, types
from tests.e2e.tool_runs import call, repository
from tests.model_script import token_texts
from tests.processes import ROOT, eventually
from tests.stack import KEY, Process, Stack


def new_id() -> str:
    return f"live-{uuid4().hex}"


def slow(marker: str, tokens: int = 20, delay: int = 20) -> str:
    return f"{marker} [[tokens={tokens} delay={delay}]]"


def say(stack: Stack, session_id: str, text: str, **more: object) -> dict[str, str]:
    body = {"text": text, "session_id": session_id, "wait": False, **more}
    status, answer = stack.request("POST", "/api/v1/chat/message", body)
    assert status == 202, answer
    return answer


def make(stack: Stack, session_id: str, **more: object) -> None:
    status, answer = stack.request("POST", "/api/v1/conversations/create", {"session_id": session_id, **more})
    assert status == 200, answer


def texts_of(events: list[Event]) -> Texts:
    texts = Texts()
    for event in events:
        texts.take(event)
    return texts


def durable(events: list[Event]) -> list[Event]:
    """Without the text on its way, which a replay brings in other pieces, and without what is about the stream."""
    return [event for event in run_of(events) if "delta" not in event["properties"]]


# An answer


def test_the_events_of_an_answer(stack: Stack) -> None:
    session_id = new_id()
    make(stack, session_id, title="Live")
    with live_client(stack.webs[0], session_id=session_id) as client:
        assert client.response.status == 200
        headers = client.response.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert "no-cache" in headers["Cache-Control"]
        assert (headers["X-Accel-Buffering"], headers["Content-Length"]) == ("no", None)
        assert headers["X-Request-Id"]
        first = client.until("server.synced")
        assert types(first) == ["server.connected", "server.synced"]
        assert client.retry > 0
        accepted = say(stack, session_id, slow("Hello"))
        events = client.until("session.status", status="idle")
    assert types(durable(events)) == [
        "message.updated",  # the question
        "message.updated",  # the answer, queued
        "session.status",
        "message.updated",  # the answer, running
        "session.status",
        "message.part.updated",  # the text is complete
        "usage.updated",
        "message.updated",
        "session.status",
    ]
    assert texts_of(events).text == "".join(token_texts("Hello", 20))
    assert {event["properties"]["sessionID"] for event in events} == {session_id}
    deltas = [event["properties"] for event in events if "delta" in event["properties"]]
    assert len(deltas) > 3
    assert {delta["messageID"] for delta in deltas} == {accepted["message_id"]}
    assert {delta["part"]["type"] for delta in deltas} == {"text"}
    assert all("text" not in delta["part"] for delta in deltas)


def test_a_replay_is_what_was_heard_live(stack: Stack) -> None:
    """Event for event, to the millisecond; only the text comes in fewer pieces."""
    session_id = new_id()
    make(stack, session_id)
    with live_client(stack.webs[0], session_id=session_id) as client:
        cursor = client.until("server.synced")[-1]["properties"]["cursor"]
        say(stack, session_id, "Why? [[reasoning=3 delay=5]] [[tokens=5 delay=5]]")
        live = client.until("session.status", status="idle")
    with live_client(stack.webs[1], session_id=session_id, headers={"Last-Event-ID": cursor}) as client:
        replayed = client.until("server.synced")
    assert durable(live) == durable(replayed)
    assert texts_of(live) == texts_of(replayed)
    assert len(texts_of(live).parts) == 2


def test_both_ways_bring_the_same_objects(stack: Stack) -> None:
    session_id = new_id()
    make(stack, session_id)
    with (
        live_client(stack.webs[0], session_id=session_id) as client,
        socket_to(stack.webs[0], session_id=session_id) as other,
    ):
        client.until("server.synced")
        frames_until(other, "server.synced")
        say(stack, session_id, slow("Both"))
        over_sse = client.until("session.status", status="idle")
        over_socket = frames_until(other, "session.status", status="idle")
    assert over_sse == over_socket


def test_a_failed_run_says_so(stack: Stack) -> None:
    session_id = new_id()
    make(stack, session_id)
    with live_client(stack.webs[0], session_id=session_id) as client:
        client.until("server.synced")
        say(stack, session_id, f"{session_id} [[error=429 retry_after=0.01]]")
        events = client.until("session.status", status="idle")
    retries = [event["properties"]["retry"] for event in events if "retry" in event["properties"]]
    assert [retry["attempt"] for retry in retries] == [2, 3, 4]
    (error,) = [event["properties"] for event in events if event["type"] == "session.error"]
    assert (error["error"]["kind"], error["error"]["status"]) == ("provider_rate_limited", 503)


def test_a_queued_run_that_is_cancelled_leaves_the_session_busy(stack: Stack) -> None:
    session_id = new_id()
    make(stack, session_id)
    with live_client(stack.webs[0], session_id=session_id) as client:
        client.until("server.synced")
        say(stack, session_id, slow("first", 60))
        second = say(stack, session_id, "second")
        stack.request("POST", f"/api/v1/runs/{second['run_id']}/cancel")
        events = client.until("session.status", status="idle")
    ends = [event["properties"]["info"] for event in events if event["type"] == "message.updated"]
    ends = [(info["status"], info["runID"]) for info in ends if "completed" in info.get("time", {})]
    assert [status for status, _ in ends] == ["cancelled", "completed"]
    assert [e["properties"]["status"] for e in events if e["type"] == "session.status"][-1] == "idle"
    assert len([e for e in events if e["type"] == "session.status"]) == 3  # accepted, started, ended


# Resuming


def test_a_client_that_loses_its_connection_again_and_again_misses_nothing(stack: Stack) -> None:
    session_id, texts, cursor = new_id(), Texts(), ""
    make(stack, session_id)
    say(stack, session_id, slow("one", 40))
    say(stack, session_id, slow("two", 40))
    ended = 0
    for turn in range(60):
        query = {"last_event_id": cursor} if cursor else {}
        with live_client(stack.webs[turn % 2], session_id=session_id, **query) as client:
            for _ in range(9):
                event = client.receive()
                assert event is not None
                texts.take(event)
                cursor = event["id"] or cursor
                ended += event["type"] == "usage.updated"
                if event["type"] == "session.status" and event["properties"]["status"] == "idle":
                    break
            else:
                continue
            break
    assert ended >= 2
    assert texts.text == "".join([*token_texts("one", 40), *token_texts("two", 40)])
    rows = stack.sql(
        "SELECT e.seq FROM conversation_event e JOIN conversation c ON c.id = conversation_id"
        " WHERE session_id = %s AND type <> 'conversation.created' ORDER BY seq",
        session_id,
    )
    assert [int(cursor.partition(":")[2]) for cursor in texts.cursors] == [seq for (seq,) in rows]


def test_an_attach_in_the_middle_brings_the_text_so_far_at_once(stack: Stack) -> None:
    session_id = new_id()
    make(stack, session_id)
    with live_client(stack.webs[0], session_id=session_id) as first:
        first.until("server.synced")
        say(stack, session_id, slow("middle", 60))
        begun = first.until("message.part.updated")
        with live_client(stack.webs[1], session_id=session_id, last_event_id=begun[-2]["id"]) as second:
            joined = second.until("server.synced")
            assert [event["properties"]["offset"] for event in joined[1:-1]] == [0]
            rest = second.until("session.status", status="idle")
    assert texts_of([*joined, *rest]).text == "".join(token_texts("middle", 60))


def test_foreign_cursors_and_cursors_from_before_the_log(stack: Stack) -> None:
    session_id = new_id()
    make(stack, session_id)
    assert (
        stack.request("POST", "/api/v1/chat/message", {"text": "Hello", "session_id": session_id})[0] == 200
    )
    ((epoch, head),) = stack.sql(
        "UPDATE conversation SET kept_after_seq = 2 WHERE session_id = %s RETURNING epoch, head_seq",
        session_id,
    )
    snapshot = f"/api/v1/conversations/{session_id}/snapshot"
    for cursor in ("00000000:1", f"{epoch}:{head + 1}"):
        with live_client(stack.webs[0], session_id=session_id, last_event_id=cursor) as client:
            events = client.until("server.synced")
        assert types(events) == ["server.connected", "server.cursor_reset", "server.synced"]
        assert events[1]["properties"] == {"sessionID": session_id, "cursor": f"{epoch}:{head}"}
    with live_client(stack.webs[0], session_id=session_id, last_event_id=f"{epoch}:0") as client:
        events = client.until("server.synced")
    assert types(events)[:2] == ["server.connected", "server.replay_gap"]
    assert events[1]["properties"] == {"sessionID": session_id, "snapshot": snapshot}
    assert texts_of(events).cursors == [f"{epoch}:{seq}" for seq in range(3, head + 1)]
    assert stack.request("GET", snapshot)[0] == 200


def test_the_header_counts_before_the_address(stack: Stack) -> None:
    """A browser comes back to the address it was given, old cursor included, with the newer one in the header."""
    session_id = new_id()
    make(stack, session_id)
    assert (
        stack.request("POST", "/api/v1/chat/message", {"text": "Hello", "session_id": session_id})[0] == 200
    )
    ((epoch, head),) = stack.sql("SELECT epoch, head_seq FROM conversation WHERE session_id = %s", session_id)
    header = {"Last-Event-ID": f"{epoch}:{head - 1}"}
    with live_client(
        stack.webs[0], session_id=session_id, last_event_id=f"{epoch}:1", headers=header
    ) as client:
        assert texts_of(client.until("server.synced")).cursors == [f"{epoch}:{head}"]
    with live_client(stack.webs[0], session_id=session_id, last_event_id="") as client:
        assert types(client.until("server.synced")) == ["server.connected", "server.synced"]


# Everything of an owner


def test_all_of_ones_own_conversations_those_made_later_included(stack: Stack) -> None:
    before, later = new_id(), new_id()
    make(stack, before)
    say(stack, before, slow("before", 60))
    with live_client(stack.webs[0]) as client:
        client.until("server.synced")
        make(stack, later, title="Later")
        client.until("session.created", sessionID=later)
        stack.request("PATCH", f"/api/v1/conversations/{later}", {"title": "Renamed"})
        client.until("session.updated", sessionID=later)
        say(stack, later, slow("later", 10))
        client.until_idle(before, later)
        brought = new_id()
        say(stack, brought, "made by its first message")
        client.until("session.created", sessionID=brought)
        client.until("session.status", sessionID=brought, status="idle")
        for session_id in (later, brought):
            stack.request("DELETE", f"/api/v1/conversations/{session_id}")
            client.until("session.deleted", sessionID=session_id)
        events = client.events
    for session_id, marker, count in ((before, "before", 60), (later, "later", 10)):
        own = [event for event in events if event["properties"].get("sessionID") == session_id]
        assert texts_of(own).text == "".join(token_texts(marker, count))
    titles = [
        event["properties"]["info"].get("title")
        for event in events
        if event["type"].startswith("session.")
        and event["properties"].get("sessionID") == later
        and "info" in event["properties"]
    ]
    assert titles == ["Later", "Renamed", None]


def test_deleting_what_was_not_heard_of(stack: Stack) -> None:
    session_id = new_id()
    make(stack, session_id)
    with live_client(stack.webs[1]) as client:
        client.until("server.synced")
        stack.request("DELETE", f"/api/v1/conversations/{session_id}")
        client.until("session.deleted", sessionID=session_id)


def test_a_cursor_without_a_conversation_is_a_gap(stack: Stack) -> None:
    with live_client(stack.webs[0], headers={"Last-Event-ID": "0a1b2c3d:7"}) as client:
        events = client.until("server.synced")
    assert types(events) == ["server.connected", "server.replay_gap", "server.synced"]
    assert stack.request("GET", events[1]["properties"]["snapshot"])[0] == 200


def test_what_other_people_do_is_not_heard(stack: Stack) -> None:
    key = key_of_somebody(stack)
    mine = new_id()
    with live_client(stack.webs[0], key=key) as client:
        client.until("server.synced")
        make(stack, mine)
        say(stack, mine, slow("private", 5))
        with live_client(stack.webs[0], session_id=mine) as own:
            own.until("session.status", status="idle")
        assert client.quiet(seconds=1.5)


# The door


def key_of_somebody(stack: Stack, *scopes: str) -> str:
    """A key of a new user, made by the code that makes keys."""
    code = (
        "import django; django.setup()\n"
        "from penguin_site.api_keys import make_key; from penguin_site.models import User\n"
        f"user = User.objects.create(username={uuid4().hex!r})\n"
        f"print(make_key(user=user, name='tests', scopes={list(scopes or ('read',))!r})[1])"
    )
    environment = {**stack.environment(), "DJANGO_SETTINGS_MODULE": "penguin_site.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def refusal(client: LiveClient) -> tuple[int, str]:
    assert client.response.headers["Content-Type"] == "application/json"
    assert client.response.headers["X-Request-Id"]
    return client.response.status, json.loads(client.response.read())["code"]


def test_refusals_are_errors_before_the_stream_begins(stack: Stack) -> None:
    web, session_id = stack.webs[0], new_id()
    make(stack, session_id)
    chat_only = key_of_somebody(stack, "tasks")
    cases = [
        (live_client(web, key=""), 401, "authentication_failed"),
        (live_client(web, key="wrong"), 401, "authentication_failed"),
        (live_client(web, key="", ticket="wrong"), 401, "authentication_failed"),
        (live_client(web, key=chat_only), 403, "scope_missing"),
        (live_client(web, session_id="no-such-session"), 404, "not_found"),
        (live_client(web, key=key_of_somebody(stack), session_id=session_id), 404, "not_found"),
        (live_client(web, session_id=session_id, last_event_id="nonsense"), 400, "invalid_cursor"),
        (live_client(web, headers={"Last-Event-ID": "nonsense"}), 400, "invalid_cursor"),
        (live_client(web, session_id=""), 400, "validation_error"),
        (live_client(web, headers={"Host": "evil.example"}), 403, "foreign_host"),
        (live_client(web, headers={"Origin": "http://evil.example"}), 403, "foreign_origin"),
    ]
    for case, status, code in cases:
        with case as client:
            assert refusal(client) == (status, code)


def test_pages_of_accepted_origins_may_read(stack: Stack) -> None:
    web = stack.webs[0]
    origin = f"http://127.0.0.1:{web.port}"
    with live_client(web, headers={"Origin": origin}) as client:
        assert client.response.headers["Access-Control-Allow-Origin"] == origin
        client.until("server.synced")
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=40)
    connection.request("OPTIONS", "/api/v1/events/sse", headers={"Origin": origin})
    answer = connection.getresponse()
    assert answer.status == 204
    assert "Last-Event-ID" in answer.headers["Access-Control-Allow-Headers"]
    connection.close()


def test_a_ticket_opens_one_stream(stack: Stack) -> None:
    web = stack.webs[0]
    ticket = stack.request("POST", "/api/v1/auth/ticket")[1]["ticket"]
    with live_client(web, key="", ticket=ticket) as client:
        client.until("server.synced")
    with live_client(web, key="", ticket=ticket) as client:
        assert refusal(client) == (401, "authentication_failed")
    ticket = stack.request("POST", "/api/v1/auth/ticket")[1]["ticket"]
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=40)
    connection.request("GET", f"/api/v1/conversations?ticket={ticket}")
    assert connection.getresponse().status == 401  # of no other route
    connection.close()
    assert ticket not in web.output


def test_the_head_of_a_stream_ends(stack: Stack) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", stack.webs[0].port, timeout=40)
    connection.request("HEAD", "/api/v1/events/sse", headers={"X-API-Key": KEY})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"")
    connection.close()


# The ends


def test_a_deleted_conversation_ends_its_streams(stack: Stack) -> None:
    session_id = new_id()
    make(stack, session_id)
    with (
        live_client(stack.webs[0], session_id=session_id) as client,
        socket_to(stack.webs[1], session_id=session_id) as other,
    ):
        client.until("server.synced")
        frames_until(other, "server.synced")
        assert stack.request("DELETE", f"/api/v1/conversations/{session_id}")[0] in (200, 204)
        last = client.until("session.deleted")[-1]
        assert (last["id"], last["properties"]["info"]) == (None, {"id": session_id})
        assert client.receive() is None
        frames_until(other, "session.deleted")
        with pytest.raises(ConnectionClosed) as closed:
            other.recv(timeout=30)
        assert closed.value.rcvd and closed.value.rcvd.code == 1000


def test_a_revoked_key_ends_its_streams(stack: Stack) -> None:
    key = key_of_somebody(stack)
    with live_client(stack.webs[0], key=key) as client, live_client(stack.webs[0]) as owners:
        client.until("server.synced")
        owners.until("server.synced")
        stack.sql("UPDATE api_key SET revoked_at = now() WHERE name = 'tests'")
        began = time.monotonic()
        assert client.receive(seconds=30) is None
        assert time.monotonic() - began < 30
        assert client.comments[-1] == "signed out"
        assert owners.quiet()


def test_a_web_that_stops_ends_its_streams(stack: Stack) -> None:
    web = stack.start_web()
    with live_client(web) as client:
        client.until("server.synced")
        web.send(signal.SIGTERM)
        began = time.monotonic()
        assert client.receive() is None
        assert client.comments[-1] == "the server restarts"
    web.process.wait(10)
    stack.forget(web)
    assert web.process.returncode == 0
    assert time.monotonic() - began < 30


def open_files(web: Process) -> int:
    return len(os.listdir(f"/proc/{web.pid}/fd"))


def test_streams_leave_nothing_behind(stack: Stack) -> None:
    """While fifty are open they hold no thread and no connection to the database; then all of it is free again."""
    web, session_id = stack.webs[0], new_id()
    make(stack, session_id)
    stack.request("GET", "/api/v1/models", web=web)
    files, threads = open_files(web), len(os.listdir(f"/proc/{web.pid}/task"))
    with ExitStack() as exits:
        for number in range(50):
            query = {"session_id": session_id} if number % 2 else {}
            exits.enter_context(live_client(web, **query)).until("server.synced")
        assert open_files(web) - files <= 50 + 16  # a pool of eight, another of eight threads
        assert len(os.listdir(f"/proc/{web.pid}/task")) - threads <= 10
    eventually(lambda: open_files(web) - files <= 16)
    assert stack.request("GET", "/api/v1/models", web=web)[0] == 200


BURSTS, BURST = 20, 100
# So many entries at once, with the hints that tell of them: more in all than buffers of the kernel and ours hold.
MANY_LONG_TITLES = f"""
WITH given AS (SELECT %s::text AS session_id, jsonb_build_object('title', %s::text) AS payload),
c AS (UPDATE conversation SET head_seq = head_seq + {BURST} FROM given
      WHERE conversation.session_id = given.session_id RETURNING id, head_seq, payload),
e AS (INSERT INTO conversation_event (conversation_id, seq, type, payload)
      SELECT id, head_seq - {BURST} + n, 'conversation.updated', payload FROM c, generate_series(1, {BURST}) n
      RETURNING conversation_id, seq, payload, floor(extract(epoch FROM created_at) * 1000)::bigint AS time)
SELECT count(pg_notify('penguin_live', json_build_array(json_build_array(
  'e', conversation_id, seq, null, 'conversation.updated', payload, time))::text)) FROM (SELECT * FROM e ORDER BY seq) x
"""


def read_too_late(stack: Stack, session_id: str, *, head: int, rest: float) -> bytes:
    """What a stream brings whose reader stops at first, while another one reads on, and goes on after `rest`."""
    web = stack.webs[0]
    with socket.socket() as reader:
        # Else some kernels let it grow to more than all that comes here.
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        reader.settimeout(60)
        reader.connect(("127.0.0.1", web.port))
        reader.sendall(
            f"GET /api/v1/events/sse?session_id={session_id} HTTP/1.0\r\nHost: 127.0.0.1:{web.port}\r\n"
            f"X-API-Key: {KEY}\r\n\r\n".encode()
        )
        received = b""
        while b"server.synced" not in received:
            received += reader.recv(512)
        assert b" 200 " in received.partition(b"\r\n")[0]
        with live_client(web, session_id=session_id) as other:
            other.until("server.synced")
            for _ in range(BURSTS):
                stack.sql(MANY_LONG_TITLES, session_id, "a title " * 900)
                for _ in range(BURST):
                    assert other.receive()
            newest = str(other.events[-1]["id"])
            assert newest.endswith(f":{head}")
        time.sleep(rest)
        while f"id: {newest}\n".encode() not in received[-16_384:]:
            if not (chunk := reader.recv(1 << 20)):
                break
            received += chunk
    return received


def test_a_reader_that_stops_is_cut_off_and_resumes_where_it_was(stack: Stack) -> None:
    """Others read on meanwhile; the last words name a cursor behind which nothing was lost."""
    session_id, web = new_id(), stack.webs[0]
    make(stack, session_id)
    head = 1 + BURSTS * BURST
    received = read_too_late(stack, session_id, head=head, rest=0)
    if b": too slow" not in received:
        # It was just reading the log when it stopped, as it does when hints come late: that is waited for longer.
        head += BURSTS * BURST
        received = read_too_late(stack, session_id, head=head, rest=ROOM_SECONDS + 5)
    last = received.rstrip().rsplit(b"\n\n", 1)[-1].decode()
    assert last.startswith(": too slow, the last cursor was "), last
    cursor = last.rpartition(" ")[2]
    assert cursor.encode() == received.rpartition(b"\nid: ")[2].partition(b"\n")[0]
    with live_client(web, session_id=session_id, last_event_id=cursor) as again:
        rest = again.until("server.synced")
    first = int(cursor.partition(":")[2]) + 1
    assert [int(c.partition(":")[2]) for c in texts_of(rest).cursors] == list(range(first, head + 1))


# Tools


TOOLS = (
    "Look and mend "
    + call("read_file", 0, path="sums.py")
    + call("todo_write", 1, todos=[{"content": "mend", "status": "in_progress"}])
    + call("execute_command", 2, command="echo all is well")
    + "[[tokens=5 delay=5 step=3]]"
)


async def test_a_run_with_tools_over_stream_replay_and_chat_socket(stack: Stack, tmp_path: Path) -> None:
    root, session_id = repository(tmp_path / "repo"), new_id()
    make(stack, session_id, directory=str(root))
    with live_client(stack.webs[0], session_id=session_id) as client:
        cursor = client.until("server.synced")[-1]["properties"]["cursor"]
        async with chat_clients(stack.webs, 1) as (chat,):
            answer = await chat.say(TOOLS, session_id=session_id)
            await chat.until_true(lambda: answer.asked)
            await chat.send({"type": "approve", "approval_id": answer.asked[0][1]["approval"]["id"]})
            await chat.wait(answer)
        live = client.until("session.status", status="idle")
    with live_client(stack.webs[1], session_id=session_id, last_event_id=cursor) as client:
        replayed = client.until("server.synced")
    assert durable(live) == durable(replayed)

    parts = [
        event["properties"]["part"] for event in durable(live) if event["type"] == "message.part.updated"
    ]
    tools = [part for part in parts if part["type"] == "tool"]
    for name in ("read_file", "todo_write", "execute_command"):
        states = [part["state"] for part in tools if part["tool"] == name]
        assert [state["status"] for state in states] == ["pending", "running", "completed"]
        assert len({part["callID"] for part in tools if part["tool"] == name}) == 1
        assert states[1]["time"]["start"] and states[2]["time"]["end"] >= states[2]["time"]["start"]
        assert all(state["input"] == states[0]["input"] for state in states)
    assert answer.complete
    results = {result["action"]: result for result in answer.complete["action_results"]}
    ended = {part["tool"]: part for part in tools if part["state"]["status"] == "completed"}
    assert {name: part["callID"] for name, part in ended.items()} == {
        name: result["tool_call_id"] for name, result in results.items()
    }
    assert ended["execute_command"]["state"]["output"] == results["execute_command"]["result"]

    call_id = ended["execute_command"]["callID"]
    output = texts_of(live).parts[call_id]
    assert output == answer.outputs[call_id]
    assert "all is well" in output and call_id not in texts_of(replayed).parts  # the result holds it by then

    kinds = types(live)
    asked = live[kinds.index("permission.asked")]["properties"]
    replied = live[kinds.index("permission.replied")]["properties"]
    assert (asked["id"], asked["tool"]["callID"]) == (replied["requestID"], call_id)
    assert (asked["approval"]["status"], replied["reply"]) == ("pending", "once")
    assert live[kinds.index("todo.updated")]["properties"]["todos"][0]["content"] == "mend"
    statuses = [event["properties"]["status"] for event in live if event["type"] == "session.status"]
    assert statuses == ["busy", "busy", "waiting", "busy", "busy", "idle"]
    messages = {part["messageID"] for part in parts}
    assert messages == {answer.message_id}


def test_a_question_and_its_answer(stack: Stack) -> None:
    session_id = new_id()
    make(stack, session_id)
    with live_client(stack.webs[0]) as client:
        client.until("server.synced")
        say(stack, session_id, call("ask_user", 0, question="Red or blue?", options=["red", "blue"]))
        asked = client.until("question.asked", sessionID=session_id)[-1]["properties"]
        path = f"/api/v1/questions/{asked['id']}/answer"
        assert stack.request("POST", path, {"answer": "blue"})[0] == 200
        replied = client.until("question.replied", sessionID=session_id)[-1]["properties"]
        client.until("session.status", sessionID=session_id, status="idle")
    assert asked["question"]["text"] == "Red or blue?"
    assert (replied["requestID"], replied["answer"]) == (asked["id"], "blue")


# Sockets


def socket_to(web: Process, *, key: str = KEY, **query: str) -> ClientConnection:
    address = f"ws://127.0.0.1:{web.port}/api/v1/events/ws?{urlencode(query)}"
    return connect(address, additional_headers={"X-API-Key": key}, max_size=None, proxy=None)


def frames_until(connection: ClientConnection, kind: str, **wanted: object) -> list[Event]:
    frames: list[Event] = []
    while True:
        frames.append(json.loads(connection.recv(timeout=40)))
        properties = frames[-1].get("properties", {})
        if frames[-1].get("type") == kind and all(
            properties.get(key) == value for key, value in wanted.items()
        ):
            return frames


def test_a_socket_hears_only_pings(stack: Stack) -> None:
    with socket_to(stack.webs[0]) as connection:
        frames_until(connection, "server.synced")
        connection.send('{"type":"ping"}')
        assert json.loads(connection.recv(timeout=30)) == {"type": "pong"}
        for frame in ("nonsense", '{"text":"Hello"}', "[1]", b"\x00"):
            connection.send(frame)
            error = json.loads(connection.recv(timeout=30))
            assert (error["event"], error["data"]["code"]) == ("error", "unknown_type")
        connection.send('{"type":"ping"}')
        assert json.loads(connection.recv(timeout=30)) == {"type": "pong"}


@pytest.mark.parametrize(
    ("query", "code", "word"),
    [
        ({"session_id": "no-such-session"}, 4404, "not_found"),
        ({"last_event_id": "nonsense"}, 4400, "invalid_cursor"),
        ({"session_id": ""}, 4400, "validation_error"),  # not everything by mistake
    ],
)
def test_a_socket_is_told_why_it_is_closed(stack: Stack, query: dict[str, str], code: int, word: str) -> None:
    with socket_to(stack.webs[0], **query) as connection:
        error = json.loads(connection.recv(timeout=30))
        assert (error["event"], error["data"]["code"]) == ("error", word)
        with pytest.raises(ConnectionClosed) as closed:
            connection.recv(timeout=30)
    assert closed.value.rcvd and closed.value.rcvd.code == code
