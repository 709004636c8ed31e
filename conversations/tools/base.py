"""What a tool is: its definition for the model, what a call of it would touch, and how it is carried out.

A tool knows nothing of runs, approvals or the database: the runner (`runner/tool_step.py`) asks it what a call touches,
has the policy decide, stores that the call begins, and only then lets it act.
"""

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import orjson
from jsonschema import Draft202012Validator

from conversations.core.tool_calls import Effect
from conversations.llm.wire import ToolSpec

Arguments = Mapping[str, Any]

# File tools block; so many of them work at once in a worker. A slow disk must not hold up the event loop.
_threads = ThreadPoolExecutor(4, thread_name_prefix="tool")


class ToolError(Exception):
    """The call failed; the message is for the model, and says what it can do about it."""


class InvalidArguments(ToolError):
    """The arguments do not fit the tool."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a call works, and for whom."""

    root: Path  # resolved; every path of a call is beneath it
    owner_id: int
    conversation_id: int
    session_id: str
    run_id: str
    is_local_owner: bool
    sandbox: str  # a conversations.sandbox.Level
    closed: tuple[str, ...] = ()  # patterns (core/path_globs.py) of paths that searches and lists leave out


@dataclass(frozen=True, slots=True)
class Targets:
    """What a call would touch: the policy judges it, and an approval is for exactly this.

    Paths are relative to the root, resolved as far as they exist. `argvs` are the simple commands of a command line;
    None: it cannot be taken apart, so no rule and no grant covers it.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    command: str | None = None
    argvs: tuple[tuple[str, ...], ...] | None = ()
    hosts: tuple[str, ...] = ()  # addressed over the network
    network: bool = False  # wants network for a command
    cwd: str = "."
    foreign: bool = False  # code that is not ours acts, outside of the sandbox (MCP)
    notes: tuple[str, ...] = ()  # said to the person who decides


@dataclass(frozen=True, slots=True)
class FileEffect:
    """One file that a reconcilable call changes: SHA-256 before and after, empty where there is no file."""

    path: str
    before: str
    after: str


class Reconciled(Enum):
    """What became of a call whose worker was lost."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call came to. `text` is all of it: the runner cuts what the model and clients get, and keeps the rest."""

    text: str
    failed: bool = False
    # Flow tools act on the run itself, when their result is stored:
    todos: list[dict[str, Any]] | None = None
    finish: Mapping[str, Any] | None = None  # {summary, status}: the run ends with this


@dataclass(slots=True)
class Invocation:
    """One carrying out of a call, with what the tool may use while it works."""

    call_id: str
    arguments: Arguments
    place: Workplace
    network: bool = False  # granted for this call
    effects: list[FileEffect] = field(default_factory=list)  # as planned: what was stored before it starts
    # More output, as it comes; shown live. Any thread may call it.
    progress: Callable[[str], None] = field(default=lambda text: None)


class Tool(ABC):
    """One tool. Subclasses set the class attributes and say what they touch and do."""

    name: ClassVar[str]
    description: ClassVar[str]
    parameters: ClassVar[dict[str, Any]]  # JSON schema of an object
    effect: ClassVar[Effect]
    # Plan mode offers only what changes nothing.
    changes_nothing: ClassVar[bool] = False

    def __repr__(self) -> str:
        return f"<tool {self.name}>"

    @cached_property
    def spec(self) -> ToolSpec:
        return ToolSpec(self.name, self.description, self.parameters)

    def definition_hash(self) -> str:
        """Changes whenever the tool becomes another one: approvals and grants are for one definition."""
        definition = [self.name, self.description, self.parameters, self.effect.value]
        return hashlib.sha256(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def effect_of(self, arguments: Arguments) -> Effect:
        """The class of this very call."""
        return self.effect

    def check(self, arguments: Arguments) -> None:
        """Raises InvalidArguments unless they fit `parameters`."""
        error = next(Draft202012Validator(self.parameters).iter_errors(arguments), None)
        if error:
            place = ".".join(str(step) for step in error.absolute_path)
            raise InvalidArguments(f"{place}: {error.message}" if place else error.message)

    def targets(self, arguments: Arguments, place: Workplace) -> Targets:
        """What the call would touch. May block and raise ToolError; changes nothing."""
        return Targets()

    def preview(self, arguments: Arguments, place: Workplace) -> str | None:
        """A unified diff of what the call would change, for the person who decides. May block."""
        return None

    def plan(self, arguments: Arguments, place: Workplace) -> list[FileEffect]:
        """Hashes by which a reconcilable call can be judged after a crash; taken just before it starts. May block."""
        return []

    def reconcile(self, arguments: Arguments, effects: list[FileEffect], place: Workplace) -> Reconciled:
        """Whether a started reconcilable call was applied. May block."""
        return Reconciled.UNCLEAR

    @abstractmethod
    async def run(self, invocation: Invocation) -> ToolResult:
        """Carries the call out. Raises ToolError; when cancelled, stops everything it started before it returns."""


class BlockingTool(Tool):
    """A tool whose work is quick blocking code, done in a thread."""

    @abstractmethod
    def work(self, invocation: Invocation) -> ToolResult: ...

    async def run(self, invocation: Invocation) -> ToolResult:
        return await asyncio.get_running_loop().run_in_executor(_threads, partial(self.work, invocation))
