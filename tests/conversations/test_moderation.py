"""Messages are checked after they were stored; staff decide what was found, each thing once."""

import threading
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from conversations import hidden_messages, holds, message_checks, moderation, runs, turns
from conversations.chores import check_messages
from conversations.core.ids import uuid7
from conversations.core.moderation import FlagOutcome
from conversations.models import (
    Conversation,
    ConversationEvent,
    ConversationSummary,
    HiddenMessage,
    Message,
    ModerationFlag,
    ModerationRule,
    Run,
    UserBlock,
    UserWarning,
)
from conversations.moderation_rules import check
from penguin_site.errors import DomainError
from penguin_site.models import AuditEntry, User
from tests.factories import (
    EventFactory,
    FlagFactory,
    MessageFactory,
    RuleFactory,
    RunFactory,
    SummaryFactory,
    UserFactory,
)


@pytest.fixture(autouse=True)
def _only_own_rules(db) -> None:
    ModerationRule.objects.all().delete()


@pytest.fixture
def staff(db) -> User:
    return UserFactory(username="anna", is_staff=True, is_superuser=True)


def decide(flag: ModerationFlag, outcome: str, by: User, reason: str = "") -> ModerationFlag:
    return moderation.decide(
        flag_id=flag.pk, outcome=FlagOutcome(outcome), reason=reason, by=by, now=timezone.now()
    )


def audited() -> list[str]:
    entries = AuditEntry.objects.filter(action__startswith="moderation.").order_by("id")
    return list(entries.values_list("action", flat=True))


# Checking


def test_the_default_rules_find_what_they_are_for(db) -> None:
    module = import_module("conversations.migrations.0006_default_moderation_rules")
    rules = [ModerationRule(**rule) for rule in module.RULES]
    found = {
        text: {finding.rule.name.partition(":")[0] for finding in check(text, role="user", rules=rules)}
        for text in (
            "You are a fucking idiot",
            "I will kill you tomorrow, I know where you live",
            "Ich will nicht mehr leben",
            "My card is 4111 1111 1111 1111",
            "export AWS=AKIAIOSFODNN7EXAMPLE",
            "Click here to claim your free prize",
            "How do I kill a zombie process in linux?",
            "Please write a function that adds two numbers.",
        )
    }
    assert list(found.values()) == [
        {"Profanity"},
        {"Threats", "Threats and self-harm"},
        {"Self-harm"},
        {"Personal data"},
        {"Secrets"},
        {"Spam"},
        set(),
        set(),
    ]


def test_what_is_attached_is_checked_like_what_was_typed(db) -> None:
    rule = RuleFactory(phrases="badword\nworse")
    RuleFactory(kind="repetition", threshold=0.5, phrases="")
    same = "again and again\n" * 50
    files = [
        {"name": "notes.txt", "content": f"{same}one badword {same}"},
        {"name": "b", "content": "harmless"},
    ]
    contexts = {
        "notes.txt": {"attached_files": files},
        "context": {"page": {"badword": ["deep", 1, None]}},
    }
    for name, context in contexts.items():
        message = MessageFactory(content="Look at it", parts=[{"type": "context", "value": context}])
        check_messages(0)
        flag = ModerationFlag.objects.get(message=message)  # of data that repeats itself nothing is said
        assert (flag.rule, flag.excerpt[flag.hit_start : flag.hit_end]) == (rule, "badword")
        assert flag.excerpt.startswith(f"[{name}] ")
    file = {"type": "file", "path": "plans/worse.md", "size": 3, "text": "abc"}
    image = {
        "id": "1",
        "type": "image",
        "artifact_id": "1",
        "filename": "a badword.png",
        "status": "complete",
    }
    for part, hit in ((file, "worse"), (image, "badword")):
        message = MessageFactory(content="Look at it", parts=[part])
        check_messages(0)
        flag = ModerationFlag.objects.get(message=message)
        assert flag.excerpt[flag.hit_start : flag.hit_end] == hit
    # One flag a rule, and what was typed comes first.
    message = MessageFactory(content="A badword", parts=[file, image])
    check_messages(0)
    assert ModerationFlag.objects.get(message=message).excerpt == "A badword"


def test_a_moderator_who_hides_a_message_hides_what_is_attached(staff) -> None:
    RuleFactory(phrases="badword")
    message = MessageFactory(
        content="Look",
        parts=[{"type": "context", "value": {"attached_files": [{"name": "a", "content": "badword"}]}}],
    )
    check_messages(0)
    decide(ModerationFlag.objects.get(), "hidden", staff)
    message.refresh_from_db()
    assert message.parts == [] and "badword" not in str(message.metadata)


def test_messages_are_checked_once_when_they_are_complete(settings) -> None:
    rule = RuleFactory(phrases="badword\nworse")
    RuleFactory(phrases="badword", is_on=False)
    RuleFactory(phrases="badword", applies_to="assistant")
    said = MessageFactory(content="A BADWORD, no less")
    harmless = MessageFactory(content="Good morning")
    run = RunFactory(status="running", attempt=1)
    answer = MessageFactory(
        conversation=run.conversation,
        run_id=run.id,
        role="assistant",
        content="Done.",
        parts=[
            {"id": "1", "type": "text", "text": "First worse than", "status": "complete", "call": 1},
            {"id": "2", "type": "text", "text": "Done.", "status": "complete", "call": 2},
        ],
    )
    tool = MessageFactory(role="tool", content="badword")
    check_messages(0)
    flag = ModerationFlag.objects.get()
    assert (flag.message_id, flag.rule, flag.author_id, flag.state) == (said.id, rule, said.owner_id, "open")
    assert flag.excerpt[flag.hit_start : flag.hit_end] == "BADWORD"
    # The answer is looked at when its run has ended: all that it has said, whichever model call said it.
    Run.objects.filter(id=run.id).update(status="completed", lease_owner=None)
    check_messages(0)
    check_messages(0)
    assert set(ModerationFlag.objects.values_list("message_id", flat=True)) == {said.id, answer.id}
    checked = Message.objects.filter(checked_at__isnull=False).values_list("id", flat=True)
    assert set(checked) == {said.id, harmless.id, answer.id} and tool.id not in checked
    # Off is off.
    settings.PENGUIN_MODERATION = "off"
    MessageFactory(content="badword")
    check_messages(0)
    assert ModerationFlag.objects.count() == 2


def test_the_database_keeps_flags_in_order(staff) -> None:
    flag = FlagFactory()
    for wrong in (
        {"state": "decided"},
        {"state": "claimed"},
        {"outcome": "hidden"},
        {"score": 1.5},
        {"hit_end": 0, "hit_start": 1},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            ModerationFlag.objects.filter(pk=flag.pk).update(**wrong)
    with pytest.raises(IntegrityError), transaction.atomic():
        FlagFactory(message=flag.message, rule=flag.rule)


# Hiding


def test_a_hidden_message_is_hidden_from_every_reader(api, person, staff, client_for) -> None:
    conversation = api.post("/api/v1/conversations/create", {"session_id": "s"}, "application/json")
    assert conversation.status_code == 200
    conversation = Conversation.objects.get()
    Conversation.objects.update(title="Say badword twice")
    run = RunFactory(conversation=conversation)
    question = MessageFactory(conversation=conversation, run_id=run.id, content="Say badword twice")
    parts = [{"id": "p1", "type": "text", "text": "badword badword", "status": "complete", "call": 1}]
    answer = MessageFactory(
        conversation=conversation, run_id=run.id, role="assistant", content="badword badword", parts=parts
    )
    payload = {"part_id": "p1", "kind": "text", "length": 15, "answer_id": str(answer.id)}
    EventFactory(
        conversation=conversation,
        run_id=run.id,
        type="part.completed",
        payload={**payload, "text": "badword badword"},
    )
    SummaryFactory(conversation=conversation, through_turn=answer.turn, text="badword was said")
    flags = [FlagFactory(message=message) for message in (question, answer)]

    def seen() -> str:
        paths = (
            "conversations/s",
            "conversations/s/snapshot",
            "conversations/s/events",
            "conversations/s/export",
            "conversations/s/export?format=markdown",
            "conversations/search?q=badword",
            "conversations",
        )
        return "\n".join(api.get(f"/api/v1/{path}").getvalue().decode() for path in paths)

    before = seen()
    assert before.count("badword") > 8
    for flag in flags:
        decide(flag, "hidden", staff, "Not here.")
    assert "badword" not in seen()
    shown = api.get("/api/v1/conversations/s").json()
    assert shown["title"] == hidden_messages.TITLE
    assert [m["content"] for m in shown["messages"]] == [hidden_messages.NOTICE] * 2
    assert [m["metadata"]["hidden"] for m in shown["messages"]] == [True, True]
    assert shown["messages"][0]["metadata"]["hidden_reason"] == "Not here."
    assert not ConversationSummary.objects.exists()
    # A copy of the conversation has the notice, too.
    api.post("/api/v1/conversations/s/fork", {}, "application/json")
    assert not Message.objects.filter(content__contains="badword").exists()
    # And all of it comes back.
    for flag in flags:
        moderation.reopen(flag_id=flag.pk, by=staff, now=timezone.now())
    after = api.get("/api/v1/conversations/s").json()
    assert (after["title"], [m["content"] for m in after["messages"]]) == (
        "Say badword twice",
        ["Say badword twice", "badword badword"],
    )
    assert [m["metadata"] for m in after["messages"]] == [{}, {}]
    assert after["messages"][1]["parts"] == parts
    assert api.get("/api/v1/conversations/s/events").getvalue().count(b"badword badword") >= 1
    assert audited() == ["moderation.hidden"] * 2 + ["moderation.reopened"] * 2
    # Deleting the conversation takes everything along.
    decide(flags[0], "hidden", staff)
    assert api.delete("/api/v1/conversations/s").json()["deleted"] is True
    assert not ModerationFlag.objects.exists() and not HiddenMessage.objects.exists()


def test_copies_of_what_was_found_are_checked_again(api: Client, person: User, staff: User) -> None:
    run = RunFactory(conversation__owner=person, conversation__session_id="s")
    RuleFactory()
    for content in ("Good morning", "A badword", "Another badword"):
        MessageFactory(conversation=run.conversation, content=content)
    check_messages(0)
    decide(ModerationFlag.objects.get(message__content="A badword"), "dismissed", staff)
    api.post("/api/v1/conversations/s/fork", {}, "application/json")
    copies = Message.objects.exclude(conversation=run.conversation)
    assert list(copies.filter(checked_at=None).values_list("content", flat=True)) == ["Another badword"]
    check_messages(0)
    flag = ModerationFlag.objects.get(conversation=copies[0].conversation)
    assert (flag.message.content, flag.state) == ("Another badword", "open")


def test_an_answer_that_is_written_is_not_hidden(staff) -> None:
    run = RunFactory(status="waiting_input", attempt=1)
    answer = MessageFactory(conversation=run.conversation, run_id=run.id, role="assistant")
    flag = FlagFactory(message=answer)
    with pytest.raises(hidden_messages.StillOpen):
        decide(flag, "hidden", staff)
    flag.refresh_from_db()
    assert flag.state == "open"


# Deciding


def test_each_decision_does_its_work_and_is_undone(staff) -> None:
    message = MessageFactory(content="A badword in a message")
    flag, other = FlagFactory(message=message), FlagFactory(message=message)

    def state() -> list[tuple[str, str]]:
        return list(ModerationFlag.objects.order_by("id").values_list("state", "outcome"))

    undone = [("open", ""), ("open", "")]
    assert decide(flag, "dismissed", staff).decided_by == staff
    assert state() == [
        ("decided", "dismissed"),
        ("open", ""),
    ]  # a mistake of one rule says nothing of another
    moderation.reopen(flag_id=flag.pk, by=staff, now=timezone.now())
    assert state() == undone

    decide(flag, "warned", staff)
    message.refresh_from_db()
    assert message.metadata["warning"] == "Please write otherwise."  # the rule's own words
    moderation.reopen(flag_id=flag.pk, by=staff, now=timezone.now())
    message.refresh_from_db()
    assert (state(), message.metadata) == (undone, {})
    assert UserWarning.objects.get().withdrawn_by == staff

    decide(flag, "blocked", staff, "Enough")
    assert state() == [("decided", "blocked")] * 2
    assert UserBlock.objects.get().reason == "Enough"
    moderation.reopen(flag_id=other.pk, by=staff, now=timezone.now())
    assert state() == undone
    assert UserBlock.objects.get().lifted_by == staff

    decide(flag, "hidden", staff)
    assert state() == [("decided", "hidden")] * 2
    restored = moderation.restore(flag_id=flag.pk, reason="A quote", by=staff, now=timezone.now())
    message.refresh_from_db()
    assert (restored.outcome, message.content) == ("restored", "A badword in a message")
    for late in (lambda: decide(flag, "dismissed", staff), lambda: decide(flag, "restored", staff)):
        with pytest.raises(DomainError) as refused:
            late()
        assert refused.value.status == 409
    kinds = list(ConversationEvent.objects.order_by("seq").values_list("type", flat=True))
    assert kinds == ["message.moderated"] * 4
    done = ["dismissed", "reopened", "warned", "reopened", "blocked", "reopened", "hidden", "restored"]
    assert audited() == [f"moderation.{action}" for action in done]


def test_who_has_claimed_a_flag_decides_it(staff) -> None:
    bert = UserFactory(username="bert", is_staff=True, is_superuser=True)
    flag, now = FlagFactory(), timezone.now()
    moderation.claim(flag_id=flag.pk, by=staff, now=now)
    moderation.claim(flag_id=flag.pk, by=staff, now=now)  # again: as before
    for attempt in (
        lambda: decide(flag, "hidden", bert),
        lambda: moderation.claim(flag_id=flag.pk, by=bert, now=now),
    ):
        with pytest.raises(moderation.Claimed, match="anna is looking"):
            attempt()
    moderation.release(flag_id=flag.pk, by=staff)
    moderation.claim(flag_id=flag.pk, by=bert, now=now - timedelta(hours=1))  # and went home
    assert decide(flag, "dismissed", staff).decided_by == staff
    with pytest.raises(moderation.AlreadyDecided, match="anna has already decided this: dismissed"):
        decide(flag, "hidden", bert)


def test_rights_are_asked_for_and_staff_are_not_blocked(staff) -> None:
    flag, helper = FlagFactory(), UserFactory(is_staff=True)
    for outcome in ("dismissed", "blocked"):
        with pytest.raises(DomainError) as refused:
            decide(flag, outcome, helper)
        assert refused.value.status == 403
    own = FlagFactory(message=MessageFactory(conversation__owner=staff))
    with pytest.raises(DomainError, match="Staff cannot be blocked"):
        decide(own, "blocked", staff)
    own.refresh_from_db()
    assert own.state == "open"


@pytest.mark.django_db(transaction=True)
def test_of_many_moderators_at_once_one_decides() -> None:
    flag = FlagFactory()
    people = [UserFactory(username=f"mod{n}", is_staff=True, is_superuser=True) for n in range(6)]
    outcomes = ["hidden", "dismissed", "warned", "blocked", "hidden", "dismissed"]
    start, results = threading.Barrier(6), []

    def act(by: User, outcome: str) -> None:
        start.wait()
        try:
            decide(flag, outcome, by)
            results.append((by.username, outcome))
        except moderation.AlreadyDecided as refused:
            results.append(refused.extra["decided_by"])
        finally:
            connection.close()

    threads = [threading.Thread(target=act, args=pair) for pair in zip(people, outcomes, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (won,) = [result for result in results if isinstance(result, tuple)]
    assert [result for result in results if isinstance(result, str)] == [won[0]] * 5
    flag.refresh_from_db()
    assert (flag.decided_by.username, flag.outcome) == won
    assert audited() == [f"moderation.{won[1]}"]
    assert HiddenMessage.objects.exists() == (won[1] == "hidden")
    assert UserBlock.objects.exists() == (won[1] == "blocked")


# Blocks


def test_who_is_blocked_reads_and_does_not_write(api: Client, person: User, staff: User) -> None:
    url = "/api/v1/chat/message"
    accepted = api.post(url, {"text": "Hello", "session_id": "s", "wait": False}, "application/json")
    assert accepted.status_code == 202
    flag = FlagFactory(message=Message.objects.get())
    decide(flag, "blocked", staff, "Too many threats.")
    for body in ({"text": "More"}, {"text": "More", "session_id": "s"}, {"text": "More", "on_busy": "steer"}):
        refused = api.post(url, {**body, "wait": False}, "application/json")
        assert (refused.status_code, refused.json()["code"]) == (403, "account_blocked")
        assert "Too many threats." in refused.json()["detail"]
    Run.objects.update(status="cancelled")
    assert api.post(f"/api/v1/runs/{accepted.json()['run_id']}/retry").status_code == 403
    assert Message.objects.count() == 1
    assert api.get("/api/v1/conversations/s").status_code == 200
    assert moderation.lift_block(block=UserBlock.objects.get(), by=staff, now=timezone.now())
    assert not moderation.lift_block(block=UserBlock.objects.get(), by=staff, now=timezone.now())
    assert (
        api.post(url, {"text": "More", "session_id": "t", "wait": False}, "application/json").status_code
        == 202
    )


# Holding


@pytest.fixture
def accept(settings, person: User) -> Callable[[str], Run]:
    settings.PENGUIN_MODERATION = "hold"

    def accept(text: str) -> Run:
        return Run.objects.get(
            id=turns.accept_turn_sync(turns.TurnRequest(person.pk, text, "s"), uuid7()).run_id
        )

    return accept


def hold_of(run: Run) -> tuple[str, str]:
    run.refresh_from_db()
    return run.status, run.hold


def reasons(run: Run) -> list[str]:
    events = ConversationEvent.objects.filter(run_id=run.id, type="run.requeued").order_by("seq")
    return [event.payload["reason"] for event in events]


def test_a_message_waits_for_its_check_and_a_flagged_one_for_staff(accept, staff, settings) -> None:
    RuleFactory()
    good, bad, worse = accept("Hello"), accept("A badword"), accept("Another badword")
    assert hold_of(good) == ("queued", "check")
    assert ConversationEvent.objects.get(run_id=good.id).payload["hold"] == "check"
    message_checks.check_held(now=timezone.now())
    message_checks.check_held(now=timezone.now())
    assert [hold_of(run) for run in (good, bad, worse)] == [
        ("queued", ""),
        ("queued", "review"),
        ("queued", "review"),
    ]
    assert (reasons(good), reasons(bad)) == (["moderation_passed"], ["moderation_review"])
    flags = {flag.message_id: flag for flag in ModerationFlag.objects.all()}
    decide(flags[bad.input_message_id], "dismissed", staff)
    assert hold_of(bad) == ("queued", "")
    assert reasons(bad) == ["moderation_review", "moderation_passed"]
    decide(flags[worse.input_message_id], "hidden", staff)
    assert hold_of(worse)[0] == "cancelled"
    # A hidden question is not answered again; a dismissed one is not checked again.
    with pytest.raises(runs.QuestionHidden):
        runs.retry_run(run=worse, now=timezone.now())
    bad = runs.cancel_run(run=bad, now=timezone.now())
    assert runs.retry_run(run=bad, now=timezone.now()).hold == ""
    # What was cancelled before its check does not slip through by a retry.
    late = accept("A late badword")
    late = runs.cancel_run(run=late, now=timezone.now())
    again = runs.retry_run(run=late, now=timezone.now())
    assert again.hold == "check"
    check_messages(0)
    assert hold_of(again) == ("queued", "review")
    # With moderation switched off what waited for a check goes on.
    waiting = accept("Good evening")
    settings.PENGUIN_MODERATION = "off"
    check_messages(0)
    assert hold_of(waiting) == ("queued", "")
    assert holds.new_hold() == ""


def test_clients_are_told_why_a_message_waits(accept, api: Client, staff: User) -> None:
    RuleFactory()
    run = accept("A badword")
    paths = (f"/api/v1/runs/{run.id}", "/api/v1/conversations/s/snapshot")

    def told() -> list[str | None]:
        one, snapshot = (api.get(path).json() for path in paths)
        return [one["queue_reason"], *(queued["queue_reason"] for queued in snapshot["queued_runs"])]

    assert told() == ["moderation_check"] * 2
    message_checks.check_held(now=timezone.now())
    assert told() == ["moderation_review"] * 2
    decide(ModerationFlag.objects.get(), "hidden", staff)
    assert told() == [None]


def test_the_chat_page_says_what_moderators_have_to_say(person: User, staff: User) -> None:
    run = RunFactory(conversation__owner=person)
    place = {"conversation": run.conversation, "run_id": run.id, "turn": run.turn}
    question = MessageFactory(**place, content="A badword")
    answer = MessageFactory(**place, step=30_000, role="assistant", content="badword")
    decide(FlagFactory(message=question), "warned", staff, "Be <b>kind</b>.")
    decide(FlagFactory(message=answer), "hidden", staff, "Rude")
    client = Client()
    client.force_login(person)
    (turn,) = client.get(f"/chat/data/conversations/{run.conversation.session_id}").json()["turns"]
    assert turn["questions"][0]["text"] == "A badword"
    (warning, hidden), (notice,) = turn["notes"], turn["items"]
    assert "<strong>A moderator's warning:</strong> Be &lt;b&gt;kind&lt;/b&gt;." in warning["html"]
    assert "<strong>Hidden by a moderator:</strong> Rude" in hidden["html"]
    assert notice["text"] == hidden_messages.NOTICE
