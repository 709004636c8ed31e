"""Tables of the agent server.

Locks are always taken in the order worker -> conversation -> run -> tool call -> approval or question. Every change of
a run's state, or of one of its tool calls, happens under its conversation's row lock, together with the event that
tells of it (see `log.py`).
"""

from conversations.models.conversations import (
    Artifact,
    Conversation,
    ConversationEvent,
    ConversationSummary,
    Fragment,
    Message,
    MessageFeedback,
)
from conversations.models.mcp import McpServerState
from conversations.models.moderation import (
    HiddenMessage,
    ModerationDecision,
    ModerationFlag,
    ModerationRule,
    UserBlock,
    UserWarning,
)
from conversations.models.runs import ModelCall, Run, Worker
from conversations.models.sponsored import SponsoredSuggestion, SponsoredWish
from conversations.models.tools import Approval, Grant, Question, SecurityPolicy, ToolCall, ToolPin

__all__ = [
    "Approval",
    "Artifact",
    "Conversation",
    "ConversationEvent",
    "ConversationSummary",
    "Fragment",
    "Grant",
    "HiddenMessage",
    "McpServerState",
    "Message",
    "MessageFeedback",
    "ModelCall",
    "ModerationDecision",
    "ModerationFlag",
    "ModerationRule",
    "Question",
    "Run",
    "SecurityPolicy",
    "SponsoredSuggestion",
    "SponsoredWish",
    "ToolCall",
    "ToolPin",
    "UserBlock",
    "UserWarning",
    "Worker",
]
