"""Every route and every socket refuses strangers, and shows nobody what belongs to somebody else.

The routes are read from the routing tables: a new one is in this test without anybody thinking of it, and one with a
kind of object that this test does not know makes it fail until it does.
"""

import json
import re
from collections.abc import Callable

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.db import connections
from django.test import Client

from conversations.core.run_states import RunStatus
from conversations.live import process
from conversations.models import Conversation, Message, Run
from penguin_site.api_keys import make_key
from penguin_site.asgi import application, socket_routes
from penguin_site.models import User
from penguin_site.sockets import unknown_path
from tasks.models import Execution, Project, Task
from tests.factories import (
    ApprovalFactory,
    ArtifactFactory,
    ConversationFactory,
    EventFactory,
    GrantFactory,
    QuestionFactory,
    RunFactory,
    SponsoredSuggestionFactory,
    ToolCallFactory,
    UserFactory,
)
from tests.site.routes import Route, all_routes
from tests.tasks.factories import (
    ExecutionFactory,
    ProjectFactory,
    ProjectRunFactory,
    ScheduleFactory,
    TaskFactory,
)

FAR = "203.0.113.9"
EVERYTHING = ("read", "chat", "tools", "approvals:decide", "tasks")

# What anybody may ask for; everything else is tested to refuse.
PUBLIC = {
    "api/v1/health",
    "api/schema",
    "api/docs",
    "favicon.ico",
    "authorize",
    "login",
    "logout",
    "admin/login/",
    "admin/logout/",
    # Of the ads API: sign-up, its document and rules, clicks, and what is not there.
    "functions/v1/agent-signup",
    "functions/v1/policy",
    "functions/v1/categories",
    "functions/v1/receipts/keys",
    "functions/v1/api-v1/openapi.json",
    "functions/v1/track-click/<str:token>",
    "functions/v1/track-impression/<str:token>",
    "functions/v1/^.*$",
}
# Asks for a session and sends everybody else to the login page. What belongs to somebody else is 404 there, too:
# test_dashboard.py, test_ads_pages.py.
PAGES = {
    "",
    "chat",
    "chat/<str:session_id>",
    "password",
    "dashboard",
    "dashboard/keys",
    "dashboard/keys/<int:key_id>/revoke",
    "dashboard/sponsored",
    "ads",
    "ads/link",
    "ads/register",
    "ads/agents/<uuid:agent_id>",
    "ads/agents/<uuid:agent_id>/console",
    "ads/agents/<uuid:agent_id>/unlink",
    "ads/agents/<uuid:agent_id>/keys/<int:key_id>/replace",
    "ads/agents/<uuid:agent_id>/keys/<int:key_id>/revoke",
}


def is_admin(route: Route) -> bool:
    return route.template.startswith("admin/") and route.template not in PUBLIC


def is_api(route: Route) -> bool:
    return not is_admin(route) and route.template not in PUBLIC | PAGES


ROUTES = all_routes()
API_ROUTES = [route for route in ROUTES if is_api(route)]
# The marketplace has objects and keys of its own: tests/ads/test_foreign_objects.py.
OBJECT_ROUTES = [
    route for route in API_ROUTES if route.converters and not route.template.startswith("functions/")
]


def conversation_of(owner: User) -> Conversation:
    conversation = ConversationFactory(owner=owner, title="a private title")
    EventFactory(conversation=conversation)
    return conversation


# One object of `owner` for each name that stands in a route, as it is written in an address.
OBJECTS: dict[str, Callable[[User], object]] = {
    "session_id": lambda owner: conversation_of(owner).session_id,
    "message_id": lambda owner: (
        SponsoredSuggestionFactory(message__conversation=conversation_of(owner)).message_id
    ),
    "run_id": lambda owner: RunFactory(conversation=conversation_of(owner), status=RunStatus.FAILED).pk,
    "artifact_id": lambda owner: ArtifactFactory(owner=owner).pk,
    "approval_id": lambda owner: ApprovalFactory(tool_call__run__conversation=conversation_of(owner)).pk,
    "grant_id": lambda owner: GrantFactory(owner=owner).pk,
    "question_id": lambda owner: QuestionFactory(tool_call__run__conversation=conversation_of(owner)).pk,
    "project_id": lambda owner: (
        ProjectRunFactory(
            project__owner=owner, project__name="a private title", status="completed"
        ).project_id
    ),
    "task_id": lambda owner: TaskFactory(owner=owner, title="a private title").pk,
    "execution_id": lambda owner: ExecutionFactory(task__owner=owner).pk,
    "schedule_id": lambda owner: ScheduleFactory(task__owner=owner).pk,
}

# Bodies with which the owner's request would be done; `{}` for all others.
BODIES = {
    "api/v1/messages/<uuid:message_id>/feedback": {"rating": "up"},
}

# Query parameters and body fields that name an object beside the address.
NAMED_ELSEWHERE = [
    ("get", "/api/v1/runs", "session_id"),
    ("get", "/api/v1/events/sse", "session_id"),
    ("get", "/api/v1/questions", "session_id"),
    ("get", "/api/v1/tasks", "project_id"),
]


def address_of(route: Route, owner: User) -> str:
    unknown = set(route.converters) - set(OBJECTS)
    assert not unknown, f"{route}: say in OBJECTS how a {unknown} of somebody is made"

    def fill(match: re.Match[str]) -> str:
        return str(OBJECTS[match["name"]](owner))

    return "/" + re.sub(r"<(?:\w+:)?(?P<name>\w+)>", fill, route.template)


def placeholder(route: Route) -> str:
    """An address of the route that names nothing: who is refused before anything is looked at needs no object."""
    filled = re.sub(r"<uuid:\w+>", "018e8f5a-0000-7000-8000-000000000001", route.template)
    filled = re.sub(r"<int:\w+>|<(?:path|str|slug):\w+>|<\w+>", "1", filled)
    return "/" + re.sub(r"\(\?P<\w+>[^)]*\)|[\^$]|\\Z", "1", filled).removesuffix(
        "1" if "(?P" in filled else ""
    )


def ask(client: Client, method: str, address: str, body: object = None):
    response = client.generic(
        method.upper(), address, json.dumps(body or {}), content_type="application/json"
    )
    if response.streaming:
        b"".join(response)  # its file is closed at the end
    return response


def client_of(user: User, *scopes: str) -> Client:
    _, key = make_key(user=user, name="tests", scopes=scopes or EVERYTHING)
    return Client(headers={"X-API-Key": key}, REMOTE_ADDR=FAR)


def test_the_tables_are_read():
    templates = {route.template for route in ROUTES}
    assert {"api/v1/chat/message", "api/v1/conversations/<str:session_id>", "metrics", ""} <= templates
    assert templates >= PUBLIC | PAGES
    assert any(is_admin(route) for route in ROUTES)


@pytest.mark.django_db
@pytest.mark.parametrize("route", API_ROUTES, ids=str)
def test_a_stranger_gets_401(route):
    assert route.methods
    for method in route.methods:
        for headers in ({}, {"X-API-Key": "pk_0_wrong"}, {"Cookie": "penguin_session=wrong"}):
            response = ask(Client(headers=headers, REMOTE_ADDR=FAR), method, placeholder(route))
            assert response.status_code == 401, (method, headers, response.content)
            assert response.json()["code"] == "authentication_failed"
            assert response.headers["WWW-Authenticate"]


@pytest.mark.django_db
@pytest.mark.parametrize("route", [route for route in ROUTES if route.template in PAGES], ids=str)
def test_a_page_sends_a_stranger_to_the_login(route):
    for method in route.methods:
        response = ask(Client(REMOTE_ADDR=FAR), method, placeholder(route))
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/login")


@pytest.mark.django_db
@pytest.mark.parametrize("route", [route for route in ROUTES if is_admin(route)], ids=str)
@pytest.mark.parametrize("who", ["stranger", "user"])
def test_the_admin_is_for_staff(route, who):
    client = Client()
    if who == "user":
        client.force_login(UserFactory())
    for method in ("get", "post"):
        response = ask(client, method, placeholder(route))
        if response.status_code == 302:
            assert "/login" in response.headers["Location"]
        else:
            assert response.status_code in (403, 404, 405), response.status_code


@pytest.mark.django_db
@pytest.mark.parametrize("route", OBJECT_ROUTES, ids=str)
def test_anothers_object_is_not_there(route, settings):
    settings.PENGUIN_RATE_LIMITS = {}
    owner, other = UserFactory(), client_of(UserFactory())
    address, body = address_of(route, owner), BODIES.get(route.template)
    before = counts()
    for method in route.methods:
        response = ask(other, method, address, body)
        assert response.status_code == 404, (method, address, response.content)
        assert response.json()["code"] == "not_found"
        assert "private" not in response.content.decode()
    assert counts() == before
    # The object is there for its owner, so it is the person that makes the difference.
    for method in route.methods:
        response = ask(client_of(owner), method, address, body)
        assert response.status_code not in (401, 403, 404, 405), (method, response.status_code)


def counts() -> list[int]:
    return [model.objects.count() for model in (Conversation, Message, Run, Project, Task, Execution)]


@pytest.mark.django_db
@pytest.mark.parametrize("route", API_ROUTES, ids=str)
def test_lists_show_nothing_of_others(route, settings):
    settings.PENGUIN_RATE_LIMITS = {}
    if route.converters or "get" not in route.methods or route.template == "metrics":
        return
    if route.template.startswith("functions/"):  # a marketplace of its own, with keys of its own: tests/ads
        return
    owner = UserFactory()
    names = [str(make(owner)) for make in OBJECTS.values()]
    response = client_of(UserFactory()).get("/" + route.template, {"q": "private", "search": "private"})
    text = response.content.decode()
    assert response.status_code in (200, 400, 421), text  # 421: live output, of which there is none here
    assert not [name for name in names if name in text]
    assert "a private title" not in text


@pytest.mark.django_db
@pytest.mark.parametrize(("method", "address", "field"), NAMED_ELSEWHERE)
def test_an_object_named_beside_the_address_is_not_there_either(method, address, field):
    foreign = OBJECTS[field](UserFactory())
    response = client_of(UserFactory()).get(address, {field: foreign})
    empty = {key: value for key, value in response.json().items() if value}
    assert response.status_code == 404 or not empty


@pytest.mark.django_db
def test_an_id_that_another_person_uses_is_free_for_oneself():
    owner, other = UserFactory(), UserFactory()
    theirs = ConversationFactory(owner=owner, session_id="shared-name", title="theirs")
    response = client_of(other).post(
        "/api/v1/conversations/create", {"session_id": "shared-name"}, content_type="application/json"
    )
    assert response.status_code == 200, response.content
    assert Conversation.objects.filter(session_id="shared-name").count() == 2
    theirs.refresh_from_db()
    assert theirs.title == "theirs"


# --- sockets

SOCKETS = [route for route in socket_routes if route.callback is not unknown_path]

# Frames that name somebody else's objects, by socket route.
FOREIGN_FRAMES: dict[str, Callable[[Conversation, Run], list[dict[str, object]]]] = {
    "api/v1/chat/stream": lambda conversation, run: [
        {"type": "attach", "session_id": conversation.session_id},
        {"type": "attach", "session_id": conversation.session_id, "after": f"{conversation.epoch}:0"},
        {"type": "cancel", "run_id": str(run.id)},
        # There are an approval and a question with the id of the run.
        {"type": "approve", "approval_id": str(run.id)},
        {"type": "deny", "approval_id": str(run.id)},
        {"type": "answer", "question_id": str(run.id), "answer": "yes"},
    ],
    # There is an execution with the id of the run, too.
    "api/v1/tasks/stream": lambda conversation, run: [
        {"type": "attach", "execution_id": str(run.id)},
        {"type": "attach", "execution_id": str(run.id), "after": f"{conversation.epoch}:0"},
        {"type": "cancel", "execution_id": str(run.id)},
        {"type": "approve", "approval_id": str(run.id)},
        {"type": "deny", "approval_id": str(run.id)},
        {"type": "answer", "question_id": str(run.id), "answer": "yes"},
        {"name": "mine", "project_id": str(run.id)},
    ],
}


# Sockets whose address names an object: what is asked there is answered without any frame.
FOREIGN_ADDRESSES: dict[str, Callable[[Conversation], list[str]]] = {
    "api/v1/events/ws": lambda conversation: [
        f"?session_id={conversation.session_id}",
        f"?session_id={conversation.session_id}&last_event_id={conversation.epoch}:0",
    ],
}


def socket(route, key: str = "", query: str = "") -> WebsocketCommunicator:
    headers = [(b"host", b"127.0.0.1:9000")]
    if key:
        headers.append((b"x-api-key", key.encode()))
    communicator = WebsocketCommunicator(application, f"/{route.pattern}{query}", headers=headers)
    communicator.scope["client"] = [FAR, 50000]
    return communicator


def test_all_socket_routes_are_known():
    assert SOCKETS
    assert {str(route.pattern) for route in SOCKETS} == set(FOREIGN_FRAMES) | set(FOREIGN_ADDRESSES)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", SOCKETS, ids=lambda route: str(route.pattern))
@pytest.mark.parametrize("key", ["", "pk_0_wrong"])
async def test_a_socket_refuses_a_stranger(route, key):
    assert not (await socket(route, key).connect(timeout=30))[0]


def a_run_and_somebody_else() -> tuple[Conversation, Run, str]:
    run = RunFactory(conversation=conversation_of(UserFactory()), status=RunStatus.QUEUED)
    ApprovalFactory(id=run.id, tool_call=ToolCallFactory(run=run))
    QuestionFactory(id=run.id, tool_call=ToolCallFactory(run=run, status="started"))
    owner = run.conversation.owner
    ExecutionFactory(id=run.id, task__owner=owner, conversation=run.conversation)
    ProjectFactory(id=run.id, owner=owner)
    _, key = make_key(user=UserFactory(), name="tests", scopes=EVERYTHING)
    connections.close_all()
    return run.conversation, run, key


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", SOCKETS, ids=lambda route: str(route.pattern))
async def test_anothers_object_is_not_there_over_a_socket(route):
    conversation, run, key = await sync_to_async(a_run_and_somebody_else)()
    await process.start()
    try:
        for query in FOREIGN_ADDRESSES.get(str(route.pattern), lambda _: [])(conversation):
            communicator = socket(route, key, query)
            assert (await communicator.connect(timeout=30))[0]
            assert_not_found(await communicator.receive_from(30))
            assert (await communicator.receive_output(30))["type"] == "websocket.close"
        communicator = socket(route, key)
        assert (await communicator.connect(timeout=30))[0]
        for frame in FOREIGN_FRAMES.get(str(route.pattern), lambda *_: [])(conversation, run):
            await communicator.send_to(json.dumps(frame))
            assert_not_found(await communicator.receive_from(30))
        await communicator.disconnect()
    finally:
        await process.stop()
    status = await sync_to_async(status_of)(run)
    assert status == RunStatus.QUEUED


def assert_not_found(frame: str) -> None:
    answer = json.loads(frame)
    told = (answer["event"], answer["data"]["code"], answer["data"]["status"])
    assert told == ("error", "not_found", 404), answer


def status_of(run: Run) -> str:
    try:
        return Run.objects.get(pk=run.pk).status
    finally:
        connections.close_all()
