"""One lock for each shown unit: its click and its feedback, and what takes one of them back, do not pass each other."""

from uuid import UUID

from django.db import connection


def take(decision_id: UUID, unit_id: UUID) -> None:
    """Until the end of the caller's transaction; before every other lock. What is read after it is what counts."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))",
            [f"ad token {decision_id.hex} {unit_id.hex}"],
        )
