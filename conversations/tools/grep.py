"""`grep_search`: lines of files that fit a regular expression, found in bounded time whatever the expression.

Expressions are searched by `regex`, whose searches can be given a time limit (of processor time). A first, short one
holds the interpreter; a line that takes longer is searched again beside the other threads, and then given up.
"""

import re
from collections.abc import Iterator

import regex

from conversations.confined_files.tree import Kind
from conversations.core import path_globs
from conversations.core.diffs import shown_path
from conversations.core.text_files import decoded_text
from conversations.core.tool_calls import Effect
from conversations.tools.base import (
    Arguments,
    BlockingTool,
    InvalidArguments,
    Invocation,
    Targets,
    ToolError,
    ToolResult,
    Workplace,
)
from conversations.tools.file_access import Files, files_of
from conversations.tools.files import schema
from conversations.tools.listing import FOLDER, Search, bounded, folder_targets, globs

_MOST_FILE_BYTES = 4 * 1024 * 1024
_MOST_SHOWN = 500
_MOST_IN_LINE = 400
# A line is searched so long before other threads are let in: each handing over costs more than most searches.
_FIRST_TRY_SECONDS = 0.01
# A line that takes so long takes forever.
_LINE_SECONDS = 0.5
_TOO_SLOW = (
    "The pattern takes too long on a single line ({path}:{number}). Repetitions inside of repetitions such as (a+)+ do "
    "that; write it without them."
)
# What can see beyond its line: with these, that a whole text has no match does not mean that no line has one.
_SEES_FURTHER = re.compile(r"\(\?(?:[=!>(|]|<[=!]|[^):]*r)|\\[AZzBGK]|[+*?}]\+")


class Expression:
    """A regular expression that is about single lines."""

    def __init__(self, pattern: str, *, case_sensitive: bool) -> None:
        flags = 0 if case_sensitive else regex.IGNORECASE
        try:
            self._of_line = regex.compile(pattern, flags)
            self._of_text = (
                None if _SEES_FURTHER.search(pattern) else regex.compile(pattern, flags | regex.MULTILINE)
            )
        except (regex.error, OverflowError, RecursionError, MemoryError, ValueError) as error:
            raise InvalidArguments(
                f"pattern: not a regular expression ({error}). Put a backslash before characters such as ( [ * that "
                "are meant as they are."
            ) from None

    def is_nowhere_in(self, text: str) -> bool:
        """Whether surely no line fits. Found out about all lines at once, which is much faster than one by one."""
        try:
            return self._of_text is not None and not self._of_text.search(text, timeout=_FIRST_TRY_SECONDS)
        except TimeoutError:
            return False

    def match(self, line: str) -> regex.Match[str] | None:
        """TimeoutError where the line takes too long."""
        try:
            return self._of_line.search(line, timeout=_FIRST_TRY_SECONDS)
        except TimeoutError:
            return self._of_line.search(line, timeout=_LINE_SECONDS, concurrent=True)


class GrepSearch(BlockingTool):
    name = "grep_search"
    description = (
        "Searches the lines of text files for a regular expression (Python's syntax) and shows each as path:line: "
        "text. Searches below the working directory or `path` (a directory or a file). Left out are binary files, "
        "symbolic links, files that may hold secrets, and directories such as .git, node_modules, .venv, __pycache__."
    )
    parameters = schema(
        ["pattern"],
        pattern={
            "type": "string",
            "minLength": 1,
            "maxLength": 1000,
            "description": "The regular expression.",
        },
        path=FOLDER,
        glob={
            "type": "string",
            "minLength": 1,
            "maxLength": 500,
            "description": "Only files whose path fits: *.py in all directories, src/**/*.{ts,tsx} beneath src.",
        },
        case_sensitive={"type": "boolean", "description": "Default: true."},
    )
    effect = Effect.READ_ONLY
    changes_nothing = True

    def targets(self, arguments: Arguments, place: Workplace) -> Targets:
        return folder_targets(arguments, place)

    def work(self, invocation: Invocation) -> ToolResult:
        arguments = invocation.arguments
        expression = Expression(arguments["pattern"], case_sensitive=arguments.get("case_sensitive", True))
        wanted = arguments.get("glob", "**")
        patterns = globs(wanted if "/" in wanted or wanted == "**" else f"**/{wanted}")
        search = Search()
        found: list[str] = []
        count = large = 0
        with files_of(invocation.place) as files:
            for path in _paths(files, files.readable(arguments.get("path", ".")), patterns, search):
                try:
                    data = files.read(path, most_bytes=_MOST_FILE_BYTES)
                except ToolError:  # too large, gone, not readable, another name of a secret
                    large += (files.size_of(path) or 0) > _MOST_FILE_BYTES
                    continue
                for line in _found(path, data, expression, search):
                    count += 1
                    if count <= _MOST_SHOWN:
                        found.append(line)
        notes = search.notes()
        if large:
            notes.append(f"(Not searched: {large} files of more than {_MOST_FILE_BYTES} bytes.)")
        return ToolResult("\n".join([bounded(found, total=count) or "(No line fits.)", *notes]))


def _paths(files: Files, start: str, patterns: list[str], search: Search) -> Iterator[str]:
    if files.size_of(start) is not None:
        yield start
        return
    for entry in search.entries(files, start):
        fits = entry.kind is Kind.FILE and any(path_globs.matches(entry.path, one) for one in patterns)
        if fits and not files.is_protected(entry.path):
            yield entry.path


def _found(path: str, data: bytes, expression: Expression, search: Search) -> Iterator[str]:
    text = decoded_text(data)
    if text is None:
        if b"\x00" in data:
            return
        text = data.decode("utf-8", "replace")  # in an older encoding: its ASCII can be searched
    text = text.replace("\r\n", "\n")
    if expression.is_nowhere_in(text):
        return
    shown = shown_path(path)
    for number, line in enumerate(text.split("\n"), 1):
        try:
            match = expression.match(line)
        except TimeoutError:
            raise ToolError(_TOO_SLOW.format(path=shown, number=number)) from None
        if match:
            yield f"{shown}:{number}: {_excerpt(match)}"
        if search.is_over():
            return


def _excerpt(match: regex.Match[str]) -> str:
    """The line; of a long one, what is around the place."""
    line: str = match.string
    if len(line) <= _MOST_IN_LINE:
        return line
    begin = max(0, min(match.start() - _MOST_IN_LINE // 4, len(line) - _MOST_IN_LINE))
    end = begin + _MOST_IN_LINE
    return f"{'...' if begin else ''}{line[begin:end]}{'...' if end < len(line) else ''}"
