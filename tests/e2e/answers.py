"""Answers whose exact text is known, and what must be true of each of them when all is over."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import uuid4

from tests.chat_client import Answer, ChatClient
from tests.model_script import token_texts
from tests.stack import Process, Stack


class Asked:
    """A message to the scripted model, and the one right answer to it: `tokens` pieces, one each `delay_ms`."""

    def __init__(self, *, tokens: int = 40, delay_ms: int = 20, then: str = "") -> None:
        text = f"question {uuid4().hex}"
        self.text = f"{text} [[tokens={tokens} delay={delay_ms}]]{then}"
        self.expected = "".join(token_texts(text, tokens))


@asynccontextmanager
async def chat_clients(webs: Sequence[Process], count: int) -> AsyncIterator[list[ChatClient]]:
    """Clients that know all these webs, each beginning with another one."""
    addresses = [web.socket for web in webs]
    async with AsyncExitStack() as exits:
        turned = [addresses[n % len(webs) :] + addresses[: n % len(webs)] for n in range(count)]
        yield list(await asyncio.gather(*(exits.enter_async_context(ChatClient(known)) for known in turned)))


Conversation = tuple[ChatClient, Asked, Answer]


async def begin(
    clients: Sequence[ChatClient], count: int, *, tokens: int = 40, delay_ms: int = 20, hold: str = ""
) -> list[Conversation]:
    """`count` messages, each in a conversation of its own, spread over the clients; returns once all answers flow.

    `hold`: none of them ends before that is released.
    """
    then = f"[[hold={hold}]]" if hold else ""
    begun = []
    for number in range(count):
        client, asked = clients[number % len(clients)], Asked(tokens=tokens, delay_ms=delay_ms, then=then)
        begun.append((client, asked, await client.say(asked.text)))
    for client, _, answer in begun:
        await client.until(answer.begun)
    return begun


async def finish(stack: Stack, conversations: Sequence[Conversation]) -> None:
    """Waits for all ends; every client has exactly the right text, and so have the tables, once."""
    for client, asked, answer in conversations:
        await client.wait(answer, seconds=40)
        assert answer.complete
        assert (answer.complete["status"], answer.errors) == ("completed", [])
        assert answer.text == asked.expected
    assert_stored(stack, {answer.run_id: asked.expected for _, asked, answer in conversations})


def assert_stored(stack: Stack, expected: dict[str, str]) -> None:
    """The runs are completed, each has one answer, word for word; nothing of the way there is left."""
    run_ids = list(expected)
    stored = stack.sql(
        "SELECT run_id::text, content FROM message WHERE run_id = ANY(%s::uuid[]) AND role = 'assistant'",
        run_ids,
    )
    assert sorted(stored) == sorted(expected.items())
    assert stack.sql(
        "SELECT DISTINCT run.status, c.open_runs, c.queued_runs, c.message_count FROM run"
        " JOIN conversation c ON c.id = conversation_id WHERE run.id = ANY(%s::uuid[])",
        run_ids,
    ) == [("completed", 0, 0, 2)]
    assert (
        stack.sql(
            "SELECT run_id, count(*) FROM conversation_event WHERE run_id = ANY(%s::uuid[]) AND type = 'run.ended'"
            " GROUP BY 1 HAVING count(*) <> 1",
            run_ids,
        )
        == []
    )
    assert stack.sql("SELECT count(*) FROM fragment WHERE run_id = ANY(%s::uuid[])", run_ids) == [(0,)]


def losses(stack: Stack, conversations: Sequence[Conversation]) -> list[tuple[int, int]]:
    """(attempt, losses) of each run, the smallest first."""
    rows = stack.sql(
        "SELECT attempt, losses FROM run WHERE id = ANY(%s::uuid[]) ORDER BY 1, 2",
        [answer.run_id for *_, answer in conversations],
    )
    return [(attempt, lost) for attempt, lost in rows]
