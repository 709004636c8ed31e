"""What staff see of people's conversations: a module for each thing they look after."""

from conversations.admin import approvals, conversations, feedback, moderation, moderation_rules, runs

__all__ = ["approvals", "conversations", "feedback", "moderation", "moderation_rules", "runs"]
