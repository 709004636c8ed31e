"""What the chat, runs, approvals and questions take and answer. A test compares all of it with `/api/schema`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

from penguin_sdk.types.limits import Limit

RunStatus = Literal[
    "queued",
    "running",
    "waiting_approval",
    "waiting_input",
    "paused",
    "cancelling",
    "completed",
    "failed",
    "cancelled",
    "timed_out",
]
AgentMode = Literal["build", "plan"]
DecisionScope = Literal["once", "session", "pattern", "always"]
OnBusy = Literal["enqueue", "steer", "interrupt", "reject"]


class RunUsage(TypedDict):
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    total_tokens: int
    cost_usd: float


class Answer(TypedDict):
    response: str
    action_results: list[dict[str, Any]]
    session_id: str
    conversation_id: str
    run_id: str
    message_id: str
    status: Literal["completed", "cancelled", "timed_out"]
    aborted: bool
    usage: RunUsage
    reasoning: NotRequired[str]
    sponsored: NotRequired[list[dict[str, Any]]]


class Accepted(TypedDict):
    run_id: str
    session_id: str
    conversation_id: str
    message_id: str
    status: str
    queue_position: int
    cursor: str


class RunError(TypedDict):
    kind: str
    message: str
    retryable: bool


class Run(TypedDict):
    id: str
    session_id: str
    status: RunStatus
    attempt: int
    created_at: str
    started_at: str | None
    finished_at: str | None
    usage: dict[str, Any]
    error: RunError | None
    queue_position: int | None
    queue_reason: Literal["moderation_check", "moderation_review"] | None
    input_message_id: str
    answer_message_id: str
    retry_of: str | None


class RunList(TypedDict):
    runs: list[Run]
    next_cursor: str | None


class Approval(TypedDict):
    id: str
    session_id: str
    run_id: str
    tool_call_id: str
    tool_name: str
    operation: str
    resource: str
    arguments: dict[str, Any]
    edited_arguments: dict[str, Any] | None
    digest: str
    reason: str
    diff: str | None
    status: Literal["pending", "approved", "denied", "expired", "cancelled", "superseded"]
    feedback: str
    created_at: str
    expires_at: str
    resolved_at: str | None
    resolved_by: str | None
    resolution_scope: DecisionScope | None


class PendingApprovals(TypedDict):
    pending: list[Approval]
    count: int


class Question(TypedDict):
    id: str
    session_id: str
    run_id: str
    tool_call_id: str
    kind: Literal["ask_user", "recovery", "loop"]
    text: str
    choices: list[str]
    status: Literal["open", "answered", "expired", "cancelled"]
    answer: str
    created_at: str
    expires_at: str
    answered_at: str | None
    answered_by: str | None


class QuestionList(TypedDict):
    questions: list[Question]


class MessageOptions(TypedDict, total=False):
    session_id: str | None
    conversation_id: str | None
    directory: str | None
    context: Mapping[str, Any] | None
    context_files: Sequence[str] | None
    image_paths: Sequence[str] | None
    images: Sequence[str] | None
    model: str | None
    agent_mode: AgentMode | None
    max_iterations: int | None
    include_reasoning: bool
    client_message_id: str | None
    on_busy: OnBusy | None


class MessageFields(MessageOptions, total=False):
    text: Required[Annotated[str, Limit(min_length=1)]]


class ApproveFields(TypedDict, total=False):
    scope: DecisionScope
    pattern: str | Sequence[str] | None
    digest: str | None
    arguments: Mapping[str, Any] | None


class DenyFields(TypedDict, total=False):
    feedback: str
    digest: str | None


class RunQuery(TypedDict, total=False):
    limit: int
    cursor: str
    session_id: str
    status: RunStatus


class QuestionQuery(TypedDict, total=False):
    session_id: str


class AnswerFields(TypedDict, total=False):
    answer: Required[Annotated[str, Limit(min_length=1)]]
