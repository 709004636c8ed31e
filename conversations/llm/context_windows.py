"""How many tokens a model takes, prompt and answer together, and what it can do besides text."""

import re

from django.conf import settings

from conversations.llm import price_table

HOSTED_WINDOW = 128_000
LOCAL_WINDOW = 4_096

# Families that read no images; a model that is not listed is taken to read them, its provider says so if not.
_TEXT_ONLY = re.compile(
    r"gpt-3\.5|gpt-oss|o1-mini|o1-preview|o3-mini|deepseek(?!-vl)|codestral|ministral|mixtral|mistral-(7b|nemo|tiny)"
    r"|llama-?3(?!\.2-(11|90)b)|llama-?2|codellama|qwen(?!.*(vl|omni))|qwq|phi-?[34](?!.*vision)|gemma-?2|smollm|command-r"
    r"|kimi-k2(?!\.5)|glm-4\.[567](?!v)|devstral|tinyllama",
    re.IGNORECASE,
)
_REASONING = re.compile(
    r"(^|[/-])o[134](-|$)|gpt-[5-9]|gpt-oss|claude-(opus|sonnet|haiku|fable)-[4-9]|claude-3-7|gemini-(2\.5|[3-9])"
    r"|deepseek-(reasoner|r1|v3\.[1-9]|v[4-9])|qwq|qwen3|magistral|grok-(3-mini|[4-9])|kimi-k2-thinking|glm-4\.[5-9]|thinking",
    re.IGNORECASE,
)


def context_window(prices: str, model: str) -> int:
    """Tokens of a hosted model: as the setting says, as the price table knows it, else a common size."""
    return settings.PENGUIN_CONTEXT_WINDOW or price_table.context_window(prices, model) or HOSTED_WINDOW


def reads_images(model: str) -> bool:
    return _TEXT_ONLY.search(model) is None


def reasons(model: str) -> bool:
    return _REASONING.search(model) is not None
