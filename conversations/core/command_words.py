"""Which files the words of a command line may name."""

import re

from conversations.core.secret_files import is_secret

# Where a path may begin or end inside a word: --file=.env, HEAD:.env
_WORD_BREAK = re.compile(r"[=:,@]")


def paths_in(word: str) -> list[str]:
    """What in a word of a command may be a path."""
    return list(dict.fromkeys([word, *_WORD_BREAK.split(word)]))


def secret_word(word: str) -> bool:
    """Whether a word of a command names a file that holds secrets."""
    return any(is_secret(piece) for piece in paths_in(word))
