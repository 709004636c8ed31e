"""Several people, chores and cancels at the same approval or question at the same moment: one of them wins, wholly."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from conversations import approvals, decisions
from conversations.answers import AlreadyAnswered, answer_question
from conversations.core.tool_calls import CallStatus
from conversations.decisions import AlreadyDecided, ApprovalExpired, Approve, Deny
from conversations.models import Approval, Conversation, ConversationEvent, Grant, Question, Run, ToolCall
from conversations.questions import find_question
from conversations.runs import cancel_run
from penguin_site import audit
from penguin_site.errors import DomainError
from penguin_site.models import User
from tests.factories import ApprovalFactory, QuestionFactory, RunFactory, ToolCallFactory, UserFactory

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 8


def together(*actions: Callable[[], Any]) -> list[Any]:
    """Does all at once, each on a connection of its own; what each returned, or the error it raised."""
    barrier = Barrier(len(actions))

    def act(action: Callable[[], Any]) -> Any:
        try:
            barrier.wait()
            return action()
        except DomainError as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(actions)) as threads:
        return list(threads.map(act, actions))


def now() -> datetime:
    return datetime.now(UTC)


def decide(
    approval: Approval, choice: Approve | Deny, *, at: datetime | None = None
) -> Callable[[], Approval]:
    owner = approval.owner
    return lambda: decisions.decide(approval.id, choice, user=owner, now=at or now())


def count_events(run: Run, event_type: str) -> int:
    return ConversationEvent.objects.filter(run_id=run.id, type=event_type).count()


def agree(approval: Approval) -> str:
    """The status, after checking that call, run, log and counters all tell the same."""
    approval = Approval.objects.select_related("tool_call", "run", "conversation").get(id=approval.id)
    call, run, conversation = approval.tool_call, approval.run, approval.conversation
    expected = {
        "approved": {CallStatus.READY, CallStatus.CANCELLED},  # ready when its run was cancelled
        "denied": {CallStatus.DENIED},
        "expired": {CallStatus.DENIED},
        "cancelled": {CallStatus.CANCELLED},
    }
    assert call.status in expected[approval.status]
    assert run.status in ("queued", "cancelled")
    decided = count_events(run, "approval.decided") + count_events(run, "approval.expired")
    assert decided == Approval.objects.filter(run=run).count()
    ended = ToolCall.objects.filter(run=run, finished_at__isnull=False).count()
    assert count_events(run, "tool.ended") == ended
    assert count_events(run, "run.requeued") <= 1
    assert count_events(run, "run.ended") == (run.status == "cancelled")
    assert (conversation.open_runs, conversation.queued_runs) == (
        (1, 1) if run.status == "queued" else (0, 0)
    )
    return str(approval.status)


@pytest.mark.parametrize("second", [Deny("no"), Approve("always")], ids=["yes-no", "yes-yes"])
def test_of_two_deciders_one_wins(second):
    for _ in range(ROUNDS):
        approval = ApprovalFactory()
        results = together(decide(approval, Approve("session")), decide(approval, second))
        [winner] = [result for result in results if isinstance(result, Approval)]
        [loser] = [result for result in results if not isinstance(result, Approval)]
        assert isinstance(loser, AlreadyDecided)
        assert loser.extra["approval"]["status"] == winner.status == agree(approval)
        granted = Grant.objects.filter(approval=approval).count()
        assert granted == (1 if winner.status == "approved" else 0)
    assert audit.first_broken_entry()[0] is None


def test_two_last_decisions_queue_the_run_once():
    for _ in range(ROUNDS):
        run = RunFactory(status="waiting_approval", attempt=1)
        first, second = (ApprovalFactory(tool_call=ToolCallFactory(run=run)) for _ in range(2))
        results = together(decide(first, Approve()), decide(second, Deny()))
        assert all(isinstance(result, Approval) for result in results)
        agree(first)
        assert (agree(second), count_events(run, "run.requeued")) == ("denied", 1)


def test_a_decision_and_the_deadline():
    """The decider's clock still allows it, the chore's does not: either is right, both is not."""
    seen = set()
    for _ in range(ROUNDS):
        approval = ApprovalFactory()
        before, after = now(), now() + timedelta(days=2)
        decided, _ = together(
            decide(approval, Approve(), at=before), lambda after=after: approvals.expire_due(now=after)
        )
        status = agree(approval)
        seen.add(status)
        assert status == ("approved" if isinstance(decided, Approval) else "expired")
        assert isinstance(decided, Approval | ApprovalExpired)
    assert seen <= {"approved", "expired"}


def test_two_chores_expire_once():
    due = [ApprovalFactory(expires_at=now() - timedelta(seconds=1)) for _ in range(ROUNDS)]
    counts = together(*[lambda: approvals.expire_due(now=now())] * 2)
    assert sum(counts) == ROUNDS
    assert {agree(approval) for approval in due} == {"expired"}


def test_a_decision_and_a_cancel():
    for _ in range(ROUNDS):
        approval = ApprovalFactory()
        run = approval.run
        decided, cancelled = together(
            decide(approval, Approve("session")), lambda run=run: cancel_run(run=run, now=now())
        )
        assert isinstance(cancelled, Run)
        assert cancelled.status == "cancelled"
        if isinstance(decided, Approval):
            assert agree(approval) == "approved"
        else:
            assert isinstance(decided, AlreadyDecided)
            assert (agree(approval), Grant.objects.filter(approval=approval).count()) == ("cancelled", 0)


def test_after_a_cancel_nothing_is_decided():
    approval = ApprovalFactory()
    cancel_run(run=approval.run, now=now())
    results = together(decide(approval, Approve()), decide(approval, Deny()))
    assert all(isinstance(result, AlreadyDecided) for result in results)
    assert agree(approval) == "cancelled"


def test_of_two_answers_one_is_the_result():
    for _ in range(ROUNDS):
        question = find_question(QuestionFactory().id, owner_id=User.objects.latest("id").pk)
        owner = question.owner

        def answer(text: str, question: Question = question, owner: User = owner) -> Callable[[], Question]:
            return lambda: answer_question(question, text, user=owner, now=now())

        results = together(answer("yes"), answer("no"))
        [winner] = [result for result in results if isinstance(result, Question)]
        [loser] = [result for result in results if not isinstance(result, Question)]
        assert isinstance(loser, AlreadyAnswered)
        call = ToolCall.objects.get(id=question.tool_call_id)
        assert call.summary == winner.answer == loser.extra["question"]["answer"]
        assert count_events(question.run, "tool.ended") == 1


def test_many_decisions_of_many_conversations_do_not_block_each_other():
    """Locks are always taken in one order, the audit's last: no two of these can wait for each other."""
    owner = UserFactory()
    pending = []
    for _ in range(6):
        run = RunFactory(status="waiting_approval", attempt=1, conversation__owner=owner)
        pending += [ApprovalFactory(tool_call=ToolCallFactory(run=run)) for _ in range(2)]
    results = together(*[decide(approval, Approve("always")) for approval in pending])
    assert all(isinstance(result, Approval) for result in results), results
    assert {agree(approval) for approval in pending} == {"approved"}
    assert Conversation.objects.filter(queued_runs=1).count() == 6
    assert audit.first_broken_entry()[0] is None
