"""What the ads marketplace takes and answers. A test compares all of it with `/functions/v1/api-v1/openapi.json`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NotRequired, Required, TypedDict

from penguin_sdk.types.limits import Id, Key, Label, Limit, Token, text

AdType = Literal["static_offer", "service", "dynamic_capability"]
Reaction = Literal["positive", "neutral", "negative"]
EventType = Literal[
    "impression", "click", "conversion", "ad_shown", "ad_dismissed", "agent_call", "action", "dismiss",
    "hide_advertiser", "report", "feedback",
]  # fmt: skip
SessionStatus = Literal["active", "completed", "expired", "aborted"]
NoFillReason = Literal[
    "no_match", "below_relevance", "below_quality", "blocked", "sensitive_context", "frequency_cap", "budget",
    "timeout", "consent_required",
]  # fmt: skip
Score = Annotated[float, Limit(minimum=0, maximum=1)]
Labels = Annotated[Sequence[Label], Limit(max_items=100)]
MaxResults = Annotated[int, Limit(minimum=1, maximum=20)]


# Decisions


class DecideFields(TypedDict, total=False):
    context: Required[Annotated[str, text(16_000)]]
    user_intent: Annotated[str, Limit(max_length=2_000)]
    categories: Labels
    blocked_categories: Labels
    blocked_advertisers: Annotated[Sequence[Label], Limit(max_items=200)]
    min_quality_score: Score
    min_relevance_score: Score
    max_results: MaxResults
    response_format: Literal["concise", "verbose"]
    max_wait_ms: Annotated[int, Limit(minimum=0, maximum=10_000)]
    placement_id: Annotated[str, Limit(max_length=100)]
    request_id: Key
    user_ref: Label
    session_context: Mapping[str, Any]
    consent: bool
    agent_id: Id


class Creative(TypedDict):
    title: str
    body: str
    cta: str
    landing_url: str


class Disclosure(TypedDict):
    label: str
    sponsor_name: str
    why: str


class Service(TypedDict):
    endpoint: str
    auth: str
    description: str


class AdScore(TypedDict):
    relevance: float
    quality: float
    bid: float
    final: float


class AdMeta(TypedDict):
    unit_id: str
    campaign_id: str
    clearing_price_cents: int
    position: int


class Ad(TypedDict):
    creative: Creative
    click_url: str
    tracking_token: str
    disclosure: Disclosure
    ad_type: AdType
    advertiser_id: str
    payout: float
    content_trust: Literal["untrusted"]
    expires_at: str
    transaction_id: NotRequired[str]
    service: NotRequired[Service]
    auction: NotRequired[dict[str, Any]]
    _score: AdScore
    _meta: AdMeta


class Decision(TypedDict):
    status: Literal["fill", "no_fill"]
    request_id: str
    decision_id: str
    units: list[Ad]
    reason: NotRequired[NoFillReason]
    stages: NotRequired[dict[str, int]]


# Events, feedback, results, ratings


class EventFields(TypedDict, total=False):
    event_id: Key
    occurred_at: str
    agent_id: Id
    unit_id: Annotated[str, Limit(max_length=64)]
    event_type: Required[EventType]
    tracking_token: Annotated[str, Limit(max_length=2_048)]
    metadata: Mapping[str, Any] | None


class EventAccepted(TypedDict):
    accepted: bool
    billable: bool
    reason: NotRequired[str]


class FeedbackFields(TypedDict, total=False):
    tracking_token: Required[Token]
    reaction: Reaction | None
    user_response: Annotated[str, Limit(max_length=4_000)]
    conversation_history: Sequence[Annotated[str, text(16_000)]]
    context: Annotated[str, Limit(max_length=1_000)]
    idempotency_key: Key
    agent_id: Id


class FeedbackReceived(TypedDict):
    status: Literal["received"]
    feedback_id: str
    resolution_date: str
    potential_bonus: str
    message: str
    sentiment_detected: Reaction
    success: bool
    potential_penalty: str


class ServiceResultFields(TypedDict, total=False):
    transaction_id: Required[Annotated[str, text(100)]]
    success: Required[bool]
    metadata: Mapping[str, Any] | None


class ServiceResult(TypedDict):
    transaction_id: str
    success: bool
    payment_triggered: bool
    payment_amount: float
    developer_earnings: float
    message: str


class RatingFields(TypedDict, total=False):
    tracking_token: Required[Token]
    ad_unit_id: Required[Id]
    rating: Required[Annotated[int, Limit(minimum=1, maximum=5)]]
    context: Annotated[str, Limit(max_length=500)]


class RatingReceived(TypedDict):
    status: str
    rating_id: str
    rating: int
    message: str


# Agents


class SignupFields(TypedDict, total=False):
    owner_email: Required[Annotated[str, text(254)]]
    agent_name: Required[Annotated[str, text(100)]]
    sdk_type: Annotated[str, Limit(max_length=50)]
    declared_placements: Annotated[Sequence[Label], Limit(max_items=50)]


class Signup(TypedDict):
    agent_id: str
    api_key: str
    test_api_key: str
    owner_email: str
    agent_name: str
    environment: str
    status: str
    created_at: str
    message: str


class Balance(TypedDict):
    agent_id: str
    environment: str
    currency: str
    balance: float
    payable: float


# Search and sessions


class SearchFields(TypedDict, total=False):
    query: Required[Annotated[str, text(16_000)]]
    max_results: MaxResults
    user_context: str | Mapping[str, Any] | None
    agent_id: Id


class Capability(TypedDict):
    capability_id: str
    ad_unit_id: str
    name: str
    description: str
    type: Literal["dynamic_capability", "static_offer"]
    cta: str
    click_url: str
    clearing_price_cents: int
    relevance_score: float
    tracking_token: str
    sponsored: bool
    disclosure: Disclosure


class SearchResult(TypedDict):
    capabilities: list[Capability]
    request_id: str


class SessionStartFields(TypedDict, total=False):
    capability_id: Required[Token]
    ad_unit_id: Id | None
    clearing_price_cents: Annotated[int, Limit(minimum=0)] | None
    initial_data: Mapping[str, Any] | None
    consent: bool
    agent_id: Id


class SessionMessageFields(TypedDict, total=False):
    session_id: Required[Id]
    message: Required[Annotated[str, text(4_000)]]
    data: Mapping[str, Any] | None
    idempotency_key: Key
    agent_id: Id


class SessionEndFields(TypedDict, total=False):
    session_id: Required[Id]
    agent_id: Id


class SessionFeedbackFields(TypedDict, total=False):
    session_id: Required[Id]
    feedback_text: Required[Annotated[str, text(4_000)]]
    idempotency_key: Key
    agent_id: Id


class Session(TypedDict):
    session_id: str
    status: SessionStatus
    message: str
    pending_fields: list[str]
    structured_data: dict[str, Any]
    expires_at: str


class SessionReply(Session):
    reply: str


class SessionEnded(TypedDict):
    session_id: str
    status: Literal["completed", "aborted"]
    summary: str
    message_count: int
    total_tokens: int
    total_cost_usd: float


class SessionFeedbackReceived(TypedDict):
    success: bool
    message: str
    session_id: NotRequired[str]
    sentiment_detected: NotRequired[str]


# What everybody may look up


class Policy(TypedDict):
    version: str
    disclosure: dict[str, Any]
    defaults: dict[str, Any]
    unit_rules: dict[str, Any]


class CategoryQuery(TypedDict, total=False):
    tier: Annotated[int, Limit(minimum=1, maximum=4)]
    parent_id: str
    search: str


class Category(TypedDict):
    id: int | str
    name: str
    full_path: str
    parent_id: int | str | None


class Categories(TypedDict):
    version: str
    source: str
    url: str
    total: int
    categories: list[Category]
