"""From what a client sent to a `TurnRequest`: every check that needs no lock, for REST and sockets alike."""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from conversations import context_files, uploads
from conversations.core.ids import is_session_id
from conversations.directories import resolve_directory
from conversations.llm import registry
from conversations.models import Conversation
from conversations.turns import TurnRequest
from penguin_site.errors import InvalidField

# Fields that need the file system or the database; a message without them is checked on the event loop.
_SLOW = ("directory", "context_files", "images", "image_paths")
_OPTIONS = ("model", "agent_mode", "max_iterations", "include_reasoning")
# What does not belong to the message itself: the same message may be sent again with another of these.
_NOT_BODY = ("client_message_id", "wait")


def needs_thread(fields: Mapping[str, Any]) -> bool:
    return any(fields.get(name) for name in _SLOW)


def session_id_of(fields: Mapping[str, Any]) -> str | None:
    """The one id behind two names; None for a new conversation."""
    session_id, conversation_id = fields.get("session_id"), fields.get("conversation_id")
    if session_id and conversation_id and session_id != conversation_id:
        raise InvalidField(
            "conversation_id", "session_id and conversation_id differ; they are two names of one id."
        )
    found: str | None = session_id or conversation_id
    if found and not is_session_id(found):
        raise InvalidField(
            "session_id", "1-128 letters, digits and ._:- with a letter or digit first; not create or search."
        )
    return found


def prepare_turn(
    fields: Mapping[str, Any],
    *,
    owner_id: int,
    is_local_owner: bool,
    key_id: int | None = None,
    idempotency_key: str | None = None,
) -> TurnRequest:
    """The request to accept, from validated `fields`; raises what is wrong with them (400, 404, 413, 415).

    New images are stored by this; a message that is refused afterwards leaves them unused.
    """
    session_id = session_id_of(fields)
    directory = None
    if fields.get("directory"):
        directory = resolve_directory(fields["directory"], user_id=owner_id, is_local_owner=is_local_owner)
    client_key = None
    if client_message_id := fields.get("client_message_id"):
        client_key = f"{session_id or ''}/{client_message_id}"
    elif idempotency_key:
        client_key = f"//{idempotency_key}"
    return TurnRequest(
        owner_id=owner_id,
        text=fields["text"],
        session_id=session_id,
        directory=directory,
        options=_run_options(fields, is_local_owner=is_local_owner, key_id=key_id),
        parts=_parts(
            fields,
            owner_id=owner_id,
            is_local_owner=is_local_owner,
            directory=directory.path if directory else _bound_directory(fields, owner_id, session_id),
        ),
        on_busy=fields.get("on_busy") or "enqueue",
        client_key=client_key,
        body_hash=body_hash(fields) if client_key else None,
    )


def _run_options(fields: Mapping[str, Any], *, is_local_owner: bool, key_id: int | None) -> dict[str, Any]:
    options = {name: fields[name] for name in _OPTIONS if fields.get(name) not in (None, "", False)}
    if is_local_owner:  # its tools work in the owner's part of the workspace
        options["is_local_owner"] = True
    if key_id is not None:  # whose programs use how much is counted by key
        options["key_id"] = key_id
    if "model" in options:
        options["model"] = registry.resolve(options["model"])
    else:
        registry.resolve(None)
    return options


def body_hash(fields: Mapping[str, Any]) -> bytes:
    body = {name: value for name, value in fields.items() if name not in _NOT_BODY and value is not None}
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()


def _bound_directory(fields: Mapping[str, Any], owner_id: int, session_id: str | None) -> str | None:
    if not fields.get("image_paths") or not session_id:
        return None
    found = Conversation.objects.filter(owner_id=owner_id, session_id=session_id).values_list(
        "directory", flat=True
    )
    return found.first()


def _parts(
    fields: Mapping[str, Any], *, owner_id: int, is_local_owner: bool, directory: str | None
) -> list[dict[str, Any]]:
    """Everything that goes with the text: context, files as they are now, images."""
    parts: list[dict[str, Any]] = []
    if fields.get("context"):
        parts.append({"type": "context", "value": fields["context"]})
    for path in fields.get("context_files") or ():
        file = context_files.read_context_file(path, user_id=owner_id, is_local_owner=is_local_owner)
        parts.append({"type": "file", "path": file.path, "size": file.size, "text": file.as_content()})
    images, paths = fields.get("images") or (), fields.get("image_paths") or ()
    if images or paths:
        found = uploads.collect_images(
            owner_id=owner_id, images=images, image_paths=paths, directory=directory
        )
        parts += uploads.keep_images(found)
    return parts
