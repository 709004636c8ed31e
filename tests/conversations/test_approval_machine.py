"""Any order of asking, deciding, editing, expiring, cancelling, answering, revoking and changing one's mode.

The worker's part is done by hand: it rules on calls with the real policy, asks, looks again before each start. After
every step the tables must agree: one decision for each approval, a run that waits if and only if something of it is
open, calls and approvals that tell the same, and no command carried out that nobody and nothing has permitted.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Exists, OuterRef
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from conversations import answers, approvals, decisions, grants, sandbox, security_config
from conversations.core import argv
from conversations.core.run_states import TERMINAL, WAITING
from conversations.core.tool_calls import ENDED, CallStatus, Effect
from conversations.decisions import Approve, Deny
from conversations.models import (
    Approval,
    Conversation,
    ConversationEvent,
    Grant,
    Message,
    Question,
    Run,
    ToolCall,
)
from conversations.policy import CallFacts, Ruling, Verdict, rule_on
from conversations.runs import cancel_run
from conversations.tool_outcomes import settle_call
from conversations.tools.base import Targets
from conversations.tools.registry import find
from penguin_site.errors import DomainError
from tests.factories import ConversationFactory, MessageFactory, QuestionFactory, RunFactory, UserFactory

TOOL = "execute_command"
LINES = ["pytest", "pytest -q", "pytest && ls", "ls", "rm -r build", "rm $x", "cat .env"]
SCOPES = ["once", "session", "pattern", "always"]
places = st.integers(0, 5)
rarely = st.integers(0, 3).map(lambda number: number == 3)


def now() -> datetime:
    return datetime.now(UTC)


class Machine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.owner = UserFactory()
        self.conversation = ConversationFactory(owner=self.owner)
        self.approved_lines: set[str] = set()
        self.unpermitted: list[str] = []
        self.start_run()

    def start_run(self) -> None:
        self.conversation.refresh_from_db()
        message = MessageFactory(conversation=self.conversation)
        self.run = RunFactory(
            conversation=self.conversation, status="queued", attempt=1, input_message_id=message.id
        )

    def may_work(self) -> bool:
        self.run.refresh_from_db()
        return self.run.status == "queued" or self.run.status in TERMINAL

    # The worker by hand

    def ruling(self, call: ToolCall, digest: str | None = None) -> Ruling:
        arguments = call.arguments if call.edited_arguments is None else call.edited_arguments
        line = arguments["command"]
        facts = CallFacts(
            call_id=str(call.id),
            run_id=str(call.run_id),
            conversation_id=call.conversation_id,
            owner_id=call.owner_id,
            tool_name=TOOL,
            definition_hash=find(TOOL).definition_hash(),
            effect=Effect.AT_MOST_ONCE,
            changes_nothing=False,
            arguments=arguments,
            targets=Targets(command=line, argvs=argv.parse(line)),
            sandbox=sandbox.level().value,
            root="/srv/project",
            plan_mode=False,
            approved_digest=digest,
        )
        [ruling] = rule_on([facts])
        return ruling

    def judge(self, call: ToolCall, ruling: Ruling) -> None:
        """Stores what the ruling makes of a call that has not started."""
        if ruling.verdict is Verdict.DENY:
            settle_call(call, CallStatus.DENIED, ruling.reason, now=now())
        elif ruling.verdict is Verdict.ASK:
            Approval.objects.filter(tool_call=call, status="approved").update(status="superseded")
            ToolCall.objects.filter(id=call.id).update(status="pending_approval")
            Approval.objects.create(
                conversation_id=call.conversation_id,
                run_id=call.run_id,
                tool_call=call,
                owner_id=call.owner_id,
                tool_name=TOOL,
                operation=ruling.operation,
                resource=ruling.resource,
                arguments=call.arguments,
                edited_arguments=call.edited_arguments,
                digest=ruling.digest,
                subject=ruling.subject,
                reason=ruling.reason,
                status="pending",
                created_at=now(),
                expires_at=now() + timedelta(days=1),
            )
        else:
            ToolCall.objects.filter(id=call.id).update(status="ready")

    def carry_out(self, call: ToolCall, ruling: Ruling) -> None:
        line = ruling.resource
        if argv.parse(line) is None and ruling.rule != "approval":
            self.unpermitted.append(f"{line}: {ruling.rule}")
        if ruling.rule == "approval" and line not in self.approved_lines:
            self.unpermitted.append(f"{line}: nobody approved it")
        ToolCall.objects.filter(id=call.id).update(status="started", attempt=1, started_at=now())
        call.refresh_from_db()
        settle_call(call, CallStatus.SUCCEEDED, "done", now=now())

    @precondition(lambda self: self.may_work())
    @rule(
        lines=st.lists(st.sampled_from(LINES), min_size=1, max_size=3),
        asks=st.sampled_from(["", "", "", "ask", "lost"]),
    )
    def work(self, lines: list[str], asks: str) -> None:
        """A worker has the run: carries out what may start, then the model makes new calls."""
        if self.run.status in TERMINAL:
            self.start_run()
        self.move_run("running", queued=-1)
        for call in ToolCall.objects.filter(run=self.run, status="ready").order_by("step", "place"):
            approved = call.approvals.filter(status="approved").first()
            ruling = self.ruling(call, approved.digest if approved else None)
            if ruling.verdict is Verdict.ALLOW:
                self.carry_out(call, ruling)
            else:
                self.judge(call, ruling)
        made = ToolCall.objects.filter(run=self.run).count()
        for place, line in enumerate(lines, start=made):
            call = self.make_call(TOOL, place, {"command": line}, "proposed")
            self.judge(call, self.ruling(call))
        if asks == "ask":
            call = self.make_call("ask_user", made + len(lines), {"question": "?"}, "started", attempt=1)
            QuestionFactory(tool_call=call)
        elif asks == "lost":
            call = self.make_call(TOOL, made + len(lines), {"command": "ls"}, "unknown", attempt=1)
            QuestionFactory(tool_call=call, kind="recovery")
        if Question.objects.filter(run=self.run, status="open").exists():
            self.move_run("waiting_input")
        elif Approval.objects.filter(run=self.run, status="pending").exists():
            self.move_run("waiting_approval")
        else:
            self.move_run("queued", queued=1)

    def make_call(self, name: str, place: int, arguments: Any, status: str, **more: Any) -> ToolCall:
        return ToolCall.objects.create(
            conversation=self.conversation,
            run=self.run,
            owner=self.owner,
            step=1,
            place=place,
            provider_call_id=f"call_{place}",
            name=name,
            arguments=arguments,
            effect="at_most_once",
            status=status,
            **more,
        )

    def move_run(self, status: str, queued: int = 0) -> None:
        Run.objects.filter(id=self.run.id).update(status=status)
        conversation = Conversation.objects.get(pk=self.conversation.pk)
        Conversation.objects.filter(pk=conversation.pk).update(queued_runs=conversation.queued_runs + queued)
        self.run.refresh_from_db()

    # People

    def items(self, kind: Any, status: str) -> list[Any]:
        found = kind.objects.filter(run__conversation=self.conversation).order_by("id")
        return list(found.filter(status=status) if status else found.exclude(status__in=["pending", "open"]))

    def decide(self, approval: Approval, choice: Approve | Deny) -> None:
        was_pending = approval.status == "pending"
        try:
            decided = decisions.decide(approval.id, choice, user=self.owner, now=now())
        except DomainError as error:
            is_refused = isinstance(choice, Approve) and (choice.scope == "pattern" or choice.arguments)
            assert not was_pending or is_refused, error
            return
        assert was_pending
        if decided.status == "approved":
            self.approved_lines.add(decided.resource)

    @precondition(lambda self: self.items(Approval, "pending"))
    @rule(place=places, scope=st.sampled_from(SCOPES), pattern=st.sampled_from(["pytest *", "ls", "*"]))
    def approve(self, place: int, scope: str, pattern: str) -> None:
        pending = self.items(Approval, "pending")
        choice = Approve(scope, pattern if scope == "pattern" else None)
        self.decide(pending[place % len(pending)], choice)

    @precondition(lambda self: self.items(Approval, "pending"))
    @rule(place=places, line=st.sampled_from(LINES))
    def approve_edited(self, place: int, line: str) -> None:
        pending = self.items(Approval, "pending")
        self.decide(pending[place % len(pending)], Approve(arguments={"command": line}))

    @precondition(lambda self: self.items(Approval, "pending"))
    @rule(place=places)
    def deny(self, place: int) -> None:
        pending = self.items(Approval, "pending")
        self.decide(pending[place % len(pending)], Deny("no"))

    @precondition(lambda self: self.items(Approval, ""))
    @rule(place=places, choice=st.sampled_from([Approve("always"), Deny()]))
    def decide_again(self, place: int, choice: Approve | Deny) -> None:
        decided = self.items(Approval, "")
        self.decide(decided[place % len(decided)], choice)

    @precondition(lambda self: self.items(Question, "open") or self.items(Question, ""))
    @rule(place=places, text=st.sampled_from(["applied", "not_applied", "retry", "retry", "stop"]))
    def answer(self, place: int, text: str) -> None:
        asked = self.items(Question, "open") or self.items(Question, "")
        question = asked[place % len(asked)]
        try:
            answers.answer_question(question, text, user=self.owner, now=now())
        except DomainError:
            assert question.status != "open"
        else:
            assert question.status == "open"

    @precondition(lambda self: Grant.objects.filter(owner=self.owner).exists())
    @rule(place=places)
    def revoke(self, place: int) -> None:
        granted = list(Grant.objects.filter(owner=self.owner).order_by("id"))
        grants.revoke(granted[place % len(granted)], user=self.owner, now=now())

    @rule(
        mode=st.sampled_from(["workspace", "workspace", "workspace", "full", "read_only"]),
        rules=st.sampled_from(
            [[], [], [{"decision": "deny", "argv": ["rm"]}], [{"decision": "ask", "argv": ["ls"]}]]
        ),
    )
    def change_mode(self, mode: str, rules: list[dict[str, Any]]) -> None:
        security_config.change_config(
            user=self.owner, changes={"mode": mode, "rules": rules}, may_loosen=True, now=now()
        )

    @rule(really=rarely)
    def cancel(self, really: bool) -> None:
        if really:
            cancel_run(run=self.run, now=now())

    @rule(really=rarely)
    def expire(self, really: bool) -> None:
        if really:
            approvals.expire_due(now=now() + timedelta(days=2))

    # What holds after every step

    @invariant()
    def a_run_waits_while_something_is_open(self) -> None:
        open_approvals = Approval.objects.filter(run=OuterRef("pk"), status="pending")
        open_questions = Question.objects.filter(run=OuterRef("pk"), status="open")
        runs = Run.objects.filter(conversation=self.conversation)
        for run in runs.annotate(waits=Exists(open_approvals) | Exists(open_questions)):
            assert run.waits == (run.status in WAITING), run

    @invariant()
    def calls_agree_with_what_was_decided(self) -> None:
        after = {
            "pending": {"pending_approval"},
            "approved": {"ready", "succeeded", "denied", "cancelled"},
            "denied": {"denied"},
            "expired": {"denied"},
            "cancelled": {"cancelled"},
        }
        for call in ToolCall.objects.filter(conversation=self.conversation).prefetch_related("approvals"):
            asked = sorted(call.approvals.all(), key=lambda approval: approval.id)
            last = asked[-1] if asked else None
            if last and last.status != "superseded":
                assert call.status in after[last.status], (call, last)
            statuses = [approval.status for approval in asked]
            assert (call.status == "pending_approval") == ("pending" in statuses)
            assert statuses.count("pending") + statuses.count("approved") <= 1

    @invariant()
    def everything_is_told_once(self) -> None:
        events = ConversationEvent.objects.filter(conversation=self.conversation)
        told: dict[tuple[str, str], int] = {}
        for event in events:
            subject = event.payload.get("approval") or event.payload.get("question") or {}
            name = subject.get("id") or event.payload.get("tool_call_id") or str(event.run_id)
            told[event.type, name] = told.get((event.type, name), 0) + 1
        assert all(number == 1 for (kind, _), number in told.items() if kind != "run.requeued"), told
        decided = {name for kind, name in told if kind in ("approval.decided", "approval.expired")}
        stored = Approval.objects.filter(conversation=self.conversation).exclude(status="pending")
        # Who says `retry` approves the new call by that; it is told as the answer.
        by_retry = stored.filter(tool_call__round__gt=0)
        assert decided | {str(a.id) for a in by_retry} == {str(a.id) for a in stored}

    @invariant()
    def each_ended_call_has_one_result(self) -> None:
        ended = ToolCall.objects.filter(
            conversation=self.conversation, status__in=[s.value for s in ENDED], message_id__isnull=False
        )
        messages = Message.objects.filter(conversation=self.conversation, role="tool")
        assert {call.message_id for call in ended} == {message.id for message in messages}
        replaced = ToolCall.objects.filter(
            conversation=self.conversation, status__in=[s.value for s in ENDED], message_id__isnull=True
        )
        for call in replaced:
            assert ToolCall.objects.filter(run=call.run_id, place=call.place, round=call.round + 1).exists()

    @invariant()
    def nothing_ran_that_nobody_permitted(self) -> None:
        assert self.unpermitted == []

    @invariant()
    def counters_count(self) -> None:
        conversation = Conversation.objects.get(pk=self.conversation.pk)
        open_runs = Run.objects.filter(conversation=conversation).exclude(
            status__in=[s.value for s in TERMINAL]
        )
        assert conversation.open_runs == open_runs.count()
        assert conversation.queued_runs == open_runs.filter(status="queued").count()


@pytest.mark.django_db(transaction=True)
def test_people_and_worker_agree_whatever_happens() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=16,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
