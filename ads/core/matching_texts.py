"""Which part of what a user said is compared, and how words are compared when no embedding is to be had in time."""

import re
from collections.abc import Mapping

MAX_CHARACTERS = 500
_LAST_WORDS = 160
_WORD = re.compile(r"\w+")
_COMMON_WORDS = (
    "a an and are as at be by can could do for from get give help how i if in is it its me my need of on one or our"
    " please should so some that the their them there this to us want was we what when where which who will with"
    " would you your der die das und ein eine ich mir mein wie was wo ist brauche suche für mit"
    " le la les un une des et je mon ma comment où est pour avec"
)
_COMMON = frozenset(_COMMON_WORDS.split())


def texts_to_embed(context: str, user_intent: str = "") -> list[str]:
    """One text or two. A long context is cut to its newest part, and its last words are compared alone as well.

    A whole conversation is about many things; what is asked for stands at its end.
    """
    context, user_intent = " ".join(context.split()), " ".join(user_intent.split())[:MAX_CHARACTERS]
    room = MAX_CHARACTERS - len(user_intent) - 1
    newest = _from_a_word(context, room) if room > 0 else ""
    texts = [f"{user_intent} {newest}".strip()]
    if len(newest) > 2 * _LAST_WORDS:
        texts.append(_from_a_word(context, _LAST_WORDS))
    return texts


def words_of(text: str) -> frozenset[str]:
    """The words that say something, without their commonest endings."""
    return frozenset(
        _stem(word) for word in _WORD.findall(text.casefold()) if word not in _COMMON and len(word) > 1
    )


def overlap(words: frozenset[str], others: frozenset[str]) -> int:
    """How alike two sets of words are, in ten-thousandths: shared words over the geometric mean of both sizes."""
    shared = len(words & others)
    return int(10_000 * shared / (len(words) * len(others)) ** 0.5) if shared else 0


def rarest(words: frozenset[str], counts: Mapping[str, int], *, most: int) -> frozenset[str]:
    """The words in fewest texts, as many of them as occur in `most` texts together, but one that does occur at least.

    `counts`: in how many texts a word is; 0 for those that are not there.
    """
    chosen, total = set(), 0
    for word in sorted(words, key=lambda word: (counts.get(word, 0), word)):
        if total and total + counts.get(word, 0) > most:
            break
        chosen.add(word)
        total += counts.get(word, 0)
    return frozenset(chosen)


def _from_a_word(text: str, length: int) -> str:
    if len(text) <= length:
        return text
    cut = text[-length:]
    return cut[cut.find(" ") + 1 :]


def _stem(word: str) -> str:
    for ending in ("ings", "ing", "ies", "es", "s", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word
