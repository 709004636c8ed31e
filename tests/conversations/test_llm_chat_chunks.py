"""What the chunks of different chat-completions servers mean."""

import pytest

from conversations.llm.chat_chunks import ChunkReader, ErrorInStream, usage_from
from conversations.llm.event_stream import UnreadableStream
from conversations.llm.wire import Finished, ReasoningDelta, TextDelta, ToolCallDelta, Usage


def events_of(*chunks: dict) -> list:
    reader = ChunkReader()
    return [event for chunk in chunks for event in reader.read(chunk)] + reader.end()


def delta(finish: str | None = None, **fields: object) -> dict:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def call(index: object, call_id: str | None, name: str | None, arguments: object) -> dict:
    return delta(
        tool_calls=[{"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}]
    )


STOP = Finished("stop")


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([delta(content="a"), delta(content="b", finish="stop")], [TextDelta("a"), TextDelta("b"), STOP]),
        ([delta(role="assistant", content=None), delta(content="")], [STOP]),
        ([delta(reasoning_content="r"), delta(content="t")], [ReasoningDelta("r"), TextDelta("t"), STOP]),
        ([delta(reasoning="r", content="t")], [ReasoningDelta("r"), TextDelta("t"), STOP]),  # OpenRouter, Ollama
        ([delta(content=[{"type": "text", "text": "t"}])], [TextDelta("t"), STOP]),  # Mistral
        (
            [delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}])],
            [ReasoningDelta("r"), STOP],
        ),
        ([delta(refusal="No.")], [TextDelta("No."), STOP]),
        ([{"choices": [{"message": {"content": "whole"}, "finish_reason": "length"}]}],
         [TextDelta("whole"), Finished("length")]),
        ([delta(finish="content_filter")], [Finished("content_filter")]),
        ([delta(finish="something_new")], [Finished("other")]),
        ([{"choices": []}, {"id": "x"}], [STOP]),
        ([delta(content="a\ud83d"), delta(content="\udc27")], [TextDelta("a"), TextDelta("🐧"), STOP]),
        ([delta(content="a\ud83d")], [TextDelta("a"), TextDelta("\ufffd"), STOP]),
    ],
)  # fmt: skip
def test_text_and_endings(chunks: list, expected: list) -> None:
    assert events_of(*chunks) == expected


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        (  # OpenAI: id and name first, then pieces
            [call(0, "c1", "f", ""), call(0, None, None, '{"a"'), call(0, None, None, ":1}")],
            [
                ToolCallDelta(0, "c1", "f", ""),
                ToolCallDelta(0, "", "", '{"a"'),
                ToolCallDelta(0, "", "", ":1}"),
            ],
        ),
        (  # two calls, interleaved
            [call(0, "c1", "f", "x"), call(1, "c2", "g", "y"), call(0, None, None, "z")],
            [
                ToolCallDelta(0, "c1", "f", "x"),
                ToolCallDelta(1, "c2", "g", "y"),
                ToolCallDelta(0, "", "", "z"),
            ],
        ),
        (  # the id repeated in every piece
            [call(0, "c1", "f", "x"), call(0, "c1", "f", "y")],
            [ToolCallDelta(0, "c1", "f", "x"), ToolCallDelta(0, "", "", "y")],
        ),
        (  # every call numbered 0: a new id is a new call
            [call(0, "c1", "f", "{}"), call(0, "c2", "g", "{}")],
            [ToolCallDelta(0, "c1", "f", "{}"), ToolCallDelta(1, "c2", "g", "{}")],
        ),
        (  # no numbers at all
            [call(None, "c1", "f", "{}"), call(None, None, None, " "), call(None, "c2", "g", "{}")],
            [
                ToolCallDelta(0, "c1", "f", "{}"),
                ToolCallDelta(0, "", "", " "),
                ToolCallDelta(1, "c2", "g", "{}"),
            ],
        ),
        ([call(0, None, "f", {"a": 1})], [ToolCallDelta(0, "call_0", "f", '{"a": 1}')]),  # no id, an object
        ([call(0, "c1", "f", None)], [ToolCallDelta(0, "c1", "f", "")]),
    ],
)
def test_tool_calls(chunks: list, expected: list) -> None:
    assert events_of(*chunks, delta(finish="stop")) == [*expected, Finished("tool_calls")]


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 9, "completion_tokens": 3}, Usage(9, 3)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4},
          "completion_tokens_details": {"reasoning_tokens": 2}}, Usage(9, 3, 2, 4)),
        ({"prompt_tokens": 9, "completion_tokens": 3, "prompt_cache_hit_tokens": 5}, Usage(9, 3, 0, 5)),  # DeepSeek
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": None, "cache_write_tokens": 7}},
         Usage(9, 0, 0, 0, 7)),
        ({"prompt_tokens": None, "completion_tokens": "3", "prompt_tokens_details": None}, Usage()),
        ({"prompt_tokens": -1, "completion_tokens": 10**12}, Usage(0, 2**31 - 1)),  # what the database can hold
        ({"prompt_tokens": 9.0, "completion_tokens": float("nan")}, Usage(9, 0)),
    ],
)  # fmt: skip
def test_usage(reported: dict, usage: Usage) -> None:
    assert usage_from(reported) == usage


def test_the_last_usage_counts_and_comes_before_the_end() -> None:
    first = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    last = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}}
    assert events_of(first, delta(content="a"), last) == [TextDelta("a"), Usage(1, 2), STOP]


@pytest.mark.parametrize(
    "chunk", [{"error": {"message": "no"}}, {"error": "no"}, {"choices": [{"error": {"code": 502}}]}]
)
def test_an_error_inside_the_stream(chunk: dict) -> None:
    with pytest.raises(ErrorInStream):
        ChunkReader().read(chunk)


@pytest.mark.parametrize(
    "chunk", [[], "text", 5, None, {"choices": "x"}, {"choices": [5]}, {"choices": {"a": 1}}]
)
def test_what_is_no_chunk(chunk: object) -> None:
    with pytest.raises(UnreadableStream):
        ChunkReader().read(chunk)
