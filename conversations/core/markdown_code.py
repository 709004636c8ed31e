"""Which characters of a Markdown text stand in code: fenced blocks, also unclosed ones, and inline code.

Works forward only, one character at a time, so that it can follow a text that is still being written. Where Markdown
would have to look ahead it assumes code: a backtick without a partner makes code of the rest of its paragraph.
"""

import re
from enum import Enum, auto

# What may stand before a fence in its line: indentation, block quotes, list markers.
_PREFIX = re.compile(r"[ \t]*(?:(?:>|[-*+]|\d{1,9}[.)])[ \t]*)*")
_PREFIX_CHARACTERS = frozenset(" \t>-*+.)0123456789")
_CLOSING = re.compile(r"([ \t>]*)(`+|~+)[ \t]*")
_SHORTEST_FENCE = 3
# A closing fence stands no deeper than this beyond its opening one.
_DEEPER = 3


class _Mode(Enum):
    PROSE = auto()
    INLINE = auto()
    INFO = auto()  # the rest of the line that opens a fence
    FENCE = auto()


class CodeTracker:
    """Fed a text character by character, knows whether each stands in prose."""

    def __init__(self) -> None:
        self._mode = _Mode.PROSE
        self._mark, self._length = "", 0  # of the open fence or inline code
        self._indent, self._is_quoted = 0, False  # of the open fence
        self._line: str | None = ""  # the line as far as it could stand before a fence; in a fence, all of it
        self._is_blank = True  # the line so far
        self._run, self._run_mark, self._run_starts_line = 0, "", False  # backticks or tildes being counted
        self._escaped = False  # by a backslash right before
        self._after_return = False

    def step(self, character: str) -> bool:
        """Takes the next character; whether it is unescaped prose."""
        if self._run and character != self._run_mark:
            self._end_run()
        if character in "\r\n":
            if not (character == "\n" and self._after_return):
                self._end_line()
            self._after_return = character == "\r"
            return False
        self._after_return = False
        if self._mode is _Mode.FENCE:
            self._line = (self._line or "") + character
            return False
        in_prose = self._mode is _Mode.PROSE and not self._escaped
        if character in "`~" and (in_prose or self._mode is not _Mode.PROSE):
            self._count(character)
            return False
        self._escaped = in_prose and character == "\\"
        self._is_blank = self._is_blank and character in " \t"
        if self._line is not None:
            self._line = self._line + character if character in _PREFIX_CHARACTERS else None
        return in_prose

    def _count(self, mark: str) -> None:
        if not self._run:
            self._run_mark = mark
            self._run_starts_line = self._line is not None and _PREFIX.fullmatch(self._line) is not None
        self._run += 1
        self._is_blank = False

    def _end_run(self) -> None:
        length, self._run = self._run, 0
        line, self._line = self._line, None
        if self._run_starts_line and length >= _SHORTEST_FENCE:
            self._mode, self._mark, self._length = _Mode.INFO, self._run_mark, length
            self._indent, self._is_quoted = len((line or "").expandtabs(4)), ">" in (line or "")
        elif self._run_mark == "~" or (self._mode is _Mode.INFO and self._mark == "~"):
            pass
        elif self._mode is _Mode.PROSE:
            self._mode, self._length = _Mode.INLINE, length
        elif length == self._length:
            self._mode = _Mode.PROSE
        elif self._mode is _Mode.INFO:
            self._mode = _Mode.INLINE  # a line with more backticks opens no fence

    def _end_line(self) -> None:
        if self._run:
            self._end_run()
        if self._mode is _Mode.INFO:
            self._mode = _Mode.FENCE
        elif (self._mode is _Mode.FENCE and self._closes_fence(self._line or "")) or (
            self._mode is _Mode.INLINE and self._is_blank
        ):
            self._mode = _Mode.PROSE
        self._line, self._is_blank, self._escaped = "", True, False

    def _closes_fence(self, line: str) -> bool:
        found = _CLOSING.fullmatch(line)
        if not found or (">" in found[1] and not self._is_quoted):
            return False
        depth = len(found[1].expandtabs(4))
        return found[2][0] == self._mark and len(found[2]) >= self._length and depth <= self._indent + _DEEPER
