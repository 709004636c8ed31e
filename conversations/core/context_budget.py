"""Whether a request fits a model's context window, and which turns a summary has to replace when it does not."""

from collections.abc import Sequence

# Estimates count rather too many tokens. A request is only refused here when even a third less would not fit; between
# the two the provider decides.
CERTAIN_SHARE = 2 / 3
# Kept free for the answer.
ANSWER_SHARE = 0.2
MOST_ANSWER_TOKENS = 8_000
# A compaction keeps the newest turns up to this share of the window as they are.
KEPT_SHARE = 0.4


def room_for_prompt(window: int) -> int:
    """Tokens of the window that a prompt may take."""
    return window - min(int(window * ANSWER_SHARE), MOST_ANSWER_TOKENS)


def fits(tokens: int, window: int) -> bool:
    return tokens <= room_for_prompt(window)


def is_hopeless(tokens: int, window: int) -> bool:
    return tokens * CERTAIN_SHARE > window


def summarise_through(turns: Sequence[tuple[int, int]], window: int) -> int | None:
    """The last turn that a summary should replace; None when nothing lies before the current turn.

    `turns`: (turn, tokens) of everything before the current turn, oldest first.
    """
    kept = 0
    for turn, tokens in reversed(turns):
        kept += tokens
        if kept > window * KEPT_SHARE:
            return turn
    # All of it is small: then it is the current turn that is large, and the whole past makes room for it.
    return turns[-1][0] if turns else None
