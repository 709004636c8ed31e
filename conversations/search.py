"""Full-text search over what was said in one's own conversations."""

from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any
from uuid import UUID

from django.db import connection

from conversations.core.page_cursors import PageCursor, parse_page_cursor
from conversations.sessions import InvalidCursor, Page

# Markers from the private use area; they are taken out of the text first, so only real hits carry them.
_START, _STOP = "\ue000", "\ue001"
# The expression of the index `message_search`: another spelling of it would not be served by the index.
# The page is cut before excerpts are made, for these are what costs; a very long message is quoted from its beginning.
_SEARCH = """
WITH hits AS (
  SELECT m.id, m.role, m.content, m.created_at, c.session_id, c.title
  FROM message m JOIN conversation c ON c.id = m.conversation_id
  WHERE m.owner_id = %(owner_id)s AND m.content <> ''
    AND to_tsvector('english'::regconfig, COALESCE(m.content, '')) @@ websearch_to_tsquery('english', %(query)s)
    AND (%(moment)s::timestamptz IS NULL OR (m.created_at, m.id) < (%(moment)s, %(row_id)s::uuid))
  ORDER BY m.created_at DESC, m.id DESC LIMIT %(limit)s + 1)
SELECT session_id, title, id, role, created_at,
  ts_headline('english', translate(left(content, 200000), %(markers)s, ''), websearch_to_tsquery('english', %(query)s),
              %(options)s)
FROM hits ORDER BY created_at DESC, id DESC
"""
_OPTIONS = (
    f"StartSel={_START}, StopSel={_STOP}, MaxFragments=2, MinWords=8, MaxWords=30, ShortWord=0, "
    'FragmentDelimiter=" … "'
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found; `excerpt` is safe HTML in which the found words are `<mark>`ed."""

    session_id: str
    title: str
    message_id: UUID
    role: str
    created_at: datetime
    excerpt: str


def search_messages(*, owner_id: int, query: str, limit: int, cursor: str) -> Page:
    """Messages that have the words of `query` (quotes, `or` and `-` as in web search engines), newest first."""
    place = _place(cursor)
    with connection.cursor() as database:
        database.execute(
            _SEARCH,
            {
                "owner_id": owner_id,
                "query": query,
                "moment": place.moment if place else None,
                "row_id": place.row_id if place else None,
                "limit": limit,
                "markers": _START + _STOP,
                "options": _OPTIONS,
            },
        )
        rows = database.fetchall()
    hits = [_hit(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(hits, None)
    return Page(hits, str(PageCursor(hits[-1].created_at, str(hits[-1].message_id))))


def _place(cursor: str) -> PageCursor | None:
    if not cursor:
        return None
    try:
        place = parse_page_cursor(cursor)
        UUID(place.row_id)
    except ValueError:
        raise InvalidCursor from None
    return place


def _hit(row: tuple[Any, ...]) -> Hit:
    *fields, excerpt = row
    marked = escape(excerpt).replace(_START, "<mark>").replace(_STOP, "</mark>")
    return Hit(*fields, excerpt=marked)
