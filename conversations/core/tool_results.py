"""What becomes of a tool's output: what the model and clients are shown of it, and what is kept elsewhere."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

# Of one result, so much goes to the model; the rest is an artifact.
MOST_CHARACTERS = 24_000
# Of what is shown, the beginning takes so much and the end the rest: errors tend to stand last.
HEAD_SHARE = 2 / 3
# Of one result, so much stands in the log.
MOST_IN_LOG = 4_000
# Of the arguments of a call, so many characters of JSON are shown.
MOST_ARGUMENTS = 16_000
# An artifact holds no more of it.
MOST_KEPT = 4_000_000


def storable(text: str) -> str:
    """The text without what Postgres cannot hold: NUL and lone surrogates."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def cut(text: str, *, most: int = MOST_CHARACTERS, where: str = "") -> str:
    """The beginning and the end of a long text; `where` says where all of it is."""
    if len(text) <= most:
        return text
    left_out = f"\n[... {len(text) - most} characters left out{f': {where}' if where else ''} ...]\n"
    head = int(most * HEAD_SHARE)
    return text[:head] + left_out + text[len(text) - (most - head) :]


def iso_z(moment: datetime) -> str:
    """As all our JSON has times: UTC, with Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def shown_arguments(arguments: Any) -> Any:
    """The arguments with long texts cut, so that no event, frame or list grows with the files a model writes.

    Whole they stand in the answer's parts and, while a person decides on them, in the approval.
    """
    for most in (4_000, 400, 40):
        shown = _shortened(arguments, most)
        if len(json.dumps(shown)) <= MOST_ARGUMENTS:
            return shown
    return {"left_out": "too long to show here"}


def _shortened(value: Any, most: int) -> Any:
    if isinstance(value, str):
        return cut(value, most=most)
    if isinstance(value, dict):
        return {key: _shortened(item, most) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item, most) for item in value]
    return value


def shown_approval(shape: Mapping[str, Any]) -> dict[str, Any]:
    """An approval as events tell of it; whole it is read over REST."""
    diff = shape["diff"]
    return {
        **shape,
        "arguments": shown_arguments(shape["arguments"]),
        "edited_arguments": shown_arguments(shape["edited_arguments"]),
        "resource": cut(shape["resource"], most=4_000),
        "diff": cut(diff, most=8_000) if diff else diff,
    }


def action_result(
    *,
    call_id: str,
    name: str,
    arguments: Any,
    outcome: str,
    result: str,
    started_at: str | None,
    finished_at: str | None,
    truncated: bool,
    artifact_id: str | None,
) -> dict[str, Any]:
    """One of `action_results`, as REST, sockets and the log show it."""
    shown: dict[str, Any] = {
        "action": name,
        "result": result,
        "status": outcome,
        "tool_call_id": call_id,
        "arguments": shown_arguments(arguments),
        "started_at": started_at,
        "finished_at": finished_at,
        "truncated": truncated,
    }
    return {**shown, "artifact_id": artifact_id} if artifact_id else shown


def ended_payload(result: Mapping[str, Any], *, message_id: str | None) -> dict[str, Any]:
    """Payload of `tool.ended`: the result as far as the log holds it. It closes the part of the live output."""
    text = result["result"]
    return {
        "tool_call_id": result["tool_call_id"],
        "part_id": result["tool_call_id"],
        "tool": result["action"],
        "arguments": result["arguments"],
        "status": result["status"],
        "result": cut(text, most=MOST_IN_LOG),
        "truncated": result["truncated"] or len(text) > MOST_IN_LOG,
        "artifact_id": result.get("artifact_id"),
        "message_id": message_id,
        "started_at": result["started_at"],
        "finished_at": result["finished_at"],
    }
