"""The tools of one run on this worker: its calls are proposed, ruled on, begun, carried out, and their outcomes stored.

Each of these is a record. A call is stored whole before anything of it happens, and as started before its effect
begins; so after a crash its effect class says whether it is carried out again (`recover`).
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from psycopg_pool import AsyncConnectionPool

from conversations.core.action_xml import VisibleText
from conversations.core.log_events import EventType, PartKind
from conversations.core.run_states import RunStatus
from conversations.core.tool_calls import CallStatus, Effect
from conversations.core.tool_results import shown_arguments
from conversations.llm import wire
from conversations.llm.wire import ModelInfo
from conversations.models import Question
from conversations.runner import call_outcomes
from conversations.runner.flusher import Flusher
from conversations.runner.judging import Judged, judge
from conversations.runner.live_call import LiveCall
from conversations.runner.live_run import LiveRun, Part
from conversations.runner.places import workplace
from conversations.runner.records import NewEvent, Outcome, Record
from conversations.tools import registry
from conversations.tools.base import FileEffect, Invocation, Reconciled, ToolError, ToolResult
from conversations.tools.registry import Toolbox

logger = logging.getLogger(__name__)

# Of one model call, so many calls are carried out.
MOST_CALLS = 64
# So many calls that change nothing are carried out side by side.
MOST_SIDE_BY_SIDE = 8
# Of the output of one call, so much is shown while it comes.
MOST_LIVE_OUTPUT = 200_000


def _now() -> datetime:
    return datetime.now(UTC)


class ToolStep:
    def __init__(self, run: LiveRun, flusher: Flusher, pool: AsyncConnectionPool) -> None:
        self.run = run
        self._flusher = flusher
        self._pool = pool
        self.toolbox = Toolbox([])
        self._is_open = False
        self._outputs: dict[str, Part] = {}
        self._ruled: dict[str, Judged] = {}  # calls that were ruled on just now

    async def open(self, model: ModelInfo) -> None:
        """Gathers the tools that this run may be offered, once."""
        if self._is_open:
            return
        self._is_open = True
        self.toolbox = await registry.toolbox_for(
            model,
            owner_id=self.run.owner_id,
            is_local_owner=bool(self.run.options.get("is_local_owner")),
            plan_only=self.run.options.get("agent_mode") == "plan",
            kit=self.run.options.get("kit", ""),
        )

    def text_filter(self) -> VisibleText | None:
        """Finds the calls in the text of a model that has no native ones, and hides them from readers."""
        if not self.toolbox.as_text:
            return None
        return VisibleText(tools=self.toolbox.names, quoted=[call.result for call in self.run.calls])

    # Proposals

    async def propose(self, made: Sequence[wire.ToolCall], record: Record) -> Outcome:
        """Adds the calls of a model call to the record of its end and stores it; the run may have to wait then."""
        calls = [_proposed(self.run.step, place, call) for place, call in enumerate(_without_twins(made))]
        judged = await judge(self.run, self.toolbox, calls[:MOST_CALLS], self._pool)
        judged += [
            Judged(call, problem=f"At most {MOST_CALLS} calls at once.") for call in calls[MOST_CALLS:]
        ]
        now = _now()
        for found in judged:
            call_outcomes.propose(record, found.call)
            self._rule(record, found, now=now)
        self._ruled = {found.call.id: found for found in judged}
        return await self._store_or_wait(record)

    def _rule(self, record: Record, found: Judged, *, now: datetime) -> None:
        """Moves a call to where the policy wants it."""
        call = found.call
        if found.problem:
            call_outcomes.settle(record, call, CallStatus.FAILED, found.problem, now=now)
        elif found.must_ask:
            call_outcomes.ask_approval(record, found, now=now)
        elif not found.is_allowed:
            assert found.ruling
            call_outcomes.settle(record, call, CallStatus.DENIED, f"Denied: {found.ruling.reason}", now=now)
        elif call.status == CallStatus.PROPOSED:
            call.move(CallStatus.READY)
            call_outcomes.store(record, call)

    async def _store_or_wait(self, record: Record) -> Outcome:
        if any(call.status == CallStatus.PENDING_APPROVAL for call in self.run.calls):
            call_outcomes.wait(record, RunStatus.WAITING_APPROVAL)
        return await self._store(record)

    async def _store(self, record: Record) -> Outcome:
        outcome = await self._flusher.record(record)
        if outcome == Outcome.CANCELLING:
            await self._flusher.record(call_outcomes.without_waiting(record))
        return Outcome.RELEASED if outcome == Outcome.STORED and record.status else outcome

    # Carrying out

    async def carry_out(self) -> Outcome:
        """Takes the next call, or several that change nothing, to its end; or lets the run wait for a person."""
        group = self._next_group()
        judged = [self._ruled.pop(call.id, None) for call in group]
        if any(found is None for found in judged):
            judged = list(await judge(self.run, self.toolbox, group, self._pool))
        self._ruled.clear()  # what comes after this group is ruled on again: a person may tighten the rules meanwhile
        found = [one for one in judged if one]
        record, now = Record(self.run), _now()
        for one in found:
            if one.call.status == CallStatus.STARTED:
                await self._recover(record, one, now=now)
            else:
                self._rule(record, one, now=now)
        going = [one for one in found if one.call.status in (CallStatus.READY, CallStatus.STARTED)]
        going = [one for one in going if one.is_allowed]
        if any(call.status == CallStatus.UNKNOWN for call in self.run.calls):
            call_outcomes.wait(record, RunStatus.WAITING_INPUT)
            return await self._store(record)
        if not going or any(call.status == CallStatus.PENDING_APPROVAL for call in group):
            return await self._store_or_wait(record)
        if going[0].call.name == registry.ASK_USER:
            return await self._ask_user(record, going[0].call, now=now)
        return await self._act_on(record, going)

    def _next_group(self) -> list[LiveCall]:
        waiting = [call for call in self.run.calls if call.is_open]
        group = waiting[:1]
        for call in waiting[1:MOST_SIDE_BY_SIDE]:
            if any(other.effect != Effect.READ_ONLY for other in (group[0], call)):
                break
            group.append(call)
        return group

    async def _ask_user(self, record: Record, call: LiveCall, *, now: datetime) -> Outcome:
        call_outcomes.start(record, call, now=now)
        arguments = call.current_arguments
        call_outcomes.ask_question(
            record,
            call,
            kind=Question.Kind.ASK_USER,
            text=arguments["question"],
            choices=list(arguments.get("options") or ()),
            now=now,
        )
        call_outcomes.wait(record, RunStatus.WAITING_INPUT)
        return await self._store(record)

    async def _act_on(self, record: Record, going: Sequence[Judged]) -> Outcome:
        for found in list(going):
            try:
                await self._plan(found)
            except ToolError as error:
                call_outcomes.settle(record, found.call, CallStatus.FAILED, str(error), now=_now())
        going = [found for found in going if found.call.is_open]
        for found in going:
            call_outcomes.start(record, found.call, now=_now())
        record.step_started = bool(going)
        if await self._flusher.record(record) != Outcome.STORED:
            return Outcome.FENCED
        left = len(going)
        outcomes: list[asyncio.Future[Outcome]] = []

        async def act(found: Judged) -> None:
            nonlocal left
            status, result = await self._act(found)
            left -= 1
            ended = Record(self.run, step_started=None if left else False)
            self._settle(ended, found.call, status, result)
            outcomes.append(self._flusher.record(ended))

        await _side_by_side([asyncio.ensure_future(act(found)) for found in going])
        for outcome in await asyncio.gather(*outcomes):
            if outcome != Outcome.STORED:
                return outcome
        return Outcome.STORED

    async def _plan(self, found: Judged) -> None:
        call, tool, place = found.call, found.tool, found.place
        assert tool and place
        if call.effect == Effect.RECONCILABLE:
            effects = await asyncio.to_thread(tool.plan, call.current_arguments, place)
            call.effects = [{"path": one.path, "before": one.before, "after": one.after} for one in effects]

    async def _act(self, found: Judged) -> tuple[CallStatus, ToolResult]:
        call, tool, place, targets = found.call, found.tool, found.place, found.targets
        assert tool and place and targets
        invocation = Invocation(
            call.id,
            call.current_arguments,
            place,
            network=targets.network,
            effects=[FileEffect(**effect) for effect in call.effects],
            progress=self._progress(call),
        )
        try:
            result = await tool.run(invocation)
        except ToolError as error:
            return CallStatus.FAILED, ToolResult(str(error), failed=True)
        except Exception:
            logger.exception("The tool %s failed.", call.name)
            return CallStatus.FAILED, ToolResult("The tool failed inside the server.", failed=True)
        return CallStatus.FAILED if result.failed else CallStatus.SUCCEEDED, result

    def _progress(self, call: LiveCall) -> Callable[[str], None]:
        """Shows output as it comes, from whatever thread; stored before anybody sees it, like all text."""
        loop, part = asyncio.get_running_loop(), Part(PartKind.OUTPUT, call.step, id=call.id)
        self._outputs[call.id] = part
        shown = 0

        def write(text: str) -> None:
            nonlocal shown
            if call.status == CallStatus.STARTED and shown < MOST_LIVE_OUTPUT:
                shown += len(text)
                self._flusher.write(self.run, part, text.replace("\x00", "\ufffd"))

        return lambda text: loop.call_soon_threadsafe(write, text) if text else None

    def _settle(self, record: Record, call: LiveCall, status: CallStatus, result: ToolResult) -> None:
        text = result.text
        if call.edited_arguments is not None:
            shown = orjson.dumps(shown_arguments(call.edited_arguments)).decode()
            text = f"A person changed the arguments before they allowed the call: {shown}\n\n{text}"
        call_outcomes.settle(record, call, status, text, now=_now())
        self._outputs.pop(call.id, None)
        if result.todos is not None:
            record.tools.todos = result.todos
            record.events.append(NewEvent(EventType.TODOS_UPDATED, {"todos": result.todos}))

    def outputs(self) -> dict[str, str]:
        """The output so far of the calls that are at work."""
        return {call_id: part.text for call_id, part in self._outputs.items()}

    # After a lost worker

    async def _recover(self, record: Record, found: Judged, *, now: datetime) -> None:
        """A call that another worker has begun: it is left as started where it may be carried out again."""
        call = found.call
        if call.effect == Effect.AT_MOST_ONCE or (call.effect == Effect.RECONCILABLE and found.tool is None):
            self._unknown(record, call, now=now)
        elif call.effect == Effect.RECONCILABLE:
            await self._reconcile(record, found, now=now)
        elif not found.is_allowed:
            text = found.problem or "Not carried out again: it is no longer allowed."
            call_outcomes.settle(record, call, CallStatus.CANCELLED, text, now=now)

    async def _reconcile(self, record: Record, found: Judged, *, now: datetime) -> None:
        call, tool = found.call, found.tool
        assert tool
        effects = [FileEffect(**effect) for effect in call.effects]
        try:
            place = await asyncio.to_thread(workplace, self.run)
            verdict = await asyncio.to_thread(tool.reconcile, call.current_arguments, effects, place)
        except ToolError:
            verdict = Reconciled.UNCLEAR
        if verdict == Reconciled.APPLIED:
            text = "Applied; the worker was lost before it could say so."
            call_outcomes.settle(record, call, CallStatus.SUCCEEDED, text, now=now)
        elif verdict == Reconciled.UNCLEAR or not found.is_allowed:
            self._unknown(record, call, now=now)

    def _unknown(self, record: Record, call: LiveCall, *, now: datetime) -> None:
        if self.run.options.get("on_unknown") == "tell":
            call.move(CallStatus.UNKNOWN)
            text = "The worker was lost while this was carried out. Whether it took effect is not known: look first."
            call_outcomes.settle(record, call, CallStatus.ABANDONED, text, now=now)
        else:
            call_outcomes.leave_unknown(record, call, now=now)

    def give_back(self, record: Record) -> bool:
        """The worker drains and has stopped what was at work. What cannot be repeated is unknown now: whether there is
        such a call."""
        now = _now()
        for call in self.run.calls:
            if call.status == CallStatus.STARTED and call.effect == Effect.AT_MOST_ONCE:
                self._unknown(record, call, now=now)
        return any(call.status == CallStatus.UNKNOWN for call in self.run.calls)

    async def ask_about_circles(self) -> Outcome:
        record, now = Record(self.run), _now()
        call = self.run.calls[-1]
        text = f"The agent has called {call.name} three times with the same result. Shall it go on?"
        call_outcomes.ask_question(
            record, call, kind=Question.Kind.LOOP, text=text, choices=["continue", "stop"], now=now
        )
        call_outcomes.wait(record, RunStatus.WAITING_INPUT)
        return await self._store(record)


async def _side_by_side(work: Sequence["asyncio.Future[None]"]) -> None:
    """Until all of it has ended. A TaskGroup tells its tasks only once that they are cancelled; at the end of a run's
    time they may have to be told again, more firmly."""
    try:
        await asyncio.gather(*work)
    except Exception:
        for one in work:
            one.cancel()
        await asyncio.wait(work)
        raise


def _without_twins(made: Sequence[wire.ToolCall]) -> list[wire.ToolCall]:
    """A call that comes twice under one id is one call."""
    return list({(call.id, call.name, call.arguments): call for call in made}.values())


def _proposed(step: int, place: int, made: wire.ToolCall) -> LiveCall:
    arguments: Any
    try:
        arguments = orjson.loads(made.arguments) if made.arguments.strip() else {}
    except orjson.JSONDecodeError:
        arguments = None
    readable = isinstance(arguments, dict) and not _has_nul(arguments)
    return LiveCall(
        step=step,
        place=place,
        provider_call_id=made.id[:200],
        name=made.name[:200],
        arguments=arguments if readable else {},
        raw_arguments=None if readable else made.arguments.replace("\x00", "\ufffd"),
    )


def _has_nul(arguments: dict[str, Any]) -> bool:
    """JSON can hold what the database cannot."""
    return b"\\u0000" in orjson.dumps(arguments)
