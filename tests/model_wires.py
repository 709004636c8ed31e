"""The scripted answers as bytes: as an OpenAI-compatible, an Anthropic and a Google server send them."""

import json
from collections.abc import Iterator
from typing import Any

from tests.model_script import HttpError, Piece, Script

# Bytes of one piece, None where the connection is to be cut, and how long to wait before it (infinite: for ever).
# With HOLD the bytes name the gate that is waited for.
Frame = tuple[float, bytes | None]
FOREVER = float("inf")
HOLD = -1.0


def usage_of(script: Script) -> dict[str, int]:
    """As scripted, else a count of words and pieces."""
    pieces = sum(piece.kind in ("text", "reasoning", "tool") for piece in script.pieces)
    return {
        "input": len(script.text.split()) + 3,
        "output": pieces,
        "reasoning": 0,
        "cached": 0,
        **script.usage,
    }


def data(document: Any) -> bytes:
    return b"data: " + json.dumps(document, ensure_ascii=_has_surrogates(document)).encode() + b"\n\n"


def _has_surrogates(document: Any) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _special(piece: Piece) -> Frame | None:
    """Pieces that are alike on every wire."""
    if piece.kind == "hang":
        return FOREVER, b""
    if piece.kind == "hold":
        return HOLD, piece.value.encode()
    if piece.kind == "cut":
        return piece.delay_ms, None
    if piece.kind == "bad_json":
        return piece.delay_ms, b'event: content_block_delta\ndata: {"choices": [{"delta"\n\n'
    if piece.kind == "pause":
        return piece.delay_ms, b""
    return None


def chat_completions(script: Script, model: str) -> Iterator[Frame]:
    head = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 0, "model": model}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return data({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    yield 0, chunk({"role": "assistant", "content": ""})
    calls = 0
    for piece in script.pieces:
        if special := _special(piece):
            yield special
        elif piece.kind == "text":
            yield piece.delay_ms, chunk({"content": piece.value})
        elif piece.kind == "reasoning":
            yield piece.delay_ms, chunk({"reasoning_content": piece.value})
        elif piece.kind == "stream_error":
            yield (
                piece.delay_ms,
                data({"error": {"message": "scripted error in the stream", "code": piece.value}}),
            )
        elif piece.kind == "tool":
            name, arguments = piece.value["name"], piece.value["arguments"]
            function = {"name": name, "arguments": ""}
            yield (
                piece.delay_ms,
                chunk(
                    {
                        "tool_calls": [
                            {"index": calls, "id": f"call_{calls}", "type": "function", "function": function}
                        ]
                    }
                ),
            )
            for start in range(0, len(arguments), 5):
                part = {"arguments": arguments[start : start + 5]}
                yield 0, chunk({"tool_calls": [{"index": calls, "function": part}]})
            calls += 1
    yield 0, chunk({}, script.finish)
    yield 0, data({**head, "choices": [], "usage": chat_usage(script)})
    if "no_done" not in script.framing:
        yield 0, b"data: [DONE]\n\n"


def chat_usage(script: Script) -> dict[str, Any]:
    count = usage_of(script)
    return {
        "prompt_tokens": count["input"],
        "completion_tokens": count["output"],
        "total_tokens": count["input"] + count["output"],
        "prompt_tokens_details": {"cached_tokens": count["cached"]},
        "completion_tokens_details": {"reasoning_tokens": count["reasoning"]},
    }


def chat_error(error: HttpError) -> dict[str, Any]:
    return {"error": {"message": error.message, "type": "scripted", "param": None, "code": error.code}}


def anthropic(script: Script, model: str) -> Iterator[Frame]:
    count = usage_of(script)

    def event(name: str, **fields: Any) -> bytes:
        return b"event: " + name.encode() + b"\n" + data({"type": name, **fields})

    usage = {
        "input_tokens": count["input"] - count["cached"],
        "cache_read_input_tokens": count["cached"],
        "cache_creation_input_tokens": 0,
        "output_tokens": 1,
    }
    message = {"id": "msg_scripted", "type": "message", "role": "assistant", "model": model, "content": [],
               "stop_reason": None, "stop_sequence": None, "usage": usage}  # fmt: skip
    yield 0, event("message_start", message=message)
    kind, index = "", -1
    for piece in script.pieces:
        if special := _special(piece):
            yield special
            continue
        if piece.kind == "stream_error":
            yield piece.delay_ms, event("error", error={"type": piece.value, "message": "scripted error"})
            continue
        delay_ms = piece.delay_ms
        if piece.kind != kind or kind == "tool":
            if kind:
                yield 0, event("content_block_stop", index=index)
            kind, index = piece.kind, index + 1
            yield (
                delay_ms,
                event("content_block_start", index=index, content_block=_anthropic_block(piece, index)),
            )
            delay_ms = 0
        yield delay_ms, event("content_block_delta", index=index, delta=_anthropic_delta(piece))
    if kind:
        yield 0, event("content_block_stop", index=index)
    reason = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}.get(
        script.finish, script.finish
    )
    ending = {"stop_reason": reason, "stop_sequence": None}
    yield 0, event("message_delta", delta=ending, usage={"output_tokens": count["output"]})
    yield 0, event("message_stop")


def _anthropic_block(piece: Piece, index: int) -> dict[str, Any]:
    if piece.kind == "tool":
        return {"type": "tool_use", "id": f"toolu_{index}", "name": piece.value["name"], "input": {}}
    if piece.kind == "reasoning":
        return {"type": "thinking", "thinking": "", "signature": ""}
    return {"type": "text", "text": ""}


def _anthropic_delta(piece: Piece) -> dict[str, Any]:
    if piece.kind == "tool":
        return {"type": "input_json_delta", "partial_json": piece.value["arguments"]}
    if piece.kind == "reasoning":
        return {"type": "thinking_delta", "thinking": piece.value}
    return {"type": "text_delta", "text": piece.value}


def anthropic_error(error: HttpError) -> dict[str, Any]:
    return {"type": "error", "error": {"type": error.code, "message": error.message}}


def google(script: Script, model: str) -> Iterator[Frame]:
    count = usage_of(script)
    usage = {
        "promptTokenCount": count["input"],
        "candidatesTokenCount": count["output"] - count["reasoning"],
        "thoughtsTokenCount": count["reasoning"],
        "cachedContentTokenCount": count["cached"],
        "totalTokenCount": count["input"] + count["output"],
    }

    def chunk(part: dict[str, Any], finish: str | None = None) -> bytes:
        candidate: dict[str, Any] = {"content": {"role": "model", "parts": [part]}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        return data({"candidates": [candidate], "usageMetadata": usage, "modelVersion": model})

    for piece in script.pieces:
        if special := _special(piece):
            yield special
        elif piece.kind == "stream_error":
            error = {"code": 503, "status": piece.value, "message": "scripted error in the stream"}
            yield piece.delay_ms, data({"error": error})
        elif piece.kind == "tool":
            call = {"name": piece.value["name"], "args": json.loads(piece.value["arguments"])}
            yield piece.delay_ms, chunk({"functionCall": call})
        else:
            thought = {"thought": True} if piece.kind == "reasoning" else {}
            yield piece.delay_ms, chunk({"text": piece.value, **thought})
    reason = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}.get(script.finish, "OTHER")
    yield 0, chunk({"text": ""}, reason)


def google_error(error: HttpError) -> dict[str, Any]:
    return {"error": {"code": error.status, "message": error.message, "status": error.code}}


def framed(frames: Iterator[Frame], framing: dict[str, str]) -> Iterator[Frame]:
    """The same events, sent as other servers send them."""
    size = int(framing.get("split", 0))
    for delay_ms, raw in frames:
        if raw and delay_ms != HOLD:
            if "no_blank" in framing:
                raw = raw[:-1]
            if "comments" in framing:
                raw = b": keep-alive\n\n" + raw + b"\n\n"
            if "crlf" in framing:
                raw = raw.replace(b"\n", b"\r\n")
        if raw and size and delay_ms != HOLD:
            for start in range(0, len(raw), size):
                yield (delay_ms if start == 0 else 1), raw[start : start + size]
        else:
            yield delay_ms, raw
