"""What can be asked of the agent server about chat, conversations, runs, approvals, usage and context files."""

import time
import uuid
from collections.abc import Mapping
from typing import Any, Unpack

from penguin_sdk._checks import checked
from penguin_sdk._steps import Pause, Steps, ask, delete, get, part, patch, post
from penguin_sdk.errors import APIRequestError, TimeoutError
from penguin_sdk.types import chat, conversations

# An answer takes as long as the model and its tools do.
ANSWER_TIMEOUT_MS = 600_000
ENDED_RUN = ("completed", "failed", "cancelled", "timed_out")
FIRST_LOOK_SECONDS, MOST_LOOK_SECONDS = 0.2, 2.0


# Chat


def message(text: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """A message as it is sent. It has a `client_message_id`: said again it is the same message."""
    body = checked(chat.MessageFields, {"text": text, **fields})
    if body.get("client_message_id") is None:
        body["client_message_id"] = uuid.uuid4().hex
    return body


def send(
    text: str, *, timeout_ms: int = ANSWER_TIMEOUT_MS, **fields: Unpack[chat.MessageOptions]
) -> Steps[chat.Answer]:
    """Send a message and wait for the whole answer. Going away stops nothing: the answer stands in the conversation.

    It is not sent again by itself. Call it again with the same `client_message_id`, and the same message is meant.
    """
    body = message(text, fields)
    request = post("agent", "/chat/message", body, timeout_ms=timeout_ms)
    found: dict[str, Any] = yield request
    if "response" not in found:  # accepted by a process that cannot wait
        run = yield from wait_for_run(found["run_id"], timeout_ms=timeout_ms)
        found = yield request
        if "response" not in found:
            found = yield from _answer_of(run)
    answer: Any = found
    return answer  # type: ignore[no-any-return]


def enqueue(text: str, **fields: Unpack[chat.MessageOptions]) -> Steps[chat.Accepted]:
    """Send a message and return at once; see `chat.wait`."""
    return ask(post("agent", "/chat/message", {**message(text, fields), "wait": False}))


def _answer_of(run: chat.Run) -> Steps[dict[str, Any]]:
    """The answer of a run that has ended, as it stands in the conversation."""
    if run["status"] == "failed":
        error = run["error"] or {"kind": "internal_error", "message": "The run failed."}
        raise APIRequestError(error["message"], status=502, code=error["kind"], body=run)
    session_id = run["session_id"]
    page: conversations.ConversationDetail = yield get(
        "agent", f"/conversations/{part('session_id', session_id)}"
    )
    texts = [found["content"] for found in page["messages"] if found["id"] == run["answer_message_id"]]
    return {
        "response": texts[0] if texts else "",
        "action_results": [],
        "session_id": session_id,
        "conversation_id": session_id,
        "run_id": run["id"],
        "message_id": run["answer_message_id"],
        "status": run["status"],
        "aborted": run["status"] != "completed",
        "usage": run["usage"],
    }


# Runs


def get_run(run_id: str) -> Steps[chat.Run]:
    """One run."""
    return ask(get("agent", f"/runs/{part('run_id', run_id)}"))


def list_runs(**query: Unpack[chat.RunQuery]) -> Steps[chat.RunList]:
    """Runs, the newest first."""
    return ask(get("agent", "/runs", checked(chat.RunQuery, query)))


def cancel_run(run_id: str) -> Steps[chat.Run]:
    """Ask for the end of a run. May be asked any number of times."""
    return ask(post("agent", f"/runs/{part('run_id', run_id)}/cancel", {}))


def retry_run(run_id: str) -> Steps[chat.Run]:
    """Answer the same message once more, in a new run."""
    return ask(post("agent", f"/runs/{part('run_id', run_id)}/retry", {}))


def wait_for_run(run_id: str, *, timeout_ms: int | None = None) -> Steps[chat.Run]:
    """The run when it has ended; TimeoutError when that takes longer."""
    return until_ended(get_run(run_id), lambda: get_run(run_id), ENDED_RUN, timeout_ms)


def until_ended(first: Steps[Any], again: Any, ended: tuple[str, ...], timeout_ms: int | None) -> Steps[Any]:
    """Looks until the status is one of `ended`, seldom when it takes long."""
    deadline = None if timeout_ms is None else time.monotonic() + timeout_ms / 1000
    pause = FIRST_LOOK_SECONDS
    found = yield from first
    while found["status"] not in ended:
        if deadline is not None and time.monotonic() + pause > deadline:
            assert timeout_ms is not None
            raise TimeoutError(timeout_ms)
        yield Pause(pause)
        pause = min(pause * 1.5, MOST_LOOK_SECONDS)
        found = yield from again()
    return found


# Approvals and questions


def list_approvals() -> Steps[chat.PendingApprovals]:
    """What waits for your yes."""
    return ask(get("agent", "/approvals"))


def get_approval(approval_id: str) -> Steps[chat.Approval]:
    """One approval, also one that was decided."""
    return ask(get("agent", f"/approvals/{part('approval_id', approval_id)}"))


def approve(approval: str | chat.Approval, **fields: Unpack[chat.ApproveFields]) -> Steps[chat.Approval]:
    """Let a tool call run: once, or for what `scope` says. The first decision stands (409 `approval_decided`).

    Given the approval itself, the yes is for exactly what it shows.
    """
    return _decide(approval, "approve", checked(chat.ApproveFields, fields))


def deny(approval: str | chat.Approval, **fields: Unpack[chat.DenyFields]) -> Steps[chat.Approval]:
    """Refuse a tool call; the model is told `feedback`."""
    return _decide(approval, "deny", checked(chat.DenyFields, fields))


def _decide(approval: str | chat.Approval, verb: str, body: dict[str, Any]) -> Steps[chat.Approval]:
    if not isinstance(approval, str):
        body.setdefault("digest", approval["digest"])
        approval = approval["id"]
    return ask(post("agent", f"/approvals/{part('approval', approval)}/{verb}", body))


def list_questions(**query: Unpack[chat.QuestionQuery]) -> Steps[chat.QuestionList]:
    """What agents ask you."""
    return ask(get("agent", "/questions", checked(chat.QuestionQuery, query)))


def answer_question(question: str | chat.Question, answer: str) -> Steps[chat.Question]:
    """Answer an agent's question."""
    body = checked(chat.AnswerFields, {"answer": answer})
    question_id = question if isinstance(question, str) else question["id"]
    return ask(post("agent", f"/questions/{part('question', question_id)}/answer", body))


# Conversations


def _conversation(session_id: str) -> str:
    return f"/conversations/{part('session_id', session_id)}"


def list_conversations(
    **query: Unpack[conversations.ConversationQuery],
) -> Steps[conversations.ConversationList]:
    """Conversations, the one that was active last first; `next_cursor` leads on."""
    return ask(get("agent", "/conversations", checked(conversations.ConversationQuery, query)))


def create_conversation(
    **fields: Unpack[conversations.ConversationFields],
) -> Steps[conversations.ConversationCreated]:
    """A new conversation, bound to `directory` if there is one."""
    return ask(post("agent", "/conversations/create", checked(conversations.ConversationFields, fields)))


def get_conversation(
    session_id: str, **query: Unpack[conversations.ConversationPage]
) -> Steps[conversations.ConversationDetail]:
    """A conversation with its newest messages; `before` leads to older ones."""
    return ask(get("agent", _conversation(session_id), checked(conversations.ConversationPage, query)))


def update_conversation(
    session_id: str, **changes: Unpack[conversations.ConversationChanges]
) -> Steps[conversations.Conversation]:
    """Change what is named."""
    return ask(patch("agent", _conversation(session_id), checked(conversations.ConversationChanges, changes)))


def delete_conversation(session_id: str) -> Steps[conversations.ConversationDeleted]:
    """Delete a conversation with all that is in it; what is under way in it is cancelled first."""
    return ask(delete("agent", _conversation(session_id)))


def search_conversations(**query: Unpack[conversations.SearchQuery]) -> Steps[conversations.SearchHits]:
    """Messages that say something."""
    return ask(get("agent", "/conversations/search", checked(conversations.SearchQuery, query)))


def fork_conversation(
    session_id: str, **fields: Unpack[conversations.ForkFields]
) -> Steps[conversations.Fork]:
    """A copy, up to a message if one is named."""
    body = checked(conversations.ForkFields, fields)
    return ask(post("agent", f"{_conversation(session_id)}/fork", body))


# Usage, context files


def get_usage(
    *, since: str | None = None, until: str | None = None, session_id: str | None = None
) -> Steps[conversations.TokenUsage]:
    """Tokens and cost of all conversations, or of one; `since` and `until` are days or times."""
    named = {"from": since, "to": until, "session_id": session_id}
    query = {name: value for name, value in named.items() if value is not None}
    return ask(get("agent", "/token-usage", checked(conversations.UsageQuery, query)))


def get_session_usage(session_id: str) -> Steps[conversations.SessionTokenUsage]:
    """Tokens and cost of a conversation, and how full the model's window is."""
    return ask(get("agent", f"/sessions/{part('session_id', session_id)}/token-usage"))


def list_context_files() -> Steps[conversations.ContextFileList]:
    """Files that can be given to conversations."""
    return ask(get("agent", "/context-files"))


def load_context_file(
    file_path: str, *, session_id: str | None = None
) -> Steps[conversations.ContextFileLoaded]:
    """Put a file into a conversation; into a new one where none is named."""
    fields: dict[str, Any] = {"file_path": file_path}
    if session_id is not None:
        fields["session_id"] = session_id
    return ask(post("agent", "/context-files/load", checked(conversations.LoadFields, fields)))
