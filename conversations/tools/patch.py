"""`apply_patch`: a unified diff over several files, all of it or nothing."""

from collections.abc import Sequence

from conversations.core.diffs import shown_path
from conversations.core.patches import FilePatch, PatchMismatch, PatchSyntaxError, parse_patch
from conversations.tools.base import (
    Arguments,
    FileEffect,
    InvalidArguments,
    Reconciled,
    Targets,
    ToolError,
    Workplace,
)
from conversations.tools.changing import MOST_BYTES, ChangingTool, Draft, encoded
from conversations.tools.file_access import Files, files_of, text_of
from conversations.tools.files import schema

_MOST_FILES = 100
_BOM = "\ufeff"


class ApplyPatch(ChangingTool):
    name = "apply_patch"
    description = (
        "Applies a unified diff, as `git diff` writes it, to one or several files: all of it, or nothing when any part "
        "does not fit. The lines of context and the removed lines have to be in the file as they stand in the patch; "
        "line numbers may be off. Create a file with '--- /dev/null', delete one with '+++ /dev/null', rename one with "
        "'diff --git a/old b/new', 'rename from old', 'rename to new'."
    )
    parameters = schema(
        ["patch"],
        patch={"type": "string", "minLength": 1, "maxLength": MOST_BYTES, "description": "The unified diff."},
    )

    def targets(self, arguments: Arguments, place: Workplace) -> Targets:
        parsed = _parsed(arguments)
        with files_of(place) as files:
            old, new, gone = (
                tuple(dict.fromkeys(files.resolve(path) for path in paths if path))
                for paths in (
                    [file.old_path for file in parsed],
                    [file.new_path for file in parsed],
                    [file.old_path for file in parsed if file.old_path != file.new_path],
                )
            )
        return Targets(reads=old, writes=new, deletes=gone)

    def drafts(self, arguments: Arguments, files: Files) -> list[Draft]:
        drafts = [draft for file in _parsed(arguments) for draft in _drafts(file, files)]
        paths = [draft.path for draft in drafts]
        for path in paths:
            if paths.count(path) > 1:
                raise ToolError(
                    f"{shown_path(path)}: the patch changes it twice. Put its hunks under one head."
                )
        # What makes and changes files comes first: cut short, a rename leaves two files and not none.
        return sorted(drafts, key=lambda draft: draft.new is None)

    def done(self, arguments: Arguments, drafts: Sequence[Draft]) -> str:
        def what(draft: Draft) -> str:
            return "created" if draft.old is None else "deleted" if draft.new is None else "changed"

        return "Applied:\n" + "\n".join(f"{what(draft)} {shown_path(draft.path)}" for draft in drafts)

    def reconcile(self, arguments: Arguments, effects: list[FileEffect], place: Workplace) -> Reconciled:
        found = super().reconcile(arguments, effects, place)
        if found is not Reconciled.UNCLEAR:
            return found
        try:
            return self._finish(arguments, effects, place)
        except ToolError:
            return Reconciled.UNCLEAR

    def _finish(self, arguments: Arguments, effects: list[FileEffect], place: Workplace) -> Reconciled:
        """Does what is left of a patch, where each file is as it was before or as it should be."""
        wanted = {effect.path: effect for effect in effects}
        with files_of(place) as files:
            now = {path: files.hash_of(path) for path in wanted}
            if any(now[path] not in (effect.before, effect.after) for path, effect in wanted.items()):
                return Reconciled.UNCLEAR
            left = [path for path, effect in wanted.items() if now[path] != effect.after]
            drafts: list[Draft] = []
            for file in _parsed(arguments):
                drafts += _drafts_left(file, files, left)
            if {draft.path: draft.effect for draft in drafts} != {path: wanted[path] for path in left}:
                return Reconciled.UNCLEAR
            files.apply([draft.change for draft in drafts])
        return super().reconcile(arguments, effects, place)


def _parsed(arguments: Arguments) -> list[FilePatch]:
    try:
        files = parse_patch(arguments["patch"])
    except PatchSyntaxError as error:
        raise InvalidArguments(f"patch: {error}.") from None
    if len(files) > _MOST_FILES:
        raise InvalidArguments(f"patch: it changes {len(files)} files; {_MOST_FILES} is the most.")
    return files


def _drafts(file: FilePatch, files: Files) -> list[Draft]:
    """What becomes of the one file, or of the two names of a renamed one."""
    old = files.writable(file.old_path) if file.old_path else None
    new = files.writable(file.new_path) if file.new_path else None
    data = files.read(old, most_bytes=MOST_BYTES) if old else b""
    name = shown_path(file.new_path or file.old_path or "")
    text = text_of(old, data) if old and file.hunks else ""
    mark = _BOM if file.hunks and data.startswith(_BOM.encode()) else ""
    try:
        result = encoded(mark + file.apply_to(text)) if file.hunks else data
    except PatchMismatch as error:
        raise ToolError(f"{name}: {error}. Nothing was changed. Read the file again.") from None
    if new is None:
        if result.removeprefix(_BOM.encode()):
            raise ToolError(f"{name}: the patch deletes the file, but does not remove all of its lines.")
        return [Draft(old or "", data, None)]
    if old == new:
        return [Draft(new, data, result)]
    if files.read_if_there(new) is not None:
        raise ToolError(f"{name}: the patch creates this file, but it is there already.")
    created = Draft(new, None, result)
    return [created] if old is None else [created, Draft(old, data, None)]


def _drafts_left(file: FilePatch, files: Files, left: Sequence[str]) -> list[Draft]:
    """Of a patch that was applied in part: what of this file is still to be done."""
    paths = {files.writable(path) for path in (file.old_path, file.new_path) if path}
    if not paths & set(left):
        return []
    if file.old_path and file.new_path and len(paths) == 2 and not paths <= set(left):
        # The new name is there: only the old one is left. Without the old one nothing can be made of it.
        old = files.writable(file.old_path)
        return [Draft(old, files.read(old), None)]
    return _drafts(file, files)
