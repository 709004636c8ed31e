"""Keys that people give to their programs."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from penguin_site import audit, principals
from penguin_site.core.secret_tokens import new_api_key, token_hash
from penguin_site.errors import InvalidField
from penguin_site.models import ApiKey, User


def make_key(
    *,
    user: User,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    actor: User | None = None,
    request: Any = None,
) -> tuple[ApiKey, str]:
    """A new key for `user` and its text, which is not kept and cannot be shown again."""
    wanted = sorted(set(scopes))
    if not wanted or not set(wanted) <= principals.scopes_of(user):
        raise InvalidField("scopes", f"choose from {', '.join(sorted(principals.scopes_of(user)))}")
    text, prefix = new_api_key()
    with transaction.atomic():
        key = ApiKey.objects.create(
            user=user,
            name=name,
            prefix=prefix,
            key_hash=token_hash(text),
            scopes=wanted,
            expires_at=expires_at,
        )
        facts = {
            "user": user.get_username(),
            "name": name,
            "prefix": prefix,
            "scopes": wanted,
            "expires_at": expires_at,
        }
        audit.record(actor, "api_key.created", key, after=facts, request=request)
    return key, text


def revoke_key(*, key_id: int, now: datetime, actor: User | None = None, request: Any = None) -> bool:
    """False when it was revoked before. Sockets that were opened with it are closed within seconds."""
    with transaction.atomic():
        changed = ApiKey.objects.filter(pk=key_id, revoked_at__isnull=True).update(revoked_at=now)
        if changed:
            key = ApiKey.objects.get(pk=key_id)
            after = {"prefix": key.prefix, "revoked_at": now}
            audit.record(
                actor, "api_key.revoked", key, before={"revoked_at": None}, after=after, request=request
            )
            transaction.on_commit(principals.remembered.clear)
    return bool(changed)
