"""A request that waits for the end of an execution: no thread and no connection is held meanwhile."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from conversations.core.log_events import Event
from conversations.live import process
from conversations.live.subscription import Outcome, Subscription
from penguin_site.errors import DomainError
from tasks import executions
from tasks.api.execution_bodies import execution_detail
from tasks.models import Execution

# Whatever is not heard is seen by then.
_LOOK_SECONDS = 1.0
_PAUSE_SECONDS = 0.05
_LIVES = "SELECT 1 FROM execution WHERE id = %s AND ended_at IS NULL"


@dataclass(slots=True)
class ExecutionEnd:
    """What such a request waits for, and its answer."""

    execution_id: UUID
    owner_id: int
    conversation_id: int
    head_seq: int

    @classmethod
    def of(cls, execution: Execution) -> "ExecutionEnd":
        conversation = execution.conversation
        assert conversation is not None
        return cls(execution.id, execution.owner_id, conversation.pk, conversation.head_seq)

    async def wait(self) -> None:
        live, news = process.current(), asyncio.Event()

        def on_outcome(outcome: Outcome) -> None:
            if isinstance(outcome, Event):
                news.set()

        subscription = Subscription(on_outcome)
        try:
            await live.hub.attach(subscription, self.conversation_id, after=self.head_seq, parts={})
            while await self._lives():
                try:
                    await asyncio.wait_for(news.wait(), _LOOK_SECONDS)
                except TimeoutError:
                    continue
                news.clear()
                await asyncio.sleep(_PAUSE_SECONDS)  # events come in groups
        finally:
            live.hub.close(subscription)

    async def _lives(self) -> bool:
        async with process.current().pool.connection() as connection:
            cursor = await connection.execute(_LIVES, (self.execution_id,))
            return await cursor.fetchone() is not None

    def finish(self) -> tuple[int, dict[str, Any]]:
        try:
            found = executions.find_execution(self.execution_id, owner_id=self.owner_id)
        except DomainError as error:  # its task was deleted meanwhile
            return error.status, error.as_envelope()
        return 200, execution_detail(found)
