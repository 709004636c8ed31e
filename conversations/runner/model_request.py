"""The next request to the model: what was said, fitted into the model's context window, and the tools it may use."""

from psycopg_pool import AsyncConnectionPool

from conversations.core import context_budget
from conversations.core.log_events import EventType
from conversations.llm import pricing
from conversations.llm.wire import ModelFailure, ModelInfo, ModelRequest, Usage
from conversations.runner import compaction
from conversations.runner.flusher import Flusher
from conversations.runner.history import load_retried
from conversations.runner.model_step import prompt_tokens
from conversations.runner.prompt import build_messages
from conversations.runner.records import CallRow, NewEvent, Record
from conversations.runner.run_failed import RunFailed
from conversations.runner.standing import Standing
from conversations.runner.tool_step import ToolStep


class RequestBuilder:
    def __init__(
        self, standing: Standing, tools: ToolStep, flusher: Flusher, pool: AsyncConnectionPool
    ) -> None:
        self._run = standing.run
        self._standing = standing
        self._tools = tools
        self._flusher = flusher
        self._pool = pool
        self._compacted = False

    async def build(self, model: ModelInfo) -> ModelRequest:
        """The request; older turns are summarised once when it does not fit. Raises RunFailed when it cannot fit."""
        request = await self._request(model)
        tokens = prompt_tokens(request)
        fits = context_budget.fits(tokens, model.context_window)
        if not fits and not self._compacted and await self._compact(model):
            request = await self._request(model)
            tokens = prompt_tokens(request)
        if context_budget.is_hopeless(tokens, model.context_window):
            message = (
                f"The conversation does not fit the model's context window of {model.context_window} tokens."
            )
            raise RunFailed("context_overflow", message, retryable=False)
        return request

    async def _request(self, model: ModelInfo) -> ModelRequest:
        run, toolbox = self._run, self._tools.toolbox
        if run.retried_ids:
            async with self._pool.connection() as connection:
                run.retried_ids = await load_retried(connection, run)
        messages = await build_messages(
            self._pool,
            run,
            self._standing.said(),
            model,
            summary=self._standing.history.summary,
            with_tools=bool(toolbox.names),
            native_tools=not toolbox.as_text,
            tool_instructions=toolbox.instructions(),
        )
        return ModelRequest(model.name, messages, tools=() if toolbox.as_text else toolbox.specs())

    async def _compact(self, model: ModelInfo) -> bool:
        run, window = self._run, model.context_window
        through = context_budget.summarise_through(
            compaction.turns_before(self._standing.history, run), window
        )
        if through is None:
            return False
        self._compacted = True
        run.step += 1
        call = CallRow(model=model.name, step=run.step, purpose="compaction")
        await self._flusher.record(
            Record(run, [NewEvent(EventType.RUN_COMPACTING, {})], step_started=True, call=call)
        )
        try:
            summary, used = await compaction.summarise(
                self._standing.history, run, through=through, model=model.name, window=window
            )
        except ModelFailure as failure:
            raise RunFailed(failure.kind, failure.message, retryable=failure.retryable) from failure
        used = used or Usage()
        record = Record(run, step_started=False, call=call, summary=(through, summary))
        call.status, call.cost_micros = "succeeded", pricing.cost_micros(model.name, used)
        call.tokens = {"input_tokens": used.input_tokens, "output_tokens": used.output_tokens}
        await self._flusher.record(record)
        self._standing.history = compaction.without_summarised(
            self._standing.history, run, through=through, summary=summary
        )
        return True
