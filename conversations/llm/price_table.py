"""The packaged table of models and prices (genai-prices); loaded when it is first needed, never from the network."""

from decimal import ROUND_HALF_UP, Decimal

from conversations.llm.wire import Usage


def context_window(provider: str, model: str) -> int | None:
    """Tokens, where the table has the model; `provider` by the table's name."""
    from genai_prices.data_snapshot import get_snapshot  # a fifth of a second: not at start

    try:
        _, found = get_snapshot().find_provider_model(model, None, provider, None)
    except LookupError:
        return None
    return found.context_window or None


def price_micros(provider: str, model: str, usage: Usage) -> int | None:
    """Millionths of a US dollar, rounded half up; None when the table has no price for the model."""
    from genai_prices import Usage as PricedUsage
    from genai_prices import calc_price

    read = min(usage.cache_read_tokens, usage.input_tokens)
    priced = PricedUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=read or None,
        cache_write_tokens=min(usage.cache_write_tokens, usage.input_tokens - read) or None,
    )
    try:
        price = calc_price(priced, model, provider_id=provider).total_price
    except (LookupError, ValueError):
        return None
    return int((price * 1_000_000).quantize(Decimal(1), ROUND_HALF_UP))
