"""Checks of a text that need nothing but the text: word lists, patterns with checksums, statistics (pygarble)."""

import re
from collections import Counter
from collections.abc import Collection
from functools import cache

from pygarble.gibberish import EnsembleDetector
from pygarble.screening import Scanner

from conversations.core.moderation import MOST_CHARACTERS, CheckKind, Hit

_CATEGORIES = {CheckKind.PROFANITY: "profanity", CheckKind.PERSONAL: "pii", CheckKind.SECRETS: "secrets"}
_FENCE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.S)
_ADDRESS = re.compile(r"\bhttps?://\S{1,2000}|\bwww\.\S{1,2000}", re.I)
_WORD = re.compile(r"\w+")

# Statistics say nothing about shorter texts.
_LEAST_LETTERS = 12
_LEAST_WORDS = 20
# So many different addresses in one message are as much as a text of nothing but one line.
_MANY_ADDRESSES = 8


def screen(kind: CheckKind, text: str, *, only: Collection[str] = ()) -> Hit | None:
    """The surest finding of a kind; `only` names what counts (`email`, `credit_card`, and of profanity `strong`)."""
    report = _scanner(_CATEGORIES[kind]).scan(text[:MOST_CHARACTERS])
    found = [
        finding for finding in report.findings if not only or finding.kind in only or finding.reason in only
    ]
    if not found:
        return None
    best = max(found, key=lambda finding: finding.confidence)
    return Hit(min(max(float(best.confidence), 0.0), 1.0), best.start, best.end)


@cache
def _scanner(category: str) -> Scanner:
    return Scanner(categories=[category], max_input_length=MOST_CHARACTERS)


@cache
def _detector() -> EnsembleDetector:
    return EnsembleDetector()


def score_gibberish(text: str) -> Hit | None:
    """How much the text looks like random keys. Of Latin letters only: the statistics are those of English, and any
    other script would be nothing but gibberish to them. Code and addresses do not count."""
    prose = _blanked(_blanked(text[:4000], _FENCE), _ADDRESS)
    letters = [character for character in prose if character.isalpha()]
    plain = sum(character.isascii() for character in letters)
    if len(letters) < _LEAST_LETTERS or plain < 0.95 * len(letters):
        return None
    stripped = prose.strip()
    start = prose.index(stripped)
    score = _detector().score(stripped)
    assert isinstance(score, float)  # of one text; a list for several
    return Hit(min(max(score, 0.0), 1.0), start, start + len(stripped))


def score_repetition(text: str) -> Hit | None:
    """How much of the text is the same again, or nothing but addresses."""
    text = text[:MOST_CHARACTERS]
    prose = _blanked(text, _FENCE)
    scores = [_same_lines(prose), _same_words(prose), _addresses(prose)]
    score = max(scores)
    return Hit(score, 0, len(text)) if score > 0 else None


def _same_lines(text: str) -> float:
    lines = [line.strip().casefold() for line in text.splitlines() if len(line.strip()) > 3]
    if len(lines) < 6:
        return 0.0
    return 1 - len(set(lines)) / len(lines)


def _same_words(text: str) -> float:
    words = _WORD.findall(text.casefold())
    if len(words) < _LEAST_WORDS:
        return 0.0
    (_, often), *_ = Counter(words).most_common(1)
    # In any language the most frequent word is under a tenth of a longer text.
    return max((often / len(words) - 0.2) / 0.8, 0.0)


def _addresses(text: str) -> float:
    return min(len(set(_ADDRESS.findall(text))) / _MANY_ADDRESSES, 1.0)


def _blanked(text: str, pattern: re.Pattern[str]) -> str:
    """The matches as blanks of the same length, so that places stay."""
    return pattern.sub(lambda match: " " * len(match[0]), text)
