"""Who gets in over HTTP, and as whom. The ticket route serves as the door: any principal may use it."""

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client
from django.utils import timezone

from conversations.models import Conversation
from penguin_site import principals, startup_token
from penguin_site.api_keys import make_key, revoke_key
from penguin_site.models import ApiKey, AuditEntry, User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

DOOR = "/api/v1/auth/ticket"
LIST = "/api/v1/conversations"


def ask(headers=None, *, address="127.0.0.1", path=DOOR):
    client = Client(REMOTE_ADDR=address, headers=headers or {})
    return client.generic("GET" if path == LIST else "POST", path)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "wr0ng"},
        {"X-API-Key": "pk_00000000_unknown"},
        {"X-API-Key": "schlüssel"},
        {"Authorization": "Bearer wr0ng"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic b3duZXI6b3duZXI="},
        {"Cookie": "penguin_session=nosuchsession"},
    ],
)
def test_who_shows_no_valid_key_gets_401(headers, owner_key):
    response = ask(headers)
    assert response.status_code == 401
    assert response.json()["code"] == "authentication_failed"
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert all(value not in response.content.decode() for value in ("wr0ng", "pk_0000"))


@pytest.mark.parametrize("form", ["X-API-Key", "Authorization", "authorization-lower"])
def test_a_configured_key_is_the_local_owners(form, owner_key):
    headers = {
        "X-API-Key": {"X-API-Key": owner_key},
        "Authorization": {"Authorization": f"Bearer {owner_key}"},
        "authorization-lower": {"Authorization": f"bearer  {owner_key}"},
    }[form]
    assert ask(headers, address="203.0.113.9").status_code == 200
    assert User.objects.get(username="owner").is_superuser


def test_keys_in_the_query_string_do_not_count(owner_key):
    client = Client()
    for name in ("api_key", "key", "x-api-key", "token", "ticket"):
        assert client.get(f"{LIST}?{name}={owner_key}").status_code == 401


@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("127.8.9.10", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("203.0.113.9", {}, 401),
        ("", {}, 401),
        # A proxy on this machine makes everybody look local: any trace of one ends it.
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 401),
        ("127.0.0.1", {"X-Forwarded-Proto": "https"}, 401),
        ("127.0.0.1", {"X-Forwarded-Host": "localhost"}, 401),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 401),
        ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}, 401),
        ("127.0.0.1", {"Via": "1.1 proxy"}, 401),
    ],
)
def test_the_startup_token_is_for_this_machine(address, headers, status):
    token = startup_token.startup_token()
    assert ask({"X-API-Key": token, **headers}, address=address).status_code == status


def test_the_startup_token_ends_with_the_first_configured_key(settings):
    token = startup_token.startup_token()
    settings.PENGUIN_API_KEYS = ["another"]
    assert ask({"X-API-Key": token}).status_code == 401


def test_the_startup_token_can_be_chosen(settings):
    settings.PENGUIN_AUTH_STARTUP_TOKEN = "chosen"
    assert ask({"X-API-Key": "chosen"}).status_code == 200


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": "wrong"}, {"Authorization": "Basic nonsense"}])
def test_without_authentication_everybody_is_the_local_owner(headers, settings):
    settings.PENGUIN_AUTH_ENABLED = False
    created = Client(headers=headers).generic("POST", "/api/v1/conversations/create")
    assert created.status_code == 200, created.content
    assert Conversation.objects.get().owner.username == "owner"


def test_a_persons_key_acts_as_the_person(person, client_for):
    created = client_for(person).generic("POST", "/api/v1/conversations/create")
    assert created.status_code == 200
    assert Conversation.objects.get().owner == person


def test_a_key_is_kept_as_a_hash_and_its_use_is_noted(person, key_of):
    text = key_of(person)
    key = ApiKey.objects.get()
    assert key.last_used_at is None
    assert ask({"X-API-Key": text}).status_code == 200
    key.refresh_from_db()
    assert timezone.now() - key.last_used_at < timedelta(seconds=10)
    assert text.startswith(key.prefix)
    assert text.encode() not in bytes(key.key_hash)
    first_use = key.last_used_at
    principals.remembered.clear()
    ask({"X-API-Key": text})
    key.refresh_from_db()
    assert key.last_used_at == first_use  # at most once a minute


def test_a_remembered_key_costs_no_statement(person, key_of, django_assert_num_queries):
    text = key_of(person)
    ask({"X-API-Key": text})
    with django_assert_num_queries(2):  # the rate limit and the ticket
        ask({"X-API-Key": text})


@pytest.mark.parametrize("reason", ["revoked", "expired", "inactive"])
def test_a_key_that_is_no_longer_valid_is_refused(reason, person, key_of, django_capture_on_commit_callbacks):
    text = key_of(person)
    assert ask({"X-API-Key": text}).status_code == 200
    if reason == "revoked":
        with django_capture_on_commit_callbacks(execute=True):
            assert revoke_key(key_id=ApiKey.objects.get().pk, now=timezone.now())
    elif reason == "expired":
        ApiKey.objects.update(expires_at=timezone.now())
        principals.remembered.clear()
    else:
        User.objects.filter(pk=person.pk).update(is_active=False)
        principals.remembered.clear()
    assert ask({"X-API-Key": text}).status_code == 401


def test_scopes_limit_a_key(person, client_for):
    approver = client_for(person, "approvals:decide")
    response = approver.get(LIST)
    assert (response.status_code, response.json()["code"]) == (403, "scope_missing")
    assert response.json()["scope"] == "read"
    reader = client_for(person, "read")
    assert reader.get(LIST).status_code == 200
    assert reader.generic("POST", "/api/v1/conversations/create").status_code == 403
    assert client_for(person, "chat").get(LIST).status_code == 200  # who chats reads


def test_only_staff_can_have_keys_for_the_ads_admin(person, key_of):
    with pytest.raises(Exception, match="scopes"):
        key_of(person, "ads:admin")
    key_of(UserFactory(is_staff=True), "ads:admin")
    assert ApiKey.objects.count() == 1


def test_keys_made_and_revoked_are_audited(person):
    key, _ = make_key(user=person, name="ci", scopes=["read"], actor=person)
    now = timezone.now()
    assert revoke_key(key_id=key.pk, now=now, actor=person)
    assert not revoke_key(key_id=key.pk, now=now, actor=person)
    assert list(AuditEntry.objects.order_by("id").values_list("action", flat=True)) == [
        "api_key.created",
        "api_key.revoked",
    ]


@pytest.fixture
def browser(person) -> Client:
    person.password = make_password("correct horse battery")
    person.save()
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    return client


def test_a_session_reads_without_and_writes_with_the_csrf_token(browser):
    assert browser.get(LIST).status_code == 200
    refused = browser.generic("POST", DOOR)
    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    browser.get("/")  # the page sets the CSRF cookie
    token = browser.cookies["csrftoken"].value
    assert browser.generic("POST", DOOR, headers={"X-CSRFToken": token}).status_code == 200
    assert browser.generic("POST", DOOR, headers={"X-CSRFToken": "x" * 32}).status_code == 403


def test_a_wrong_key_is_not_saved_by_a_session(browser):
    assert browser.get(LIST, headers={"X-API-Key": "wrong"}).status_code == 401


def test_an_inactive_users_session_is_refused(browser, person):
    User.objects.filter(pk=person.pk).update(is_active=False)
    assert browser.get(LIST).status_code == 401


def test_a_preflight_needs_no_key():
    headers = {"Origin": "http://testserver", "Access-Control-Request-Method": "POST"}
    assert Client().options("/api/v1/chat/message", headers=headers).status_code == 204
