"""What a message brings beside its own words, as moderation reads it: names of files, and what stands in text files.

Images are not looked at: only their names are.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Of a message so much is looked at, of all that is attached to it together.
MOST_FILES = 20
MOST_CHARACTERS = 100_000
_CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Attached:
    name: str
    text: str

    @property
    def checked(self) -> str:
        """The name is somebody's words, too."""
        return f"{self.name}\n{self.text}" if self.text else self.name


def attached_texts(parts: Iterable[Mapping[str, Any]]) -> list[Attached]:
    """What is attached, up to the caps, in its order."""
    found: list[Attached] = []
    room = MOST_CHARACTERS
    for attached in _attached(parts):
        if len(found) == MOST_FILES or room <= 0:
            break
        found.append(Attached(attached.name[:room], attached.text[: max(room - len(attached.name), 0)]))
        room -= len(attached.name) + len(attached.text)
    return found


def _attached(parts: Iterable[Mapping[str, Any]]) -> Iterator[Attached]:
    for part in parts:
        match part.get("type"):
            case "image":
                yield Attached(str(part.get("filename", "")), "")
            case "file":
                yield Attached(str(part["path"]), str(part["text"]))
            case "context":
                yield from _of_context(part["value"])


def _of_context(value: Any) -> Iterator[Attached]:
    """`attached_files` are what the chat page sends. All else is a program's: its words, whatever they are called."""
    files = value.get("attached_files") if isinstance(value, dict) else None
    if isinstance(files, list):
        value = {name: each for name, each in value.items() if name != "attached_files"}
        for file in files:
            is_file = isinstance(file, dict) and isinstance(file.get("name"), str)
            if is_file and isinstance(file.get("content"), str) and len(file) == 2:
                yield Attached(file["name"], file["content"])
            else:
                yield Attached(_CONTEXT, "\n".join(_words(file)))
    if text := "\n".join(_words(value)):
        yield Attached(_CONTEXT, text)


def _words(value: Any) -> Iterator[str]:
    """All strings in a JSON value, in their order."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            left += [piece for pair in reversed(each.items()) for piece in reversed(pair)]
        elif isinstance(each, list):
            left += reversed(each)
