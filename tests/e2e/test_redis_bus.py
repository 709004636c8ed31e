"""Live output through a real redis-server, which may go away at any moment: it carries hints, Postgres has the text."""

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.answers import Asked, begin, chat_clients, finish
from tests.e2e.live_client import Texts, live_client
from tests.model_script import token_texts
from tests.stack import Stack


@pytest.fixture(scope="module")
def running_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if shutil.which("redis-server") is None:
        if os.environ.get("CI"):
            pytest.fail("redis-server is not installed (apt-packages.txt)")
        pytest.skip("redis-server is not installed")
    with Stack(os.environ["DATABASE_URL"], tmp_path_factory.mktemp("redis"), redis=True) as stack:
        yield stack


async def test_answers_travel_through_redis(stack: Stack) -> None:
    async with chat_clients(stack.webs, 6) as clients:
        conversations = await begin(clients, 30)
        await finish(stack, conversations)
    assert stack.redis
    carried = stack.redis.commands()
    assert carried["publish"] > 30
    assert carried["subscribe"] >= 30


async def test_both_webs_hear_of_one_conversation(stack: Stack) -> None:
    async with chat_clients(stack.webs[:1], 1) as (speaker,), chat_clients(stack.webs[1:], 1) as (listener,):
        asked = Asked()
        await speaker.ask("the first message makes the conversation", session_id="heard-by-both")
        heard = await listener.follow("heard-by-both")
        await listener.until_true(lambda: listener.control)
        said = await speaker.say(asked.text, session_id="heard-by-both")
        await speaker.wait(said)
        await listener.wait(heard)
        assert said.text == heard.text == asked.expected


async def test_nothing_is_lost_with_redis(stack: Stack) -> None:
    """It is killed in the middle of answers, and comes back with nothing in it while others flow."""
    assert stack.redis
    async with chat_clients(stack.webs, 6) as clients:
        before = await begin(clients, 20, tokens=40, delay_ms=50)
        stack.redis.kill()
        without = [(client, asked := Asked(tokens=10), await client.say(asked.text)) for client in clients]
        await finish(stack, [*before, *without])
        during = [
            (client, asked := Asked(tokens=60, delay_ms=50), await client.say(asked.text))
            for client in clients
        ]
        stack.redis.start()
        await finish(stack, during)
        await finish(stack, await begin(clients, 10))
    assert stack.redis.commands()["publish"] > 0


def test_a_stream_of_everything_hears_through_redis(stack: Stack) -> None:
    """A web that has never heard of a conversation gets its events over a channel of all, and its text over its own."""
    before, after = "redis-everything-before", "redis-everything-after"
    speaker, listener = stack.webs[0], stack.webs[-1]

    def say(session_id: str, tokens: int) -> None:
        body = {"text": f"{session_id} [[tokens={tokens} delay=20]]", "session_id": session_id, "wait": False}
        assert stack.request("POST", "/api/v1/chat/message", body, web=speaker)[0] == 202

    say(before, 60)
    with live_client(listener) as client:
        client.until("server.synced")
        say(after, 30)
        client.until_idle(before, after)
    for session_id, tokens in ((before, 60), (after, 30)):
        own = [event for event in client.events if event["properties"].get("sessionID") == session_id]
        texts = Texts()
        for event in own:
            texts.take(event)
        assert texts.text == "".join(token_texts(session_id, tokens))
        assert len([event for event in own if "delta" in event["properties"]]) > 5
