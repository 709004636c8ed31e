"""Conversations, use of tokens, context files. A test compares all of it with `/api/schema`."""

from typing import Annotated, Any, Literal, Required, TypedDict

from penguin_sdk.types.limits import Limit

ConversationStatus = Literal["idle", "busy", "waiting"]


class Conversation(TypedDict):
    session_id: str
    id: str
    conversation_id: str
    title: str
    message_count: int
    created_at: str
    last_active: str
    directory: str | None
    status: ConversationStatus
    archived: bool
    sponsored: bool
    token_count: int
    cost_usd: float


class ConversationList(TypedDict):
    conversations: list[Conversation]
    next_cursor: str | None


class Message(TypedDict):
    id: str
    role: Literal["user", "assistant", "tool"]
    content: str
    created_at: str
    parts: list[dict[str, Any]]
    metadata: dict[str, Any]
    run_id: str | None


class ConversationDetail(TypedDict):
    session_id: str
    id: str
    conversation_id: str
    title: str
    message_count: int
    created_at: str
    last_active: str
    directory: str | None
    status: ConversationStatus
    archived: bool
    sponsored: bool
    token_count: int
    cost_usd: float
    messages: list[Message]
    has_more: bool
    before: str | None


class ConversationCreated(TypedDict):
    conversation_id: str
    session_id: str


class ConversationDeleted(TypedDict):
    session_id: str
    conversation_id: str
    deleted: bool
    status: Literal["deleted", "cancelling"]


class SearchHit(TypedDict):
    session_id: str
    conversation_id: str
    title: str
    message_id: str
    role: Literal["user", "assistant", "tool"]
    created_at: str
    excerpt: str


class SearchHits(TypedDict):
    results: list[SearchHit]
    next_cursor: str | None


class Fork(TypedDict):
    conversation_id: str
    session_id: str
    forked_from: str
    message_count: int


class TokenCounts(TypedDict):
    prompt: int
    completion: int
    total: int


class ModelTokens(TypedDict):
    prompt: int
    completion: int
    total: int
    reasoning: int
    cache_read: int
    cache_write: int
    calls: int
    cost_usd: float


class UsageFigures(TypedDict):
    prompt: int
    completion: int
    total: int
    main_model: TokenCounts
    models: dict[str, ModelTokens]
    calls: int
    cost_usd: float
    today: int
    today_cost_usd: float


class TokenUsage(TypedDict):
    usage: UsageFigures


class ContextWindow(TypedDict):
    model: str
    used: int
    limit: int | None
    fraction: float | None
    estimated: bool


class SessionTokenUsage(TypedDict):
    usage: UsageFigures
    session_id: str
    conversation_id: str
    context_window: ContextWindow


class ContextFile(TypedDict):
    path: str
    size: int
    modified: str


class ContextFileList(TypedDict):
    files: list[ContextFile]


class ContextFileLoaded(TypedDict):
    success: bool
    file_path: str
    size: int
    tokens: int
    session_id: str
    conversation_id: str
    message_id: str


class ConversationFields(TypedDict, total=False):
    title: str
    directory: str | None
    session_id: str | None


class ConversationChanges(TypedDict, total=False):
    title: str
    archived: bool
    sponsored: bool


class ForkFields(TypedDict, total=False):
    message_id: str | None


class ConversationQuery(TypedDict, total=False):
    limit: int
    cursor: str
    search: str
    archived: bool


class ConversationPage(TypedDict, total=False):
    limit: int
    before: str


class SearchQuery(TypedDict, total=False):
    q: Required[Annotated[str, Limit(min_length=1)]]
    limit: int
    cursor: str


# Named in the functional form: `from` is a word of the language.
UsageQuery = TypedDict("UsageQuery", {"from": str, "to": str, "session_id": str}, total=False)


class LoadFields(TypedDict, total=False):
    file_path: Required[Annotated[str, Limit(min_length=1)]]
    session_id: str | None
