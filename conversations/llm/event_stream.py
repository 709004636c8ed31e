"""Reads the JSON documents out of a server-sent event stream, however its bytes are cut into pieces."""

import json
from typing import Any

import orjson

LONGEST_LINE_BYTES = 16 * 1024 * 1024
MOST_LINES_AN_EVENT = 1000


class UnreadableStream(ValueError):
    """The bytes are not an event stream of JSON documents."""


class EventStream:
    """Feed it bytes, it returns the documents that are complete.

    More forgiving than the standard asks for: a line that holds a whole document counts at once, without the blank
    line behind it (some servers leave that out); `error:` lines and `event: error` become `{"error": ...}`.
    """

    def __init__(self) -> None:
        self.done = False
        self._rest: list[bytes] = []
        self._rest_size = 0
        self._data: list[bytes] = []
        self._event = b""

    def feed(self, piece: bytes) -> list[Any]:
        if b"\n" not in piece and b"\r" not in piece and not self._ends_in_return():
            self._keep(piece)
            return []
        text = b"".join((*self._rest, piece))
        self._rest, self._rest_size = [], 0
        lines = text.splitlines(keepends=True)
        # A return at the very end may be the first half of a CRLF: wait for what follows.
        if not lines[-1].endswith(b"\n"):
            self._keep(lines.pop())
        return self._documents(lines)

    def close(self) -> list[Any]:
        """What is left when the stream has ended without the final line end or blank line."""
        lines, self._rest = [b"".join(self._rest)], []
        documents = self._documents(lines)
        if self._data:
            documents.append(self._complete())
        return documents

    def _keep(self, piece: bytes) -> None:
        self._rest.append(piece)
        self._rest_size += len(piece)
        if self._rest_size > LONGEST_LINE_BYTES:
            raise UnreadableStream("A line of the stream is too long.")

    def _ends_in_return(self) -> bool:
        return bool(self._rest) and self._rest[-1].endswith(b"\r")

    def _documents(self, lines: list[bytes]) -> list[Any]:
        documents: list[Any] = []
        for line in lines:
            line = line.rstrip(b"\r\n")
            if not line:
                if self._data:
                    documents.append(self._complete())
                self._event = b""
                continue
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                if value == b"[DONE]" and not self._data:
                    self.done = True
                elif value or self._data:
                    self._take(value, documents)
            elif name == b"event":
                self._event = value
            elif name == b"error":
                documents.append(
                    {"error": parse(value) if value[:1] == b"{" else value.decode("utf-8", "replace")}
                )
        return documents

    def _take(self, value: bytes, documents: list[Any]) -> None:
        if not self._data:
            try:
                documents.append(self._named(parse(value)))
                return
            except ValueError:
                pass
        if len(self._data) >= MOST_LINES_AN_EVENT:
            raise UnreadableStream("An event of the stream has too many lines.")
        self._data.append(value)

    def _complete(self) -> Any:
        data, self._data = b"\n".join(self._data), []
        try:
            return self._named(parse(data))
        except ValueError:
            raise UnreadableStream("An event of the stream is not JSON.") from None

    def _named(self, document: Any) -> Any:
        if self._event == b"error" and not (isinstance(document, dict) and document.get("error")):
            return {"error": document}
        return document


class PlainBody:
    """The same for a body that is one JSON document: a server that was asked to stream and does not."""

    done = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[Any]:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > LONGEST_LINE_BYTES:
            raise UnreadableStream("The answer is too long.")
        return []

    def close(self) -> list[Any]:
        try:
            return [parse(b"".join(self._pieces))]
        except ValueError:
            raise UnreadableStream("The answer is not JSON.") from None


def parse(data: bytes) -> Any:
    """The JSON document; lone surrogates and broken UTF-8, which orjson refuses, are let through to be mended."""
    try:
        return orjson.loads(data)
    except ValueError:
        return json.loads(data.decode("utf-8", "replace"), strict=False)
