"""Two webs and two workers on one database: any of them serves anybody, and any of them may be killed."""

import asyncio

import aiohttp

from tests.chat_client import Answer
from tests.e2e.answers import Asked, assert_stored, begin, chat_clients, finish
from tests.stack import KEY, Stack


async def test_what_is_posted_to_one_web_is_heard_at_the_other(stack: Stack) -> None:
    first, second = stack.webs
    async with chat_clients([first], 1) as (client,):
        for number in range(6):
            session_id = f"between-webs-{number}"
            created = await asyncio.to_thread(
                stack.request, "POST", "/api/v1/conversations/create", {"session_id": session_id}, web=second
            )
            assert created[0] == 200
            answer = await client.follow(session_id)
            await client.until_true(lambda n=number: len(client.control) > n)
            asked = Asked()
            status, body = await asyncio.to_thread(
                stack.request,
                "POST",
                "/api/v1/chat/message",
                {"text": asked.text, "session_id": session_id},
                web=second,
            )
            assert (status, body["response"]) == (200, asked.expected)
            await client.wait(answer)
            assert (answer.run_id, answer.text) == (body["run_id"], asked.expected)


async def test_a_killed_web_loses_no_answer(stack: Stack) -> None:
    async with chat_clients(stack.webs, 10) as clients:
        conversations = await begin(clients, 30, tokens=60, delay_ms=40)
        stack.kill(stack.webs[0])
        await finish(stack, conversations)
        assert sorted(client.connections for client in clients) == [1] * 5 + [2] * 5
        assert not any(answer.dropped for *_, answer in conversations)


async def test_one_web_and_one_worker_killed_at_once(stack: Stack) -> None:
    async with chat_clients(stack.webs, 10) as clients:
        conversations = await begin(clients, 30, tokens=60, delay_ms=40)
        stack.kill(stack.busiest_worker())
        stack.kill(stack.webs[1])
        await finish(stack, conversations)
        assert any(answer.dropped for *_, answer in conversations)


async def test_a_message_is_accepted_once_though_its_web_dies(stack: Stack) -> None:
    """The client cannot know whether its message got through, so it says it again elsewhere, by the same id."""
    async with chat_clients(stack.webs, 10) as clients:
        asked = [Asked(tokens=10) for _ in clients]
        answers = [await client.say(each.text) for client, each in zip(clients, asked, strict=True)]
        stack.kill(stack.webs[0])
        await finish(stack, list(zip(clients, asked, answers, strict=True)))
        sessions = [answer.session_id for answer in answers]
        count = "SELECT count(*) FROM run JOIN conversation c ON c.id = conversation_id WHERE session_id = ANY(%s)"
        assert stack.sql(count, sessions) == [(len(sessions),)]


async def test_fifty_first_messages_at_once_are_fifty_conversations(stack: Stack) -> None:
    """Without an id each of them makes a conversation of its own, over REST and over sockets, at both webs."""
    asked = [Asked() for _ in range(50)]
    async with aiohttp.ClientSession(
        headers={"X-API-Key": KEY}, connector=aiohttp.TCPConnector(limit=0)
    ) as session:

        async def over_rest(each: Asked, web: str) -> tuple[str, str]:
            async with session.post(f"{web}/api/v1/chat/message", json={"text": each.text}) as response:
                body = await response.json()
                assert body["response"] == each.expected
                return body["session_id"], body["run_id"]

        async def over_socket(each: Asked, web: str) -> tuple[str, str]:
            async with session.ws_connect(web) as socket:
                await socket.send_json({"text": each.text})
                frame = await socket.receive_json()
                answer = Answer(frame["data"]["session_id"], "")
                answer.take(frame["event"], frame["data"])
                while not answer.complete:
                    frame = await socket.receive_json()
                    answer.take(frame["event"], frame["data"])
                assert answer.text == each.expected
                return answer.session_id, answer.run_id

        made = await asyncio.gather(
            *(
                over_rest(each, stack.webs[n % 4 // 2].http)
                if n % 2
                else over_socket(each, stack.webs[n % 4 // 2].socket)
                for n, each in enumerate(asked)
            )
        )
    assert len({session_id for session_id, _ in made}) == 50
    assert_stored(stack, {run_id: each.expected for each, (_, run_id) in zip(asked, made, strict=True)})
