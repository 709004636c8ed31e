"""A person's permission mode and rules: what they are, and who may change them how."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from conversations.core.policy import Mode
from conversations.core.rules import InvalidRule, Rule, is_tightening, parse_rules
from conversations.models import SecurityPolicy
from conversations.standing_rules import default_mode
from penguin_site import audit
from penguin_site.errors import Forbidden, InvalidField


class LooseningForbidden(Forbidden):
    """A looser mode, or rules that allow more, need the scope approvals:decide."""

    code = "scope_missing"


@dataclass(frozen=True, slots=True)
class Config:
    mode: Mode
    default_mode: Mode
    is_own_mode: bool
    rules: tuple[Rule, ...]
    updated_at: datetime | None

    def audited(self) -> dict[str, Any]:
        return {"mode": self.mode.value, "rules": [rule.as_json() for rule in self.rules]}


def config_of(user_id: int) -> Config:
    return _config(SecurityPolicy.objects.filter(user_id=user_id).first())


def change_config(
    *, user: Any, changes: dict[str, Any], may_loosen: bool, now: datetime, request: Any = None
) -> Config:
    """Sets `mode` (None: the server's default) and `rules`, where named; with effect on all calls not yet started."""
    rules = _parsed(changes["rules"]) if "rules" in changes else None
    with transaction.atomic():
        SecurityPolicy.objects.get_or_create(user_id=user.pk, defaults={"updated_at": now})
        row = SecurityPolicy.objects.select_for_update().get(user_id=user.pk)
        before = _config(row)
        if "mode" in changes:
            row.mode = changes["mode"]
        if rules is not None:
            row.rules = [rule.as_json() for rule in rules]
        after = _config(row)
        if after.audited() == before.audited() and after.is_own_mode == before.is_own_mode:
            return before
        loosens = after.mode.looseness > before.mode.looseness
        if (loosens or not is_tightening(before.rules, after.rules)) and not may_loosen:
            raise LooseningForbidden(scope="approvals:decide")
        row.updated_at = now
        row.save()
        audit.record(user, "policy.changed", f"policy:{user.pk}", before.audited(), after.audited(), request)
    return _config(row)


def _parsed(values: Any) -> tuple[Rule, ...]:
    try:
        return parse_rules(values)
    except InvalidRule as error:
        raise InvalidField("rules", str(error)) from None


def _config(row: SecurityPolicy | None) -> Config:
    if row is None:
        return Config(default_mode(), default_mode(), False, (), None)
    mode = Mode(row.mode) if row.mode else default_mode()
    return Config(mode, default_mode(), row.mode is not None, parse_rules(row.rules), row.updated_at)
