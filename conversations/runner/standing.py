"""Where a run stands: what is stored of its conversation and of itself, and what that says about its next step."""

from collections.abc import Sequence
from dataclasses import replace

from psycopg_pool import AsyncConnectionPool

from conversations.core.loop_guard import MOST_REPEATS, goes_in_circles
from conversations.core.next_step import DEFAULT_MAX_ITERATIONS, Progress
from conversations.core.tool_calls import CallStatus
from conversations.core.transcript import calls_completed, complete_texts, last_call, steers_seen
from conversations.runner.history import History, load_histories
from conversations.runner.live_call import LiveCall
from conversations.runner.live_run import LiveRun, StoredMessage
from conversations.tools.registry import FINISH_TASK


def finish_of(calls: Sequence[LiveCall]) -> str | None:
    """What the agent said when it called its work done."""
    for call in calls:
        if call.name == FINISH_TASK and call.status == CallStatus.SUCCEEDED:
            return str(call.current_arguments.get("summary", ""))
    return None


class Standing:
    def __init__(self, run: LiveRun, history: History, pool: AsyncConnectionPool) -> None:
        self.run = run
        self.history = history
        self._pool = pool

    def restore(self) -> None:
        """Takes over what an earlier attempt has stored of the answer."""
        run = self.run
        for message in self.history.messages:
            if message.id == run.answer_id:
                run.parts = list(message.parts)
                run.steers_seen = dict(steers_seen(message.metadata))
            elif message.run_id == run.id and message.role == "tool":
                run.next_tool_step = max(run.next_tool_step, message.step + 1)
        run.content = complete_texts(run.parts).get(last_call(run.parts), "")

    async def reload(self) -> None:
        self.run.has_new_steers = False
        async with self._pool.connection() as connection:
            self.history = (await load_histories(connection, [self.run]))[self.run.id]
        self.run.results.clear()  # they stand in the history now

    def steers(self) -> list[str]:
        """Ids of the messages that came in while the run was under way."""
        return [
            message.id
            for message in self.history.messages
            if message.run_id == self.run.id and message.role == "user" and message.step > 0
        ]

    def said(self) -> list[StoredMessage]:
        """The history as it is now: with the answer so far, and the results this attempt has stored."""
        run = self.run
        said = [
            replace(message, parts=run.parts, metadata={**message.metadata, "steers": run.steers_seen})
            if message.id == run.answer_id
            else message
            for message in self.history.messages
        ]
        return [*said, *run.results]

    def progress(self) -> Progress:
        run = self.run
        completed, last = calls_completed(run.parts), last_call(run.parts)
        made = [call for call in run.calls if call.step == last]
        unseen = sum(steer not in run.steers_seen for steer in self.steers())
        return Progress(
            calls_completed=completed,
            unseen_inputs=unseen + (not completed),
            unseen_results=bool(made),
            open_calls=sum(call.is_open for call in run.calls),
            finished=finish_of(made) is not None,
            in_circles=goes_in_circles(self._signatures()),
            max_iterations=run.options.get("max_iterations") or DEFAULT_MAX_ITERATIONS,
        )

    def _signatures(self) -> list[str | None]:
        """What each of the last model calls asked for and got, as far as nobody has let the agent go on since."""
        by_step: dict[int, str] = {}
        for call in reversed(self.run.calls):
            if call.step <= self.run.loops_cleared or (
                len(by_step) == MOST_REPEATS and call.step not in by_step
            ):
                break
            by_step[call.step] = by_step.get(call.step, "") + call.signature()
        return list(by_step.values())
