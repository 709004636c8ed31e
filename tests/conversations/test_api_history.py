"""The log, snapshots and search of conversations over REST."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations import search
from conversations.core.cursors import encode
from conversations.core.ids import uuid7
from conversations.models import Conversation, ConversationEvent, Message
from tests.factories import (
    ConversationFactory,
    EventFactory,
    FragmentFactory,
    MessageFactory,
    RunFactory,
)

SEARCH = "/api/v1/conversations/search"


def url(conversation: Conversation, what: str) -> str:
    return f"/api/v1/conversations/{conversation.session_id}/{what}"


def answered(conversation: Conversation, question: str, answer: str, **run) -> tuple[Message, Message]:
    """A turn that has ended, as the worker leaves it."""
    run = RunFactory(conversation=conversation, **run)
    return (
        MessageFactory(conversation=conversation, run_id=run.id, turn=run.turn, content=question),
        MessageFactory(
            id=run.answer_message_id,
            conversation=conversation,
            run_id=run.id,
            turn=run.turn,
            step=Message.ANSWER_STEP,
            role="assistant",
            content=answer,
        ),
    )


# --- events


def test_events_are_paged_to_the_head(api, person):
    conversation = ConversationFactory(owner=person)
    EventFactory.create_batch(5, conversation=conversation)
    seen, cursor = [], ""
    while True:
        body = api.get(url(conversation, "events"), {"limit": 2, "after": cursor}).json()
        assert body["outcome"] == "replay"
        seen += [event["cursor"] for event in body["events"]]
        cursor = body["next_cursor"]
        if not body["has_more"]:
            break
    assert seen == [encode(conversation.epoch, seq) for seq in range(1, 6)]
    assert cursor == body["head"] == seen[-1]
    at_head = api.get(url(conversation, "events"), {"after": cursor}).json()
    assert (at_head["events"], at_head["next_cursor"], at_head["has_more"]) == ([], cursor, False)


def test_an_event_carries_the_text_that_its_message_holds(api, person):
    conversation = ConversationFactory(owner=person)
    _, answer = answered(conversation, "Why?", "Because.")
    payload = {"status": "completed", "answer_id": str(answer.id), "usage": {}, "aborted": False}
    EventFactory(conversation=conversation, type="run.ended", payload=payload, run_id=answer.run_id)
    event = api.get(url(conversation, "events"), {"after": encode(conversation.epoch, 1)}).json()["events"][0]
    assert event["payload"] == {**payload, "response": "Because.", "action_results": []}
    assert (event["type"], event["run_id"]) == ("run.ended", str(answer.run_id))


@pytest.mark.parametrize(
    ("kept_after", "after", "outcome"),
    [
        (0, "{epoch}:0", "replay"),
        (3, "{epoch}:3", "replay"),
        (3, "{epoch}:2", "replay_gap"),  # 3 is not kept any more
        (3, "", "replay"),  # nothing is missed by who has seen nothing: it begins at what is kept
        (0, "{epoch}:6", "cursor_reset"),  # above the head
        (0, "00000000:2", "cursor_reset"),  # another life of the log
    ],
)
def test_every_outcome_of_a_cursor_is_said(api, person, kept_after, after, outcome):
    conversation = ConversationFactory(owner=person, kept_after_seq=kept_after, epoch="0a1b2c3d")
    EventFactory.create_batch(5, conversation=conversation)
    ConversationEvent.objects.filter(conversation=conversation, seq__lte=kept_after).delete()
    body = api.get(url(conversation, "events"), {"after": after.format(epoch=conversation.epoch)}).json()
    assert body["outcome"] == outcome
    if outcome == "replay":
        assert len(body["events"]) == 5 - kept_after
    else:
        assert (body["events"], body["next_cursor"]) == ([], None)
        assert api.get(body["snapshot"]).status_code == 200


def test_retention_between_two_reads_is_a_gap_and_no_silent_loss(api, person):
    conversation = ConversationFactory(owner=person)
    EventFactory.create_batch(5, conversation=conversation)
    ConversationEvent.objects.filter(conversation=conversation, seq__lte=3).delete()
    body = api.get(url(conversation, "events"), {"after": encode(conversation.epoch, 1)}).json()
    assert body["outcome"] == "replay_gap"


@pytest.mark.parametrize(
    "after", ["5", "x:1", "0a1b2c3d:", "0a1b2c3d:-1", "0a1b2c3d:01", "0a1b2c3d:" + "9" * 30]
)
def test_a_malformed_cursor_is_refused(api, person, after):
    response = api.get(url(ConversationFactory(owner=person), "events"), {"after": after})
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["query", "after"]


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_a_wrong_limit_of_events_is_refused(api, person, limit):
    assert api.get(url(ConversationFactory(owner=person), "events"), {"limit": limit}).status_code == 400


# --- snapshot


def test_a_snapshot_has_everything_of_one_moment(api, person):
    conversation = ConversationFactory(owner=person, title="One")
    question, answer = answered(conversation, "Why?", "Because.")
    running = RunFactory(conversation=conversation, status="running", lease_owner=uuid7(), attempt=1)
    RunFactory(conversation=conversation, status="queued")
    RunFactory(conversation=conversation, status="queued")
    part = uuid7()
    for offset, text in ((0, "So far "), (7, "🐧 so good")):
        FragmentFactory(conversation=conversation, part_id=part, run_id=running.id, offset=offset, text=text)
    body = api.get(url(conversation, "snapshot")).json()
    assert [message["id"] for message in body["messages"]] == [str(question.id), str(answer.id)]
    assert (body["title"], body["status"], body["approvals"]) == ("One", "busy", [])
    assert (body["active_run"]["id"], body["active_run"]["status"]) == (str(running.id), "running")
    assert [run["queue_position"] for run in body["queued_runs"]] == [1, 2]
    assert body["open_parts"] == [
        {
            "run_id": str(running.id),
            "part_id": str(part),
            "kind": "text",
            "text": "So far 🐧 so good",
            "length": 16,
        }
    ]
    assert body["cursor"] == encode(conversation.epoch, conversation.head_seq)


def test_a_snapshot_is_one_statement(api, person):
    conversation = ConversationFactory(owner=person)
    answered(conversation, "Why?", "Because.")
    api.get(url(conversation, "snapshot"))
    with CaptureQueriesContext(connection) as captured:
        api.get(url(conversation, "snapshot"))
    assert sum("conversation" in query["sql"] for query in captured) == 1


def test_a_snapshot_of_a_long_conversation_says_where_the_rest_is(api, person):
    conversation = ConversationFactory(owner=person)
    made = [str(MessageFactory(conversation=conversation).id) for _ in range(5)]
    body = api.get(url(conversation, "snapshot"), {"limit": 2}).json()
    assert [message["id"] for message in body["messages"]] == made[3:]
    assert (body["has_more"], body["before"]) == (True, made[3])
    rest = api.get(f"/api/v1/conversations/{conversation.session_id}", {"before": body["before"]}).json()
    assert [message["id"] for message in rest["messages"]] == made[:3]


def test_an_idle_snapshot_has_no_run(api, person):
    body = api.get(url(ConversationFactory(owner=person), "snapshot")).json()
    assert (body["status"], body["active_run"], body["queued_runs"], body["open_parts"]) == (
        "idle",
        None,
        [],
        [],
    )


# --- search


def test_search_finds_ones_own_words_and_marks_them(api, person):
    conversation = ConversationFactory(owner=person, title="Penguins")
    hit = MessageFactory(conversation=conversation, content="The emperor penguins huddle for warmth.")
    MessageFactory(conversation=conversation, content="Something else.")
    MessageFactory(content="Foreign penguins huddle as well.")
    results = api.get(SEARCH, {"q": "huddling penguin"}).json()["results"]
    assert [(row["session_id"], row["message_id"]) for row in results] == [
        (conversation.session_id, str(hit.id))
    ]
    assert results[0]["title"] == "Penguins"
    assert results[0]["excerpt"] == "The emperor <mark>penguins</mark> <mark>huddle</mark> for warmth"


def test_an_excerpt_is_safe_to_show_whatever_was_said(api, person):
    MessageFactory(
        conversation__owner=person,
        content='<script>alert(1)</script> \ue000penguin\ue001 </mark> & "penguin"',
    )
    excerpt = api.get(SEARCH, {"q": "penguin"}).json()["results"][0]["excerpt"]
    without_marks = excerpt.replace("<mark>", "").replace("</mark>", "")
    assert "<" not in without_marks
    assert excerpt.count("<mark>penguin</mark>") == 2


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('"red fish"', ["red fish"]),
        ("red -fish", ["red bird"]),
        ("bird or blue", ["red bird", "blue fish"]),
        ("'); drop table message; --", []),
        ('"unclosed', []),
        ("the", []),  # nothing but a stop word
        ("!!!", []),
    ],
)
def test_search_speaks_the_web_search_language(api, person, query, found):
    conversation = ConversationFactory(owner=person)
    for content in ("red fish", "red bird", "blue fish"):
        MessageFactory(conversation=conversation, content=content)
    response = api.get(SEARCH, {"q": query})
    assert response.status_code == 200
    texts = [
        row["excerpt"].replace("<mark>", "").replace("</mark>", "") for row in response.json()["results"]
    ]
    assert sorted(texts) == sorted(found)


def test_hits_are_paged_newest_first(api, person):
    conversation = ConversationFactory(owner=person)
    now = datetime.now(UTC)
    made = [
        str(
            MessageFactory(
                conversation=conversation, content="penguin", created_at=now - timedelta(days=n // 2)
            ).id
        )
        for n in range(7)
    ]
    seen, cursor = [], ""
    while cursor is not None:
        body = api.get(SEARCH, {"q": "penguin", "limit": 3, "cursor": cursor}).json()
        seen += [row["message_id"] for row in body["results"]]
        cursor = body["next_cursor"]
    assert len(seen) == 7
    assert set(seen) == set(made)
    assert {seen[0], seen[1]} == {made[0], made[1]}


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "q"),
        ({"q": ""}, "q"),
        ({"q": "   "}, "q"),
        ({"q": "x" * 401}, "q"),
        ({"q": "x", "limit": "0"}, "limit"),
        ({"q": "x", "limit": "101"}, "limit"),
        ({"q": "x", "cursor": "?"}, "cursor"),
        (
            {"q": "x", "cursor": "MjAyNC0wMS0wMVQwMDowMDowMCswMDowMHw1"},
            "cursor",
        ),  # of the list of conversations
    ],
)
def test_a_wrong_search_is_refused(api, query, field):
    response = api.get(SEARCH, query)
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["query", field]


def test_search_uses_the_index(person):
    """The condition has to be spelled as the index is."""
    conversation = ConversationFactory(owner=person)
    Message.objects.bulk_create(
        Message(conversation=conversation, owner=person, turn=n, role="user", content=f"Nothing of note {n}")
        for n in range(3000)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE message")
        parameters = {
            "owner_id": person.id, "query": "penguin", "moment": None, "row_id": None,
            "limit": 20, "markers": "ab", "options": "",
        }  # fmt: skip
        cursor.execute("EXPLAIN " + search._SEARCH, parameters)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "message_search" in plan, plan
