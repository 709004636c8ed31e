"""What the directory of an execution was like before its first run: taken by one worker, however many want to.

Who takes it holds a lock that ends with this process. A second one that takes it late would find what the first run has
changed, and put that in the place of the other.
"""

import asyncio
from pathlib import Path
from uuid import UUID

from psycopg import AsyncConnection

from conversations import async_database
from tasks import diffs, snapshots

_LOCK = "SELECT pg_try_advisory_lock(hashtext(%s), hashtext(%s))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext(%s), hashtext(%s))"
_IS_NEW = "SELECT 1 FROM execution WHERE id = %s AND current_run_id IS NULL AND ended_at IS NULL"
_PURPOSE = "first tree"


class FirstTrees:
    def __init__(self) -> None:
        self._connection: AsyncConnection | None = None
        self._connecting = asyncio.Lock()

    async def take(self, execution_id: UUID, directory: Path) -> str | None:
        """The tree, empty where the directory is no repository; None when it is another worker's, or needed no more."""
        if not await asyncio.to_thread(snapshots.is_repository, directory):
            return ""
        connection = await self._connected()
        locked = await connection.execute(_LOCK, (_PURPOSE, str(execution_id)))
        row = await locked.fetchone()
        if row is None or not row[0]:
            return None
        found = await connection.execute(_IS_NEW, (execution_id,))
        if await found.fetchone() is None:
            await self.release(execution_id)
            return None
        return await diffs.tree_at_start(execution_id, directory)

    async def release(self, execution_id: UUID) -> None:
        """After the first run was made."""
        if self._connection is not None:
            await self._connection.execute(_UNLOCK, (_PURPOSE, str(execution_id)))

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def _connected(self) -> AsyncConnection:
        async with self._connecting:
            if self._connection is None or self._connection.closed:
                self._connection = await async_database.connect("penguin-driver")
            return self._connection
