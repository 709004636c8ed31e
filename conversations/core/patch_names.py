"""Reads the heads of the files in a unified diff: what they are called before and after."""

import re
from dataclasses import dataclass

_ESCAPE = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPED = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}
_NOTHING = "/dev/null"


class PatchSyntaxError(Exception):
    """The patch cannot be read; the message says where and why."""


@dataclass(frozen=True, slots=True)
class PatchHead:
    old_path: str | None
    new_path: str | None
    may_be_empty: bool  # without hunks: renamed, or empty when created or deleted


def read_head(lines: list[str], at: int) -> tuple[PatchHead | None, int]:
    """The head that begins at a line, and the line after it; None and the same line where none begins."""
    if lines[at].startswith("diff --git "):
        return _git_head(lines, at)
    if lines[at].startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ "):
        old, new = _stripped(_name(lines[at][4:]), _name(lines[at + 1][4:]))
        return _named(old, new, at), at + 2
    if lines[at].startswith("*** Begin Patch"):
        raise PatchSyntaxError(
            "this is not a unified diff: use '--- a/path', '+++ b/path' and '@@ -1,3 +1,4 @@'"
        )
    return None, at


def _git_head(lines: list[str], at: int) -> tuple[PatchHead, int]:
    first, said = at, {}
    at += 1
    while at < len(lines) and (match := re.match(_GIT_LINE, lines[at])):
        said[match[1]] = lines[at][match.end() :].strip()
        at += 1
    _refuse_unknown(said, first)
    if at + 1 < len(lines) and lines[at].startswith("--- ") and lines[at + 1].startswith("+++ "):
        old, new = _stripped(_name(lines[at][4:]), _name(lines[at + 1][4:]))
        at += 2
        if "rename to" not in said:
            return _named(old, new, first), at
    if "rename from" in said and "rename to" in said:
        return PatchHead(_name(said["rename from"]), _name(said["rename to"]), True), at
    name = _name_of_both(lines[first].removeprefix("diff --git "))
    if name and "new file mode" in said:
        return PatchHead(None, name, True), at
    if name and "deleted file mode" in said:
        return PatchHead(name, None, True), at
    raise PatchSyntaxError(
        f"line {first + 1}: after 'diff --git' the lines '--- a/path' and '+++ b/path' are missing"
    )


_GIT_LINE = (
    r"(old mode|new mode|deleted file mode|new file mode|copy from|copy to|rename from|rename to|similarity index"
    r"|dissimilarity index|index|GIT binary patch|Binary files)(?= |$|\r)"
)


def _refuse_unknown(said: dict[str, str], at: int) -> None:
    if "GIT binary patch" in said or "Binary files" in said:
        raise PatchSyntaxError(f"line {at + 1}: binary files cannot be patched")
    if "copy from" in said:
        raise PatchSyntaxError(f"line {at + 1}: copies are not supported: create the file with all its lines")
    if "new mode" in said or said.get("new file mode", "").endswith("755"):
        raise PatchSyntaxError(
            f"line {at + 1}: a patch does not change file modes: leave them out, use chmod"
        )
    if said.get("new file mode", "").startswith("12"):
        raise PatchSyntaxError(f"line {at + 1}: a patch does not make symbolic links")


def _named(old: str, new: str, at: int) -> PatchHead:
    if old == _NOTHING and new == _NOTHING:
        raise PatchSyntaxError(f"line {at + 1}: neither an old nor a new file is named")
    if old == _NOTHING or new == _NOTHING:
        return PatchHead(None if old == _NOTHING else old, None if new == _NOTHING else new, False)
    if old != new:
        raise PatchSyntaxError(
            f"line {at + 1}: two names, {old} and {new}: to rename a file write 'diff --git a/old b/new', "
            "'rename from old' and 'rename to new' before it"
        )
    return PatchHead(old, new, False)


def _name(written: str) -> str:
    """A name as it stands after `---`: maybe quoted as git does, maybe with a time behind a tab."""
    written = written.rstrip("\r")
    if written.startswith('"'):
        end = re.match(r'"(?:[^"\\]|\\.)*"', written)
        if not end:
            raise PatchSyntaxError(f"a quoted name does not end: {written[:100]}")
        return _unquoted(end[0][1:-1])
    name = written.partition("\t")[0].strip()
    if not name:
        raise PatchSyntaxError("a file without a name")
    return name


def _unquoted(name: str) -> str:
    def byte(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 8) & 255 if len(code) == 3 else _ESCAPED[code]])

    return _ESCAPE.sub(byte, name.encode()).decode(errors="replace")


def _stripped(old: str, new: str) -> tuple[str, str]:
    """Without the `a/` and `b/` that git puts before both names."""
    if (old == _NOTHING or old.startswith("a/")) and (new == _NOTHING or new.startswith("b/")):
        return old.removeprefix("a/"), new.removeprefix("b/")
    return old, new


def _name_of_both(names: str) -> str | None:
    """The name in `a/name b/name`, which git does not quote for blanks."""
    names = names.rstrip("\r")
    if names.startswith('"'):
        old = _name(names)
        return old.removeprefix("a/")
    middle = len(names) // 2
    old, new = names[:middle], names[middle + 1 :]
    if len(names) % 2 and names[middle] == " " and old.startswith("a/") and new == f"b/{old[2:]}":
        return old[2:]
    return None
