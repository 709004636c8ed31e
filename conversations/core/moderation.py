"""What moderation knows: kinds of checks, the states of a flag, and scoring a text against a rule's words.

A score goes from 0 to 1. What needs a model of language (examples) is scored from vectors that the caller has made.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# Beyond this nobody reads a message, and checks would take their time.
MOST_CHARACTERS = 100_000
EXCERPT_CHARACTERS = 320


class CheckKind(StrEnum):
    PROFANITY = "profanity"
    PERSONAL = "personal"
    SECRETS = "secrets"
    GIBBERISH = "gibberish"
    REPETITION = "repetition"
    PHRASES = "phrases"
    EXAMPLES = "examples"

    @property
    def label(self) -> str:
        return _LABELS[self]


# They judge how somebody writes. A file of data or of a program is neither prose nor a sentence.
OF_TYPED_TEXT = frozenset({CheckKind.GIBBERISH, CheckKind.REPETITION})

_LABELS = {
    CheckKind.PROFANITY: "profanity (word list)",
    CheckKind.PERSONAL: "personal data",
    CheckKind.SECRETS: "secrets (keys, passwords)",
    CheckKind.GIBBERISH: "gibberish",
    CheckKind.REPETITION: "repetition and many links",
    CheckKind.PHRASES: "phrases",
    CheckKind.EXAMPLES: "like examples (by meaning)",
}


class FlagState(StrEnum):
    OPEN = "open"
    CLAIMED = "claimed"  # somebody is looking at it
    DECIDED = "decided"


class FlagOutcome(StrEnum):
    HIDDEN = "hidden"
    RESTORED = "restored"  # was hidden, and is not any more
    DISMISSED = "dismissed"
    WARNED = "warned"
    BLOCKED = "blocked"


class Hold(StrEnum):
    """Why a queued run may not be claimed yet. Empty in the tables: it may."""

    CHECK = "check"  # its message has not been checked
    REVIEW = "review"  # its message was flagged, and staff has not decided


@dataclass(frozen=True, slots=True)
class Hit:
    """What a rule has found: how sure it is, and where (code points)."""

    score: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Excerpt:
    text: str
    hit_start: int
    hit_end: int

    def named(self, name: str) -> "Excerpt":
        """With the name of what it is from in front of it."""
        head = f"[{name}] " if name else ""
        return Excerpt(head + self.text, self.hit_start + len(head), self.hit_end + len(head))

    @property
    def parts(self) -> tuple[str, str, str]:
        """What stands before the hit, the hit, and what stands behind it."""
        return (
            self.text[: self.hit_start],
            self.text[self.hit_start : self.hit_end],
            self.text[self.hit_end :],
        )


def excerpt_around(text: str, hit: Hit, *, most: int = EXCERPT_CHARACTERS) -> Excerpt:
    """The hit, cut if it is long, with what stands around it; an ellipsis where the text goes on."""
    end = min(hit.end, hit.start + most)
    spare = max(most - (end - hit.start), 0)
    begin = max(hit.start - spare // 2, 0)
    stop = min(end + (spare - (hit.start - begin)), len(text))
    before, after = "…" if begin else "", "…" if stop < len(text) else ""
    shift = len(before) - begin
    return Excerpt(f"{before}{text[begin:stop]}{after}", hit.start + shift, end + shift)


# Phrases

_IGNORED = {"\u200b", "\u200c", "\u200d", "\u2060", "\ufeff", "\u00ad"}


@dataclass(frozen=True, slots=True)
class _Folded:
    """A text made comparable, and where each of its characters came from."""

    text: str
    places: Sequence[int]


def _fold(text: str) -> _Folded:
    """Compatibility forms, no accents, no case, no invisible characters, single blanks."""
    out: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        if character in _IGNORED:
            continue
        for piece in unicodedata.normalize("NFKD", character).casefold():
            if unicodedata.combining(piece):
                continue
            if piece.isspace():
                if not out or out[-1] == " ":
                    continue
                piece = " "
            elif piece in "\u2019\u2018`\u00b4":
                piece = "'"
            out.append(piece)
            places.append(place)
    return _Folded("".join(out), places)


def lines_of(text: str) -> list[str]:
    """The lines that say something; a line that begins with # is a remark."""
    return [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def phrase_pattern(phrases: Sequence[str]) -> re.Pattern[str] | None:
    """One pattern for all phrases, to be used on folded text; None without any."""
    made = []
    for phrase in phrases:
        words = _fold(phrase).text.split()
        made += [r"\s+".join(_word(word) for word in words)] if words else []
    # Longer ones first: of two that begin alike the whole one is shown.
    return re.compile(rf"(?<!\w)(?:{'|'.join(sorted(made, key=len, reverse=True))})(?!\w)") if made else None


def _word(word: str) -> str:
    return re.escape(word[:-1]) + r"\w*" if len(word) > 1 and word.endswith("*") else re.escape(word)


def score_phrases(text: str, pattern: re.Pattern[str] | None) -> Hit | None:
    """1 where one of the phrases stands in the text as whole words."""
    if pattern is None:
        return None
    folded = _fold(text[:MOST_CHARACTERS])
    found = pattern.search(folded.text)
    if found is None or found.end() == found.start():
        return None
    return Hit(1.0, folded.places[found.start()], folded.places[found.end() - 1] + 1)


# Examples

_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+|\n+")
MOST_WINDOWS = 12


@dataclass(frozen=True, slots=True)
class Window:
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def windows(text: str, *, most_characters: int = 240, most: int = MOST_WINDOWS) -> list[Window]:
    """Sentences of the text, short ones put together, long ones cut: what is compared with examples.

    Of a long text the beginning and the end are taken: it is read for what stands out, not word for word.
    """
    sentences = []
    position = 0
    for match in [*_SENTENCE_END.finditer(text[:MOST_CHARACTERS]), None]:
        end = match.start() if match else min(len(text), MOST_CHARACTERS)
        sentences += _cut(text, position, end, most_characters)
        position = match.end() if match else end
    if len(sentences) <= most:
        return sentences
    return sentences[: most - most // 3] + sentences[-(most // 3) :]


def _cut(text: str, start: int, end: int, most: int) -> list[Window]:
    return [
        Window(piece, begin)
        for begin in range(start, end, most)
        if (piece := text[begin : min(begin + most, end)]).strip()
    ]


def score_examples(
    parts: Sequence[Window], nearest: Sequence[float], nearest_harmless: Sequence[float]
) -> Hit | None:
    """The best of the windows, by its similarity to the nearest example; what is nearer to a harmless one is no hit."""
    best: Hit | None = None
    for window, near, harmless in zip(parts, nearest, nearest_harmless, strict=True):
        score = min(max(near, 0.0), 1.0)
        if near > harmless and (best is None or score > best.score):
            best = Hit(score, window.start, window.end)
    return best
