"""Grants: standing permissions, made by an approval or beforehand, listed, revoked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from conversations import sandbox
from conversations.core import grants as core
from conversations.core.grants import InvalidPattern, Matcher, Pattern
from conversations.core.page_cursors import PageCursor, parse_page_cursor
from conversations.core.tool_results import iso_z
from conversations.core.touched import Touched
from conversations.models import Approval, Conversation, Grant, ToolPin
from conversations.sessions import InvalidCursor
from conversations.tools import registry
from penguin_site import audit
from penguin_site.errors import InvalidField, NotFound

ONCE, SESSION, PATTERN, ALWAYS = "once", "session", "pattern", "always"


class GrantNotFound(NotFound):
    """There is no such grant."""


def grant_shape(grant: Grant) -> dict[str, Any]:
    """The grant as clients see it, JSON-ready."""
    return {
        "id": str(grant.id),
        "scope": str(grant.scope),
        "session_id": grant.conversation.session_id if grant.conversation_id else None,
        "run_id": str(grant.run_id) if grant.run_id else None,
        "tool_name": grant.tool_name,
        "matcher": dict(grant.matcher),
        "approval_id": str(grant.approval_id) if grant.approval_id else None,
        "created_at": iso_z(grant.created_at),
        "expires_at": iso_z(grant.expires_at) if grant.expires_at else None,
        "revoked_at": iso_z(grant.revoked_at) if grant.revoked_at else None,
    }


# Made


def matchers_for(
    scope: str, pattern: Pattern | None, *, touched: Touched, arguments: dict[str, Any], root: str
) -> list[Matcher]:
    """What a yes of this scope permits from now on; InvalidField for a pattern that has nothing to do with the call."""
    if scope == ONCE:
        return []
    if pattern is None:
        if scope == PATTERN:
            raise InvalidField("pattern", "the scope pattern needs one.")
        return core.same_again(touched, arguments, root=root)
    try:
        matcher = core.of_pattern(core.kind_of(touched), pattern, network=touched.network)
    except InvalidPattern as error:
        raise InvalidField("pattern", str(error)) from None
    parts = core.parts_of(touched)
    if not any(core.covers(matcher, p, touched=touched, arguments=arguments, root=root) for p in parts):
        raise InvalidField("pattern", "it does not cover the call that was asked about.")
    return [matcher]


def grant_by_approval(
    approval: Approval, matchers: Sequence[Matcher], *, scope: str, user: Any, now: datetime, request: Any
) -> list[Grant]:
    """Stores what the yes permits from now on; inside the decision's transaction."""
    conversation = None if scope == ALWAYS else approval.conversation
    made = [
        Grant(
            owner_id=approval.owner_id,
            scope=Grant.Scope.USER if conversation is None else Grant.Scope.SESSION,
            conversation=conversation,
            tool_name=approval.tool_name,
            matcher=matcher,
            definition_hash=approval.subject["definition_hash"],
            sandbox_level=approval.subject["sandbox"],
            approval=approval,
            created_at=now,
        )
        for matcher in matchers
    ]
    Grant.objects.bulk_create(made)
    for grant in made:
        audit.record(user, "grant.created", grant, None, _audited(grant), request)
    return made


def pre_approve(
    *,
    user: Any,
    tool: str,
    pattern: Pattern | None,
    conversation: Conversation | None,
    ttl_seconds: int | None,
    now: datetime,
    request: Any = None,
) -> Grant:
    """A yes to calls that nobody has made yet: all of a tool or those of a pattern, in one session or in all."""
    definition_hash, kind = _known_tool(tool, owner_id=user.pk)
    try:
        matcher = {"kind": "any"} if pattern is None else core.of_pattern(kind, pattern)
    except InvalidPattern as error:
        raise InvalidField("pattern", str(error)) from None
    grant = Grant(
        owner_id=user.pk,
        scope=Grant.Scope.SESSION if conversation else Grant.Scope.USER,
        conversation=conversation,
        tool_name=tool,
        matcher=matcher,
        definition_hash=definition_hash,
        sandbox_level=sandbox.level().value,
        created_at=now,
        expires_at=now + timedelta(seconds=ttl_seconds) if ttl_seconds else None,
    )
    with transaction.atomic():
        grant.save(force_insert=True)
        audit.record(user, "grant.created", grant, None, _audited(grant), request)
    return grant


def _known_tool(name: str, *, owner_id: int) -> tuple[str, str]:
    """(definition hash, kind of pattern) of a tool of ours, or of a foreign one that was approved before."""
    if tool := registry.find(name):
        fields = tool.parameters.get("properties", {})
        kind = "argv" if "command" in fields else "host" if "url" in fields else "path"
        return tool.definition_hash(), kind
    if pin := ToolPin.objects.filter(owner_id=owner_id, tool_name=name).first():
        return pin.definition_hash, "any"
    raise InvalidField("tool", "there is no such tool, or it has never been approved.")


# Found


@dataclass(frozen=True, slots=True)
class GrantPage:
    grants: list[Grant]
    next_cursor: str | None


def list_grants(*, owner_id: int, now: datetime, limit: int, cursor: str = "") -> GrantPage:
    """One's grants that still count, newest first."""
    rows = _counting(now).filter(owner_id=owner_id).order_by("-created_at", "-id")
    if cursor:
        try:
            place = parse_page_cursor(cursor)
            last = UUID(place.row_id)
        except ValueError:
            raise InvalidCursor from None
        rows = rows.filter(created_at__lte=place.moment).filter(
            Q(created_at__lt=place.moment) | Q(id__lt=last)
        )
    found = list(rows[: limit + 1])
    page = found[:limit]
    more = str(PageCursor(page[-1].created_at, str(page[-1].id))) if len(found) > limit else None
    return GrantPage(page, more)


def grants_of_session(conversation: Conversation, *, now: datetime) -> list[Grant]:
    return list(_counting(now).filter(conversation=conversation).order_by("-created_at", "-id"))


def find_grant(grant_id: UUID, *, owner_id: int) -> Grant:
    """The caller's own grant, revoked or not; somebody else's does not exist for them."""
    grant = Grant.objects.select_related("conversation").filter(id=grant_id, owner_id=owner_id).first()
    if grant is None:
        raise GrantNotFound
    return grant


def _counting(now: datetime) -> Any:
    return Grant.objects.select_related("conversation").filter(
        Q(expires_at__isnull=True) | Q(expires_at__gt=now), revoked_at__isnull=True
    )


# Revoked


def revoke(grant: Grant, *, user: Any, now: datetime, request: Any = None) -> Grant:
    """Takes a grant back, with effect on every call that has not started. Idempotent."""
    with transaction.atomic():
        if Grant.objects.filter(id=grant.id, revoked_at__isnull=True).update(revoked_at=now):
            audit.record(user, "grant.revoked", grant, _audited(grant), {"revoked_at": now}, request)
    grant.refresh_from_db(fields=["revoked_at"])
    return grant


def revoke_of_session(conversation: Conversation, *, user: Any, now: datetime, request: Any = None) -> int:
    """Takes back all grants of a session; how many."""
    with transaction.atomic():
        Conversation.objects.select_for_update().get(pk=conversation.pk)
        found = grants_of_session(conversation, now=now)
        for grant in found:
            revoke(grant, user=user, now=now, request=request)
    return len(found)


def _audited(grant: Grant) -> dict[str, Any]:
    return {
        "scope": str(grant.scope),
        "tool_name": grant.tool_name,
        "matcher": dict(grant.matcher),
        "conversation_id": grant.conversation_id,
    }
