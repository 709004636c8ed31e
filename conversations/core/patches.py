"""Reads unified diffs (plain and git's) and applies them to texts, exactly: no line of context may differ.

Models count badly, so the numbers in a hunk's head only say where to look first, and how many lines a hunk has is told
by its lines where the head is wrong. Line ends are compared as they are; if that fails and all the file's lines end in
CRLF, or the last one has no end, the file's own habit is kept whatever the patch says of it.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from conversations.core.patch_names import PatchHead, PatchSyntaxError, read_head

_HUNK = re.compile(r"@@+(?: -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))?)?(?: .*)?")
_NO_NEWLINE = "\\ No newline"

__all__ = ["FilePatch", "Hunk", "PatchMismatch", "PatchSyntaxError", "parse_patch"]


class PatchMismatch(Exception):
    """A hunk does not fit the text; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """One place of a file: `old` is replaced by `new`; both are whole lines with their ends."""

    start: int | None  # the line of `old` as stated, from 1; 0 with an empty `old`: at the beginning
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class FilePatch:
    """What becomes of one file. No `old_path`: it is created; no `new_path`: deleted; two different ones: renamed."""

    old_path: str | None
    new_path: str | None
    hunks: tuple[Hunk, ...]

    def apply_to(self, text: str) -> str:
        """The new text; PatchMismatch where a hunk does not fit."""
        try:
            return _applied(text, self.hunks)
        except PatchMismatch:
            is_crlf = "\r\n" in text and not re.search(r"(?<!\r)\n", text)
            has_end = text.endswith("\n") or not text
            plain = text.replace("\r\n", "\n") if is_crlf else text
            if not has_end:
                plain += "\n"
            result = _applied(plain, [_with_plain_ends(hunk) for hunk in self.hunks])
            if not has_end:
                result = result.removesuffix("\n")
            return result.replace("\n", "\r\n") if is_crlf else result


def _with_plain_ends(hunk: Hunk) -> Hunk:
    def plain(text: str) -> str:
        text = text.replace("\r\n", "\n")
        return text if text.endswith("\n") or not text else f"{text}\n"

    return Hunk(hunk.start, plain(hunk.old), plain(hunk.new))


def _applied(text: str, hunks: Sequence[Hunk]) -> str:
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    if starts[-1] == len(text) and text:
        starts.pop()
    pieces: list[str] = []
    done, drift = 0, 0  # `drift`: by how many lines the last hunk was found elsewhere than it said
    for number, hunk in enumerate(hunks, 1):
        place = _place_of(hunk, text, starts, done, drift, number)
        if hunk.start is not None and hunk.old:
            drift = bisect_right(starts, place) - hunk.start
        pieces += text[done:place], hunk.new
        done = place + len(hunk.old)
    pieces.append(text[done:])
    return "".join(pieces)


def _place_of(hunk: Hunk, text: str, starts: list[int], done: int, drift: int, number: int) -> int:
    """The offset at which a hunk fits, not before `done`."""
    if not hunk.old:
        return _place_of_insertion(hunk, text, starts, done, drift, number)
    if hunk.start is not None:
        line = hunk.start - 1 + drift
        if 0 <= line < len(starts) and _fits(hunk, text, starts[line], done):
            return starts[line]
    places = _places(hunk, text, done)
    if not places:
        raise PatchMismatch(
            f"hunk {number} does not fit: these lines are not in the file as they stand in the patch"
            f"{' (after the hunk before it)' if done else ''}:\n{_excerpt(hunk.old)}"
        )
    if len(places) > 1:
        lines = " and ".join(str(bisect_right(starts, place)) for place in places)
        raise PatchMismatch(
            f"hunk {number} fits in several places (lines {lines}, perhaps more): correct its line number, "
            "or give more lines of context"
        )
    return places[0]


def _place_of_insertion(hunk: Hunk, text: str, starts: list[int], done: int, drift: int, number: int) -> int:
    """Without context only the line number tells where."""
    line = 0 if hunk.start is None else hunk.start + drift if hunk.start else 0
    offset = starts[line] if 0 <= line < len(starts) else len(text) if line == len(starts) else -1
    is_between_lines = offset == 0 or text[offset - 1 : offset] == "\n"
    if offset < done or not is_between_lines or (hunk.start is None and text):
        raise PatchMismatch(
            f"hunk {number} has no context, and its line number does not fit: give lines of context"
        )
    return offset


def _fits(hunk: Hunk, text: str, place: int, done: int) -> bool:
    """Whether the old lines stand at this beginning of a line; a last one without an end must be the file's last."""
    if place < done or not text.startswith(hunk.old, place):
        return False
    return hunk.old.endswith("\n") or place + len(hunk.old) == len(text)


def _places(hunk: Hunk, text: str, done: int) -> list[int]:
    """The first two offsets at which the old lines stand."""
    if not hunk.old.endswith("\n"):
        place = len(text) - len(hunk.old)
        begins_line = place == 0 or text[place - 1 : place] == "\n"
        return [place] if begins_line and _fits(hunk, text, place, done) else []
    places = [done] if text.startswith(hunk.old, done) else []
    place = done
    # The line end before it is searched too, so only beginnings of lines are found, in linear time.
    while len(places) < 2 and (place := text.find(f"\n{hunk.old}", place)) >= 0:
        place += 1
        places.append(place)
    return places


def _excerpt(old: str) -> str:
    lines = old.splitlines()
    return "\n".join(line[:200] for line in lines[:6]) + ("\n..." if len(lines) > 6 else "")


def parse_patch(patch: str) -> list[FilePatch]:
    """The files of a patch. PatchSyntaxError says what is wrong with it; text around the diffs is passed over."""
    lines = patch.split("\n")
    if lines[-1] == "":
        lines.pop()
    files: list[FilePatch] = []
    at = 0
    while at < len(lines):
        head, at = read_head(lines, at)
        if head is None:
            if _HUNK.fullmatch(lines[at].rstrip("\r")) and lines[at].startswith("@@ -"):
                raise PatchSyntaxError(
                    f"line {at + 1}: a hunk without the names of its file (--- and +++) before it"
                )
            at += 1
            continue
        hunks, at = _read_hunks(lines, at)
        files.append(_checked(head, hunks))
    if not files:
        raise PatchSyntaxError(
            "there is no file in it: each begins with the lines '--- a/path' and '+++ b/path'"
        )
    return files


def _checked(head: PatchHead, hunks: list[Hunk]) -> FilePatch:
    if not hunks and not head.may_be_empty:
        raise PatchSyntaxError(
            f"{head.new_path or head.old_path}: no hunk (@@ -line,count +line,count @@) follows"
        )
    if head.old_path is None and (len(hunks) > 1 or any(hunk.old for hunk in hunks)):
        raise PatchSyntaxError(f"{head.new_path}: a file that is created has one hunk with added lines only")
    return FilePatch(head.old_path, head.new_path, tuple(hunks))


def _read_hunks(lines: list[str], at: int) -> tuple[list[Hunk], int]:
    hunks: list[Hunk] = []
    while at < len(lines) and (match := _HUNK.fullmatch(lines[at].rstrip("\r"))):
        old_start, old_count, _, new_count = match.groups()
        body = None
        if old_start is not None:
            body = _counted(lines, at + 1, int(old_count or 1), int(new_count or 1))
        if body is None:
            body = _uncounted(lines, at + 1)
        if not body:
            raise PatchSyntaxError(f"line {at + 1}: a hunk without lines")
        at += 1 + len(body)
        hunks.append(_hunk(None if old_start is None else int(old_start), body))
    return hunks, at


def _counted(lines: list[str], at: int, old: int, new: int) -> list[str] | None:
    """The lines of a hunk by the numbers in its head; None where these do not fit."""
    end = at
    while old > 0 or new > 0:
        if end == len(lines):
            return None
        kind = lines[end][:1] or " "
        if kind not in " +-\\":
            return None
        old -= kind in " -"
        new -= kind in " +"
        end += 1
    while end < len(lines) and lines[end].startswith(_NO_NEWLINE):
        end += 1
    return None if old < 0 or new < 0 or (end < len(lines) and _goes_on(lines, end)) else lines[at:end]


def _uncounted(lines: list[str], at: int) -> list[str]:
    """The lines of a hunk up to what cannot be one of them; empty lines at its end do not count."""
    end = at
    while end < len(lines) and (lines[end].rstrip("\r") == "" or _goes_on(lines, end)):
        end += 1
    while end > at and lines[end - 1].rstrip("\r") == "":
        end -= 1
    return lines[at:end]


def _goes_on(lines: list[str], at: int) -> bool:
    """Whether this is a line of a hunk, and not the head of the next file or a mail's signature."""
    line = lines[at]
    if line.startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ "):
        return False
    return line[:1] in (" ", "+", "-", "\\") and line.rstrip("\r") != "-- "


def _hunk(start: int | None, body: list[str]) -> Hunk:
    old: list[str] = []
    new: list[str] = []
    last: list[list[str]] = []
    for line in body:
        kind, text = line[:1] or " ", line[1:] + "\n"
        if kind == "\\":
            for side in last:
                side[-1] = side[-1].removesuffix("\n")
            continue
        last = [side for side, kinds in ((old, " -"), (new, " +")) if kind in kinds]
        for side in last:
            side.append(text)
    return Hunk(start, "".join(old), "".join(new))
