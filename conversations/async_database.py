"""Connections for the hot paths on the event loop: accept, claim, flush, listen, read the log.

Everything else uses the ORM in sync code. `prepare_threshold=1`: these connections run the same few statements.
"""

from typing import Any

import orjson
from django.conf import settings
from psycopg import AsyncConnection
from psycopg.types.json import set_json_dumps, set_json_loads
from psycopg_pool import AsyncConnectionPool

# A process that is frozen inside a transaction must not keep its locks: Postgres ends the session instead.
_SESSION = "-c idle_in_transaction_session_timeout=5000 -c lock_timeout=10000"


def connection_arguments(application_name: str) -> dict[str, Any]:
    """Arguments for psycopg's `connect`, from Django's DATABASES."""
    database = settings.DATABASES["default"]
    options = {key: value for key, value in database["OPTIONS"].items() if key != "pool"}
    return {
        **options,
        "dbname": database["NAME"],
        "user": database["USER"] or None,
        "password": database["PASSWORD"] or None,
        "host": database["HOST"] or None,
        "port": database["PORT"] or None,
        "options": f"{options.get('options', '')} {_SESSION} -c timezone=UTC".strip(),
        "application_name": application_name,
        "prepare_threshold": 1,
        "autocommit": True,
    }


async def configure(connection: AsyncConnection) -> None:
    set_json_loads(orjson.loads, connection)
    set_json_dumps(orjson.dumps, connection)


async def connect(application_name: str) -> AsyncConnection:
    connection = await AsyncConnection.connect(**connection_arguments(application_name))
    await configure(connection)
    return connection


def make_pool(application_name: str, *, most: int) -> AsyncConnectionPool:
    """A closed pool; open it on the loop that uses it."""
    return AsyncConnectionPool(
        kwargs=connection_arguments(application_name),
        min_size=1,
        max_size=most,
        timeout=10,
        open=False,
        configure=configure,
        name=application_name,
    )
