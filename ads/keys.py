"""Keys of agents and advertisers: issued, replaced with a grace period, revoked, recognised."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from ads.core.key_texts import KeyHolder, key_hash, kind_of, new_key
from ads.core.tokens import Environment
from ads.models import AdKey, Advertiser, Agent
from penguin_site import audit
from penguin_site.errors import Conflict

GRACE = timedelta(hours=24)
LAST_USED_EVERY = timedelta(minutes=1)


class KeyNotActive(Conflict):
    """This key is no longer in use."""

    code = "key_not_active"


def issue(
    holder: Agent | Advertiser,
    environment: Environment,
    *,
    now: datetime,
    actor: Any = None,
    request: Any = None,
) -> tuple[AdKey, str]:
    """A new key and its text, which nobody can show again. Audited where somebody of staff (`actor`) does it."""
    if isinstance(holder, Advertiser) and holder.environment != environment:
        raise ValueError("an advertiser has keys of its own environment only")
    kind = KeyHolder.AGENT if isinstance(holder, Agent) else KeyHolder.ADVERTISER
    text, prefix = new_key(kind, environment)
    with transaction.atomic():
        key = AdKey.objects.create(
            prefix=prefix,
            key_hash=key_hash(text),
            agent=holder if isinstance(holder, Agent) else None,
            advertiser=holder if isinstance(holder, Advertiser) else None,
            environment=environment.value,
            created_at=now,
        )
        _audit("ad_key.issued", key, actor, request)
    return key, text


def rotate(key: AdKey, *, now: datetime, actor: Any = None, request: Any = None) -> tuple[AdKey, str]:
    """A new key in the place of `key`, which goes on working for a day."""
    with transaction.atomic():
        replaced = AdKey.objects.filter(pk=key.pk, revoked_at=None, expires_at=None).update(
            expires_at=now + GRACE
        )
        if not replaced:
            raise KeyNotActive
        _audit("ad_key.rotated", key, actor, request)
        holder: Any = key.agent or key.advertiser
        return issue(holder, Environment(key.environment), now=now, actor=actor, request=request)


def revoke(key: AdKey, *, now: datetime, actor: Any = None, request: Any = None) -> bool:
    """Whether nobody had revoked it before."""
    with transaction.atomic():
        revoked = AdKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now)
        if revoked:
            _audit("ad_key.revoked", key, actor, request)
    return bool(revoked)


def _audit(action: str, key: AdKey, actor: Any, request: Any) -> None:
    if actor is not None:
        facts = {"prefix": key.prefix, "agent": key.agent_id, "advertiser": key.advertiser_id}
        audit.record(actor, action, key, after=facts, request=request)


def find(text: str, holder: KeyHolder, *, now: datetime) -> AdKey | None:
    """The key with this text and its holder, if it can be used now."""
    kind = kind_of(text)
    if kind is None or kind.holder is not holder:
        return None
    key = (
        AdKey.objects.usable(now)
        .select_related("agent", "advertiser")
        .filter(key_hash=key_hash(text))
        .first()
    )
    if key is not None:
        AdKey.objects.filter(
            Q(last_used_at=None) | Q(last_used_at__lt=now - LAST_USED_EVERY), pk=key.pk
        ).update(last_used_at=now)
    return key
