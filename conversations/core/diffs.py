"""Writes unified diffs: what a change would do, for the person who allows it. Bounded in time and in length."""

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

_CONTEXT = 3
# Above so many differing lines, or pairs of equal ones among them, they are not compared: that takes square time.
_MOST_COMPARED = 2_000
_MOST_PAIRS = 30_000
_MOST_CHARACTERS = 60_000
_MOST_IN_LINE = 2_000

Opcode = tuple[str, int, int, int, int]


def unified_diff(
    old: str | None, new: str | None, *, path: str, new_path: str | None = None, most: int = _MOST_CHARACTERS
) -> str:
    """From `old` to `new` (None: no file), as git writes it; a longer one is cut, and says so."""
    before, after = _lines(old or ""), _lines(new or "")
    target = new_path or path
    head = [f"diff --git a/{shown_path(path)} b/{shown_path(target)}"]
    if new_path and new_path != path:
        head += [f"rename from {shown_path(path)}", f"rename to {shown_path(new_path)}"]
    head.append("--- /dev/null" if old is None else f"--- a/{shown_path(path)}")
    head.append("+++ /dev/null" if new is None else f"+++ b/{shown_path(target)}")
    pieces = ["\n".join(head) + "\n"]
    length = len(pieces[0])
    for line in _hunks(before, after):
        piece = line if len(line) <= _MOST_IN_LINE else f"{line[:_MOST_IN_LINE]}... [line cut]\n"
        length += len(piece)
        if length > most:
            pieces.append("[the rest of the diff is left out]\n")
            break
        pieces.append(piece)
    return "".join(pieces)


def shown_path(path: str) -> str:
    """A path as it can stand in a line of text: quoted where it has characters that would not show as themselves."""
    if path.isprintable() and '"' not in path and "\\" not in path:
        return path
    return '"' + "".join(_shown(character) for character in path) + '"'


def _shown(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    last = lines.pop()
    return [f"{line}\n" for line in lines] + ([last] if last else [])


def _hunks(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    for group in _groups(_opcodes(before, after)):
        first, last = group[0], group[-1]
        yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n"
        for tag, i, j, k, m in group:
            if tag == "equal":
                yield from _marked(" ", before[i:j])
            else:
                yield from _marked("-", before[i:j])
                yield from _marked("+", after[k:m])


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield mark + line if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"


def _range(start: int, stop: int) -> str:
    count = stop - start
    return f"{start + 1}" if count == 1 else f"{start + 1 if count else start},{count}"


def _opcodes(before: Sequence[str], after: Sequence[str]) -> list[Opcode]:
    """How one becomes the other; the beginning and the end that they share are not compared line by line."""
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    if len(old) + len(new) > _MOST_COMPARED or _equal_pairs(old, new) > _MOST_PAIRS:
        middle: list[Opcode] = [("replace", 0, len(old), 0, len(new))]
    else:
        middle = list(SequenceMatcher(None, old, new, autojunk=False).get_opcodes())
    codes: list[Opcode] = [("equal", 0, head, 0, head)] if head else []
    codes += [(tag, i + head, j + head, k + head, m + head) for tag, i, j, k, m in middle]
    if tail:
        codes.append(("equal", len(before) - tail, len(before), len(after) - tail, len(after)))
    return codes


def _equal_pairs(old: Sequence[str], new: Sequence[str]) -> int:
    counts = Counter(new)
    return sum(counts[line] for line in old)


def _groups(codes: list[Opcode]) -> Iterator[list[Opcode]]:
    """The changes with three lines around them; those that are near each other together."""
    group: list[Opcode] = []
    for at, (tag, i, j, k, m) in enumerate(codes):
        if tag != "equal":
            group.append((tag, i, j, k, m))
            continue
        is_last = at == len(codes) - 1
        if group and (is_last or j - i > 2 * _CONTEXT):
            group.append((tag, i, min(j, i + _CONTEXT), k, min(m, k + _CONTEXT)))
            yield group
            group = []
        if not is_last:
            skip = 0 if group else max(0, j - i - _CONTEXT)
            group.append((tag, i + skip, j, k + skip, m))
    if any(tag != "equal" for tag, *_ in group):
        yield group
