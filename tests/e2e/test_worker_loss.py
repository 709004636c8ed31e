"""A worker is killed, frozen or asked to stop in the middle of answers: every answer ends, each text once and exact."""

import asyncio
import signal

from tests.e2e.answers import Asked, begin, chat_clients, finish, losses
from tests.processes import eventually
from tests.stack import Stack


async def test_a_killed_worker_loses_no_answer(stack: Stack) -> None:
    stack.kill(stack.workers[1])
    async with chat_clients(stack.webs, 6) as clients:
        conversations = await begin(clients, 30, hold="loss")
        stack.kill(stack.workers[0])
        stack.release("loss")
        stack.start_worker(wait=False)
        await finish(stack, conversations)
        assert losses(stack, conversations) == [(3, 1)] * 30
        for _, asked, answer in conversations:
            assert [status["status"] for status in answer.statuses] == ["interrupted", "queued"]
            (dropped,) = answer.dropped
            assert asked.expected.startswith(dropped.text)
            assert dropped.text


async def test_what_a_killed_worker_had_is_kept_as_interrupted(stack: Stack) -> None:
    async with chat_clients(stack.webs, 1) as (client,):
        conversations = await begin([client], 1, hold="interrupted")
        ((_, asked, answer),) = conversations
        stack.kill(stack.worker_of(answer.run_id))
        stack.release("interrupted")
        await finish(stack, conversations)
    (dropped,) = answer.dropped
    ((parts,),) = stack.sql("SELECT parts FROM message WHERE id = %s", answer.message_id)
    assert [(part["status"], part["text"]) for part in parts] == [
        ("interrupted", parts[0]["text"]),
        ("complete", asked.expected),
    ]
    assert parts[0]["text"].startswith(dropped.text)
    # The lost call has cost something, too.
    calls = stack.sql(
        "SELECT status, output_tokens > 0 FROM model_call WHERE run_id = %s ORDER BY attempt", answer.run_id
    )
    assert calls == [("interrupted", True), ("succeeded", True)]


async def test_the_second_loss_in_one_step_ends_the_run(stack: Stack) -> None:
    stack.start_worker(wait=False)
    async with chat_clients(stack.webs, 1) as (client,):
        ((_, asked, answer),) = await begin([client], 1, tokens=200, delay_ms=50)
        stack.kill(stack.worker_of(answer.run_id))
        await client.until_true(lambda: answer.dropped and answer.text)
        stack.kill(stack.worker_of(answer.run_id))
        await client.wait(answer)
    assert answer.complete
    assert answer.complete["status"] == "failed"
    assert [error["code"] for error in answer.errors] == ["worker_lost_repeatedly"]
    assert answer.text
    assert asked.expected.startswith(answer.text)
    status, run = stack.request("GET", f"/api/v1/runs/{answer.run_id}")
    assert (status, run["status"], run["error"]["kind"]) == (200, "failed", "worker_lost_repeatedly")


async def test_a_frozen_worker_that_wakes_up_writes_nothing(stack: Stack) -> None:
    """It finds the rest of the model's answer in its buffers, and would like to end the run."""
    async with chat_clients(stack.webs, 1) as (client,):
        conversations = await begin([client], 1, tokens=90, delay_ms=30)
        ((*_, answer),) = conversations
        zombie = stack.worker_of(answer.run_id)
        zombie.send(signal.SIGSTOP)
        await client.until_true(lambda: answer.dropped and answer.text)
        zombie.send(signal.SIGCONT)
        await finish(stack, conversations)
        by_attempt = (
            "SELECT attempt, type FROM conversation_event WHERE run_id = %s AND attempt > 0 ORDER BY seq"
        )
        events = stack.sql(by_attempt, answer.run_id)
        assert events[:4] == [
            (1, "run.started"),
            (2, "part.interrupted"),
            (2, "run.requeued"),
            (3, "run.started"),
        ]
        assert [attempt for attempt, _ in events] == sorted(attempt for attempt, _ in events)
        # The zombie has let the run go and works on.
        for worker in [worker for worker in stack.workers if worker is not zombie]:
            stack.kill(worker)
        again = Asked(tokens=3)
        assert (await client.ask(again.text)).text == again.expected


async def test_a_worker_that_is_asked_to_stop_finishes_or_gives_back(stack: Stack) -> None:
    for worker in list(stack.workers):
        stack.kill(worker)
    stopping = stack.start_worker(PENGUIN_DRAIN_SECONDS=3)
    async with chat_clients(stack.webs, 3) as clients:
        long = await begin(clients, 5, hold="drain")
        short = await begin(clients, 5, tokens=10, delay_ms=50)
        stopping.send(signal.SIGTERM)
        other = stack.start_worker(wait=False)
        assert await asyncio.to_thread(stopping.end, seconds=10) == 0
        stack.forget(stopping)
        stack.release("drain")
        await finish(stack, [*long, *short])
    assert losses(stack, short) == [(1, 0)] * 5
    assert losses(stack, long) == [(2, 0)] * 5
    assert stack.workers == [other]
    pid = "SELECT process_id FROM worker WHERE process_id = %s"
    eventually(lambda: not stack.sql(pid, stopping.pid))


async def test_what_waits_for_a_worker_is_answered_when_there_is_one(stack: Stack) -> None:
    for worker in list(stack.workers):
        stack.kill(worker)
    async with chat_clients(stack.webs, 2) as clients:
        asked = [Asked(tokens=5) for _ in range(10)]
        conversations = [
            (client, a, await client.say(a.text)) for a, client in zip(asked, clients * 5, strict=True)
        ]
        for client, _, answer in conversations:
            await client.until(answer.started)
        stack.start_worker(wait=False)
        await finish(stack, conversations)
    assert losses(stack, conversations) == [(1, 0)] * 10
