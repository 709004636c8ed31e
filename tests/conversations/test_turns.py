"""What is told live of an accepted message is what stands in the log."""

import pytest

from conversations.api.chat import queued_item
from conversations.core.ids import uuid7
from conversations.models import ConversationEvent, Message
from conversations.turns import TurnRequest, accept_turn_sync
from tests.factories import UserFactory


@pytest.mark.django_db
def test_the_hint_of_a_message_is_its_event() -> None:
    request = TurnRequest(UserFactory().pk, "Hello", "one")
    for _ in range(2):  # the first makes the conversation, the second waits behind it
        accepted = accept_turn_sync(request, uuid7())
        event = ConversationEvent.objects.get(conversation_id=accepted.conversation_id, seq=accepted.seq)
        milliseconds = int(event.created_at.timestamp() * 1000)
        assert queued_item(accepted) == [
            "e", event.conversation_id, event.seq, str(event.run_id), event.type, event.payload, milliseconds
        ]  # fmt: skip
        assert Message.objects.get(id=event.payload["message_id"]).content == "Hello"
