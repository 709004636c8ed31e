"""A real HTTP server that answers as a model provider does, scripted by the messages it gets (`model_script.py`).

`python -m tests.model_server --port 9100` serves alone; `with ModelServer() as server:` serves from a thread. It speaks
chat-completions (`/v1`), Anthropic's (`/anthropic`) and Google's (`/google`) wire, and keeps what it was asked:
`GET /__requests`, `DELETE /__requests`. `POST /__release/NAME` lets the answers go on that hold there.
"""

import argparse
import asyncio
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from typing import Any, Self

from aiohttp import web

from tests import model_wires as wires
from tests.model_script import HttpError, Script, script_for

SLOT_SECONDS = 0.001
MOST_REQUESTS_KEPT = 5000


class Clock:
    """Wakes all streams that are due in the same millisecond with one timer."""

    def __init__(self) -> None:
        self._slots: dict[int, list[Callable[[], None]]] = {}

    def at(self, moment: float, wake: Callable[[], None]) -> None:
        slot = int(moment / SLOT_SECONDS) + 1
        waiting = self._slots.get(slot)
        if waiting is None:
            self._slots[slot] = [wake]
            asyncio.get_running_loop().call_at(slot * SLOT_SECONDS, self._fire, slot)
        else:
            waiting.append(wake)

    def _fire(self, slot: int) -> None:
        for wake in self._slots.pop(slot):
            wake()


class Gates:
    """What answers wait for until a test lets them go on; a gate that is open stays open."""

    def __init__(self) -> None:
        self._open: set[str] = set()
        self._waiting: dict[str, list[Callable[[], None]]] = {}

    def is_open(self, name: str) -> bool:
        return name in self._open

    def wait(self, name: str, wake: Callable[[], None]) -> None:
        self._waiting.setdefault(name, []).append(wake)

    def open(self, name: str) -> None:
        self._open.add(name)
        for wake in self._waiting.pop(name, []):
            wake()


class Playback:
    """Writes prepared frames to a connection at their times; `ended` is True when all are written, False when cut."""

    def __init__(
        self, transport: asyncio.Transport, frames: Iterator[wires.Frame], clock: Clock, gates: Gates
    ) -> None:
        self._transport = transport
        self._frames = list(frames)
        self._clock = clock
        self._gates = gates
        self._position = 0
        self.sent = 0
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._due = asyncio.get_running_loop().time()
        self._step()

    def _step(self) -> None:
        now = asyncio.get_running_loop().time()
        while not self.ended.done():
            if self._position == len(self._frames):
                self.ended.set_result(True)
                return
            delay_ms, raw = self._frames[self._position]
            if delay_ms == wires.FOREVER:
                return
            if delay_ms == wires.HOLD:
                gate = (raw or b"").decode()
                if not self._gates.is_open(gate):
                    self._gates.wait(gate, self._step)
                    return
                self._due, self._position = now, self._position + 1
                continue
            if delay_ms and self._due + delay_ms / 1000 > now:
                self._due += delay_ms / 1000
                self._frames[self._position] = (0, raw)
                self._clock.at(self._due, self._step)
                return
            self._due += delay_ms / 1000
            self._position += 1
            if raw is None:
                self._transport.close()
                self.ended.set_result(False)
            elif raw:
                self._transport.write(b"%x\r\n%b\r\n" % (len(raw), raw))
                self.sent += 1


class ScriptedModel:
    """The routes, and what was asked so far."""

    def __init__(self) -> None:
        self.requests: deque[dict[str, Any]] = deque(maxlen=MOST_REQUESTS_KEPT)
        self._times_seen: Counter[str] = Counter()
        self._clock = Clock()
        self._gates = Gates()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=64 * 1024 * 1024)
        application.add_routes(
            [
                web.get("/__requests", self._list_requests),
                web.delete("/__requests", self._forget_requests),
                web.post("/__release/{name}", self._release),
                web.get("/v1/models", self._models),
                web.post("/v1/chat/completions", self._chat_completions),
                web.post("/page/chat/completions", self._page),
                web.post("/anthropic/v1/messages", self._anthropic),
                web.post("/google/{version}/models/{model}", self._google),
            ]
        )
        return application

    async def _list_requests(self, request: web.Request) -> web.Response:
        wanted = request.query.get("contains", "")
        found = [entry for entry in self.requests if wanted in json.dumps(entry["body"], ensure_ascii=False)]
        return web.json_response(found)

    async def _forget_requests(self, request: web.Request) -> web.Response:
        self.requests.clear()
        self._times_seen.clear()
        return web.json_response({})

    async def _release(self, request: web.Request) -> web.Response:
        self._gates.open(request.match_info["name"])
        return web.json_response({})

    async def _models(self, request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text="<html><h1>Welcome</h1></html>", content_type="text/html")

    async def _chat_completions(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        messages = body["messages"]
        if problem := pairing_problem(messages):
            # As providers do: a history whose calls and results do not pair is refused.
            self.requests.append({"path": request.path, "body": body, "outcome": "badly_paired"})
            return web.json_response(
                {"error": {"message": problem, "type": "invalid_request_error"}}, status=400
            )
        asked = max((n for n, m in enumerate(messages) if m["role"] == "user"), default=-1)
        script = script_for(
            _text_of(messages[asked]["content"]) if asked >= 0 else "",
            user_messages=sum(m["role"] == "user" for m in messages),
            step=sum(bool(m.get("tool_calls")) for m in messages[asked + 1 :]),
            tool_results=tuple(_text_of(m["content"]) for m in messages[asked + 1 :] if m["role"] == "tool"),
        )
        if "plain" in script.framing or not body.get("stream"):
            return web.json_response(_plain_answer(script, body["model"]))
        return await self._play(
            request, body, script, wires.chat_completions(script, body["model"]), wires.chat_error
        )

    async def _anthropic(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        users = [text for m in body["messages"] if m["role"] == "user" and (text := _text_of(m["content"]))]
        script = script_for(users[-1], user_messages=len(users))
        return await self._play(
            request, body, script, wires.anthropic(script, body["model"]), wires.anthropic_error
        )

    async def _google(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        users = [text for m in body["contents"] if m["role"] == "user" and (text := _text_of(m["parts"]))]
        script = script_for(users[-1], user_messages=len(users))
        model = request.match_info["model"].partition(":")[0]
        return await self._play(request, body, script, wires.google(script, model), wires.google_error)

    async def _play(
        self,
        request: web.Request,
        body: dict[str, Any],
        script: Script,
        frames: Iterator[wires.Frame],
        as_error: Callable[[HttpError], dict[str, Any]],
    ) -> web.StreamResponse:
        entry = {
            "path": request.path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": body,
            "received_at": time.time(),
            "outcome": "running",
        }
        self.requests.append(entry)
        self._times_seen[script.text] += 1
        seen = self._times_seen[script.text]
        try:
            if script.model_delay_ms:
                await asyncio.sleep(script.model_delay_ms / 1000)
            error = script.error
            if error and (not error.times or seen <= error.times):
                entry["outcome"] = "error"
                headers = {"Retry-After": error.retry_after} if error.retry_after else {}
                return web.json_response(as_error(error), status=error.status, headers=headers)
            if script.cut_times and seen > script.cut_times:
                frames = (frame for frame in frames if frame[1] is not None)
            return await self._stream(request, entry, wires.framed(frames, script.framing))
        except asyncio.CancelledError:
            entry["outcome"] = "client_gone"
            raise

    async def _stream(
        self, request: web.Request, entry: dict[str, Any], frames: Iterator[wires.Frame]
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"\n")  # sends the headers, which aiohttp holds back until the first byte
        transport = request.transport
        if transport is None:
            raise asyncio.CancelledError
        playback = Playback(transport, frames, self._clock, self._gates)
        entry["outcome"] = "sent" if await playback.ended else "cut"
        if entry["outcome"] == "sent" and not transport.is_closing():
            await response.write_eof()
        return response


def pairing_problem(messages: list[dict[str, Any]]) -> str:
    """Each tool call has exactly one result, right behind its message, and no result is without a call."""
    open_ids: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_ids:
                return f"There is no open call {message['tool_call_id']}."
            open_ids.remove(message["tool_call_id"])
            continue
        if open_ids:
            return f"No result for the calls {open_ids}."
        open_ids = [call["id"] for call in message.get("tool_calls") or ()]
        if len(set(open_ids)) != len(open_ids):
            return "Two calls have one id."
    return f"No result for the calls {open_ids}." if open_ids else ""


def _text_of(content: Any) -> str:
    """The text of a message's content: a string, or a list of parts with `text`."""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content or () if isinstance(part, dict) and part.get("text"))


def _plain_answer(script: Script, model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": script.answer}
    choices = [{"index": 0, "message": message, "finish_reason": script.finish}]
    return {"id": "chatcmpl-scripted", "object": "chat.completion", "created": 0, "model": model,
            "choices": choices, "usage": wires.chat_usage(script)}  # fmt: skip


class ModelServer:
    """The server in a thread of its own, on a free port of the loopback address."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.model = ScriptedModel()
        self._started = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="model-server", daemon=True)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        """What OPENAI_BASE_URL is to be set to."""
        return f"{self.address}/v1"

    def requests(self, contains: str = "") -> list[dict[str, Any]]:
        entries = list(self.model.requests)
        return [entry for entry in entries if contains in json.dumps(entry["body"], ensure_ascii=False)]

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(10):
            raise RuntimeError("The scripted model server did not start.")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = _runner(self.model)
        self.port = self._loop.run_until_complete(_listen(runner, self.port))
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()


def _runner(model: ScriptedModel) -> web.AppRunner:
    # With handler_cancellation a handler hears that its client has gone: that is what tests of cancelling look at.
    return web.AppRunner(
        model.application(),
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=0.2,
        keepalive_timeout=75,
    )


async def _listen(runner: web.AppRunner, port: int) -> int:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    return int(runner.addresses[0][1])


async def _serve(port: int) -> None:
    runner = _runner(ScriptedModel())
    print(f"http://127.0.0.1:{await _listen(runner, port)}/v1", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    try:
        asyncio.run(_serve(parser.parse_args().port))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
