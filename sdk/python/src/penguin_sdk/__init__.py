"""Penguin's SDK: the ads marketplace, and the agent server's chat, projects and tasks.

from penguin_sdk import PenguinClient

with PenguinClient(api_key="am_test_...") as client:
    decision = client.decide_from_context(context="I need a tax accountant")
"""

from typing import TYPE_CHECKING, Any

from penguin_sdk import types
from penguin_sdk._async import AsyncPenguinClient
from penguin_sdk._sync import PenguinClient
from penguin_sdk._version import VERSION as __version__
from penguin_sdk.errors import (
    APIRequestError,
    NetworkError,
    PenguinError,
    StreamLostError,
    TimeoutError,
    ValidationError,
)

if TYPE_CHECKING:
    from penguin_sdk import events
    from penguin_sdk._async_stream import AsyncChatEvents, AsyncTaskEvents
    from penguin_sdk._sync_stream import ChatEvents, TaskEvents

__all__ = [
    "APIRequestError",
    "AsyncChatEvents",
    "AsyncPenguinClient",
    "AsyncTaskEvents",
    "ChatEvents",
    "NetworkError",
    "PenguinClient",
    "PenguinError",
    "StreamLostError",
    "TaskEvents",
    "TimeoutError",
    "ValidationError",
    "__version__",
    "events",
    "types",
]

_STREAMS = {
    "AsyncChatEvents": "_async_stream",
    "AsyncTaskEvents": "_async_stream",
    "ChatEvents": "_sync_stream",
    "TaskEvents": "_sync_stream",
}


def __getattr__(name: str) -> Any:
    """What belongs to streams is imported when it is first used."""
    from importlib import import_module

    if name == "events":
        return import_module("penguin_sdk.events")
    if name in _STREAMS:
        return getattr(import_module(f"penguin_sdk.{_STREAMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
