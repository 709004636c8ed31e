"""People are blocked and let in again, by staff."""

from typing import Any

from django.db import transaction

from penguin_site import audit, principals
from penguin_site.errors import Conflict, Forbidden
from penguin_site.models import User


class NotOneself(Conflict):
    """Nobody can block themselves."""

    code = "not_oneself"


class OnlyBySuperusers(Forbidden):
    """Only a superuser can block a superuser or let one in again."""


class BlockedAlready(Conflict):
    """Somebody was faster: there is nothing left to do."""

    code = "no_change"


def block(user: User, *, actor: User, request: Any = None) -> None:
    """Ends all ways in: the password, browser sessions, keys. What another process remembers ends in seconds."""
    if user.pk == actor.pk:
        raise NotOneself
    _set_active(user, False, "user.blocked", actor=actor, request=request)


def unblock(user: User, *, actor: User, request: Any = None) -> None:
    """Takes a block back: what was not revoked meanwhile works again."""
    _set_active(user, True, "user.unblocked", actor=actor, request=request)


def _set_active(user: User, is_active: bool, action: str, *, actor: User, request: Any) -> None:
    if user.is_superuser and not actor.is_superuser:
        raise OnlyBySuperusers
    with transaction.atomic():
        if not User.objects.filter(pk=user.pk, is_active=not is_active).update(is_active=is_active):
            raise BlockedAlready
        before, after = {"is_active": not is_active}, {"is_active": is_active}
        audit.record(actor, action, user, before, after, request)
        transaction.on_commit(principals.remembered.clear)
