"""One factory a model. What a test does not name is made up, and valid."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import factory
from factory.django import DjangoModelFactory

from conversations.core import digests, touched, usage
from conversations.core.ids import new_session_id, uuid7
from conversations.core.run_states import OPEN, RunStatus
from conversations.core.tool_calls import ENDED, CallStatus, Effect
from conversations.models import (
    Approval,
    Artifact,
    Conversation,
    ConversationEvent,
    ConversationSummary,
    Fragment,
    Grant,
    Message,
    MessageFeedback,
    ModelCall,
    ModerationFlag,
    ModerationRule,
    Question,
    Run,
    SponsoredSuggestion,
    ToolCall,
    Worker,
)
from conversations.tools.base import Targets
from penguin_site.models import User


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"person{n}")


class ConversationFactory(DjangoModelFactory):
    class Meta:
        model = Conversation

    owner = factory.SubFactory(UserFactory)
    session_id = factory.LazyFunction(lambda: new_session_id(datetime.now(UTC)))
    title = factory.Sequence(lambda n: f"Conversation {n}")
    created_at = factory.LazyFunction(lambda: datetime.now(UTC))
    last_active = factory.LazyFunction(lambda: datetime.now(UTC))


def _next_turn(conversation: Conversation) -> int:
    """The seq of the event that a question would have been queued with."""
    conversation.head_seq += 1
    Conversation.objects.filter(pk=conversation.pk).update(head_seq=conversation.head_seq)
    return conversation.head_seq


class RunFactory(DjangoModelFactory):
    """A run; an open one is counted in its conversation, as the code that accepts messages does."""

    class Meta:
        model = Run
        skip_postgeneration_save = True

    conversation = factory.SubFactory(ConversationFactory)
    owner = factory.SelfAttribute("conversation.owner")
    turn = factory.LazyAttribute(lambda run: _next_turn(run.conversation))
    status = RunStatus.COMPLETED.value
    input_message_id = factory.LazyFunction(uuid7)
    answer_message_id = factory.LazyFunction(uuid7)
    usage = factory.LazyFunction(usage.empty)

    @factory.post_generation
    def counted(run, create: bool, extracted: Any, **kwargs: Any) -> None:
        if not create or RunStatus(run.status) not in OPEN:
            return
        conversation = run.conversation
        conversation.open_runs += 1
        conversation.queued_runs += run.status == RunStatus.QUEUED
        conversation.save(update_fields=["open_runs", "queued_runs"])


class MessageFactory(DjangoModelFactory):
    class Meta:
        model = Message
        skip_postgeneration_save = True

    conversation = factory.SubFactory(ConversationFactory)
    owner = factory.SelfAttribute("conversation.owner")
    turn = factory.LazyAttribute(lambda message: _next_turn(message.conversation))
    role = Message.Role.USER
    content = factory.Sequence(lambda n: f"What is {n}?")
    created_at = factory.LazyFunction(lambda: datetime.now(UTC))

    @factory.post_generation
    def counted(message, create: bool, extracted: Any, **kwargs: Any) -> None:
        if create:
            message.conversation.message_count += 1
            message.conversation.save(update_fields=["message_count"])


class SponsoredSuggestionFactory(DjangoModelFactory):
    """Beside an answer; its token was never given out."""

    class Meta:
        model = SponsoredSuggestion

    message = factory.SubFactory(MessageFactory, role=Message.Role.ASSISTANT)
    conversation = factory.SelfAttribute("message.conversation")
    number = 1
    environment = "live"
    units = factory.LazyFunction(lambda: [{"tracking_token": "trk_of_nobody"}])


class EventFactory(DjangoModelFactory):
    class Meta:
        model = ConversationEvent

    conversation = factory.SubFactory(ConversationFactory)
    seq = factory.LazyAttribute(lambda event: _next_turn(event.conversation))
    type = "conversation.updated"
    payload = factory.LazyFunction(dict)


class SummaryFactory(DjangoModelFactory):
    class Meta:
        model = ConversationSummary

    conversation = factory.SubFactory(ConversationFactory)
    through_turn = 1
    text = "They talked."


class FragmentFactory(DjangoModelFactory):
    class Meta:
        model = Fragment

    conversation = factory.SubFactory(ConversationFactory)
    part_id = factory.LazyFunction(uuid7)
    run_id = factory.LazyFunction(uuid7)
    offset = 0
    kind = "text"
    text = "piece"


class ModelCallFactory(DjangoModelFactory):
    class Meta:
        model = ModelCall

    run = factory.SubFactory(RunFactory)
    conversation = factory.SelfAttribute("run.conversation")
    owner = factory.SelfAttribute("run.owner")
    step = 1
    attempt = 1
    model = "local"
    status = ModelCall.Status.SUCCEEDED
    input_tokens = 100
    output_tokens = 20
    started_at = factory.LazyFunction(lambda: datetime.now(UTC))


class ArtifactFactory(DjangoModelFactory):
    class Meta:
        model = Artifact

    owner = factory.SubFactory(UserFactory)
    filename = "notes.txt"
    content_type = "text/plain"
    content = b"notes"
    size_bytes = factory.LazyAttribute(lambda artifact: len(artifact.content))
    sha256 = factory.LazyAttribute(lambda artifact: hashlib.sha256(artifact.content).digest())


class FeedbackFactory(DjangoModelFactory):
    class Meta:
        model = MessageFeedback

    message = factory.SubFactory(MessageFactory, role=Message.Role.ASSISTANT)
    user = factory.SelfAttribute("message.owner")
    rating = "up"


class RuleFactory(DjangoModelFactory):
    """A rule that finds the word `badword`."""

    class Meta:
        model = ModerationRule

    name = factory.Sequence(lambda n: f"Rule {n}")
    kind = "phrases"
    phrases = "badword"
    notice = "Please write otherwise."


class FlagFactory(DjangoModelFactory):
    """A flag that waits for staff."""

    class Meta:
        model = ModerationFlag

    message = factory.SubFactory(MessageFactory, content="A badword in a message")
    conversation = factory.SelfAttribute("message.conversation")
    author = factory.SelfAttribute("message.owner")
    rule = factory.SubFactory(RuleFactory)
    score = 1.0
    excerpt = factory.SelfAttribute("message.content")
    hit_start = 2
    hit_end = 9
    created_at = factory.LazyFunction(lambda: datetime.now(UTC))


class WorkerFactory(DjangoModelFactory):
    class Meta:
        model = Worker

    id = factory.LazyFunction(uuid7)
    hostname = "here"
    process_id = 1
    concurrency = 10
    heartbeat_at = factory.LazyFunction(lambda: datetime.now(UTC))
    lease_expires_at = factory.LazyFunction(lambda: datetime.now(UTC) + timedelta(seconds=30))


DEFINITION_HASH = "d" * 64
SANDBOX = "bubblewrap"


def _now() -> datetime:
    return datetime.now(UTC)


class ToolCallFactory(DjangoModelFactory):
    """A call of a run that waits; `step` and `place` put it behind the others of its run."""

    class Meta:
        model = ToolCall

    run = factory.SubFactory(RunFactory, status=RunStatus.WAITING_APPROVAL.value, attempt=1)
    conversation = factory.SelfAttribute("run.conversation")
    owner = factory.SelfAttribute("run.owner")
    step = 1
    place = factory.LazyAttribute(lambda call: ToolCall.objects.filter(run=call.run).count())
    provider_call_id = factory.Sequence(lambda n: f"call_{n}")
    name = "execute_command"
    arguments = factory.LazyFunction(lambda: {"command": "pytest -q"})
    effect = Effect.AT_MOST_ONCE.value
    status = CallStatus.PENDING_APPROVAL.value
    created_at = factory.LazyFunction(_now)
    attempt = factory.LazyAttribute(
        lambda call: 1 if call.status in ("started", "succeeded", "unknown") else None
    )
    finished_at = factory.LazyAttribute(lambda call: _now() if CallStatus(call.status) in ENDED else None)


class ApprovalFactory(DjangoModelFactory):
    """An approval as the runner asks for it: of a command, unless `targets` says otherwise."""

    class Meta:
        model = Approval

    class Params:
        targets = Targets(command="pytest -q", argvs=(("pytest", "-q"),))
        root = "/srv/project"

    tool_call = factory.SubFactory(ToolCallFactory)
    conversation = factory.SelfAttribute("tool_call.conversation")
    run = factory.SelfAttribute("tool_call.run")
    owner = factory.SelfAttribute("tool_call.owner")
    tool_name = factory.SelfAttribute("tool_call.name")
    arguments = factory.SelfAttribute("tool_call.arguments")
    operation = factory.LazyAttribute(lambda approval: touched.operation(approval.targets))
    resource = factory.LazyAttribute(
        lambda approval: touched.resource(approval.targets, tool=approval.tool_name)
    )
    subject = factory.LazyAttribute(
        lambda approval: {
            "definition_hash": DEFINITION_HASH,
            "sandbox": SANDBOX,
            "root": approval.root,
            "targets": touched.as_json(approval.targets),
        }
    )
    digest = factory.LazyAttribute(
        lambda approval: digests.digest(
            tool=approval.tool_name,
            definition_hash=DEFINITION_HASH,
            arguments=approval.arguments,
            touched=approval.targets,
            root=approval.root,
            sandbox=SANDBOX,
            run_id=str(approval.run.id),
            call_id=str(approval.tool_call.id),
        )
    )
    reason = "In the mode workspace commands are asked about."
    status = Approval.Status.PENDING
    created_at = factory.LazyFunction(_now)
    expires_at = factory.LazyFunction(lambda: _now() + timedelta(days=1))
    resolved_at = factory.LazyAttribute(
        lambda approval: None if approval.status == Approval.Status.PENDING else _now()
    )


class QuestionFactory(DjangoModelFactory):
    """A question of the agent: its call has started, its run waits. With `kind="recovery"` the call is unknown."""

    class Meta:
        model = Question

    kind = Question.Kind.ASK_USER
    tool_call = factory.SubFactory(
        ToolCallFactory,
        name="ask_user",
        run=factory.SubFactory(RunFactory, status=RunStatus.WAITING_INPUT.value, attempt=1),
        status=factory.LazyAttribute(
            lambda call: "unknown" if call.factory_parent.kind == Question.Kind.RECOVERY else "started"
        ),
    )
    conversation = factory.SelfAttribute("tool_call.conversation")
    run = factory.SelfAttribute("tool_call.run")
    owner = factory.SelfAttribute("tool_call.owner")
    text = "Which database shall I use?"
    choices = factory.LazyAttribute(
        lambda question: (
            ["applied", "not_applied", "retry", "stop"] if question.kind == Question.Kind.RECOVERY else []
        )
    )
    status = Question.Status.OPEN
    created_at = factory.LazyFunction(_now)
    expires_at = factory.LazyFunction(lambda: _now() + timedelta(days=1))


class GrantFactory(DjangoModelFactory):
    class Meta:
        model = Grant

    owner = factory.SubFactory(UserFactory)
    scope = Grant.Scope.USER
    tool_name = "execute_command"
    matcher = factory.LazyFunction(lambda: {"kind": "argv", "pattern": "pytest *"})
    definition_hash = DEFINITION_HASH
    sandbox_level = SANDBOX
    created_at = factory.LazyFunction(_now)
