"""Cursors of lists that are ordered by a time and an id: opaque text, so that nobody builds on their form."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime

_ID = re.compile(r"[0-9a-f-]{1,36}")


@dataclass(frozen=True, slots=True)
class PageCursor:
    """The place of the last row of a page."""

    moment: datetime
    row_id: str

    def __str__(self) -> str:
        text = f"{self.moment.astimezone(UTC).isoformat()}|{self.row_id}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def parse_page_cursor(text: str) -> PageCursor:
    """The cursor written by `str`; ValueError for anything else."""
    try:
        moment, separator, row_id = (
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            .decode("ascii")
            .partition("|")
        )
        parsed = datetime.fromisoformat(moment)
    except (binascii.Error, UnicodeError, OverflowError) as error:
        raise ValueError("not a cursor") from error
    if not separator or parsed.tzinfo is None or not _ID.fullmatch(row_id):
        raise ValueError("not a cursor")
    return PageCursor(parsed, row_id)
