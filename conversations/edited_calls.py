"""Arguments that a person edited before saying yes: checked like the model's, and judged by the policy again."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from conversations import policy
from conversations.core import touched
from conversations.core.policy import Verdict
from conversations.core.tool_calls import Effect
from conversations.models import Approval
from conversations.policy import CallFacts, Ruling
from conversations.runner.places import workplace
from conversations.tools import registry
from conversations.tools.base import Targets, ToolError, Workplace
from penguin_site.errors import Conflict, InvalidField


class PolicyDenies(Conflict):
    """The policy does not allow this call with these arguments."""

    code = "policy_denied"


@dataclass(frozen=True, slots=True)
class Edit:
    arguments: dict[str, Any]
    ruling: Ruling
    diff: str | None


def judge_edit(approval: Approval, arguments: dict[str, Any]) -> Edit:
    """What the call would be with these arguments. May block: it looks at files.

    InvalidField (400) when they do not fit the tool, PolicyDenies (409) when it may not run like that.
    """
    asked = Targets(**_fields(touched.from_json(approval.subject["targets"])))
    tool = registry.find(approval.tool_name)
    if tool is None:
        # The tool of another program: what it touches is unknown anyway.
        if not asked.foreign:
            raise InvalidField("arguments", "this tool is gone, so its arguments cannot be edited.")
        missing = [name for name in approval.subject.get("required", ()) if name not in arguments]
        if missing:
            raise InvalidField("arguments", f"missing: {', '.join(missing)}.")
        place, targets, diff = None, asked, None
    else:
        try:
            tool.check(arguments)
            place = place_of(approval)
            targets = tool.targets(arguments, place)
            diff = tool.preview(arguments, place)
        except ToolError as error:
            raise InvalidField("arguments", str(error)) from None
    ruling = policy.rule_on(
        [
            CallFacts(
                call_id=str(approval.tool_call_id),
                run_id=str(approval.run_id),
                conversation_id=approval.conversation_id,
                owner_id=approval.owner_id,
                tool_name=approval.tool_name,
                definition_hash=tool.definition_hash() if tool else approval.subject["definition_hash"],
                effect=tool.effect_of(arguments) if tool else Effect.AT_MOST_ONCE,
                changes_nothing=tool.changes_nothing if tool else False,
                arguments=arguments,
                targets=targets,
                sandbox=approval.subject["sandbox"],
                root=str(place.root) if place else approval.subject["root"],
                plan_mode=approval.run.options.get("agent_mode") == "plan",
            )
        ]
    )[0]
    if ruling.verdict is Verdict.DENY:
        raise PolicyDenies(ruling.reason, rule=ruling.rule)
    return Edit(arguments, ruling, diff)


def place_of(approval: Approval) -> Workplace:
    """Where the call works; raises ToolError when its directory is gone."""
    conversation, run = approval.conversation, approval.run
    return workplace(
        SimpleNamespace(
            id=str(run.id),
            owner_id=run.owner_id,
            conversation_id=conversation.pk,
            session_id=conversation.session_id,
            options=run.options,
            directory=conversation.directory,
            directory_identity=(conversation.directory_device, conversation.directory_inode),
        )
    )


def _fields(stored: touched.StoredTouched) -> Mapping[str, Any]:
    return {name: getattr(stored, name) for name in stored.__dataclass_fields__}
