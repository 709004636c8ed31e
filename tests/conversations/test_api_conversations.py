"""Conversations over REST: list, create, read, change."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from conversations.core.ids import uuid7
from conversations.core.page_cursors import PageCursor
from conversations.core.run_states import RunStatus
from conversations.models import (
    Conversation,
    ConversationEvent,
    Message,
)
from tests.factories import (
    ConversationFactory,
    MessageFactory,
    RunFactory,
)

LIST = "/api/v1/conversations"
CREATE = "/api/v1/conversations/create"


def url(conversation: Conversation) -> str:
    return f"{LIST}/{conversation.session_id}"


def ids(response) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["session_id"] for row in response.json()["conversations"]]


# --- list


def test_the_list_shows_each_conversation_whole(api, person):
    at = datetime(2024, 3, 30, 12, 34, 56, tzinfo=UTC)
    ConversationFactory(
        owner=person,
        session_id="s1",
        title="One",
        created_at=at,
        last_active=at,
        message_count=3,
        token_count=412,
        cost_micros=1_500_000,
        directory="/repo",
    )
    assert api.get(LIST).json() == {
        "conversations": [
            {
                "session_id": "s1",
                "id": "s1",
                "conversation_id": "s1",
                "title": "One",
                "message_count": 3,
                "created_at": "2024-03-30T12:34:56Z",
                "last_active": "2024-03-30T12:34:56Z",
                "directory": "/repo",
                "status": "idle",
                "archived": False,
                "sponsored": False,
                "token_count": 412,
                "cost_usd": 1.5,
            }
        ],
        "next_cursor": None,
    }


def test_the_last_active_comes_first_and_only_ones_own(api, person):
    now = datetime.now(UTC)
    for name, age in (("old", 3), ("new", 1), ("middle", 2)):
        ConversationFactory(owner=person, session_id=name, last_active=now - timedelta(hours=age))
    ConversationFactory(session_id="foreign")
    assert ids(api.get(LIST)) == ["new", "middle", "old"]


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (None, "idle"),
        (RunStatus.QUEUED, "busy"),
        (RunStatus.RUNNING, "busy"),
        (RunStatus.CANCELLING, "busy"),
        (RunStatus.WAITING_APPROVAL, "waiting"),
        (RunStatus.WAITING_INPUT, "waiting"),
        (RunStatus.PAUSED, "waiting"),
        (RunStatus.COMPLETED, "idle"),
        (RunStatus.FAILED, "idle"),
    ],
)
def test_status_follows_the_open_runs(api, person, status, shown):
    conversation = ConversationFactory(owner=person)
    if status:
        RunFactory(conversation=conversation, status=status.value)
    assert api.get(LIST).json()["conversations"][0]["status"] == shown
    assert api.get(url(conversation)).json()["status"] == shown


def test_pages_miss_and_repeat_nothing_while_new_ones_come(api, person):
    now = datetime.now(UTC)
    moments = [now - timedelta(minutes=n // 3) for n in range(10)]  # ties among them
    expected = {ConversationFactory(owner=person, last_active=moment).session_id for moment in moments}
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        body = api.get(LIST, {"limit": 3, "cursor": cursor}).json()
        seen += [row["session_id"] for row in body["conversations"]]
        cursor = body["next_cursor"]
        ConversationFactory(owner=person, last_active=now + timedelta(minutes=len(seen)))
    assert len(seen) == len(set(seen))
    assert expected <= set(seen)


def test_the_last_page_has_no_cursor(api, person):
    ConversationFactory.create_batch(2, owner=person)
    assert api.get(LIST, {"limit": 2}).json()["next_cursor"] is None


def test_search_looks_at_titles_and_ids(api, person):
    ConversationFactory(owner=person, session_id="a", title="Quantum Physics")
    ConversationFactory(owner=person, session_id="quantum-2", title="")
    ConversationFactory(owner=person, session_id="b", title="100% sure")
    ConversationFactory(session_id="quantum-foreign")
    assert set(ids(api.get(LIST, {"search": "QUANT"}))) == {"a", "quantum-2"}
    assert ids(api.get(LIST, {"search": "%"})) == ["b"]
    assert ids(api.get(LIST, {"search": "nothing"})) == []


def test_archived_ones_are_a_list_of_their_own(api, person):
    ConversationFactory(owner=person, session_id="here")
    ConversationFactory(owner=person, session_id="away", archived=True)
    assert ids(api.get(LIST)) == ["here"]
    assert ids(api.get(LIST, {"archived": "false"})) == ["here"]
    assert ids(api.get(LIST, {"archived": "true"})) == ["away"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "-1"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "1.0"}, "limit"),
        ({"limit": "٥"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"archived": "1"}, "archived"),
        ({"archived": "TRUE"}, "archived"),
        ({"search": "x" * 201}, "search"),
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": "MjAyNA"}, "cursor"),
        ({"cursor": "é"}, "cursor"),
        ({"cursor": "x" * 201}, "cursor"),
    ],
)
def test_a_wrong_query_is_refused_with_its_field(api, query, field):
    response = api.get(LIST, query)
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["query", field]


def test_a_cursor_of_another_list_is_refused(api, person):
    """Its id is a message's: no number."""
    response = api.get(LIST, {"cursor": str(PageCursor(datetime.now(UTC), str(uuid7())))})
    assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


def test_the_number_of_statements_does_not_grow_with_the_list(api, person):
    def statements() -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert api.get(LIST, {"limit": 200}).status_code == 200
        return [query["sql"] for query in captured]

    ConversationFactory(owner=person)
    statements()  # the key is looked up once
    few = statements()
    for conversation in ConversationFactory.create_batch(30, owner=person):
        MessageFactory(conversation=conversation)
        RunFactory(conversation=conversation, status="waiting_approval")
    many = statements()
    assert len(many) == len(few) <= 3
    assert not any('"message"' in sql for sql in many)


# --- create


def test_create_needs_no_body_and_no_content_type(api, person):
    response = api.generic("POST", CREATE)
    assert response.status_code == 200, response.content
    body = response.json()
    assert body["conversation_id"] == body["session_id"]
    assert body["session_id"].startswith("conversation_")
    assert Conversation.objects.get(owner=person).session_id == body["session_id"]


def test_create_takes_what_is_named_and_writes_the_log(api, person, tmp_path):
    root = tmp_path / "data" / "workspace" / "users" / str(person.pk) / "repo"
    root.mkdir(parents=True)
    given = {"title": "Mine", "session_id": "repo-session-1", "directory": str(root)}
    assert api.post(CREATE, given, "application/json").status_code == 200
    conversation = Conversation.objects.get(owner=person, session_id="repo-session-1")
    assert (conversation.title, conversation.directory) == ("Mine", str(root))
    assert conversation.directory_inode == root.stat().st_ino
    event = ConversationEvent.objects.get(conversation=conversation)
    assert (event.seq, event.type, conversation.head_seq) == (1, "conversation.created", 1)


def test_a_name_is_ones_own_once(api, person):
    ConversationFactory(session_id="s1")  # another person's: no conflict
    assert api.post(CREATE, {"session_id": "s1"}, "application/json").status_code == 200
    again = api.post(CREATE, {"session_id": "s1"}, "application/json")
    assert (again.status_code, again.json()["code"]) == (409, "session_exists")
    assert Conversation.objects.filter(session_id="s1").count() == 2


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"title": 5}, "title"),
        ({"title": True}, "title"),
        ({"title": None}, "title"),
        ({"title": ["x"]}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"session_id": 5}, "session_id"),
        ({"session_id": ""}, "session_id"),
        ({"session_id": "create"}, "session_id"),
        ({"session_id": "search"}, "session_id"),
        ({"session_id": "-x"}, "session_id"),
        ({"session_id": "a b"}, "session_id"),
        ({"session_id": "a/b"}, "session_id"),
        ({"session_id": "ä"}, "session_id"),
        ({"session_id": "x" * 129}, "session_id"),
        ({"session_id": "x\n"}, "session_id"),
        ({"directory": 5}, "directory"),
        ({"directory": ""}, "directory"),
        ({"directory": "relative"}, "directory"),
        ({"directory": "/does/not/exist"}, "directory"),
        ({"directory": "/"}, "directory"),
        ({"directory": "/etc"}, "directory"),
    ],
)
def test_create_refuses_wrong_fields(api, body, field):
    response = api.post(CREATE, body, "application/json")
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["body", field]
    assert not Conversation.objects.exists()


@pytest.mark.parametrize("body", ["[]", '"x"', "5", "{", "null"])
def test_create_refuses_what_is_no_object(api, body):
    assert api.generic("POST", CREATE, body, "application/json").status_code == 400


def test_create_repeated_with_a_key_makes_one(api, person):
    first = api.post(CREATE, {"title": "A"}, "application/json", headers={"Idempotency-Key": "k1"})
    again = api.post(CREATE, {"title": "A"}, "application/json", headers={"Idempotency-Key": "k1"})
    assert first.json() == again.json()
    assert Conversation.objects.count() == 1
    other = api.post(CREATE, {"title": "B"}, "application/json", headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_mismatch")


def test_create_and_search_are_no_conversations(api):
    assert api.get(CREATE).status_code == 405
    assert api.delete(f"{LIST}/search").status_code == 405


# --- read


def test_a_conversation_shows_its_messages_in_order(api, person):
    conversation = ConversationFactory(owner=person, session_id="s1", title="One")
    run = RunFactory(conversation=conversation)
    question = MessageFactory(conversation=conversation, turn=run.turn, content="Why?", run_id=run.id)
    answer = MessageFactory(
        conversation=conversation,
        turn=run.turn,
        step=Message.ANSWER_STEP,
        role="assistant",
        content="Because.",
        parts=[{"id": str(uuid4()), "type": "text", "text": "Because.", "status": "complete", "call": 1}],
        metadata={"model": "local"},
        run_id=run.id,
    )
    body = api.get("/api/v1/conversations/s1").json()
    assert (body["session_id"], body["id"], body["title"], body["message_count"]) == ("s1", "s1", "One", 2)
    assert (body["has_more"], body["before"]) == (False, None)
    assert [message["id"] for message in body["messages"]] == [str(question.id), str(answer.id)]
    shown = body["messages"][1]
    assert (shown["role"], shown["content"], shown["metadata"]) == (
        "assistant",
        "Because.",
        {"model": "local"},
    )
    assert shown["parts"] == answer.parts
    assert shown["created_at"].endswith("Z")


def test_messages_are_paged_backwards(api, person):
    conversation = ConversationFactory(owner=person, head_seq=9)
    turns = [(n, step) for n in range(1, 5) for step in (0, Message.ANSWER_STEP)]
    made = [str(MessageFactory(conversation=conversation, turn=turn, step=step).id) for turn, step in turns]
    seen: list[str] = []
    query: dict[str, object] = {"limit": 3}
    while True:
        body = api.get(url(conversation), query).json()
        seen = [message["id"] for message in body["messages"]] + seen
        if not body["has_more"]:
            break
        MessageFactory(conversation=conversation)  # new ones do not move the older pages
        query["before"] = body["before"]
    assert seen == made


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"before": "x"}, "before"),
        ({"before": str(uuid4())}, "before"),
    ],
)
def test_a_wrong_page_of_messages_is_refused(api, person, query, field):
    response = api.get(url(ConversationFactory(owner=person)), query)
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["query", field]


def test_messages_of_another_conversation_are_no_place_in_this_one(api, person):
    other = MessageFactory(conversation__owner=person)
    assert api.get(url(ConversationFactory(owner=person)), {"before": str(other.id)}).status_code == 400


@pytest.mark.parametrize("name", ["unknown", "conversation_20240330_123456", "%00", "a%2Fb", "x" * 200])
def test_an_unknown_conversation_is_not_found(api, name):
    assert api.get(f"{LIST}/{name}").status_code in ((400, 404) if "%00" in name else (404,))


@pytest.mark.parametrize(
    ("method", "suffix"),
    [
        ("get", ""),
        ("patch", ""),
        ("delete", ""),
        ("get", "/events"),
        ("get", "/snapshot"),
        ("get", "/export"),
        ("post", "/fork"),
    ],
)
def test_another_persons_conversation_does_not_exist(api, method, suffix):
    foreign = MessageFactory().conversation
    request = {"content_type": "application/json"} if method in ("patch", "post") else {}
    response = getattr(api, method)(url(foreign) + suffix, **request)
    assert (response.status_code, response.json()["code"]) == (404, "not_found")
    assert Message.objects.count() == 1


def test_a_reading_key_only_reads(client_for, person):
    reader = client_for(person, "read")
    conversation = ConversationFactory(owner=person)
    assert reader.get(url(conversation)).status_code == 200
    for response in (
        reader.post(CREATE),
        reader.patch(url(conversation), {}, "application/json"),
        reader.delete(url(conversation)),
        reader.post(f"{url(conversation)}/fork", {}, "application/json"),
    ):
        assert response.status_code == 403
    assert Conversation.objects.count() == 1


# --- change


def test_title_and_archive_are_changed_and_logged(api, person):
    conversation = ConversationFactory(owner=person)
    body = api.patch(url(conversation), {"title": "New", "archived": True}, "application/json").json()
    assert (body["title"], body["archived"]) == ("New", True)
    conversation.refresh_from_db()
    assert (conversation.title, conversation.archived, conversation.head_seq) == ("New", True, 1)
    event = ConversationEvent.objects.get(conversation=conversation)
    assert (event.type, event.payload) == ("conversation.updated", {"title": "New", "archived": True})


def test_changing_nothing_writes_nothing(api, person):
    conversation = ConversationFactory(owner=person)
    assert api.patch(url(conversation), {}, "application/json").status_code == 200
    assert not ConversationEvent.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {"title": 5},
        {"title": None},
        {"title": "x" * 201},
        {"archived": "true"},
        {"archived": 1},
        {"archived": None},
    ],
)
def test_wrong_changes_are_refused(api, person, body):
    conversation = ConversationFactory(owner=person, title="Old")
    response = api.patch(url(conversation), body, "application/json")
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["body", *body]
    conversation.refresh_from_db()
    assert conversation.title == "Old"
