"""Notices an agent that goes in circles."""

from collections.abc import Hashable, Sequence

# So many model calls in a row that make the same calls and get the same results: a person is asked.
MOST_REPEATS = 3


def goes_in_circles(steps: Sequence[Hashable]) -> bool:
    """`steps`: what each model call so far has asked for and got, oldest first; None for one without tool calls."""
    last = steps[-MOST_REPEATS:]
    return len(last) == MOST_REPEATS and last[0] is not None and len(set(last)) == 1
