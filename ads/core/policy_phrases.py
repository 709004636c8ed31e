"""What stands in an ad that should not: phrases of the policy, and ways of writing that hide or pretend something."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

# Characters that are not seen, or that turn the direction of what is: they hide words from people or from us.
_HIDDEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"
)
_WORDS = re.compile(r"\w+")
_SHOUTED = 0.7
_SHOUTED_FROM = 12
_TALL = re.compile(r"[!?]{3,}|(?:[$€£]){3,}")


@dataclass(frozen=True, slots=True)
class Phrase:
    text: str
    is_forbidden: bool
    note: str


@dataclass(frozen=True, slots=True)
class Hit:
    """`field` names the text, `found` is what stands there; a forbidden one keeps the ad from being approved."""

    field: str
    found: str
    is_forbidden: bool
    note: str


def plain(text: str) -> str:
    """The words alone, one blank between them, without what could hide a phrase: case, accents, odd characters."""
    folded = unicodedata.normalize("NFKD", _HIDDEN.sub("", text)).casefold()
    bare = "".join(character for character in folded if not unicodedata.combining(character))
    return " ".join(_WORDS.findall(bare))


def phrase_hits(texts: Mapping[str, str], phrases: Iterable[Phrase]) -> list[Hit]:
    """Where the phrases stand as whole words. A phrase without a letter or digit stands nowhere."""
    plain_texts = {name: f" {plain(text)} " for name, text in texts.items()}
    hits = []
    for phrase in phrases:
        words = plain(phrase.text)
        hits += [
            Hit(name, phrase.text, phrase.is_forbidden, phrase.note)
            for name, text in plain_texts.items()
            if words and f" {words} " in text
        ]
    return hits


def writing_hits(texts: Mapping[str, str]) -> list[Hit]:
    """Ways of writing that deserve a second look; hidden characters are never approved."""
    hits = []
    for name, text in texts.items():
        if hidden := _HIDDEN.search(text):
            code = f"U+{ord(hidden.group()):04X}"
            hits.append(Hit(name, code, True, "A character that nobody sees, or that turns the text around."))
        letters = [character for character in text if character.isalpha()]
        capitals = sum(character.isupper() for character in letters)
        if len(letters) >= _SHOUTED_FROM and capitals > _SHOUTED * len(letters):
            hits.append(Hit(name, "CAPITALS", False, "Most of it is written in capitals."))
        if tall := _TALL.search(text):
            hits.append(Hit(name, tall.group(), False, "More signs than a sentence needs."))
    return hits


def host_of(url: str) -> str:
    """The host of an address, as it is written; empty where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def address_hits(name: str, url: str) -> list[Hit]:
    """What a reviewer should know of an address that is allowed."""
    host = host_of(url)
    if any(label.startswith("xn--") for label in host.split(".")):
        return [Hit(name, host, False, "The name has letters of another script: look what it resembles.")]
    return []
