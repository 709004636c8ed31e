"""Tools for one file: read, write, edit."""

import codecs
from collections.abc import Sequence
from typing import Any

from conversations.core.diffs import shown_path
from conversations.core.tool_calls import Effect
from conversations.tools.base import (
    Arguments,
    BlockingTool,
    Invocation,
    Targets,
    ToolError,
    ToolResult,
    Workplace,
)
from conversations.tools.changing import MOST_BYTES, ChangingTool, Draft, encoded
from conversations.tools.file_access import MOST_CHARACTERS, Files, files_of, text_of

PATH = {
    "type": "string",
    "minLength": 1,
    "maxLength": 4096,
    "description": "Path of the file, relative to the working directory.",
}
_MOST_READ_BYTES = 16 * 1024 * 1024
_MOST_LINES = 2000
_MOST_IN_LINE = 2000


def schema(required: Sequence[str], **properties: Any) -> dict[str, Any]:
    """The schema of an object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


class ReadFile(BlockingTool):
    name = "read_file"
    description = (
        "Reads a text file (UTF-8). Each line is shown as its number, a tab and the line; the number and the tab are "
        f"not part of the file. Shows {_MOST_LINES} lines unless told otherwise; use offset to go on. Very long lines "
        "are cut."
    )
    parameters = schema(
        ["path"],
        path=PATH,
        offset={"type": "integer", "minimum": 1, "description": "The first line to show, counted from 1."},
        limit={"type": "integer", "minimum": 1, "description": f"How many lines. Default: {_MOST_LINES}."},
    )
    effect = Effect.READ_ONLY
    changes_nothing = True

    def targets(self, arguments: Arguments, place: Workplace) -> Targets:
        with files_of(place) as files:
            return Targets(reads=(files.resolve(arguments["path"]),))

    def work(self, invocation: Invocation) -> ToolResult:
        arguments = invocation.arguments
        with files_of(invocation.place) as files:
            path = files.readable(arguments["path"])
            text = text_of(path, files.read(path, most_bytes=_MOST_READ_BYTES))
        return ToolResult(_numbered(text, arguments.get("offset", 1), arguments.get("limit", _MOST_LINES)))


def _numbered(text: str, offset: int, limit: int) -> str:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    if not lines:
        return "(The file is empty.)"
    if offset > len(lines):
        raise ToolError(f"offset: the file has {len(lines)} lines only.")
    shown: list[str] = []
    length = 0
    for number, line in enumerate(lines[offset - 1 : offset - 1 + limit], offset):
        shown.append(f"{number:>6}\t{_cut_line(line.removesuffix(chr(13)))}")
        length += len(shown[-1]) + 1
        if length > MOST_CHARACTERS:
            break
    last = offset + len(shown) - 1
    if last < len(lines):
        shown.append(f"(Lines {offset}-{last} of {len(lines)}. Go on with offset={last + 1}.)")
    return "\n".join(shown)


def _cut_line(line: str) -> str:
    if len(line) <= _MOST_IN_LINE:
        return line
    return f"{line[:_MOST_IN_LINE]}... ({len(line) - _MOST_IN_LINE} more characters in this line)"


class WriteFile(ChangingTool):
    name = "write_file"
    description = (
        "Writes a text file (UTF-8): creates it, with the directories it needs, or replaces all of it. To change a "
        f"part of a file use edit_file. At most {MOST_BYTES} bytes."
    )
    parameters = schema(
        ["path", "content"],
        path=PATH,
        content={"type": "string", "description": "All of the file's text."},
    )

    def targets(self, arguments: Arguments, place: Workplace) -> Targets:
        with files_of(place) as files:
            path = files.resolve(arguments["path"])
            return Targets(writes=(path,), notes=_replaces(files, path))

    def drafts(self, arguments: Arguments, files: Files) -> list[Draft]:
        path = files.writable(arguments["path"])
        return [Draft(path, files.read_if_there(path), encoded(arguments["content"]))]

    def done(self, arguments: Arguments, drafts: Sequence[Draft]) -> str:
        (draft,) = drafts
        lines = len(arguments["content"].splitlines())
        size = f"{lines} lines, {len(draft.new or b'')} bytes"
        return f"{'Created' if draft.old is None else 'Replaced'} {shown_path(draft.path)} ({size})."


def _replaces(files: Files, path: str) -> tuple[str, ...]:
    """What a person should know; with the hash, so that a yes is not for another file of the same name."""
    try:
        before = "" if files.is_protected(path) else files.hash_of(path)
    except ToolError:  # no file that could be replaced: the call will say so
        return ()
    return (f"It replaces all of {shown_path(path)} (SHA-256 {before[:16]}).",) if before else ()


class EditFile(ChangingTool):
    name = "edit_file"
    description = (
        "Replaces a piece of a text file. old_string has to be in the file exactly once, character for character and "
        "without the line numbers that read_file shows; give enough lines around it, or set replace_all."
    )
    parameters = schema(
        ["path", "old_string", "new_string"],
        path=PATH,
        old_string={"type": "string", "minLength": 1, "description": "The text to replace, as it stands."},
        new_string={"type": "string", "description": "What takes its place; empty to remove it."},
        replace_all={"type": "boolean", "description": "Replace it wherever it is. Default: false."},
    )

    def targets(self, arguments: Arguments, place: Workplace) -> Targets:
        with files_of(place) as files:
            path = files.resolve(arguments["path"])
        return Targets(reads=(path,), writes=(path,))

    def drafts(self, arguments: Arguments, files: Files) -> list[Draft]:
        path = files.writable(arguments["path"])
        data = files.read(path, most_bytes=MOST_BYTES)
        mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        text = text_of(path, data)
        old, new = _with_ends_of(text, arguments["old_string"], arguments["new_string"])
        if old == new:
            raise ToolError("old_string and new_string are the same: there is nothing to do.")
        count = text.count(old)
        if count == 0:
            raise ToolError(
                f"old_string is not in {shown_path(path)}. Read the file again and copy the text exactly as it stands, "
                "with its blanks and without line numbers."
            )
        if count > 1 and not arguments.get("replace_all"):
            raise ToolError(
                f"old_string is {count} times in {shown_path(path)} ({_lines_with(text, old)}). Add lines around it "
                "so that it is there once, or set replace_all."
            )
        return [Draft(path, data, mark + encoded(text.replace(old, new)))]

    def done(self, arguments: Arguments, drafts: Sequence[Draft]) -> str:
        (draft,) = drafts
        text = text_of(draft.path, draft.old or b"")
        old, _ = _with_ends_of(text, arguments["old_string"], arguments["new_string"])
        count = text.count(old)
        places = f"{count} {'place' if count == 1 else 'places'}"
        return f"Replaced {places} in {shown_path(draft.path)} ({_lines_with(text, old)})."


def _with_ends_of(text: str, *pieces: str) -> tuple[str, ...]:
    """The pieces with the line ends of the text, where it has CRLF alone."""
    if "\r\n" not in text or text.count("\n") != text.count("\r\n"):
        return pieces
    return tuple(piece.replace("\r\n", "\n").replace("\n", "\r\n") for piece in pieces)


def _lines_with(text: str, piece: str) -> str:
    lines: list[str] = []
    at = text.find(piece)
    while at >= 0 and len(lines) < 5:
        lines.append(str(text.count("\n", 0, at) + 1))
        at = text.find(piece, at + len(piece))
    more = ", ..." if at >= 0 else ""
    return f"line{'s' if len(lines) > 1 else ''} {', '.join(lines)}{more}"
