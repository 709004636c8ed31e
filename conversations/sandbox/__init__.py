"""Runs commands so that they reach their root and nothing else: by bubblewrap, by our own launcher, or not at all."""

from conversations.sandbox.detection import level, report
from conversations.sandbox.levels import Level

__all__ = ["Level", "level", "report"]
