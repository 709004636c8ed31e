"""Keeps what a command writes: decoded, bounded, its beginning and its end."""

import codecs

# Characters of each half.
_HALF = 512 * 1024
# No more than this is shown while the command runs.
_MOST_LIVE = 256 * 1024
_LIVE_END = "\n[the rest is not shown live]\n"


class Output:
    """`add` bytes as they come; `text` is what is kept of them."""

    def __init__(self, half: int = _HALF) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._half = half
        self._head = ""
        self._tail = ""
        self._left_out = 0
        self._live = 0

    def add(self, data: bytes, *, final: bool = False) -> str:
        """What to show of it now."""
        # Neither JSON's readers nor Postgres take a NUL.
        text = self._decoder.decode(data, final).replace("\x00", "\ufffd")
        room = self._half - len(self._head)
        self._head += text[:room]
        self._tail += text[room:]
        if len(self._tail) > 2 * self._half:
            self._shorten()
        return self._shown(text)

    def text(self) -> str:
        self._shorten()
        if not self._left_out:
            return self._head + self._tail
        return f"{self._head}\n[... {self._left_out} characters left out ...]\n{self._tail}"

    def take(self) -> str:
        """The same, and forgets it."""
        text = self.text()
        self._head = self._tail = ""
        self._left_out = 0
        return text

    def _shorten(self) -> None:
        too_much = len(self._tail) - self._half
        if too_much > 0:
            self._left_out += too_much
            self._tail = self._tail[too_much:]

    def _shown(self, text: str) -> str:
        if self._live >= _MOST_LIVE:
            return ""
        shown = text[: _MOST_LIVE - self._live]
        self._live += len(shown)
        return shown + _LIVE_END if self._live >= _MOST_LIVE else shown
