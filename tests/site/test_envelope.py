"""Whatever goes wrong has one shape, and is never a 500 when the client did it."""

import json
from io import BytesIO

import pytest
from asgiref.testing import ApplicationCommunicator
from django.db import OperationalError
from django.test import Client

from penguin_site import errors, health
from penguin_site.errors import TooManyRequests

pytestmark = pytest.mark.django_db
CREATE = "/api/v1/conversations/create"


@pytest.fixture
def api(client_for, person) -> Client:
    return client_for(person)


def post(api, body: bytes, content_type="application/json", **headers):
    return api.generic("POST", CREATE, body, content_type=content_type, headers=headers)


def check(response, status: int, code: str) -> dict:
    envelope = response.json()
    assert (response.status_code, envelope["code"]) == (status, code), envelope
    assert isinstance(envelope["detail"], str)
    assert envelope["detail"].endswith(".")
    assert len(response.headers["X-Request-Id"]) == 32
    return envelope


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"   ",
        b"[]",
        b'"text"',
        b"5",
        b"null",
        b"true",
        b'{"title": NaN}',
        b'{"title": Infinity}',
        b'{"title": 1e999}',
        b'{"title": "\xff"}',
        b"\xef\xbb\xbf{}",
        b'{"title": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"title": "\\u0000"}',
        b'{"a": [{"b\\u0000": 1}]}',
        b'{"title": "\x00"}',
        b'{"title": 123456789012345678901234567890}',
        b'{"title": -9223372036854775809}',
        b'{"title": ' + b"9" * 5000 + b"}",
        b'{"title": ' + b"[" * 65 + b"]" * 65 + b"}",
        b'{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"title": 1' + b"1" * 20 + b"," + b'"a":' + b"[" * 2000 + b"]" * 2000 + b"}",
        b"{'title': 'x'}",
        b'{"title": "x"} trailing',
    ],
)
def test_a_body_that_is_no_clean_json_object_is_refused(api, body):
    if body == b"":
        assert post(api, body).status_code == 200  # no body at all is an empty object
    else:
        check(post(api, body), 400, "invalid_json")


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"title": "x", "title": "y"}',  # the last one counts
        b'{"title": "\\\\u0000"}',  # a backslash and letters, no NUL
        '{"title": "Übermut 🐧"}'.encode(),
    ],
)
def test_a_clean_body_is_taken(api, body):
    assert post(api, body).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json; charset=utf-8", 200),
        ("APPLICATION/JSON", 200),
        ("application/x-www-form-urlencoded", 415),
        ("text/plain", 415),
        ("", 415),
    ],
)
def test_only_json_is_taken(api, content_type, status):
    response = post(api, b'{"title": "x"}', content_type)
    if status == 415:
        check(response, 415, "unsupported_media_type")
    assert response.status_code == status


def test_a_large_body_is_refused(api):
    check(post(api, b'{"title": "' + b"x" * 1024 * 1024 + b'"}'), 413, "payload_too_large")


def test_a_wrong_field_is_named(api):
    envelope = check(post(api, b'{"title": 5}'), 400, "validation_error")
    assert envelope["errors"][0]["loc"] == ["body", "title"]
    assert "title" in envelope["detail"]


@pytest.mark.parametrize("accept", ["text/html", "image/png", "application/xml", "*/*", "nonsense"])
def test_the_answer_is_json_whatever_is_accepted(api, accept):
    response = api.get("/api/v1/conversations", headers={"Accept": accept})
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/nothing", "/api/v1/"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
def test_an_unknown_route_is_a_404_in_json(path, method):
    check(Client().generic(method, path), 404, "not_found")


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
def test_an_unknown_route_of_the_ads_api_has_its_envelope(method):
    response = Client().generic(method, "/functions/v1/nothing")
    assert response.status_code == 404
    assert {"error", "code", "message", "request_id"} <= set(response.json())


def test_an_unknown_page_is_a_404_for_people():
    response = Client().get("/nothing")
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


def test_a_wrong_method_is_a_405_that_names_the_right_ones(api):
    response = api.put(CREATE)
    check(response, 405, "method_not_allowed")
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/conversations?search=%00",
        "/api/v1/conversations?search=%ff",
        "/api/v1/conversations?search=%ed%a0%80",  # a lone surrogate
        "/api/v1/conversations?search=%zz",
        "/api/v1/conversations?search=%",
        "/api/v1/conversations/%00",
        "/api/v1/conversations/a%ffb",
        "/nothing%00",
    ],
)
def test_an_address_that_is_no_clean_text_is_refused(api, target):
    path, _, query = target.partition("?")
    check(api.generic("GET", path, QUERY_STRING=query), 400, "invalid_address")


def test_a_request_id_of_the_client_does_not_count(api):
    response = api.get("/api/v1/conversations", headers={"X-Request-Id": "mine\r\nx"})
    assert response.headers["X-Request-Id"] != "mine"
    assert len(response.headers["X-Request-Id"]) == 32


@pytest.mark.parametrize(
    ("body", "more", "status", "code"),
    [
        (b'{"title": 5}', {"wsgi.input_terminated": True}, 400, "validation_error"),
        (b" " * 1024 * 1024 + b"{}", {"wsgi.input_terminated": True}, 413, "payload_too_large"),
        (b'{"title": 5}', {}, 400, "invalid_request"),  # not readable here: said, not taken for empty
    ],
)
def test_a_chunked_body_is_not_taken_for_empty(api, body, more, status, code):
    headers = {"Transfer-Encoding": "chunked"}
    more = {**more, "wsgi.input": BytesIO(body), "CONTENT_LENGTH": ""}
    response = api.generic("POST", CREATE, b"x", content_type="application/json", headers=headers, **more)
    check(response, status, code)


@pytest.mark.django_db(transaction=True)
async def test_a_chunked_body_is_read_under_asgi(owner_key):
    from penguin_site.asgi import application

    headers = [
        (b"host", b"127.0.0.1"),
        (b"content-type", b"application/json"),
        (b"transfer-encoding", b"chunked"),
        (b"x-api-key", owner_key.encode()),
    ]
    scope = {"type": "http", "method": "POST", "path": CREATE, "query_string": b"", "headers": headers}
    client = ApplicationCommunicator(application, scope)
    await client.send_input({"type": "http.request", "body": b'{"tit', "more_body": True})
    await client.send_input({"type": "http.request", "body": b'le": 5}'})
    assert (await client.receive_output(30))["status"] == 400
    assert b"validation_error" in (await client.receive_output(30))["body"]


def crash(monkeypatch, error):
    def report():
        raise error

    monkeypatch.setattr(health, "report", report)
    return Client(raise_request_exception=False).get("/api/v1/health")


def test_a_crash_shows_nothing_of_the_inside(monkeypatch, caplog):
    response = crash(monkeypatch, RuntimeError("secret inside"))
    assert response.status_code == 500
    assert response.json() == {
        "detail": "Internal server error",
        "code": "internal_error",
        "request_id": response.headers["X-Request-Id"],
    }
    assert "secret inside" in caplog.text  # the log has it


def test_a_database_that_does_not_answer_is_a_503(monkeypatch):
    response = crash(monkeypatch, OperationalError("connection lost to 10.0.0.1"))
    check(response, 503, "database_unavailable")
    assert "10.0.0.1" not in response.content.decode()


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        (errors.InvalidRequest("Wrong."), 400, {}),
        (errors.NotAuthenticated(), 401, {"WWW-Authenticate": 'Bearer realm="penguin"'}),
        (errors.Forbidden(), 403, {}),
        (errors.NotFound(), 404, {}),
        (errors.Conflict(run_id="r"), 409, {}),
        (errors.Gone(), 410, {}),
        (errors.PayloadTooLarge(), 413, {}),
        (errors.UnsupportedMediaType(), 415, {}),
        (TooManyRequests(retry_after_seconds=7), 429, {"Retry-After": "7"}),
        (errors.Unavailable(), 503, {"Retry-After": "1"}),
    ],
)
def test_errors_of_the_domain_keep_their_status(monkeypatch, error, status, headers):
    response = crash(monkeypatch, error)
    check(response, status, error.code)
    assert response.json() == json.loads(json.dumps(error.as_envelope()))
    assert headers.items() <= dict(response.headers).items()
