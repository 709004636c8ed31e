"""Estimates tokens without a tokenizer: rather too many than too few."""

from collections.abc import Sequence

# Most tokenizers need fewer tokens than this for English prose (4 bytes each), about this many for code and numbers,
# and nearly one for each character of scripts with three-byte characters.
BYTES_PER_TOKEN = 3
# Role, separators: what a message costs besides its text.
TOKENS_PER_MESSAGE = 6
# What the dearest of the usual providers charge for an image of about a megapixel.
TOKENS_PER_IMAGE = 1600
# For the priming of the answer, and what a provider adds of its own.
TOKENS_PER_REQUEST = 8


def text_tokens(text: str) -> int:
    """About how many tokens the text is; 0 only for the empty text."""
    return -(-len(text.encode("utf-8", "replace")) // BYTES_PER_TOKEN)


def message_tokens(texts: Sequence[str], *, images: int = 0) -> int:
    """One message: its content, and the names and arguments of its tool calls."""
    return TOKENS_PER_MESSAGE + sum(map(text_tokens, texts)) + images * TOKENS_PER_IMAGE


def schema_tokens(schema: str) -> int:
    """The JSON of a tool that a request offers."""
    return TOKENS_PER_MESSAGE + text_tokens(schema)


def request_tokens(messages: Sequence[int], *, tools: Sequence[int] = ()) -> int:
    """A whole request: its messages and tools, as `message_tokens` and `schema_tokens` counted them."""
    return TOKENS_PER_REQUEST + sum(messages) + sum(tools)
