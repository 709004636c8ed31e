"""How much a tool call may do, in one word for people who decide about many."""

from enum import StrEnum

from conversations.core.touched import Touched


class Risk(StrEnum):
    LOW = "low"  # it only looks
    MEDIUM = "medium"  # what it does is seen in the call, and can be put right
    HIGH = "high"  # it cannot be undone, reaches out, or nobody can say what it does


def risk_of(operation: str, touched: Touched, *, sandbox: str) -> tuple[Risk, str]:
    """The risk of a call and why, in a sentence. `sandbox` is the level it would run at."""
    if operation == "delete" or touched.deletes:
        return Risk.HIGH, "It deletes files."
    if operation == "execute" and sandbox == "none":
        return Risk.HIGH, "The command would run without a sandbox."
    if operation == "execute" and touched.argvs is None:
        return Risk.HIGH, "The command cannot be taken apart: all that it runs is not known."
    if touched.foreign:
        return Risk.HIGH, "A tool of a foreign server: what it does cannot be seen here."
    if touched.network or operation == "network":
        return Risk.HIGH, "It reaches out to the network."
    if operation == "execute":
        return Risk.MEDIUM, "A command in the sandbox."
    if operation == "write" or touched.writes:
        return Risk.MEDIUM, "It changes files of the session's directory."
    return Risk.LOW, "It only reads."
