"""Gives the runs of a dead worker free at once, instead of when their lease is over."""

import logging

import psycopg

logger = logging.getLogger(__name__)

_EXPIRE = """
UPDATE worker SET lease_expires_at = now()
 WHERE lease_expires_at > now() AND (%(worker)s::uuid IS NULL OR id = %(worker)s::uuid)
"""


def expire(database_url: str, *, worker: str | None) -> None:
    """Ends the leases of `worker`, or of all workers, and wakes whoever looks after such runs.

    Nothing depends on it: where the database does not answer, the leases end by themselves.
    """
    try:
        with psycopg.connect(database_url, connect_timeout=2, autocommit=True) as connection:
            connection.execute(_EXPIRE, {"worker": worker})
            connection.execute("SELECT pg_notify('penguin_wake', 'reap')")
    except psycopg.Error as error:
        logger.warning("Leases could not be ended early: %s", str(error).strip())
