"""Who is asking: keys, sessions and tickets are turned into principals here, for HTTP and sockets alike."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import SimpleNamespace

from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.hashers import make_password
from django.db.models import Q
from django.utils import timezone

from penguin_site.core.secret_tokens import is_one_of, new_token, token_hash
from penguin_site.models import ApiKey, Ticket, User
from penguin_site.peers import Peer
from penguin_site.startup_token import startup_token

SCOPES = ("read", "chat", "tools", "approvals:decide", "tasks", "ads:admin")
_STAFF_SCOPES = frozenset({"ads:admin"})
OWNER_NAME = "owner"
TICKET_SECONDS = 30
# What is looked up is remembered so long: a revoked key may work for this time in another process.
CACHE_SECONDS = 10
_CACHE_SIZE = 10_000
_LAST_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody with a way in. `kind`: `owner` (configured key, startup token), `key`, `session`, `open` (no auth)."""

    user_id: int
    username: str
    is_local_owner: bool
    scopes: frozenset[str]
    kind: str
    key_id: int | None = None
    session_key: str | None = None

    def may(self, scope: str) -> bool:
        return scope in self.scopes or (scope == "read" and "chat" in self.scopes)


class _Remembered:
    """Look-ups of the last seconds, by the hash of what was shown (never the key itself)."""

    def __init__(self) -> None:
        self._entries: dict[bytes, tuple[float, Principal, User]] = {}

    def get(self, digest: bytes) -> tuple[Principal, User] | None:
        entry = self._entries.get(digest)
        if entry is None or entry[0] < time.monotonic():
            return None
        return entry[1], entry[2]

    def put(self, digest: bytes, principal: Principal, user: User) -> None:
        if len(self._entries) >= _CACHE_SIZE:
            self._entries.clear()
        self._entries[digest] = (time.monotonic() + CACHE_SECONDS, principal, user)

    def clear(self) -> None:
        self._entries.clear()


remembered = _Remembered()
_OWNER_DIGEST = b"owner"
_OPEN_DIGEST = b"open"


def scopes_of(user: User) -> frozenset[str]:
    """Everything a user can do with a session, or can give to a key."""
    return frozenset(SCOPES) if user.is_staff else frozenset(SCOPES) - _STAFF_SCOPES


def local_owner_user() -> User:
    """The row of the local owner, made when it is first needed (by however many processes at once)."""
    user, _ = User.objects.get_or_create(
        username=OWNER_NAME,
        defaults={"is_staff": True, "is_superuser": True, "password": make_password(None)},
    )
    return user


def _local_owner(kind: str) -> tuple[Principal, User] | None:
    digest = _OPEN_DIGEST if kind == "open" else _OWNER_DIGEST
    if known := remembered.get(digest):
        return known
    user = local_owner_user()
    if not user.is_active:
        return None
    principal = Principal(user.pk, user.username, True, frozenset(SCOPES), kind)
    remembered.put(digest, principal, user)
    return principal, user


def _is_owners_key(key: str, peer: Peer) -> bool:
    if settings.PENGUIN_API_KEYS:
        return is_one_of(key, settings.PENGUIN_API_KEYS)
    return _is_startup_token(key, peer)


def _is_startup_token(key: str, peer: Peer) -> bool:
    token = startup_token()
    return bool(token and peer.is_this_machine and is_one_of(key, [token]))


def by_nothing() -> tuple[Principal, User] | None:
    """Where authentication is off everybody is the local owner, whatever they show."""
    return None if settings.PENGUIN_AUTH_ENABLED else _local_owner("open")


def by_key(key: str, peer: Peer) -> tuple[Principal, User] | None:
    """The principal and user behind a key, or None. May ask the database, see `remembered_by_key`."""
    if _is_owners_key(key, peer):
        return _local_owner("owner")
    digest = token_hash(key)
    if known := remembered.get(digest):
        return known
    now = timezone.now()
    found = ApiKey.objects.usable(now).select_related("user").filter(key_hash=digest).first()
    if found is None:
        return None
    ApiKey.objects.filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - _LAST_USED_EVERY), pk=found.pk
    ).update(last_used_at=now)
    principal = _of_key(found)
    remembered.put(digest, principal, found.user)
    return principal, found.user


def remembered_by_key(key: str, peer: Peer) -> Principal | None:
    """What `by_key` would answer, as far as it is known without the database: for the event loop."""
    known = remembered.get(_OWNER_DIGEST if _is_owners_key(key, peer) else token_hash(key))
    return known[0] if known else None


def remembered_by_nothing() -> Principal | None:
    known = remembered.get(_OPEN_DIGEST)
    return known[0] if known else None


def _of_key(key: ApiKey) -> Principal:
    scopes = frozenset(key.scopes) & scopes_of(key.user)
    return Principal(key.user.pk, key.user.username, False, scopes, "key", key_id=key.pk)


def of_session(user: User, session_key: str) -> Principal:
    is_owner = user.username == OWNER_NAME and user.is_superuser
    return Principal(user.pk, user.username, is_owner, scopes_of(user), "session", session_key=session_key)


def by_session_key(session_key: str) -> tuple[Principal, User] | None:
    """The principal of a browser's session cookie, checked as Django does (password change, inactive user)."""
    store = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(SimpleNamespace(session=store))  # type: ignore[arg-type]
    if not user.is_authenticated or not user.is_active:
        return None
    return of_session(user, session_key), user  # type: ignore[arg-type]


def make_ticket(principal: Principal, *, now: datetime) -> str:
    """A single-use way in for a socket or event stream, as this principal, within TICKET_SECONDS."""
    ticket = new_token()
    Ticket.objects.create(
        token_hash=token_hash(ticket),
        user_id=principal.user_id,
        kind=principal.kind,
        key_id=principal.key_id,
        session_key=principal.session_key or "",
        loopback_only=principal.kind == "owner" and not settings.PENGUIN_API_KEYS,
        expires_at=now + timedelta(seconds=TICKET_SECONDS),
    )
    return ticket


def by_ticket(ticket: str, peer: Peer) -> tuple[Principal, User] | None:
    """Uses a ticket up. What stood behind it must still be valid: a ticket does not outlive its key or session."""
    now = datetime.now(UTC)
    # One statement takes it: of two sockets with one ticket the second finds nothing.
    taken = list(
        Ticket.objects.raw(
            "DELETE FROM ticket WHERE token_hash = %s RETURNING id, kind, key_id, session_key, loopback_only,"
            " expires_at, user_id",
            [token_hash(ticket)],
        )
    )
    if not taken or taken[0].expires_at <= now or (taken[0].loopback_only and not peer.is_this_machine):
        return None
    row = taken[0]
    if row.kind == "key":
        key = ApiKey.objects.usable(now).select_related("user").filter(pk=row.key_id).first()
        return (_of_key(key), key.user) if key else None
    if row.kind == "session":
        return by_session_key(row.session_key)
    return by_nothing() if row.kind == "open" else _local_owner("owner")
