"""The readers of the wire: whatever the pieces, the same events; whatever the text, one that can be stored."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.llm.event_stream import EventStream, PlainBody, UnreadableStream
from conversations.llm.mended_text import MendedText, storable


def documents(*pieces: bytes) -> list:
    stream = EventStream()
    found = [document for piece in pieces for document in stream.feed(piece)]
    return found + stream.close()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'data: {"a":1}\n\ndata: {"a":2}\n\n', [{"a": 1}, {"a": 2}]),
        (b'data:{"a":1}\n\n', [{"a": 1}]),  # no blank behind the colon
        (b'data: {"a":1}\r\n\r\ndata: {"a":2}\r\n\r\n', [{"a": 1}, {"a": 2}]),
        (b'data: {"a":1}\r\rdata: {"a":2}\r\r', [{"a": 1}, {"a": 2}]),  # a lone return ends a line too
        (b'data: {"a":1}\ndata: {"a":2}\n', [{"a": 1}, {"a": 2}]),  # no blank lines between
        (b': keep-alive\n\n\n\ndata: {"a":1}\n: x\n\n', [{"a": 1}]),
        (b'data: {\ndata: "a":\ndata: 1}\n\n', [{"a": 1}]),  # one document on several lines
        (b'id: 7\nretry: 10\nevent: chunk\ndata: {"a":1}\n\n', [{"a": 1}]),
        (b'data: {"a":1}', [{"a": 1}]),  # the stream ends without a line end
        (b'data: {"a":1}\n\ndata: [DONE]\n\n', [{"a": 1}]),
        (b'event: error\ndata: {"message":"no"}\n\n', [{"error": {"message": "no"}}]),
        (b'event: error\ndata: {"error":{"message":"no"}}\n\n', [{"error": {"message": "no"}}]),
        (b'error: {"code":500}\n\n', [{"error": {"code": 500}}]),
        (b"error: out of memory\n\n", [{"error": "out of memory"}]),
        (b'data: {"a":"\xc3"}\n\n', [{"a": "\ufffd"}]),  # broken UTF-8
        (b'data: {"a":"\\ud83d"}\n\n', [{"a": "\ud83d"}]),  # half a pair: mended later
        (b"data:\n\ndata: \n\n", []),
        (b"", []),
    ],
)
def test_documents_of_a_stream(raw: bytes, expected: list) -> None:
    assert documents(raw) == expected
    assert documents(*(raw[i : i + 1] for i in range(len(raw)))) == expected


@pytest.mark.parametrize("raw", [b'data: {"a":\n\n', b"data: <html>\n\n", b'data: {"a"'])
def test_what_is_not_json_is_an_error_and_not_lost_text(raw: bytes) -> None:
    with pytest.raises(UnreadableStream):
        documents(raw)


def test_done_is_seen_only_as_a_line_of_its_own() -> None:
    stream = EventStream()
    assert stream.feed(b'data: {"text":"data: [DONE]"}\n\n') == [{"text": "data: [DONE]"}]
    assert not stream.done
    stream.feed(b"data: [DO")
    assert not stream.done
    stream.feed(b"NE]\n")
    assert stream.done


def test_an_endless_line_is_refused() -> None:
    stream = EventStream()
    with pytest.raises(UnreadableStream):
        for _ in range(20):
            stream.feed(b"x" * 1024 * 1024)


def test_a_plain_body_is_one_document_at_its_end() -> None:
    body = PlainBody()
    assert [body.feed(b'{"a"'), body.feed(b": 1}"), body.close()] == [[], [], [{"a": 1}]]


texts = st.text(st.characters(exclude_categories=()), max_size=12)  # surrogates and NUL included
framings = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.lists(texts, max_size=8), framings, st.booleans(), st.booleans(), st.data())
def test_any_cutting_of_the_bytes_gives_the_same_documents(
    wanted: list[str], end: str, comments: bool, escaped: bool, data: st.DataObject
) -> None:
    lines = []
    for text in wanted:
        has_surrogates = any("\ud800" <= character <= "\udfff" for character in text)
        lines += [f"data: {json.dumps({'t': text}, ensure_ascii=escaped or has_surrogates)}", ""]
        if comments:
            lines += [": ping", ""]
    raw = "".join(line + end for line in lines).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=20)))
    pieces = [raw[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    assert documents(*(piece for piece in pieces if piece)) == [{"t": text} for text in wanted]


@given(st.lists(texts, max_size=8))
def test_mended_text_is_storable_and_does_not_depend_on_the_pieces(pieces: list[str]) -> None:
    mended = MendedText()
    text = "".join([*map(mended.add, pieces), mended.end()])
    assert "\0" not in text
    text.encode()  # no lone surrogate
    assert text == storable("".join(pieces))


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a\ud83d", "\udc27b"], "a🐧b"),  # a pair split between two pieces
        (["a\ud83d", "b"], "a\ufffdb"),
        (["\udc27"], "\ufffd"),
        (["x\ud83d"], "x\ufffd"),  # nothing followed
        (["a\0b"], "a\ufffdb"),
        (["\ud83d", "\ud83d", "\udc27"], "\ufffd🐧"),
        (["", "plain", ""], "plain"),
    ],
)
def test_halves_of_pairs_and_nul(pieces: list[str], text: str) -> None:
    mended = MendedText()
    assert "".join([*map(mended.add, pieces), mended.end()]) == text
