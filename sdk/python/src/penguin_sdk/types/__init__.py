"""Requests and answers as typed dictionaries: `ads` for the marketplace, the others for the agent server."""

from penguin_sdk.types import ads, chat, conversations, tasks

__all__ = ["ads", "chat", "conversations", "tasks"]
