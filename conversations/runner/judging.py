"""What may become of tool calls: looked up, checked, ruled on by the policy, all calls of a turn at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg_pool import AsyncConnectionPool

from conversations import policy, standing_rules
from conversations.core.policy import Verdict
from conversations.policy import CallFacts, Ruling
from conversations.runner.live_call import LiveCall
from conversations.runner.live_run import LiveRun
from conversations.runner.places import workplace
from conversations.standing_rules import Settled, Subject
from conversations.tools.base import Targets, Tool, ToolError, Workplace
from conversations.tools.registry import Toolbox


@dataclass(slots=True)
class Judged:
    """A call with what was found out about it. `problem`: it cannot be carried out, and why."""

    call: LiveCall
    tool: Tool | None = None
    place: Workplace | None = None
    targets: Targets | None = None
    ruling: Ruling | None = None
    problem: str = ""
    diff: str | None = None

    @property
    def is_allowed(self) -> bool:
        return self.ruling is not None and self.ruling.verdict == Verdict.ALLOW

    @property
    def must_ask(self) -> bool:
        return self.ruling is not None and self.ruling.verdict == Verdict.ASK


async def judge(
    run: LiveRun, toolbox: Toolbox, calls: Sequence[LiveCall], pool: AsyncConnectionPool
) -> list[Judged]:
    """One statement, then a look at the files in a thread."""
    settled = await standing_rules.read_async(pool, [_subject(run, call) for call in calls])
    return await asyncio.to_thread(_judged, run, toolbox, calls, settled)


def _subject(run: LiveRun, call: LiveCall) -> Subject:
    approved = call.id if call.approved_digest else ""
    return Subject(run.owner_id, run.conversation_id, run.id, call.name, approved)


def _judged(run: LiveRun, toolbox: Toolbox, calls: Sequence[LiveCall], settled: Settled) -> list[Judged]:
    closed = settled.closed_paths(run.owner_id, run.id)
    judged = [_looked_up(run, toolbox, call, closed) for call in calls]
    known = [found for found in judged if not found.problem]
    rulings = policy.rulings([_facts(run, found) for found in known], settled)
    for found, ruling in zip(known, rulings, strict=True):
        found.ruling = ruling
        if found.must_ask and found.tool and found.place:
            found.diff = _diff(found.tool, found.call, found.place)
    return judged


def _looked_up(run: LiveRun, toolbox: Toolbox, call: LiveCall, closed: tuple[str, ...]) -> Judged:
    found = Judged(call, toolbox.find(call.name))
    if found.tool is None:
        found.problem = f"There is no tool {call.name!r}. Tools: {', '.join(toolbox.names)}."
        return found
    call.effect = found.tool.effect_of(call.current_arguments)
    if call.raw_arguments is not None:
        found.problem = "The arguments are not a JSON object. Call the tool again with valid JSON."
        return found
    try:
        found.tool.check(call.current_arguments)
        found.place = workplace(run, closed=closed)
        found.targets = found.tool.targets(call.current_arguments, found.place)
    except ToolError as error:
        found.problem = str(error)
    return found


def _facts(run: LiveRun, found: Judged) -> CallFacts:
    call, tool, place = found.call, found.tool, found.place
    assert tool and place and found.targets
    return CallFacts(
        call_id=call.id,
        run_id=run.id,
        conversation_id=run.conversation_id,
        owner_id=run.owner_id,
        tool_name=tool.name,
        definition_hash=tool.definition_hash(),
        effect=call.effect,
        changes_nothing=tool.changes_nothing,
        arguments=call.current_arguments,
        targets=found.targets,
        sandbox=place.sandbox,
        root=str(place.root),
        plan_mode=run.options.get("agent_mode") == "plan",
        approved_digest=call.approved_digest,
    )


def _diff(tool: Tool, call: LiveCall, place: Workplace) -> str | None:
    try:
        return tool.preview(call.current_arguments, place)
    except ToolError as error:
        return f"No preview: {error}"
