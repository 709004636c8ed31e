"""`{a,b}` in patterns of paths, as shells spell out: `*.{ts,tsx}` is `*.ts` and `*.tsx`."""

MOST_PATTERNS = 64


class InvalidGlob(ValueError):
    """The pattern cannot be used; the message says why."""


def spelled_out(pattern: str) -> list[str]:
    """The patterns without braces that a pattern stands for. Braces that do not match are themselves."""
    done: list[str] = []
    pending = [pattern]
    while pending:
        if len(pending) + len(done) > MOST_PATTERNS:
            raise InvalidGlob(f"the pattern stands for more than {MOST_PATTERNS} patterns")
        current = pending.pop(0)
        parts = _alternatives(current)
        if parts is None:
            done.append(current)
        else:
            pending += parts
    return list(dict.fromkeys(done))


def _alternatives(pattern: str) -> list[str] | None:
    """The pattern once for each alternative in its last innermost braces; None without braces."""
    start = pattern.rfind("{")
    while start >= 0:
        end = pattern.find("}", start)
        inner = pattern[start + 1 : end]
        if end > 0 and "," in inner:
            return [pattern[:start] + one + pattern[end + 1 :] for one in inner.split(",")]
        start = pattern.rfind("{", 0, start)
    return None
