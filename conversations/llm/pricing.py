"""What a call of a model costs."""

import os

from conversations.llm import price_table
from conversations.llm.providers import find_provider
from conversations.llm.wire import Usage

LOCAL = "local"


def cost_micros(model: str, usage: Usage) -> int | None:
    """Millionths of a US dollar; nothing for the local model, None where no price is known (other people's servers)."""
    if model == LOCAL:
        return 0
    prefix, _, name = model.partition(":")
    prices = prices_of(prefix)
    return price_table.price_micros(prices, name, usage) if prices else None


def prices_of(prefix: str) -> str:
    """The provider's name in the price table; empty when it is not the provider whose prices those would be."""
    prefix, provider = find_provider(prefix, os.environ)
    if provider is None:
        return ""
    if provider.base_url(os.environ).rstrip("/") != provider.url:
        return ""
    return provider.prices or prefix
