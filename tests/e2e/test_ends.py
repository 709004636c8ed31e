"""How an answer can end before its time: cancelled over REST or a socket, past its deadline, or its reader stops."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from conversations.core import cursors
from conversations.live.outbox import ROOM_SECONDS
from tests.chat_client import Answer, ChatClient
from tests.e2e.answers import Asked, chat_clients
from tests.processes import eventually
from tests.stack import KEY, Process, Stack


async def begin_endless(client: ChatClient) -> tuple[Asked, Answer]:
    """An answer that stops in the middle for ever, as far as it comes."""
    asked = Asked(tokens=3, delay_ms=1, then="[[hang]]")
    answer = await client.say(asked.text)
    await client.until_true(lambda: answer.text == asked.expected)
    return asked, answer


def assert_ended(stack: Stack, asked: Asked, answer: Answer, status: str) -> None:
    """The text so far is the answer, and nobody pays for more of it: the model's stream is closed."""
    assert answer.complete
    assert (answer.complete["status"], answer.complete["aborted"]) == (status, True)
    assert answer.complete["response"] == asked.expected
    eventually(lambda: [entry["outcome"] for entry in stack.model_requests(asked.text)] == ["client_gone"])
    run = stack.request("GET", f"/api/v1/runs/{answer.run_id}")[1]
    assert run["status"] == status
    _, conversation = stack.request("GET", f"/api/v1/conversations/{answer.session_id}")
    assert [message["content"] for message in conversation["messages"]] == [asked.text, asked.expected]


async def test_cancel_over_rest(stack: Stack) -> None:
    async with chat_clients(stack.webs[:1], 1) as (client,):
        asked, answer = await begin_endless(client)
        path = f"/api/v1/runs/{answer.run_id}/cancel"
        began = time.monotonic()
        status, _ = await asyncio.to_thread(stack.request, "POST", path, {}, web=stack.webs[1])
        await client.wait(answer)
        assert time.monotonic() - began < 30
        assert status in (200, 202)  # its worker may have confirmed already
        assert_ended(stack, asked, answer, "cancelled")
        assert stack.request("POST", path, {})[0] == 200


@pytest.mark.parametrize("named", [True, False], ids=["by its id", "whatever runs"])
async def test_cancel_over_the_socket(stack: Stack, named: bool) -> None:
    async with chat_clients(stack.webs, 1) as (client,):
        asked, answer = await begin_endless(client)
        await client.send({"type": "cancel", **({"run_id": answer.run_id} if named else {})})
        await client.wait(answer)
        assert client.errors == []
    assert_ended(stack, asked, answer, "cancelled")


async def test_the_next_message_is_answered_after_a_cancel(stack: Stack) -> None:
    async with chat_clients(stack.webs, 1) as (client,):
        _, answer = await begin_endless(client)
        next_asked = Asked(tokens=3)
        waiting = await client.say(next_asked.text, session_id=answer.session_id)
        await client.until(waiting.started)
        await client.send({"type": "cancel", "run_id": answer.run_id})
        await client.wait(answer, waiting)
        assert waiting.text == next_asked.expected


@contextmanager
def workers_with_deadline(stack: Stack, *, count: int, seconds: int) -> Iterator[None]:
    """Workers that give a run so long; afterwards none is left, so that the next test starts its own."""
    for worker in list(stack.workers):
        stack.kill(worker)
    try:
        for worker in [
            stack.start_worker(wait=False, PENGUIN_RUN_TIMEOUT_SECONDS=seconds) for _ in range(count)
        ]:
            stack.wait_worker(worker)
        yield
    finally:
        for worker in list(stack.workers):
            stack.kill(worker)


async def test_a_run_ends_at_its_deadline(stack: Stack) -> None:
    with workers_with_deadline(stack, count=1, seconds=2):
        async with chat_clients(stack.webs, 1) as (client,):
            began = time.monotonic()
            asked, answer = await begin_endless(client)
            await client.wait(answer)
            assert 2 <= time.monotonic() - began < 30
        assert_ended(stack, asked, answer, "timed_out")


async def test_the_deadline_counts_the_time_with_all_workers(stack: Stack) -> None:
    """A run that is lost and repeated has no more time than any other."""
    with workers_with_deadline(stack, count=2, seconds=10):
        async with chat_clients(stack.webs, 1) as (client,):
            asked, answer = await begin_endless(client)
            stack.kill(stack.worker_of(answer.run_id))
            await client.wait(answer, seconds=40)
            assert answer.complete
            assert answer.complete["status"] == "timed_out"
            assert answer.text == asked.expected
        ((attempts, active),) = stack.sql(
            "SELECT attempt, active_seconds FROM run WHERE id = %s", answer.run_id
        )
        # Its time went on with the second worker; that one did not give it ten seconds of its own.
        assert attempts > 1 and 10 <= active < 19


def memory_of(pid: int) -> int:
    """Resident bytes of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


async def test_a_reader_that_stops_is_closed_and_costs_nothing(stack: Stack) -> None:
    """Forty answers flow to one socket that nobody reads. Others read on meanwhile, at their pace."""
    closed = await flood_and_read(stack, rest=0)
    if closed is None:
        # Caught while it read the log, on a busy machine: a replay waits for its reader, though not for ever.
        closed = await flood_and_read(stack, rest=ROOM_SECONDS + 5)
    assert closed is not None
    # Closed with the place where it can go on; or dropped, as it did not even read that.
    if closed.rcvd:
        assert closed.rcvd.code == 4008
        assert cursors.parse(closed.rcvd.reason)


async def flood_and_read(stack: Stack, *, rest: float) -> ConnectionClosed | None:
    """How the socket was closed that forty answers went to, and that is read after `rest` seconds more."""
    web, flood = stack.webs[0], uuid4().hex
    question = " ".join(["x" * 600] * 60) + "[[echo delay=10]]" * 10
    finished = (
        "SELECT count(*) FROM run JOIN conversation c ON c.id = conversation_id"
        f" WHERE session_id LIKE '{flood}-%%' AND run.status = 'completed'"
    )
    slow = await connect_with_small_buffer(web)
    async with slow, chat_clients([web], 1) as (client,):
        await client.ask(Asked().text)
        before = most = memory_of(web.pid)
        for number in range(40):
            await slow.send(json.dumps({"session_id": f"{flood}-{number}", "text": question}))
        deadline = time.monotonic() + 120
        while stack.sql(finished) != [(40,)]:
            assert time.monotonic() < deadline
            asked, began = Asked(tokens=10), time.monotonic()
            assert (await client.ask(asked.text)).text == asked.expected
            assert time.monotonic() - began < 30
            most = max(most, memory_of(web.pid))
        assert most - before < 40 * 1024 * 1024
        await asyncio.sleep(rest)
        try:
            async with asyncio.timeout(40):
                while True:
                    await slow.recv()
        except ConnectionClosed as closed:
            return closed
        except TimeoutError:
            return None


async def connect_with_small_buffer(web: Process) -> ClientConnection:
    """A socket that takes 64 KB and then no more, unless it is read."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    plain.connect(("127.0.0.1", web.port))
    plain.setblocking(False)
    return await connect(
        web.socket,
        sock=plain,
        additional_headers={"X-API-Key": KEY},
        proxy=None,
        max_queue=1,
        max_size=None,
        ping_interval=None,
    )
