"""Tools that tell which files there are: list a directory, find files by their names."""

import time
from collections.abc import Iterator, Sequence

from conversations.confined_files.tree import Entry, Kind
from conversations.core import path_globs
from conversations.core.brace_globs import InvalidGlob, spelled_out
from conversations.core.diffs import shown_path
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
from conversations.tools.file_access import MOST_CHARACTERS, Files, files_of
from conversations.tools.files import schema

FOLDER = {
    "type": "string",
    "minLength": 1,
    "maxLength": 4096,
    "description": "A directory, relative to the working directory, which is the default.",
}
SEARCH_SECONDS = 5.0
_MOST_SHOWN = 1000


class ListFiles(BlockingTool):
    name = "list_files"
    description = (
        "Lists what is in one directory: directories end with /, files come with their size. Use find_files for all "
        "directories below."
    )
    parameters = schema(
        [],
        path=FOLDER,
        pattern={
            "type": "string",
            "minLength": 1,
            "maxLength": 500,
            "description": "Only names like this: *.py",
        },
    )
    effect = Effect.READ_ONLY
    changes_nothing = True

    def targets(self, arguments: Arguments, place: Workplace) -> Targets:
        return folder_targets(arguments, place)

    def work(self, invocation: Invocation) -> ToolResult:
        arguments = invocation.arguments
        pattern = arguments.get("pattern", "*")
        if "/" in pattern or "**" in pattern:
            raise InvalidArguments("pattern: it is about names in one directory; use find_files for paths.")
        patterns = globs(pattern)
        with files_of(invocation.place) as files:
            folder = files.readable(arguments.get("path", "."))
            lines = [
                _line(files, entry)
                for entry in files.entries(folder)
                if any(path_globs.matches(entry.path.rpartition("/")[2], one) for one in patterns)
                and (files.is_protected(entry.path) or not files.is_closed(entry.path))
            ]
        return ToolResult(bounded(lines) or "(Nothing there.)")


def _line(files: Files, entry: Entry) -> str:
    name = shown_path(entry.path)
    if entry.kind is Kind.FOLDER:
        name += "/"
    if files.is_protected(entry.path):
        return f"{name}  (protected: file tools do not open it)"
    if entry.kind is Kind.FILE:
        size = files.size_of(entry.path)
        return f"{name}  ({'not readable' if size is None else f'{size} bytes'})"
    return name if entry.kind is Kind.FOLDER else f"{name}  ({_WHAT[entry.kind]})"


_WHAT = {Kind.LINK: "symbolic link", Kind.OTHER: "no regular file"}


class FindFiles(BlockingTool):
    name = "find_files"
    description = (
        "Finds files by their paths. In the pattern * and ? stand for characters of a name, ** for any number of "
        "directories, {a,b} for one or the other: src/**/*.{ts,tsx}. A pattern without / is looked for in all "
        "directories. Directories such as .git, node_modules, .venv and __pycache__ are left out unless the pattern "
        "begins in one."
    )
    parameters = schema(
        ["glob"],
        glob={"type": "string", "minLength": 1, "maxLength": 500, "description": "The pattern: **/*.py"},
    )
    effect = Effect.READ_ONLY
    changes_nothing = True

    def targets(self, arguments: Arguments, place: Workplace) -> Targets:
        folder, _ = _split(_relative(arguments["glob"], place))
        with files_of(place) as files:
            return Targets(reads=(files.resolve(folder),))

    def work(self, invocation: Invocation) -> ToolResult:
        folder, rest = _split(_relative(invocation.arguments["glob"], invocation.place))
        search = Search()
        with files_of(invocation.place) as files:
            start = files.readable(folder)
            patterns = [one if start == "." else f"{start}/{one}" for one in globs(rest)]
            found = [
                shown_path(entry.path) + ("  (protected)" if files.is_protected(entry.path) else "")
                for entry in search.entries(files, start)
                if entry.kind is not Kind.FOLDER
                and any(path_globs.matches(entry.path, one) for one in patterns)
            ]
        return ToolResult("\n".join([bounded(found) or "(No such file.)", *search.notes()]))


def _relative(pattern: str, place: Workplace) -> str:
    """The pattern without the root, where it begins with it."""
    root = f"{place.root}/"
    if pattern.startswith("/") and not pattern.startswith(root):
        raise ToolError("glob: the pattern leads out of the working directory.")
    return pattern.removeprefix(root)


def _split(pattern: str) -> tuple[str, str]:
    """The directory in which all that fits is, by the parts before the first with a wildcard, and the pattern there."""
    if "/" not in pattern:
        return ".", f"**/{pattern}"
    *parts, last = pattern.split("/")
    fixed = next((at for at, part in enumerate(parts) if any(c in part for c in "*?{")), len(parts))
    return "/".join(parts[:fixed]) or ".", "/".join([*parts[fixed:], last])


class Search:
    """A walk that ends in time, and what was left out of it."""

    def __init__(self) -> None:
        self._until = time.monotonic() + SEARCH_SECONDS
        self._skipped: set[str] = set()

    @property
    def seconds_left(self) -> float:
        return self._until - time.monotonic()

    def is_over(self) -> bool:
        return self.seconds_left <= 0

    def entries(self, files: Files, start: str) -> Iterator[Entry]:
        return files.walk(start, is_over=self.is_over, skipped=self._skipped)

    def notes(self) -> list[str]:
        notes = []
        if self._skipped:
            notes.append(f"(Not searched: {', '.join(sorted(self._skipped))}. Name one to search in it.)")
        if self.is_over():
            notes.append(
                f"(Stopped after {SEARCH_SECONDS:.0f} seconds: there may be more. Search in fewer directories.)"
            )
        return notes


def folder_targets(arguments: Arguments, place: Workplace) -> Targets:
    with files_of(place) as files:
        return Targets(reads=(files.resolve(arguments.get("path", ".")),))


def globs(pattern: str) -> list[str]:
    try:
        return spelled_out(pattern)
    except InvalidGlob as error:
        raise InvalidArguments(f"{error}.") from None


def bounded(lines: Sequence[str], *, total: int | None = None, most: int = _MOST_SHOWN) -> str:
    """The lines as one text, with `N more` for those of the total that are left out."""
    shown: list[str] = []
    length = 0
    for line in lines[:most]:
        length += len(line) + 1
        if length > MOST_CHARACTERS:
            break
        shown.append(line)
    left_out = (len(lines) if total is None else total) - len(shown)
    return "\n".join([*shown, f"({left_out} more)"] if left_out else shown)
