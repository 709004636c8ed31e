"""Deletion of conversations over REST."""

import asyncio

import pytest
from channels.db import database_sync_to_async
from django.db.models import SET_NULL

from conversations import sessions as domain_sessions
from conversations.api import sessions
from conversations.core.ids import uuid7
from conversations.models import (
    Artifact,
    Conversation,
    ConversationEvent,
    ConversationSummary,
    Fragment,
    Message,
    MessageFeedback,
    ModelCall,
    Run,
)
from tests.factories import (
    ArtifactFactory,
    ConversationFactory,
    EventFactory,
    FeedbackFactory,
    FragmentFactory,
    MessageFactory,
    ModelCallFactory,
    RunFactory,
    SummaryFactory,
)

LIST = "/api/v1/conversations"


def url(conversation: Conversation) -> str:
    return f"{LIST}/{conversation.session_id}"


def test_deleting_takes_every_row_along_and_nothing_else(api, person):
    conversation = ConversationFactory(owner=person)
    run = RunFactory(conversation=conversation)
    RunFactory(conversation=conversation, retry_of=run)
    FeedbackFactory(message=MessageFactory(conversation=conversation, run_id=run.id))
    ModelCallFactory(run=run)
    EventFactory(conversation=conversation)
    FragmentFactory(conversation=conversation)
    SummaryFactory(conversation=conversation)
    ArtifactFactory(owner=person, conversation=conversation)
    kept = ModelCallFactory(run__conversation__owner=person)
    upload = ArtifactFactory(owner=person)
    body = api.delete(url(conversation)).json()
    assert (body["session_id"], body["deleted"]) == (conversation.session_id, True)
    for model in (Message, ConversationEvent, ConversationSummary, Fragment, MessageFeedback):
        assert not model.objects.exists()
    assert list(Conversation.objects.all()) == [kept.conversation]
    assert (Run.objects.get().id, ModelCall.objects.get().id) == (kept.run_id, kept.id)
    assert Artifact.objects.get().id == upload.id
    assert api.get(url(conversation)).status_code == 404
    assert api.delete(url(conversation)).status_code == 404


def test_no_table_of_a_conversation_is_forgotten_when_it_is_deleted():
    referring = {
        relation.related_model._meta.db_table
        for relation in Conversation._meta.get_fields(include_hidden=True)
        # Those of other apps outlive it: the database sets them free of it.
        if relation.auto_created and relation.is_relation and relation.on_delete is not SET_NULL
    }
    assert referring == set(domain_sessions._TABLES_OF_A_CONVERSATION)


def test_deleting_ends_a_queued_run_at_once(api, person):
    conversation = ConversationFactory(owner=person)
    RunFactory(conversation=conversation, status="queued")
    assert api.delete(url(conversation)).status_code == 200
    assert not Run.objects.exists()


def test_deleting_waits_for_the_worker(api, person):
    """202 and the wish to cancel while the worker has not let go; done when it has."""
    conversation = ConversationFactory(owner=person)
    run = RunFactory(conversation=conversation, status="running", lease_owner=uuid7(), attempt=1)
    first = api.delete(url(conversation))
    assert (first.status_code, first.json()["status"]) == (202, "cancelling")
    run.refresh_from_db()
    assert run.status == "cancelling"
    assert api.get(url(conversation)).status_code == 200

    Run.objects.filter(id=run.id).update(status="cancelled", lease_owner=None)
    Conversation.objects.filter(id=conversation.id).update(open_runs=0)
    assert first.waiting.finish() == (
        200,
        {
            "session_id": conversation.session_id,
            "conversation_id": conversation.session_id,
            "deleted": True,
            "status": "deleted",
        },
    )
    assert not Conversation.objects.exists()


@pytest.mark.django_db(transaction=True)
async def test_the_wait_for_a_deletion_ends_with_the_run(monkeypatch):
    monkeypatch.setattr(sessions, "POLL_SECONDS", 0.01)
    conversation = await database_sync_to_async(ConversationFactory)(open_runs=1)
    deletion = sessions.Deletion(conversation.id, conversation.session_id)
    waiting = asyncio.ensure_future(deletion.wait())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    await database_sync_to_async(Conversation.objects.filter(id=conversation.id).update)(open_runs=0)
    await asyncio.wait_for(waiting, 40)
