"""Context files: texts that a person keeps in the workspace's `context` folder and loads into conversations."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from django.db import transaction
from django.db.models import F

from conversations import confined_files, directories, log, sessions
from conversations.confined_files import ListedFile
from conversations.core.log_events import EventType
from conversations.core.text_files import decoded_text
from conversations.models import Conversation, Message
from penguin_site.errors import UnsupportedMediaType

MOST_FILES = 5000
MOST_BYTES = 512 * 1024


class BinaryFile(UnsupportedMediaType):
    """This file is not text (UTF-8)."""


@dataclass(frozen=True, slots=True)
class ContextFile:
    path: str
    text: str
    size: int

    def as_content(self) -> str:
        """What the model is shown: the name, and the text in a fence longer than any in the text."""
        fence = "```"
        while fence in self.text:
            fence += "`"
        return f"Context file {self.path}:\n\n{fence}\n{self.text}\n{fence}"


def context_folder(user_id: int, *, is_local_owner: bool) -> Path:
    folder = directories.own_workspace(user_id, is_local_owner=is_local_owner) / "context"
    folder.mkdir(exist_ok=True)
    return folder


def list_context_files(user_id: int, *, is_local_owner: bool) -> list[ListedFile]:
    """The files beneath the person's context folder, by path; the first 5,000."""
    return confined_files.list_files(context_folder(user_id, is_local_owner=is_local_owner), most=MOST_FILES)


def read_context_file(path: str, *, user_id: int, is_local_owner: bool) -> ContextFile:
    """The file at a path as it is listed. Missing 404, outside or no file 400, too large 413, binary 415."""
    folder = context_folder(user_id, is_local_owner=is_local_owner)
    data = confined_files.read_file(folder, path, most_bytes=MOST_BYTES)
    text = decoded_text(data)
    if text is None:
        raise BinaryFile
    return ContextFile(path, text, len(data))


def load_context_file(
    file: ContextFile, *, owner_id: int, session_id: str | None, now: datetime
) -> tuple[Conversation, UUID]:
    """Puts the file into the conversation (a new one without `session_id`) as a message that later turns see.

    It is a message of the user, marked `{"kind": "context_file"}`, in a turn of its own: its place is the seq of the
    event that tells of it, as a question's is.
    """
    with transaction.atomic():
        if session_id is None:
            conversation = sessions.create_conversation(
                owner_id=owner_id, session_id=None, title="", directory=None, now=now
            )
        else:
            conversation = sessions.get_conversation(owner_id=owner_id, session_id=session_id)
        message = Message(
            conversation_id=conversation.id,
            owner_id=owner_id,
            role=Message.Role.USER,
            content=file.as_content(),
            metadata={"kind": "context_file", "file_path": file.path, "size": file.size},
            created_at=now,
        )
        payload = {"message_id": str(message.id), "file_path": file.path, "size": file.size}
        message.turn = log.append(conversation.id, EventType.CONTEXT_LOADED, payload)
        message.save(force_insert=True)
        Conversation.objects.filter(id=conversation.id).update(
            message_count=F("message_count") + 1, last_active=now
        )
    return conversation, message.id
