"""A conversation as the chat page shows it: turns, each with what was asked and what came of it, in order."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

from conversations.core.tool_results import MOST_IN_LOG, cut, shown_arguments
from conversations.models import Conversation, Message, MessageFeedback, Run
from conversations.snapshots import take_snapshot
from penguin_site.errors import InvalidField
from penguin_site.pages.chat_work import work_in
from penguin_site.pages.markdown import to_html

# So many messages are looked at for one page of turns.
PAGE = 60
# Of a question or a text of an answer, so much is shown; the export has all of it.
MOST_SHOWN = 200_000
# A turn of an agent may have thousands of messages; its page shows so many.
MOST_IN_TURN = 400

Turn = dict[str, Any]
_FIELDS = ("id", "turn", "step", "role", "content", "parts", "metadata", "run_id")


def opened(*, owner_id: int, session_id: str) -> dict[str, Any]:
    """All that the page needs to show a conversation and to follow it from there (`cursor`)."""
    state = take_snapshot(owner_id=owner_id, session_id=session_id, limit=PAGE)
    messages, has_more = state.pop("messages"), state.pop("has_more")
    turns, before = _page_of(messages, has_more=has_more, owner_id=owner_id, session_id=session_id)
    work = work_in(owner_id=owner_id, session_id=session_id)
    return {**state, "turns": turns, "before": before, "execution": work}


def earlier(conversation: Conversation, *, before: int) -> dict[str, Any]:
    """The turns in front of the turn `before`."""
    if not 0 < before < 1 << 63:
        raise InvalidField("before", "this is not a turn that was given out here.")
    found = Message.objects.filter(conversation_id=conversation.id, turn__lt=before)
    newest = list(found.order_by("-turn", "-step").values(*_FIELDS)[: PAGE + 1])[::-1]
    turns, before_these = _page_of(
        newest[-PAGE:],
        has_more=len(newest) > PAGE,
        owner_id=conversation.owner_id,
        session_id=conversation.session_id,
    )
    return {"turns": turns, "before": before_these}


def turn_of(run: Run) -> Turn | None:
    """One run's turn as it is now; None where there is nothing of it (its question is another run's)."""
    return _stored(run.conversation_id, run.turn, owner_id=run.owner_id)


def turn_with(conversation: Conversation, message_id: UUID) -> Turn | None:
    """The turn of a message as it is now; None where there is no such message in the conversation."""
    message = Message.objects.filter(id=message_id, conversation_id=conversation.id).values("turn").first()
    return _stored(conversation.id, message["turn"], owner_id=conversation.owner_id) if message else None


def _stored(conversation_id: int, turn: int, *, owner_id: int) -> Turn | None:
    messages = Message.objects.filter(conversation_id=conversation_id, turn=turn).order_by("step")
    made = _turns(messages.values(*_FIELDS)[:MOST_IN_TURN], owner_id=owner_id)
    return made[0] if made else None


def _page_of(
    messages: Sequence[Mapping[str, Any]], *, has_more: bool, owner_id: int, session_id: str
) -> tuple[list[Turn], int | None]:
    """Whole turns of these messages, and the number that names what is in front of them."""
    first = messages[0]["turn"] if messages else None
    is_cut = has_more and messages[0]["step"] != 0  # a question has step 0
    if is_cut and any(message["turn"] != first for message in messages):
        messages = [message for message in messages if message["turn"] != first]
    elif is_cut:  # one turn, longer than a page
        found = Message.objects.filter(
            conversation__owner_id=owner_id, conversation__session_id=session_id, turn=first
        )
        messages = list(found.order_by("step").values(*_FIELDS)[:MOST_IN_TURN])
    return _turns(messages, owner_id=owner_id), messages[0]["turn"] if has_more and messages else None


def _turns(messages: Iterable[Mapping[str, Any]], *, owner_id: int) -> list[Turn]:
    grouped = [list(group) for _, group in groupby(messages, key=lambda message: message["turn"])]
    run_ids = {message["run_id"] for group in grouped for message in group if message["run_id"]}
    answer_ids = [m["id"] for group in grouped for m in group if m["role"] == Message.Role.ASSISTANT]
    runs = {
        str(run["id"]): run
        for run in Run.objects.filter(id__in=run_ids).values("id", "status", "error", "usage")
    }
    thumbs = {
        str(thumb["message_id"]): thumb
        for thumb in MessageFeedback.objects.filter(message_id__in=answer_ids, user_id=owner_id).values(
            "message_id", "rating", "comment"
        )
    }
    return [_turn(group, runs, thumbs) for group in grouped]


def _turn(
    messages: Sequence[Mapping[str, Any]],
    runs: Mapping[str, Mapping[str, Any]],
    thumbs: Mapping[str, Mapping[str, Any]],
) -> Turn:
    answer = next((m for m in messages if m["role"] == Message.Role.ASSISTANT), None)
    results = {
        m["metadata"].get("part_id") or m["metadata"].get("tool_call_id"): m
        for m in messages
        if m["role"] == Message.Role.TOOL
    }
    run_id = str(messages[0]["run_id"] or "")
    run = runs.get(run_id, {})
    thumb = thumbs.get(str(answer["id"])) if answer else None
    return {
        "turn": messages[0]["turn"],
        "run_id": run_id or None,
        "questions": [_question(m) for m in messages if m["role"] == Message.Role.USER],
        "answer_id": str(answer["id"]) if answer else None,
        "notes": _notes(messages),
        "items": _items(answer, results),
        "status": run.get("status"),
        "error": run.get("error"),
        "usage": run.get("usage") or None,
        "thumb": {"rating": thumb["rating"], "comment": thumb["comment"]} if thumb else None,
        "sponsored": _sponsored(answer["metadata"]) if answer else [],
    }


def _sponsored(metadata: Mapping[str, Any]) -> list[Any]:
    """The ads beside an answer, unless its reader has taken them away."""
    return [] if metadata.get("sponsored_dismissed") else metadata.get("sponsored") or []


def _question(message: Mapping[str, Any]) -> dict[str, Any]:
    parts = message["parts"]
    context = next((p["value"] for p in parts if p["type"] == "context" and isinstance(p["value"], dict)), {})
    attached = context.get("attached_files")
    names = (
        [file.get("name") for file in attached if isinstance(file, dict)]
        if isinstance(attached, list)
        else []
    )
    return {
        "id": str(message["id"]),
        "text": cut(message["content"], most=MOST_SHOWN),
        "images": [
            {"id": part["artifact_id"], "filename": part.get("filename", "image")}
            for part in parts
            if part["type"] == "image"
        ],
        "files": [part["path"] for part in parts if part["type"] == "file"]
        + [name for name in names if isinstance(name, str)],
    }


def _notes(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What moderators have to say to the author: why something is hidden, and warnings."""
    notes = []
    for message in messages:
        for name, beginning in (
            ("hidden_reason", "Hidden by a moderator"),
            ("warning", "A moderator's warning"),
        ):
            if reason := message["metadata"].get(name):
                notes.append(shown_text(f"{name}-{message['id']}", "text", f"> **{beginning}:** {reason}"))
    return notes


def _items(
    answer: Mapping[str, Any] | None, results: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Texts, reasoning and tool calls in their order; a result whose call the answer does not hold yet comes last."""
    items, left = [], dict(results)
    for part in answer["parts"] if answer else ():
        if part["type"] == "tool":
            items.append(_tool(part["id"], part["tool"], part["arguments"], left.pop(part["id"], None)))
        elif part["type"] in ("text", "reasoning") and part["status"] == "complete" and part["text"]:
            items.append(shown_text(part["id"], part["type"], part["text"]))
    if answer and not answer["parts"] and answer["content"]:
        items.append(shown_text(str(answer["id"]), "text", answer["content"]))
    items += [_tool(key, m["metadata"].get("tool", "tool"), {}, m) for key, m in left.items()]
    return items


def shown_text(part_id: str, kind: str, text: str) -> dict[str, Any]:
    html = to_html(text) if kind == "text" else None
    return {"kind": kind, "id": part_id, "text": cut(text, most=MOST_SHOWN), "html": html}


def _tool(part_id: str, name: str, arguments: Any, result: Mapping[str, Any] | None) -> dict[str, Any]:
    told = result["metadata"] if result else {}
    content = result["content"] if result else ""
    return {
        "kind": "tool",
        "id": told.get("tool_call_id", part_id),
        "tool": name,
        "arguments": shown_arguments(arguments),
        "status": told.get("status"),
        "result": cut(content, most=MOST_IN_LOG),
        "truncated": bool(told.get("truncated")) or len(content) > MOST_IN_LOG,
        "artifact_id": told.get("artifact_id"),
    }
