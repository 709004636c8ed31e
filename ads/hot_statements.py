"""Statements of the paths that must be fast: Postgres plans each once a connection, and gets its values beside it.

All others of the site go the ORM's way: values inside the text, which is planned anew each time. That keeps poolers
working that know no prepared statements, and costs a request half a millisecond a statement.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.db import connection
from psycopg import RawCursor
from psycopg.pq import Format

_PLACE = re.compile(r"%\((\w+)\)s")


class HotStatement:
    """Written with `%(name)s`, as other statements are; read and numbered once.

    `is_binary` for answers with megabytes in them, which would come as hexadecimal digits otherwise.
    """

    def __init__(self, text: str, *, is_binary: bool = False) -> None:
        self._is_binary = is_binary
        self._names = list(dict.fromkeys(_PLACE.findall(text)))
        self._text = _PLACE.sub(lambda place: f"${self._names.index(place[1]) + 1}", text.strip())

    def fetch(self, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """The rows; in the caller's transaction, if there is one."""
        connection.ensure_connection()
        wire: Any = connection.connection
        own = RawCursor(wire)
        own.format = Format.BINARY if self._is_binary else Format.TEXT
        cursor = (
            connection.make_debug_cursor(own) if connection.queries_logged else connection.make_cursor(own)
        )
        wire.prepare_threshold = 0
        try:
            cursor.execute(self._text, [values[name] for name in self._names])
            return cursor.fetchall()
        finally:
            wire.prepare_threshold = None
            cursor.close()
