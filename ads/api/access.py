"""Who asks: agents with their key in `X-AM-API-Key`, and visitors where no key is needed."""

import hmac
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from ads import agents, keys
from ads.core.key_texts import KeyHolder, key_hash
from ads.core.tokens import Environment
from ads.models import AdKey, Agent
from penguin_site.errors import Forbidden, NotAuthenticated

# A live key is remembered so long: a revoked one may work for this time in another process. Test keys are looked up
# each time, as their agent's clock may just have been moved, and so are agents that wait for their approval.
REMEMBERED_SECONDS = 10.0
_MOST = 10_000


class MissingKey(NotAuthenticated):
    """An API key is required: send it as X-AM-API-Key."""


class WrongKey(NotAuthenticated):
    """This API key is not valid: it is unknown, revoked or expired."""


class WrongAnonKey(NotAuthenticated):
    """This installation wants its public key too: send it as Authorization: Bearer."""


class AgentPending(Forbidden):
    """This agent has not been approved yet: until then use its test key."""

    code = "agent_pending"


class AgentSuspended(Forbidden):
    """This agent is suspended."""


@dataclass(frozen=True, slots=True)
class Caller:
    """An agent with one of its keys. `now` is the time by its own clock."""

    agent: Agent
    environment: Environment
    key_id: int
    kind = "agent"

    @property
    def rate_bucket(self) -> str:
        return f"ads:{self.agent.pk.hex}:{self.environment}"

    def now(self) -> datetime:
        return agents.time_of(self.agent, self.environment, now=timezone.now())


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody without a key, known by address as far as limits go."""

    address: str
    kind = "visitor"

    @property
    def rate_bucket(self) -> str:
        return f"ads:visitor:{self.address}"


_remembered: dict[bytes, tuple[float, AdKey]] = {}


def forget() -> None:
    _remembered.clear()


def _key_of(text: str) -> AdKey | None:
    digest = key_hash(text)
    known = _remembered.get(digest)
    if known and known[0] > time.monotonic():
        return known[1]
    key = keys.find(text, KeyHolder.AGENT, now=timezone.now())
    is_active = key is not None and key.agent is not None and key.agent.status == Agent.Status.ACTIVE
    if key is not None and is_active and key.environment == Environment.LIVE:
        if len(_remembered) >= _MOST:
            _remembered.clear()
        _remembered[digest] = (time.monotonic() + REMEMBERED_SECONDS, key)
    return key


class AgentKey(BaseAuthentication):
    """The developer's key. `Authorization` carries the installation's public key, looked at where that is required."""

    def authenticate(self, request: Request) -> tuple[None, Any]:
        return None, caller_of(request._request)

    def authenticate_header(self, request: Request) -> str:
        return 'ApiKey header="X-AM-API-Key"'


def caller_of(request: HttpRequest) -> Caller:
    """Whose key the request carries; raises NotAuthenticated or Forbidden."""
    check_anon_key(request)
    text = request.META.get("HTTP_X_AM_API_KEY", "").strip()
    if not text:
        raise MissingKey
    key = _key_of(text)
    if key is None or key.agent is None:
        raise WrongKey
    if key.agent.status == Agent.Status.SUSPENDED:
        raise AgentSuspended
    if key.environment == Environment.LIVE and key.agent.status != Agent.Status.ACTIVE:
        raise AgentPending
    caller = Caller(key.agent, Environment(key.environment), key.pk)
    request.principal = caller  # for the log line
    return caller


def check_anon_key(request: HttpRequest) -> None:
    """Raises WrongAnonKey where the installation wants its public key and another one, or none, was sent."""
    if not settings.PENGUIN_REQUIRE_ANON_KEY:
        return
    bearer = request.headers.get("Authorization", "").partition(" ")[2].strip()
    sent = bearer or request.headers.get("apikey", "")
    if not hmac.compare_digest(sent.encode(), settings.PENGUIN_ANON_KEY.encode()):
        raise WrongAnonKey


class NoKey(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[None, Any]:
        return None, Visitor(address_of(request._request))


def address_of(request: HttpRequest) -> str:
    """The client's, behind whatever trusted proxies stand before this server."""
    peer = getattr(request, "peer", None)
    return peer.address if peer else request.META.get("REMOTE_ADDR", "")
