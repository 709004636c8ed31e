"""The tokens of decisions, signed with this installation's keys."""

from functools import lru_cache
from uuid import UUID

from django.conf import settings

from ads.core import tokens
from ads.core.books import environment_of
from ads.core.tokens import SigningKey, TokenFacts
from ads.decision_records import Placed
from ads.decisions import Decision


@lru_cache(maxsize=4)
def _keys_of(secrets: tuple[str, ...]) -> tuple[SigningKey, ...]:
    return tuple(SigningKey.of(secret) for secret in secrets)


def signing_keys() -> tuple[SigningKey, ...]:
    """The newest first: it signs, all are accepted."""
    return _keys_of(tuple(settings.PENGUIN_AD_SIGNING_KEYS))


def facts_of(decision: Decision, placed: Placed, agent_id: UUID) -> TokenFacts:
    return TokenFacts(
        environment=environment_of(decision.book),
        agent_id=agent_id.hex,
        decision_id=decision.id.hex,
        unit_id=placed.entry.unit.pk.hex,
        pricing=placed.pricing,
        price_cents=placed.placement.price_cents,
        issued_at=int(decision.decided_at.timestamp()),
    )


def click_token(facts: TokenFacts) -> str:
    return tokens.sign_click_token(facts, signing_keys())


def tracking_token(facts: TokenFacts) -> str:
    return tokens.sign_tracking_token(facts, signing_keys())


def read_click(token: str) -> TokenFacts:
    """Raises tokens.BadToken."""
    return tokens.read_click_token(token, signing_keys())


def read_tracking(token: str) -> TokenFacts:
    """Raises tokens.BadToken."""
    return tokens.read_tracking_token(token, signing_keys())
