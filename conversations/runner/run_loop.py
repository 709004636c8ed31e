"""The loop that answers a message: look at what is stored, decide the next step, do it, store it, again.

A step begins and ends with a record, so whoever takes the run over after a crash finds where it stood.
"""

import asyncio
import logging
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from psycopg_pool import AsyncConnectionPool

from conversations.core import usage
from conversations.core.log_events import EventType
from conversations.core.next_step import Step, next_step
from conversations.core.run_errors import is_aborted
from conversations.core.run_states import RunStatus
from conversations.llm import registry
from conversations.llm.wire import ModelFailure, ModelInfo
from conversations.runner import call_outcomes
from conversations.runner.flusher import Flusher, FlusherStopped
from conversations.runner.history import History
from conversations.runner.live_run import LiveRun
from conversations.runner.model_request import RequestBuilder
from conversations.runner.model_step import ModelStep, close_open_part
from conversations.runner.records import NewEvent, Outcome, Record
from conversations.runner.run_failed import RunFailed
from conversations.runner.sponsored_answer import SponsoredAnswer
from conversations.runner.standing import Standing, finish_of
from conversations.runner.tool_step import ToolStep
from conversations.tools import processes
from penguin_site.errors import DomainError

logger = logging.getLogger(__name__)

# At the end of its time.
_TO_CLEAN_UP_SECONDS = 1.0


class RunLoop:
    def __init__(self, run: LiveRun, history: History, flusher: Flusher, pool: AsyncConnectionPool) -> None:
        self.run = run
        self._flusher = flusher
        self._standing = Standing(run, history, pool)
        self._tools = ToolStep(run, flusher, pool)
        self._requests = RequestBuilder(self._standing, self._tools, flusher, pool)
        self._sponsored = SponsoredAnswer(run)
        self._step: ModelStep | None = None
        self.cancel_asked = False
        self.is_ending = False  # its end is on the way to the database

    async def drive(self) -> None:
        """Runs to an end that is stored, unless it waits for a person or another worker took it over."""
        try:
            await self._drive()
        except FlusherStopped:
            logger.warning("Run %s is left to another worker.", self.run.id)
        finally:
            self._sponsored.stop()
            await processes.stop_all(self.run.id)

    async def _drive(self) -> None:
        limit = self.run.options.get("time_limit_seconds") or settings.PENGUIN_RUN_TIMEOUT_SECONDS
        left = max(limit - self.run.active_seconds, 0)
        try:
            # What has not stopped a second after it was told to is told again, and then gets no more time to clean up.
            async with asyncio.timeout(left + _TO_CLEAN_UP_SECONDS), asyncio.timeout(left):
                await self._steps()
        except TimeoutError:
            await self.end(RunStatus.TIMED_OUT)
        except asyncio.CancelledError:
            # Asked for by the worker: a cancel of the user, a drain, or a run that is not ours any more.
            if not self.run.fenced:
                await (self.end(RunStatus.CANCELLED) if self.cancel_asked else self._give_back())
        except FlusherStopped:
            raise
        except RunFailed as failure:
            await self.end(RunStatus.FAILED, error=failure.error)
        except Exception:
            logger.exception("Run %s failed.", self.run.id)
            error = {
                "kind": "internal_error",
                "message": "The run failed inside the server.",
                "retryable": True,
            }
            await self.end(RunStatus.FAILED, error=error)

    async def _steps(self) -> None:
        self._standing.restore()
        self._sponsored.begin()
        while not self.run.fenced:
            if self.run.has_new_steers:
                await self._standing.reload()
            outcome = await self._next()
            if outcome == Outcome.CANCELLING:
                await self.end(RunStatus.CANCELLED)
            if outcome in (Outcome.CANCELLING, Outcome.RELEASED, Outcome.FENCED):
                return

    async def _next(self) -> Outcome:
        step = next_step(self._standing.progress())
        if reason := self._reason_to_pause(step):
            return await self._pause(reason)
        match step:
            case Step.CALL_MODEL:
                return await self._call_model()
            case Step.RUN_TOOLS:
                await self._tools.open(self._model())
                return await self._tools.carry_out()
            case Step.ASK_PERSON:
                return await self._tools.ask_about_circles()
            case Step.FINISH:
                return await self.end(RunStatus.COMPLETED)
            case Step.STOP_AT_LIMIT:
                message = "The run made as many model calls as max_iterations allows."
                raise RunFailed("max_iterations", message, retryable=False)

    # Pauses

    def _reason_to_pause(self, step: Step) -> str:
        """By hand before any step but the last; by its budget before a model call."""
        if step in (Step.FINISH, Step.STOP_AT_LIMIT):
            return ""
        budget = self.run.options.get("budget") if step is Step.CALL_MODEL else None
        return self.run.pause_reason or usage.exhausted(self.run.usage, budget or {})

    async def _pause(self, reason: str) -> Outcome:
        found = None if reason == self.run.pause_reason else reason  # a wish stands in the row already
        record = Record(self.run, status=RunStatus.PAUSED, save_answer=True, pause_reason=found)
        record.events.append(NewEvent(EventType.RUN_PAUSED, {"reason": reason}))
        outcome = await self._flusher.record(record)
        return Outcome.RELEASED if outcome == Outcome.STORED else outcome

    # The model call

    def _model(self) -> ModelInfo:
        try:
            return registry.model_info(registry.resolve(self.run.options.get("model")))
        except DomainError as error:
            raise RunFailed("provider_error", error.message, retryable=False) from error

    async def _call_model(self) -> Outcome:
        """Calls the model and stores what it said: the end of the run, or the tools it wants to use."""
        run, model = self.run, self._model()
        await self._tools.open(model)
        request = await self._requests.build(model)
        run.step += 1
        for steer in self._standing.steers():
            run.steers_seen.setdefault(steer, run.step)
        step = self._step = ModelStep(run, self._flusher, request, self._tools.text_filter())
        self._flusher.record(Record(run, step_started=True, call=step.call), at_once=False)
        try:
            await step.stream()
        except ModelFailure as failure:
            raise RunFailed(failure.kind, failure.message, retryable=failure.retryable) from failure
        if step.tool_calls:
            record = self._end_of_step()
            return await self._tools.propose(step.tool_calls, record)
        # The end of the last step and the end of the run are one record: nobody sees the one without the other.
        outcome = await self.end(RunStatus.COMPLETED)
        if outcome == Outcome.STEERED:
            await self._flusher.record(self._end_of_step())
        return outcome

    def _end_of_step(self) -> Record:
        """The model call is over, the run is not."""
        record = Record(self.run, save_answer=True, answer_metadata={"steers": self.run.steers_seen})
        self._close_step(record, status="succeeded")
        return record

    # Ends

    def _close_step(
        self, record: Record, *, status: str, error_kind: str = "", part_status: str = "complete"
    ) -> None:
        """Adds to a record what the current model call has come to, if there is one."""
        run = self.run
        closed = close_open_part(record, status=part_status)
        if self._step:
            self._step.settle(record, status=status, error_kind=error_kind)
        if part_status == "complete" and (closed or self._step):
            run.content = run.call_text
        self._step = None

    async def end(self, status: RunStatus, *, error: dict[str, Any] | None = None) -> Outcome:
        """Stores the end of the run, what is there of its answer included."""
        run = self.run
        # First: who cancels while it is waited for finds the run as it was.
        units = await self._sponsored.units() if status == RunStatus.COMPLETED else None
        before = (list(run.parts), run.open_part, run.content, dict(run.usage), self._step)
        record = Record(run, status=status, save_answer=True, error=error)
        call_outcomes.close_open_calls(record, outputs=self._tools.outputs(), now=datetime.now(UTC))
        call_status = {RunStatus.COMPLETED: "succeeded", RunStatus.FAILED: "failed"}.get(status, "cancelled")
        self._close_step(record, status=call_status, error_kind=error["kind"] if error else "")
        if not run.content and status == RunStatus.COMPLETED:
            run.content = finish_of(run.calls) or ""
        record.answer_metadata = {"status": status.value}
        if error:
            record.answer_metadata["error"] = error
        if run.steers_seen:
            record.answer_metadata["steers"] = run.steers_seen
        payload: dict[str, Any] = {
            "status": status.value,
            "answer_id": run.answer_id,
            "usage": run.usage,
            "aborted": is_aborted(status),
        }
        if error:
            payload["error"] = error
        if units:
            payload["sponsored"] = record.answer_metadata["sponsored"] = units
        live = {
            **payload,
            "response": run.content,
            "action_results": [call.action_result() for call in run.calls],
        }
        if run.options.get("include_reasoning"):
            payload["include_reasoning"] = True
            live["reasoning"] = "".join(
                part["text"]
                for part in run.parts
                if part["type"] == "reasoning" and part["status"] == "complete"
            )
        record.events.append(NewEvent(EventType.RUN_ENDED, payload, live=live))
        self.is_ending = True
        outcome = await asyncio.shield(self._flusher.record(record))
        self.is_ending = False
        if outcome == Outcome.STORED:
            outcome = Outcome.RELEASED
            logger.info(
                "run %s %s attempt=%d seconds=%.2f tokens=%d%s",
                run.id,
                record.status,
                run.attempt,
                run.active_seconds + run.seconds_running,
                run.usage["total_tokens"],
                f" error={error['kind']}" if error else "",
            )
        if outcome == Outcome.STEERED:  # nothing was stored: the step goes on from where it was
            run.parts, run.open_part, run.content, run.usage, self._step = before
        return outcome

    async def _give_back(self) -> None:
        """The worker drains: the open part is dropped, the run goes back into the queue, uncharged."""
        run = self.run
        record = Record(run, status=RunStatus.QUEUED, save_answer=True)
        self._close_step(record, status="interrupted", part_status="interrupted")
        record.step_started = False
        if self._tools.give_back(record):
            call_outcomes.wait(record, RunStatus.WAITING_INPUT)
        else:
            record.events.append(NewEvent(EventType.RUN_REQUEUED, {"reason": "drained"}))
        await asyncio.shield(self._flusher.record(record))
