"""`process_*`: commands that go on while the model does other things, until their run ends or waits.

They live in the worker that carries out the run, and in its memory: `stop_all` is to be called whenever the run leaves
the worker. A poll after that is told that the process is gone.
"""

import asyncio
import secrets
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings

from conversations.core.tool_calls import Effect
from conversations.sandbox import command
from conversations.sandbox.confined import GRACE_SECONDS
from conversations.sandbox.long_lived import LongLived
from conversations.sandbox.start import SandboxError
from conversations.tools.base import Arguments, Invocation, Targets, Tool, ToolError, ToolResult, Workplace
from conversations.tools.commands import CWD, LINE, NETWORK, directory_of, granted_network, line_targets

MOST_OF_A_RUN = 8

_MOST_WAIT_SECONDS = 60
_FIRST_OUTPUT_SECONDS = 0.5
_PROCESS_ID = {"type": "string", "minLength": 1, "maxLength": 64}


@dataclass(slots=True)
class _Entry:
    run_id: str
    process: LongLived | None  # None while it is being started


_entries: dict[str, _Entry] = {}


async def stop_all(run_id: str, *, grace_seconds: float = GRACE_SECONDS) -> None:
    """Ends the processes of a run, side by side. To be awaited at each end of its stay in this worker: when it
    completes, fails, is cancelled, begins to wait, or is given back. Quick where there are none."""
    ended = [process_id for process_id, entry in _entries.items() if entry.run_id == run_id]
    found = [_entries.pop(process_id).process for process_id in ended]
    stopping = [asyncio.create_task(process.stop(grace_seconds)) for process in found if process is not None]
    try:
        await asyncio.gather(*stopping)
    finally:
        # When this is cancelled, so are they, which ends their grace; but not before all is gone.
        if stopping:
            await asyncio.wait(stopping)


_INPUT_NOTE = "While it runs, the agent can write to its input without asking again."


class ProcessStart(Tool):
    name = "process_start"
    description = (
        "Starts a shell line in the working directory and lets it run, for servers and watchers, say. Returns its "
        "process_id and what it printed at first. It is confined like execute_command, has its own loopback network, "
        "and ends with this run at the latest, or when the run has to wait for a person."
    )
    parameters = {
        "type": "object",
        "properties": {"command": LINE, "cwd": CWD, "network": NETWORK},
        "required": ["command"],
        "additionalProperties": False,
    }
    effect = Effect.AT_MOST_ONCE

    def targets(self, arguments: Arguments, place: Workplace) -> Targets:
        found = line_targets(arguments, place)
        return replace(found, notes=(*found.notes, _INPUT_NOTE))

    async def run(self, invocation: Invocation) -> ToolResult:
        place = invocation.place
        directory = directory_of(invocation.arguments, place)
        box = command.box_for(place.root, directory, network=granted_network(invocation))
        if sum(entry.run_id == place.run_id for entry in _entries.values()) >= MOST_OF_A_RUN:
            raise ToolError(f"A run has at most {MOST_OF_A_RUN} processes. Stop one first (process_stop).")
        process_id = f"proc_{secrets.token_hex(6)}"
        entry = _entries[process_id] = _Entry(place.run_id, None)
        try:
            line = invocation.arguments["command"]
            process = await LongLived.start(line, box, seconds=settings.PENGUIN_RUN_TIMEOUT_SECONDS)
        except BaseException as error:
            _entries.pop(process_id, None)
            if isinstance(error, SandboxError):
                raise ToolError(str(error)) from error
            raise
        if process_id not in _entries:  # the run has ended meanwhile
            await process.stop(0)
            raise ToolError("The run has ended.")
        entry.process = process
        text = await process.news(wait_seconds=_FIRST_OUTPUT_SECONDS)
        return _result(process_id, process, text)


class ProcessPoll(Tool):
    name = "process_poll"
    description = (
        "Returns what a process has printed since it was last looked at, and whether it still runs. "
        "wait_seconds: waits so long for something to be printed."
    )
    parameters = {
        "type": "object",
        "properties": {
            "process_id": _PROCESS_ID,
            "wait_seconds": {"type": "number", "minimum": 0, "maximum": _MOST_WAIT_SECONDS},
        },
        "required": ["process_id"],
        "additionalProperties": False,
    }
    effect = Effect.READ_ONLY
    # To ask about it would end the process that it looks at: a run that waits has none.
    changes_nothing = True

    async def run(self, invocation: Invocation) -> ToolResult:
        process_id, process = _find(invocation)
        text = await process.news(wait_seconds=invocation.arguments.get("wait_seconds", 0))
        return _result(process_id, process, text)


class ProcessWriteStdin(Tool):
    name = "process_write_stdin"
    description = "Writes text to the input of a process. close: nothing more will come."
    parameters = {
        "type": "object",
        "properties": {
            "process_id": _PROCESS_ID,
            "text": {"type": "string", "maxLength": 64_000},
            "close": {"type": "boolean"},
        },
        "required": ["process_id", "text"],
        "additionalProperties": False,
    }
    effect = Effect.AT_MOST_ONCE

    def targets(self, arguments: Arguments, place: Workplace) -> Targets:
        # What may be typed into a process was decided when it was started (its approval says so): to ask here would
        # end it, for a run that waits has no processes. It can write where the process can, so who may not write may
        # not type either.
        return Targets(writes=(".",))

    async def run(self, invocation: Invocation) -> ToolResult:
        process_id, process = _find(invocation)
        try:
            await process.write(invocation.arguments["text"], close=bool(invocation.arguments.get("close")))
        except BrokenPipeError:
            raise ToolError("The process reads no input any more.") from None
        except TimeoutError:
            raise ToolError(
                "The process does not read its input; a part of the text may be written."
            ) from None
        return ToolResult(f"Written to {process_id}.")


class ProcessStop(Tool):
    name = "process_stop"
    description = "Ends a process (SIGTERM, after 5 seconds SIGKILL) and returns the last it printed."
    parameters = {
        "type": "object",
        "properties": {"process_id": _PROCESS_ID},
        "required": ["process_id"],
        "additionalProperties": False,
    }
    # Only the run's own; repeated, it finds nothing to end.
    effect = Effect.IDEMPOTENT
    # Of nobody else's, and asking would end it anyway.
    changes_nothing = True

    async def run(self, invocation: Invocation) -> ToolResult:
        process_id, process = _find(invocation)
        await process.stop(GRACE_SECONDS)
        _entries.pop(process_id, None)
        return _result(process_id, process, await process.news(wait_seconds=0))


def _of_run(process_id: Any, run_id: str) -> LongLived | None:
    entry = _entries.get(process_id)
    return entry.process if entry is not None and entry.run_id == run_id else None


def _find(invocation: Invocation) -> tuple[str, LongLived]:
    process_id = invocation.arguments["process_id"]
    process = _of_run(process_id, invocation.place.run_id)
    if process is None:
        raise ToolError(
            f"There is no process {process_id} in this run: it was stopped, or ended when the run had to wait. "
            "Start it again if it is needed."
        )
    return process_id, process


def _result(process_id: str, process: LongLived, text: str) -> ToolResult:
    if process.exit_code is None:
        state = "running"
    elif process.ran_out_of_disk:
        state = "stopped: the disk is nearly full"
    else:
        state = f"ended, exit code: {process.exit_code}"
    return ToolResult(
        "\n".join([f"process_id: {process_id}", f"state: {state}", text.rstrip("\n")]).rstrip("\n")
    )
