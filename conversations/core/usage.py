"""Tokens and cost of a run, as clients see them."""

from collections.abc import Mapping
from typing import Any

TOKEN_KINDS = ("input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens", "cache_write_tokens")
MICROS = 1_000_000


def empty() -> dict[str, Any]:
    return {**dict.fromkeys(TOKEN_KINDS, 0), "total_tokens": 0, "cost_usd": 0.0}


def exhausted(usage: Mapping[str, Any], budget: Mapping[str, int]) -> str:
    """Which limit of a budget (`tokens`, `cost_micros`) is reached: its name as a reason to pause; empty for none."""
    used = usage or empty()
    if (tokens := budget.get("tokens")) is not None and used["total_tokens"] >= tokens:
        return "budget_tokens"
    if (cost := budget.get("cost_micros")) is not None and round(used["cost_usd"] * MICROS) >= cost:
        return "budget_cost"
    return ""


def added(usage: Mapping[str, Any], call: Mapping[str, int], cost_micros: int | None) -> dict[str, Any]:
    """`usage` with one more model call; total = input + output (both hold their cached and reasoning share)."""
    base = usage or empty()
    total = {kind: base[kind] + call.get(kind, 0) for kind in TOKEN_KINDS}
    cost = round(base["cost_usd"] * MICROS) + (cost_micros or 0)
    return {
        **total,
        "total_tokens": total["input_tokens"] + total["output_tokens"],
        "cost_usd": cost / MICROS,
    }
