"""Cursors of the log: `<epoch>:<seq>`, exclusive, opaque to clients."""

import re
from dataclasses import dataclass

_CURSOR = re.compile(r"([0-9a-f]{8}):(0|[1-9][0-9]{0,17})")


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in one life of a conversation's log: everything up to `seq` has been seen."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return encode(self.epoch, self.seq)


def encode(epoch: str, seq: int) -> str:
    return f"{epoch}:{seq}"


def parse(text: str) -> Cursor:
    """The cursor written by `encode`; ValueError for anything else."""
    match = _CURSOR.fullmatch(text)
    if not match:
        raise ValueError("not a cursor")
    return Cursor(match[1], int(match[2]))
