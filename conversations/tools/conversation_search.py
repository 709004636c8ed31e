"""`search_conversations`: what the user and the agent said in earlier conversations of the same user."""

import html

from channels.db import database_sync_to_async

from conversations import search
from conversations.core.tool_calls import Effect
from conversations.search import Hit
from conversations.tools.base import Invocation, Tool, ToolResult

_MOST_HITS = 20


class SearchConversations(Tool):
    name = "search_conversations"
    description = (
        "Searches the user's conversations, this one and all earlier ones, for words. Quotes keep words together, `or` "
        "takes either, a minus leaves a word out. Shows the newest messages that fit, with excerpts."
    )
    parameters = {
        "type": "object",
        "properties": {"query": {"type": "string", "minLength": 1, "maxLength": 500}},
        "required": ["query"],
        "additionalProperties": False,
    }
    effect = Effect.READ_ONLY
    changes_nothing = True

    async def run(self, invocation: Invocation) -> ToolResult:
        page = await database_sync_to_async(search.search_messages, thread_sensitive=False)(
            owner_id=invocation.place.owner_id,
            query=invocation.arguments["query"],
            limit=_MOST_HITS,
            cursor="",
        )
        texts = [_shown(hit) for hit in page.rows]
        if page.next_cursor:
            texts.append("(There are more: use further words.)")
        return ToolResult("\n\n".join(texts) or "(No message has these words.)")


def _shown(hit: Hit) -> str:
    excerpt = html.unescape(hit.excerpt.replace("<mark>", "").replace("</mark>", ""))
    return f"{hit.created_at:%Y-%m-%d %H:%M} {hit.role} in {hit.session_id} ({hit.title or 'untitled'}):\n{excerpt}"
