"""A repeated creating POST happens once, however it is repeated."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.test import Client, override_settings
from django.urls import path
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.models import Conversation
from penguin_site.errors import Conflict
from penguin_site.idempotency import idempotent
from penguin_site.models import StoredAnswer

pytestmark = pytest.mark.django_db


class Make(APIView):
    """Makes a conversation, slowly or with an error after it, as the request says."""

    required_scopes = {"POST": "chat"}

    @idempotent
    def post(self, request):
        if request.data.get("slow"):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(0.2)")
        made = Conversation.objects.create(owner=request.user, session_id=f"c{Conversation.objects.count()}")
        if request.data.get("fails") == "conflict":
            raise Conflict
        if request.data.get("fails") == "crash":
            raise RuntimeError
        if request.data.get("fails") == "quietly":
            return Response({"detail": "no"}, status=400)
        return Response({"id": made.session_id, "at": timezone.now()}, status=201)


class Wait(APIView):
    """What it answers is completed again when the answer is repeated."""

    required_scopes = {"POST": "chat"}

    @idempotent
    def post(self, request):
        return self.replayed(request, Response({"run": "r1"}, status=202))

    def replayed(self, request, response):
        response.waiting = "a wait"
        return response


urlpatterns = [path("api/v1/make", Make.as_view()), path("api/v1/wait", Wait.as_view())]
handler500 = "penguin_site.error_pages.server_error"


@pytest.fixture(autouse=True)
def _routes():
    with override_settings(ROOT_URLCONF=__name__):
        yield


@pytest.fixture
def api(client_for, person) -> Client:
    client = client_for(person)
    client.raise_request_exception = False
    return client


def make(api, key, body=None, path="/api/v1/make"):
    headers = {"Idempotency-Key": key} if key is not None else {}
    return api.post(path, body or {}, content_type="application/json", headers=headers)


def test_the_same_request_gets_the_stored_answer(api):
    first, second = make(api, "k1"), make(api, "k1")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert second.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert Conversation.objects.count() == 1


def test_without_a_key_each_request_counts(api):
    make(api, None), make(api, None)
    assert Conversation.objects.count() == 2
    assert StoredAnswer.objects.count() == 0


def test_the_spelling_of_the_body_does_not_matter(api):
    headers = {"Idempotency-Key": "k1"}
    for body in (b'{"a": 1, "b": 2}', b'{ "b":2,"a":1 }'):
        response = api.post("/api/v1/make", body, content_type="application/json", headers=headers)
        assert response.status_code == 201
    assert Conversation.objects.count() == 1


def test_another_body_is_a_mismatch(api):
    make(api, "k1", {"a": 1})
    response = make(api, "k1", {"a": 2})
    assert (response.status_code, response.json()["code"]) == (409, "idempotency_mismatch")
    assert Conversation.objects.count() == 1


def test_keys_are_per_person_and_route(api, client_for):
    from tests.factories import UserFactory

    make(api, "k1")
    assert make(client_for(UserFactory()), "k1").status_code == 201
    assert make(api, "k1", path="/api/v1/wait").status_code == 202
    assert Conversation.objects.count() == 2


@pytest.mark.parametrize(("how", "status"), [("conflict", 409), ("crash", 500), ("quietly", 400)])
def test_an_error_leaves_nothing_and_can_be_tried_again(how, status, api):
    assert make(api, "k1", {"fails": how}).status_code == status
    assert Conversation.objects.count() == 0
    assert StoredAnswer.objects.count() == 0
    assert make(api, "k1", {"fails": ""}).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "ümlaut", "tab\tbed"])
def test_unusable_keys_are_refused(key, api):
    response = make(api, key)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")


def test_an_answer_is_kept_for_a_day(api):
    first = make(api, "k1")
    StoredAnswer.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    second = make(api, "k1", {"another": "body"})
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]
    assert make(api, "k1", {"another": "body"}).content == second.content


def test_a_waiting_answer_waits_again(api):
    for _ in range(2):
        assert make(api, "k1", path="/api/v1/wait").waiting == "a wait"


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_works_and_all_get_its_answer(api):
    answers = []
    start = threading.Barrier(8)

    def send():
        client = Client(headers=api.defaults_headers)
        start.wait()
        answers.append(make(client, "k1", {"slow": True}))
        connections.close_all()

    api.defaults_headers = {"X-API-Key": api.defaults["HTTP_X_API_KEY"]}
    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert Conversation.objects.count() == 1
