"""The gate before the sockets: who gets in, what the refused are told, and who is sent away later."""

import asyncio
import base64
import json
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.testing import WebsocketCommunicator
from django.contrib.sessions.models import Session
from django.db import connections
from django.test import Client
from django.utils import timezone

from penguin_site import principals, startup_token
from penguin_site.api_keys import revoke_key
from penguin_site.asgi import application as whole_site
from penguin_site.models import ApiKey, Ticket, User
from penguin_site.sockets import SocketGate
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db(transaction=True)
HERE = ["127.0.0.1", 50000]
FAR = ["203.0.113.9", 50000]
_events: list[str] = []


class Echo(AsyncWebsocketConsumer):
    """Says who is connected, then repeats what it hears."""

    async def connect(self):
        await self.accept(self.scope["accept_subprotocol"])
        principal = self.scope["principal"]
        await self.send(json.dumps([principal.username, principal.kind, principal.is_local_owner]))

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data)

    async def disconnect(self, code):
        _events.append(f"disconnect {code}")


def socket(
    headers=None, *, path="/echo", protocols=(), client=HERE, app=None, check_seconds=10.0
) -> WebsocketCommunicator:
    app = app or SocketGate(Echo.as_asgi(), check_seconds=check_seconds)
    headers = {"Host": "127.0.0.1:9000", **(headers or {})}
    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    communicator = WebsocketCommunicator(app, path, headers=raw, subprotocols=list(protocols))
    communicator.scope["client"] = client
    return communicator


async def opens_as(communicator) -> list:
    connected, protocol = await communicator.connect(timeout=30)
    assert connected, protocol
    who = json.loads(await communicator.receive_from(30))
    await communicator.send_to("hello")
    assert await communicator.receive_from(30) == "hello"
    await communicator.disconnect()
    return [*who, protocol]


async def is_refused(communicator) -> bool:
    connected, _ = await communicator.connect(timeout=30)
    return not connected


@pytest.fixture(autouse=True)
async def _no_connection_stays(db):
    yield
    # The ORM's async methods work in a thread that outlives the test, with a connection of its own.
    await sync_to_async(connections.close_all)()


@pytest.fixture
def key(person, key_of) -> str:
    return key_of(person)


@pytest.mark.parametrize("form", ["header", "bearer", "protocol", "protocol64", "protocol64 padded"])
async def test_the_forms_of_a_key(form, key, person):
    base64url = base64.urlsafe_b64encode(key.encode()).decode()
    headers = {"header": {"X-API-Key": key}, "bearer": {"Authorization": f"Bearer {key}"}}.get(form)
    protocols = {
        "protocol": ["penguin.v1", f"penguin.key.{key}"],
        "protocol64": [f"penguin.key64.{base64url.rstrip('=')}", "penguin.v1"],
        "protocol64 padded": ["penguin.v1", f"penguin.key64.{base64url}"],
    }.get(form, [])
    who = await opens_as(socket(headers, protocols=protocols))
    assert who == [person.username, "key", False, "penguin.v1" if protocols else None]


async def test_the_key_is_never_answered_as_the_protocol(key):
    communicator = socket(protocols=[f"penguin.key.{key}"])
    assert await communicator.connect(timeout=30) == (True, None)
    await communicator.disconnect()


async def test_configured_keys_and_the_startup_token_are_the_owners(settings):
    token = startup_token.startup_token()
    assert await opens_as(socket({"X-API-Key": token})) == ["owner", "owner", True, None]
    assert await is_refused(socket({"X-API-Key": token}, client=FAR))
    assert await is_refused(socket({"X-API-Key": token, "X-Forwarded-For": "127.0.0.1"}))
    settings.PENGUIN_API_KEYS = ["configured"]
    assert await is_refused(socket({"X-API-Key": token}))
    who = await opens_as(socket(protocols=["penguin.v1", "penguin.key.configured"], client=FAR))
    assert who == ["owner", "owner", True, "penguin.v1"]


async def test_without_authentication_everybody_is_the_owner(settings):
    settings.PENGUIN_AUTH_ENABLED = False
    for headers in ({}, {"X-API-Key": "wrong"}):
        assert await opens_as(socket(headers)) == ["owner", "open", True, None]
    assert await is_refused(socket({"Origin": "http://evil.example"}))


@pytest.mark.parametrize(
    ("headers", "protocols", "query"),
    [
        ({}, [], ""),
        ({"X-API-Key": "wrong"}, [], ""),
        ({"Authorization": "Basic eDp5"}, [], ""),
        ({}, ["penguin.key.wrong"], ""),
        ({}, ["penguin.key64.@@@"], ""),
        ({}, ["penguin.key64._w"], ""),
        ({"Cookie": "penguin_session=nosuchsession", "Origin": "http://127.0.0.1:9000"}, [], ""),
        ({}, [], "?api_key=KEY"),
        ({}, [], "?ticket=nosuchticket"),
        ({}, [], "?ticket="),
    ],
)
async def test_the_refused_are_told_in_the_way_they_can_hear(headers, protocols, query, key):
    path = "/echo" + query.replace("KEY", key)
    assert await is_refused(socket(headers, protocols=protocols, path=path))
    ours = socket(headers, protocols=["penguin.v1", *protocols], path=path)
    assert await ours.connect(timeout=30) == (True, "penguin.v1")
    frame = json.loads(await ours.receive_from(30))
    assert frame["event"] == "error"
    assert frame["data"]["code"] == "authentication_failed"
    assert frame["data"]["status"] == 401
    assert frame["data"]["message"]
    assert await ours.receive_output(30) == {"type": "websocket.close", "code": 4401}


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": ""},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9001"},
    ],
)
@pytest.mark.parametrize("protocols", [[], ["penguin.v1"]])
async def test_foreign_hosts_and_pages_fail_at_the_handshake(headers, protocols, key):
    assert await is_refused(socket({"X-API-Key": key, **headers}, protocols=protocols))


@pytest.mark.parametrize("origin", ["http://127.0.0.1:9000", "http://localhost:9000"])
async def test_own_pages_may_open_sockets(origin, key):
    await opens_as(socket({"X-API-Key": key, "Origin": origin}))


@pytest.fixture
def cookie(person) -> str:
    client = Client()
    client.force_login(person)
    return f"penguin_session={client.cookies['penguin_session'].value}"


async def test_a_cookie_needs_an_own_origin(cookie, person, settings):
    own = {"Cookie": cookie, "Origin": "http://127.0.0.1:9000"}
    assert await opens_as(socket(own)) == [person.username, "session", False, None]
    assert await is_refused(socket({"Cookie": cookie}))
    settings.PENGUIN_CORS_ORIGINS = frozenset({"https://app.example.com:443"})
    assert await is_refused(socket({"Cookie": cookie, "Origin": "https://app.example.com"}))


def make_ticket(key, **client) -> str:
    response = Client(headers={"X-API-Key": key}, **client).generic("POST", "/api/v1/auth/ticket")
    assert response.status_code == 200
    assert response.json()["expires_in"] == 30
    return response.json()["ticket"]


async def test_a_ticket_opens_one_socket(key, person):
    ticket = await sync_to_async(make_ticket)(key)
    who = await opens_as(socket(path=f"/echo?ticket={ticket}", client=FAR))
    assert who == [person.username, "key", False, None]
    assert await is_refused(socket(path=f"/echo?ticket={ticket}"))


async def test_of_many_sockets_with_one_ticket_one_opens(key):
    ticket = await sync_to_async(make_ticket)(key)
    sockets = [socket(path=f"/echo?ticket={ticket}") for _ in range(8)]
    opened = await asyncio.gather(*(s.connect(timeout=40) for s in sockets))
    assert sum(connected for connected, _ in opened) == 1
    for s, (connected, _) in zip(sockets, opened, strict=True):
        if connected:
            await s.disconnect()


@pytest.mark.parametrize("reason", ["too late", "key revoked", "user inactive"])
async def test_a_ticket_does_not_outlive_what_it_stands_for(reason, key):
    ticket = await sync_to_async(make_ticket)(key)
    if reason == "too late":
        await Ticket.objects.aupdate(expires_at=timezone.now() - timedelta(seconds=1))
    elif reason == "key revoked":
        await ApiKey.objects.aupdate(revoked_at=timezone.now())
    else:
        await User.objects.aupdate(is_active=False)
    assert await is_refused(socket(path=f"/echo?ticket={ticket}"))


async def test_a_ticket_of_the_startup_token_stays_on_this_machine():
    ticket = await sync_to_async(make_ticket)(startup_token.startup_token())
    assert await is_refused(socket(path=f"/echo?ticket={ticket}", client=FAR))


async def test_a_ticket_of_a_session_is_the_session(cookie, person):
    session_key = cookie.partition("=")[2]
    principal = principals.of_session(person, session_key)
    ticket = await sync_to_async(principals.make_ticket)(principal, now=timezone.now())
    assert (await opens_as(socket(path=f"/echo?ticket={ticket}")))[1] == "session"
    ticket = await sync_to_async(principals.make_ticket)(principal, now=timezone.now())
    await Session.objects.all().adelete()
    assert await is_refused(socket(path=f"/echo?ticket={ticket}"))


@pytest.mark.parametrize("reason", ["revoked", "expired", "inactive", "logout"])
async def test_a_socket_is_closed_when_its_way_in_ends(reason, key, cookie, person):
    _events.clear()
    app = SocketGate(Echo.as_asgi(), check_seconds=0.05)
    session = {"Cookie": cookie, "Origin": "http://127.0.0.1:9000"}
    leaving = socket(session if reason == "logout" else {"X-API-Key": key}, app=app)
    other = UserFactory.build(username="somebody-else")
    await other.asave()
    staying = socket({"X-API-Key": (await sync_to_async(_key_for)(other))}, app=app)
    for communicator in (leaving, staying):
        assert (await communicator.connect(timeout=30))[0]
        await communicator.receive_from(30)
    if reason == "revoked":
        key_id = (await ApiKey.objects.aget(user=person)).pk
        assert await sync_to_async(revoke_key)(key_id=key_id, now=timezone.now())
    elif reason == "expired":
        await ApiKey.objects.filter(user=person).aupdate(expires_at=timezone.now())
    elif reason == "inactive":
        await User.objects.filter(pk=person.pk).aupdate(is_active=False)
    else:
        browser = Client(headers={"Cookie": cookie})
        assert (await sync_to_async(browser.post)("/logout")).status_code == 302
    assert await leaving.receive_output(30) == {"type": "websocket.close", "code": 4401}
    await leaving.wait(5)  # the consumer has heard of it and ended
    assert _events == ["disconnect 4401"]
    await staying.send_to("still here")
    assert await staying.receive_from(30) == "still here"
    await staying.disconnect()


def _key_for(user) -> str:
    from penguin_site.api_keys import make_key

    return make_key(user=user, name="tests", scopes=["chat"])[1]


async def test_a_socket_that_writes_while_it_is_revoked_does_not_crash(key, person):
    class Talker(Echo):
        async def disconnect(self, code):
            await self.send("too late")
            await super().disconnect(code)

    _events.clear()
    communicator = socket({"X-API-Key": key}, app=SocketGate(Talker.as_asgi(), check_seconds=0.05))
    await communicator.connect(timeout=30)
    await communicator.receive_from(30)
    await User.objects.filter(pk=person.pk).aupdate(is_active=False)
    assert await communicator.receive_output(30) == {"type": "websocket.close", "code": 4401}
    await communicator.wait(5)
    assert _events == ["disconnect 4401"]
    assert await communicator.receive_nothing()


async def test_two_hundred_handshakes_of_one_key_ask_the_database_once(key, settings):
    app = SocketGate(Echo.as_asgi())
    assert await opens_as(socket({"X-API-Key": key}, app=app))
    lookups = []
    original = principals.by_key

    def counted(*arguments):
        lookups.append(arguments)
        return original(*arguments)

    principals.by_key = counted
    try:
        sockets = [socket({"X-API-Key": key}, app=app) for _ in range(200)]
        assert all(
            connected for connected, _ in await asyncio.gather(*(s.connect(timeout=20) for s in sockets))
        )
        await asyncio.gather(*(s.disconnect() for s in sockets))
    finally:
        principals.by_key = original
    assert lookups == []


async def test_an_unknown_path_is_closed_in_order(key):
    assert await is_refused(socket({"X-API-Key": key}, path="/nowhere", app=whole_site))
    ours = socket({"X-API-Key": key}, path="/nowhere", app=whole_site, protocols=["penguin.v1"])
    assert await ours.connect(timeout=30) == (True, "penguin.v1")
    assert json.loads(await ours.receive_from(30))["data"]["code"] == "not_found"
    assert await ours.receive_output(30) == {"type": "websocket.close", "code": 4404}


@pytest.mark.parametrize("path", ["/echo?ticket=%ff", "/echo?x=%00", "/echo?x=%zz"])
async def test_a_broken_address_is_refused(path, key):
    assert await is_refused(socket({"X-API-Key": key}, path=path))
