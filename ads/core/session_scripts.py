"""How the business's side of a session speaks when no language model does: it asks for one field after the other."""

import re
from collections.abc import Mapping, Sequence

MAX_VALUE = 1_000


def words_for(field: str) -> str:
    """`team_size` as people say it."""
    return " ".join(field.replace("_", " ").replace("-", " ").split())


def pending(required: Sequence[str], data: Mapping[str, object]) -> list[str]:
    """The required fields that nothing is known of, in order; a blank text says nothing."""
    return [name for name in required if data.get(name) is None or not str(data[name]).strip()]


def answers_in(text: str, missing: Sequence[str]) -> dict[str, str]:
    """What a message answers: `field: value` where fields are named, else all of it answers the first missing one."""
    named = {}
    for field in missing:
        words = r"[ _-]+".join(map(re.escape, words_for(field).split()))
        match = re.search(rf"\b{words}\b\s*(?:[:=]|\bis\b)\s*([^,;\n]+)", text, re.IGNORECASE)
        if match and match[1].strip():
            named[field] = match[1].strip()[:MAX_VALUE]
    if named or not missing or not text.strip():
        return named
    return {missing[0]: text.strip()[:MAX_VALUE]}


def greeting(sponsor: str, offer: str, missing: Sequence[str]) -> str:
    return f"Welcome to {sponsor}: {offer}. {request_for(missing)}"


def request_for(missing: Sequence[str]) -> str:
    """What is asked next."""
    if not missing:
        return "That is all we need: end the session to send it."
    if len(missing) == 1:
        return f"Please tell us: {words_for(missing[0])}."
    others = ", ".join(words_for(field) for field in missing[1:])
    return f"Please tell us: {words_for(missing[0])}. After that we need: {others}."


def summary(sponsor: str, required: Sequence[str], data: Mapping[str, object]) -> str:
    """One line of what the business was given."""
    known = [f"{words_for(name)}: {data[name]}" for name in required if name not in pending(required, data)]
    return f"{sponsor}: {'; '.join(known)}" if known else f"{sponsor}: nothing was asked for."
