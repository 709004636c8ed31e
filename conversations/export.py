"""A whole conversation as a file, JSON or Markdown, with secrets taken out.

It is written message by message to a temporary file (in memory while it is small), so its length does not matter, and
nothing is read from the database any more while a slow reader fetches it.
"""

import json
import tempfile
from datetime import UTC, datetime
from typing import IO, Any

from conversations.core.redaction import redact, redact_values
from conversations.models import Conversation, Message
from conversations.transcripts import all_messages

_IN_MEMORY_BYTES = 1024 * 1024
_TITLES = {"user": "User", "assistant": "Assistant", "tool": "Tool"}


def export_json(conversation: Conversation) -> IO[bytes]:
    """`{..., "messages": [...]}`, at its beginning, ready to be read."""
    head = json.dumps(
        {
            "session_id": conversation.session_id,
            "title": redact(conversation.title),
            "created_at": _text(conversation.created_at),
            "last_active": _text(conversation.last_active),
            "directory": conversation.directory,
            "message_count": conversation.message_count,
        },
        ensure_ascii=False,
        indent=2,
    )
    file = _new_file()
    file.write(head.removesuffix("\n}").encode())
    file.write(b',\n  "messages": [')
    for number, message in enumerate(all_messages(conversation)):
        file.write(b",\n    " if number else b"\n    ")
        file.write(json.dumps(_as_json(message), ensure_ascii=False).encode())
    file.write(b"\n  ]\n}\n")
    file.seek(0)
    return file


def export_markdown(conversation: Conversation) -> IO[bytes]:
    """One heading a message; what was said stays as it is, for it is mostly Markdown itself."""
    file = _new_file()
    title = redact(" ".join((conversation.title or conversation.session_id).split()))
    file.write(
        f"# {title}\n\nSession `{conversation.session_id}`, {_text(conversation.created_at)}\n".encode()
    )
    for message in all_messages(conversation):
        heading = f"\n## {_TITLES[message.role]} ({_text(message.created_at)})\n\n"
        file.write(heading.encode())
        file.write(redact(message.content).encode())
        file.write(b"\n")
    file.seek(0)
    return file


def _new_file() -> IO[bytes]:
    return tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)


def _as_json(message: Message) -> dict[str, Any]:
    return {
        "id": str(message.id),
        "role": message.role,
        "content": redact(message.content),
        "created_at": _text(message.created_at),
        "parts": redact_values(message.parts),
        "metadata": redact_values(message.metadata),
    }


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
