"""What is not kept for ever: old events, with the gap told; keys of repeated messages after a day."""

from datetime import timedelta

import pytest
from django.utils import timezone

from conversations import retention
from conversations.models import Conversation, ConversationEvent, Message
from tests.factories import ConversationFactory, MessageFactory

pytestmark = pytest.mark.django_db
NOW = timezone.now()


def conversation_with_events(ages_in_days: list[int], **fields: object) -> Conversation:
    conversation: Conversation = ConversationFactory(head_seq=len(ages_in_days), **fields)
    for seq, age in enumerate(ages_in_days, start=1):
        ConversationEvent.objects.create(
            conversation=conversation, seq=seq, type="run.started", created_at=NOW - timedelta(days=age)
        )
    return conversation


def kept(conversation: Conversation) -> tuple[int, list[int]]:
    """(what the conversation says is gone, the seqs that are there)"""
    conversation.refresh_from_db()
    return conversation.kept_after_seq, list(
        conversation.events.order_by("seq").values_list("seq", flat=True)
    )


def test_old_events_go_and_the_conversation_says_up_to_where() -> None:
    old, young = conversation_with_events([99, 95, 91, 5]), conversation_with_events([9, 8])
    assert retention.trim_log(now=NOW, keep_days=90) == 3
    assert kept(old) == (3, [4])
    assert kept(young) == (0, [1, 2])
    assert retention.trim_log(now=NOW, keep_days=90) == 0


def test_a_conversation_with_an_open_run_keeps_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    conversation = conversation_with_events([99, 98], open_runs=1)
    other = conversation_with_events([95])
    monkeypatch.setattr(retention, "BATCH", 1)  # what is kept does not stand in the way of what goes
    assert retention.trim_log(now=NOW, keep_days=90) == 1
    assert kept(conversation) == (0, [1, 2])
    assert kept(other) == (1, [])


def test_many_events_go_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    conversations = [conversation_with_events([99, 98, 97]) for _ in range(3)]
    assert retention.trim_log(now=NOW, keep_days=90) == 9
    assert [kept(conversation) for conversation in conversations] == [(3, [])] * 3


def test_an_idempotency_key_is_free_after_a_day_and_a_message_id_never() -> None:
    old, young = NOW - timedelta(hours=25), NOW - timedelta(hours=23)
    keys = {"//old": old, "//young": young, "session/message": old}
    for key, created_at in keys.items():
        MessageFactory(client_key=key, body_hash=b"x" * 32, created_at=created_at)
    assert retention.forget_idempotency_keys(now=NOW) == 1
    left = Message.objects.filter(client_key__isnull=False).values_list("client_key", flat=True)
    assert set(left) == {"//young", "session/message"}
