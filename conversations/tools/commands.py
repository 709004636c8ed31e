"""`execute_command`: a shell line, run to its end in the sandbox."""

from pathlib import Path

from conversations.core import argv
from conversations.core.command_words import secret_word
from conversations.core.tool_calls import Effect
from conversations.sandbox import command
from conversations.sandbox.start import SandboxError
from conversations.tools.base import Arguments, Invocation, Targets, Tool, ToolError, ToolResult, Workplace

DEFAULT_SECONDS = 120
MOST_SECONDS = 3600

LINE = {"type": "string", "minLength": 1, "maxLength": 32_000, "description": "A line of shell (bash)."}
CWD = {
    "type": "string",
    "maxLength": 4096,
    "description": "Directory to run it in, relative to the working directory, which is the default.",
}
NETWORK = {
    "type": "boolean",
    "description": "Whether it needs the network. Without, it has none. Asking for it may be refused.",
}
_SECRETS_NOTE = "The command names files that may hold secrets, and it can read them."
_NETWORK_NOTE = (
    "With network the command also reaches services on the server itself and in its local network."
)


class ExecuteCommand(Tool):
    name = "execute_command"
    description = (
        "Runs a shell line in the working directory and returns what it printed (stdout and stderr as they came) and "
        "its exit code. It has no terminal and no input, sees the working directory, an empty /tmp and the programs of "
        "the system, and no other files; everything it has started ends with it. .git/config and .git/hooks cannot be "
        "changed."
    )
    parameters = {
        "type": "object",
        "properties": {
            "command": LINE,
            "timeout_seconds": {
                "type": "integer",
                "minimum": 1,
                "maximum": MOST_SECONDS,
                "description": f"When it is stopped. Default: {DEFAULT_SECONDS}.",
            },
            "cwd": CWD,
            "network": NETWORK,
        },
        "required": ["command"],
        "additionalProperties": False,
    }
    effect = Effect.AT_MOST_ONCE

    def targets(self, arguments: Arguments, place: Workplace) -> Targets:
        return line_targets(arguments, place)

    async def run(self, invocation: Invocation) -> ToolResult:
        arguments, root = invocation.arguments, invocation.place.root
        seconds = arguments.get("timeout_seconds", DEFAULT_SECONDS)
        box = command.box_for(
            root, directory_of(arguments, invocation.place), network=granted_network(invocation)
        )
        try:
            outcome = await command.run(
                command.shell_line(arguments["command"]), box, seconds=seconds, progress=invocation.progress
            )
        except SandboxError as error:
            raise ToolError(str(error)) from error
        parts = [outcome.output.rstrip("\n"), outcome.trouble, f"exit code: {outcome.exit_code}"]
        failed = bool(outcome.exit_code or outcome.trouble)
        return ToolResult("\n".join(part for part in parts if part), failed=failed)


def line_targets(arguments: Arguments, place: Workplace) -> Targets:
    """What a call with `command`, `cwd` and `network` would touch."""
    line = arguments["command"]
    if "\x00" in line:
        raise ToolError("A command cannot have a NUL byte.")
    network = bool(arguments.get("network"))
    notes = [_SECRETS_NOTE] if mentions_secrets(line) else []
    return Targets(
        command=line,
        argvs=argv.parse(line),
        cwd=directory_of(arguments, place),
        network=network,
        notes=(*notes, _NETWORK_NOTE) if network else tuple(notes),
    )


def directory_of(arguments: Arguments, place: Workplace) -> str:
    """`cwd`, relative to the root and without links; ToolError where that is no directory beneath it."""
    given = arguments.get("cwd") or "."
    if "\x00" in given:
        raise ToolError("cwd cannot have a NUL byte.")
    try:
        directory = (place.root / given).resolve(strict=True)
    except (OSError, RuntimeError):
        directory = Path("/")
    if not directory.is_relative_to(place.root) or not directory.is_dir():
        raise ToolError("cwd is not a directory beneath the working directory.")
    return str(directory.relative_to(place.root))


def granted_network(invocation: Invocation) -> bool:
    """Whether this call has it; ToolError where it wants what it was not given."""
    wanted = bool(invocation.arguments.get("network"))
    if wanted and not invocation.network:
        raise ToolError("The network was not granted. Try without it.")
    return wanted


def mentions_secrets(line: str) -> bool:
    """Also where the line cannot be taken apart; rather too often than not."""
    commands = argv.parse(line)
    words = line.split() if commands is None else [word for each in commands for word in each]
    return any(secret_word(word.strip("'\"();|&<>")) for word in words)
