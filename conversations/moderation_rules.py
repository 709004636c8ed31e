"""The rules of moderation: read, changed, and applied to a text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import transaction

from conversations.core import text_checks
from conversations.core.moderation import (
    CheckKind,
    Hit,
    Window,
    lines_of,
    phrase_pattern,
    score_examples,
    score_phrases,
    windows,
)
from conversations.models import ModerationRule
from penguin_site import audit, embeddings
from penguin_site.embeddings import Vectors
from penguin_site.errors import Unavailable

_TOLD = (
    "name",
    "kind",
    "threshold",
    "applies_to",
    "phrases",
    "examples",
    "counterexamples",
    "only",
    "notice",
    "is_on",
)


class NoEmbeddings(Unavailable):
    """The model that compares meanings is not to be had at the moment."""

    code = "no_embeddings"


@dataclass(frozen=True, slots=True)
class Finding:
    rule: ModerationRule
    hit: Hit


def rules_in_force() -> list[ModerationRule]:
    return list(ModerationRule.objects.filter(is_on=True).order_by("id"))


def check(text: str, *, role: str, rules: Sequence[ModerationRule]) -> list[Finding]:
    """What of these rules the text hits. NoEmbeddings when it cannot be compared with examples now."""
    concerned = [rule for rule in rules if rule.applies_to in (role, ModerationRule.AppliesTo.BOTH)]
    return [finding for finding in scored(text, concerned) if finding.hit.score >= finding.rule.threshold]


def scored(text: str, rules: Sequence[ModerationRule]) -> list[Finding]:
    """What each of the rules finds most like it in the text, whatever its threshold; nothing where there is nothing."""
    if not text.strip():
        return []
    findings = []
    meanings: _Meanings | None = None
    for rule in rules:
        if rule.kind == CheckKind.EXAMPLES:
            meanings = meanings or _Meanings(text)
            hit = meanings.score(rule)
        else:
            hit = _score(rule, text)
        if hit is not None:
            findings.append(Finding(rule, hit))
    return findings


def _score(rule: ModerationRule, text: str) -> Hit | None:
    match CheckKind(rule.kind):
        case CheckKind.PHRASES:
            return score_phrases(text, _pattern(rule.phrases))
        case CheckKind.GIBBERISH:
            return text_checks.score_gibberish(text)
        case CheckKind.REPETITION:
            return text_checks.score_repetition(text)
        case kind:
            return text_checks.screen(kind, text, only=rule.only)


@lru_cache(maxsize=200)
def _pattern(phrases: str) -> Any:
    return phrase_pattern(lines_of(phrases))


@lru_cache(maxsize=200)
def _vectors(examples: str) -> Vectors:
    return _embedded(lines_of(examples))


def _embedded(texts: Sequence[str]) -> Vectors:
    vectors = embeddings.embed(texts)
    if vectors is None:
        raise NoEmbeddings
    return vectors


class _Meanings:
    """A text as vectors: made once, compared with the examples of several rules."""

    def __init__(self, text: str) -> None:
        self._windows: list[Window] = windows(text)
        self._vectors: Vectors | None = None

    def score(self, rule: ModerationRule) -> Hit | None:
        examples = _vectors(rule.examples)
        if not len(examples) or not self._windows:
            return None
        if self._vectors is None:
            self._vectors = _embedded([window.text for window in self._windows])
        nearest = (self._vectors @ examples.T).max(axis=1)
        harmless = _vectors(rule.counterexamples)
        nearest_harmless = (self._vectors @ harmless.T).max(axis=1) if len(harmless) else nearest * 0 - 1
        return score_examples(self._windows, nearest.tolist(), nearest_harmless.tolist())


def save_rule(
    *, rule_id: int | None, values: Mapping[str, Any], by: Any, now: datetime, request: Any = None
) -> ModerationRule:
    """A new rule, or a changed one. Messages that were checked before are not checked again."""
    with transaction.atomic():
        before = None
        if rule_id is None:
            rule = ModerationRule(created_at=now)
        else:
            rule = ModerationRule.objects.select_for_update().get(pk=rule_id)
            before = _facts(rule)
        for name in _TOLD:
            if name in values:
                setattr(rule, name, values[name])
        rule.updated_at = now
        rule.save()
        action = "moderation.rule_changed" if before else "moderation.rule_made"
        audit.record(by, action, rule, before=before, after=_facts(rule), request=request)
    return rule


def _facts(rule: ModerationRule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in _TOLD}
