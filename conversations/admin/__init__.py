"""What staff see of people's conversations: a module for each thing they look after."""

from conversations.admin import conversations, feedback

__all__ = ["conversations", "feedback"]
