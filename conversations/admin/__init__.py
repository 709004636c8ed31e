"""What staff see of people's conversations: a module for each thing they look after."""

from conversations.admin import conversations, feedback, moderation, moderation_rules

__all__ = ["conversations", "feedback", "moderation", "moderation_rules"]
