"""What tools that change files have in common: they say beforehand what each file becomes, and then do just that.

A changing tool makes drafts, and nothing else. From them come the hashes that are stored before the call starts, the
diff a person decides about, and the change itself, which is refused when a file is not what it was when it was planned.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from conversations.confined_files.changes import Change, remove_spares, sha256
from conversations.core.diffs import unified_diff
from conversations.core.text_files import decoded_text
from conversations.core.tool_calls import Effect
from conversations.tools.base import (
    Arguments,
    BlockingTool,
    FileEffect,
    Invocation,
    Reconciled,
    ToolError,
    ToolResult,
    Workplace,
)
from conversations.tools.file_access import Files, files_of

MOST_BYTES = 2 * 1024 * 1024
_MOST_PREVIEW = 120_000


@dataclass(frozen=True, slots=True)
class Draft:
    """One file before and after; None where there is none. `path` is resolved."""

    path: str
    old: bytes | None
    new: bytes | None

    @property
    def effect(self) -> FileEffect:
        before, after = ("" if data is None else sha256(data) for data in (self.old, self.new))
        return FileEffect(self.path, before, after)

    @property
    def change(self) -> Change:
        return Change(self.path, self.effect.before, self.new)

    def diff(self) -> str:
        old, new = (None if data is None else decoded_text(data) for data in (self.old, self.new))
        if (old is None) != (self.old is None) or (new is None) != (self.new is None):
            sizes = " -> ".join(f"{len(data)} bytes" if data else "nothing" for data in (self.old, self.new))
            return f"Binary file {self.path}: {sizes}\n"
        return unified_diff(old, new, path=self.path)


class ChangingTool(BlockingTool):
    """A tool that changes files, all of them or none."""

    effect = Effect.RECONCILABLE

    @abstractmethod
    def drafts(self, arguments: Arguments, files: Files) -> list[Draft]:
        """What the call makes of the files as they are now. ToolError where it cannot be done."""

    @abstractmethod
    def done(self, arguments: Arguments, drafts: Sequence[Draft]) -> str:
        """What the model is told once it is."""

    def preview(self, arguments: Arguments, place: Workplace) -> str | None:
        with files_of(place) as files:
            diff = "".join(draft.diff() for draft in self.drafts(arguments, files))
        return diff if len(diff) <= _MOST_PREVIEW else f"{diff[:_MOST_PREVIEW]}\n[the rest is left out]\n"

    def plan(self, arguments: Arguments, place: Workplace) -> list[FileEffect]:
        with files_of(place) as files:
            return [draft.effect for draft in self.drafts(arguments, files)]

    def work(self, invocation: Invocation) -> ToolResult:
        with files_of(invocation.place) as files:
            drafts = self.drafts(invocation.arguments, files)
            effects = [draft.effect for draft in drafts]
            if invocation.effects and effects != invocation.effects:
                raise ToolError("The files have changed meanwhile; nothing was written. Read them again.")
            files.apply([draft.change for draft in drafts if draft.effect.before != draft.effect.after])
        return ToolResult(self.done(invocation.arguments, drafts))

    async def run(self, invocation: Invocation) -> ToolResult:
        work = asyncio.ensure_future(super().run(invocation))
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            # It takes milliseconds, and is done or not done then; to leave it alone would be neither.
            await asyncio.wait([work])
            raise

    def reconcile(self, arguments: Arguments, effects: list[FileEffect], place: Workplace) -> Reconciled:
        with files_of(place) as files:
            now = [files.hash_of(effect.path) for effect in effects]
            if now == [effect.after for effect in effects]:
                found = Reconciled.APPLIED
            elif now == [effect.before for effect in effects]:
                found = Reconciled.NOT_APPLIED
            else:
                return Reconciled.UNCLEAR
            remove_spares(files.tree, [(effect.path, effect.before, effect.after) for effect in effects])
            return found


def encoded(text: str) -> bytes:
    """The bytes of a new file, within bounds."""
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise ToolError("The content has characters that are no Unicode text (lone surrogates).") from None
    if b"\x00" in data:
        raise ToolError("The content has a NUL character: only text can be written.")
    if len(data) > MOST_BYTES:
        raise ToolError(
            f"The file would have {len(data)} bytes; {MOST_BYTES} is the most. Write it in several files."
        )
    return data
