"""What the policy would say to a call that nobody makes: which rule decides, and why."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from conversations import policy, sandbox
from conversations.core import grants
from conversations.core.grants import Matcher
from conversations.core.rules import Verdict
from conversations.directories import own_workspace, resolve_directory
from conversations.models import Conversation, ToolPin
from conversations.policy import CallFacts, Ruling
from conversations.runner.places import workplace
from conversations.tools import registry
from conversations.tools.base import Targets, Tool, ToolError, Workplace
from penguin_site.errors import InvalidField


@dataclass(frozen=True, slots=True)
class Explanation:
    ruling: Ruling
    notes: tuple[str, ...]
    matchers: list[Matcher]  # what "for the session" or "always" would permit; empty: only this call

    @property
    def reason(self) -> str:
        return " ".join([self.ruling.reason, *self.notes])


@dataclass(frozen=True, slots=True)
class Wished:
    """The call that is asked about."""

    tool: str
    arguments: dict[str, Any]
    directory: str | None = None
    plan_mode: bool = False


def explain(
    wished: Wished, *, user: Any, is_local_owner: bool, conversation: Conversation | None
) -> Explanation:
    """May block: it looks at files. InvalidField for an unknown tool and for arguments that do not fit it."""
    place = _place(wished, user.pk, is_local_owner=is_local_owner, conversation=conversation)
    tool = registry.find(wished.tool)
    targets, definition_hash = _targets(wished, tool, place)
    facts = CallFacts(
        call_id="",
        run_id="",
        conversation_id=place.conversation_id,
        owner_id=user.pk,
        tool_name=wished.tool,
        definition_hash=definition_hash,
        effect=tool.effect if tool else None,
        changes_nothing=tool.changes_nothing if tool else False,
        arguments=wished.arguments,
        targets=targets,
        sandbox=place.sandbox,
        root=str(place.root),
        plan_mode=wished.plan_mode,
    )
    ruling = policy.rule_on([facts])[0]
    # What is denied, no grant permits.
    may_be_granted = ruling.verdict is not Verdict.DENY
    matchers = grants.same_again(targets, wished.arguments, root=facts.root) if may_be_granted else []
    return Explanation(ruling, targets.notes, matchers)


def _targets(wished: Wished, tool: Tool | None, place: Workplace) -> tuple[Targets, str]:
    if tool is None:
        pin = ToolPin.objects.filter(owner_id=place.owner_id, tool_name=wished.tool).first()
        if pin is None:
            raise InvalidField("tool", "there is no such tool, or it has never been approved.")
        return Targets(foreign=True), pin.definition_hash
    try:
        tool.check(wished.arguments)
        return tool.targets(wished.arguments, place), tool.definition_hash()
    except ToolError as error:
        raise InvalidField("arguments", str(error)) from None


def _place(
    wished: Wished, user_id: int, *, is_local_owner: bool, conversation: Conversation | None
) -> Workplace:
    """The session's directory, the named one, or else the person's workspace."""
    if conversation is not None:
        try:
            return workplace(
                SimpleNamespace(
                    id="",
                    owner_id=user_id,
                    conversation_id=conversation.pk,
                    session_id=conversation.session_id,
                    options={"is_local_owner": is_local_owner},
                    directory=conversation.directory,
                    directory_identity=(conversation.directory_device, conversation.directory_inode),
                )
            )
        except ToolError as error:
            raise InvalidField("session_id", str(error)) from None
    if wished.directory is not None:
        root = Path(resolve_directory(wished.directory, user_id=user_id, is_local_owner=is_local_owner).path)
    else:
        root = own_workspace(user_id, is_local_owner=is_local_owner).resolve()
    return Workplace(root, user_id, 0, "", "", is_local_owner, sandbox.level().value)
