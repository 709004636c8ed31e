"""What git says of the difference between two trees, read: files with their lines counted, and a bounded patch."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

# What is shown of one comparison. The rest is counted and left out.
MOST_FILES = 1_000
MOST_CHARACTERS = 400_000
MOST_PATCH_BYTES = 2 * 1024 * 1024

_STATUSES = {"A": "added", "C": "added", "D": "deleted", "M": "modified", "R": "renamed", "T": "type_changed"}


class UnreadableOutput(ValueError):
    """This is not what git writes."""


@dataclass(frozen=True, slots=True)
class FileChange:
    """`additions` and `deletions` count lines; None where the file is binary or too large to be compared."""

    path: str
    status: str
    additions: int | None
    deletions: int | None
    old_path: str | None = None


@dataclass(frozen=True, slots=True)
class Diff:
    """What became of a directory: a unified diff, its files and lines. `left_out`: what git could not take in."""

    text: str
    files: tuple[FileChange, ...]
    files_changed: int
    additions: int
    deletions: int
    truncated: bool
    left_out: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "files": [asdict(file) for file in self.files], "left_out": [*self.left_out]}


def read_diff(stat: bytes, patch: bytes, *, left_out: tuple[str, ...] = ()) -> Diff:
    """From the output of `git diff-tree -r -z --raw --numstat` and of `-p`, of which the first bytes suffice."""
    files = list(_files(stat))
    text = _text(patch)
    shown = _whole_lines(text, MOST_CHARACTERS)
    return Diff(
        text=shown,
        files=tuple(files[:MOST_FILES]),
        files_changed=len(files),
        additions=sum(file.additions or 0 for file in files),
        deletions=sum(file.deletions or 0 for file in files),
        truncated=len(shown) < len(text) or len(patch) >= MOST_PATCH_BYTES or len(files) > MOST_FILES,
        left_out=left_out,
    )


def _files(stat: bytes) -> Iterator[FileChange]:
    fields = iter(stat.split(b"\0"))
    statuses: dict[bytes, str] = {}
    try:
        for field in fields:
            if not field:
                continue
            if field.startswith(b":"):
                letter = field.rsplit(b" ", 1)[1][:1].decode()
                path = next(fields)
                if letter in "RC":
                    path = next(fields)
                statuses[path] = _STATUSES.get(letter, "modified")
                continue
            added, deleted, path = field.split(b"\t", 2)
            old = None
            if not path:
                old, path = next(fields), next(fields)
            yield FileChange(
                path=_text(path),
                status=statuses.get(path, "modified"),
                additions=None if added == b"-" else int(added),
                deletions=None if deleted == b"-" else int(deleted),
                old_path=None if old is None else _text(old),
            )
    except (ValueError, IndexError, RuntimeError, StopIteration) as error:
        raise UnreadableOutput from error


def _text(data: bytes) -> str:
    """Neither JSON's readers nor Postgres take a NUL."""
    return data.decode("utf-8", "replace").replace("\x00", "\ufffd")


def _whole_lines(text: str, most: int) -> str:
    """The text as it is, or what fits of it up to the end of a line."""
    return text if len(text) <= most else text[: text.rfind("\n", 0, most) + 1]
