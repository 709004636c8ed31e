"""A worker's lease: one row that says it is alive, renewed by a heartbeat; all its runs hang on it."""

import os
import socket
from uuid import UUID

from psycopg import AsyncConnection

REGISTER = """
INSERT INTO worker (id, hostname, process_id, concurrency, lease_expires_at)
VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s))
"""
RENEW = """
UPDATE worker SET heartbeat_at = now(), lease_expires_at = now() + make_interval(secs => %s) WHERE id = %s RETURNING id
"""
OWNED = "SELECT id::text, status FROM run WHERE lease_owner = %s AND status IN ('running', 'cancelling')"
SAY_DRAINING = "UPDATE worker SET draining = true WHERE id = %s"
SIGN_OFF = "DELETE FROM worker WHERE id = %s AND NOT EXISTS (SELECT 1 FROM run WHERE lease_owner = worker.id)"


class WorkerForgotten(Exception):
    """Others have taken this worker for dead long ago and deleted its row: it has to start anew."""


async def register(
    connection: AsyncConnection, worker_id: UUID, *, concurrency: int, lease_seconds: int
) -> None:
    await connection.execute(
        REGISTER, (worker_id, socket.gethostname()[:255], os.getpid(), concurrency, lease_seconds)
    )


async def renew(connection: AsyncConnection, worker_id: UUID, *, lease_seconds: int) -> dict[str, str]:
    """Renews the lease; returns the status of each run that is still this worker's."""
    renewed = await connection.execute(RENEW, (lease_seconds, worker_id), prepare=True)
    if await renewed.fetchone() is None:
        raise WorkerForgotten
    owned = await connection.execute(OWNED, (worker_id,), prepare=True)
    return dict(await owned.fetchall())


async def say_draining(connection: AsyncConnection, worker_id: UUID) -> None:
    await connection.execute(SAY_DRAINING, (worker_id,))


async def sign_off(connection: AsyncConnection, worker_id: UUID) -> None:
    await connection.execute(SIGN_OFF, (worker_id,))
