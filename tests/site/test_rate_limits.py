"""Buckets hold over threads and processes, and say when to come back."""

import threading

import pytest
from django.db import connections
from django.test import Client

from penguin_site import principals, rate_limits
from penguin_site.core.rate_limits import DEFAULT_LIMITS, Limit, parse_limits
from penguin_site.errors import TooManyRequests
from penguin_site.rate_limits import SocketLimits, take
from tests.factories import UserFactory
from tests.processes import eventually
from tests.redis_server import redis_server

pytestmark = pytest.mark.django_db
LIST = "/api/v1/conversations"


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("read=2/s", {"read": Limit(2, 1, 2)}),
        ("chat = 60 / min : 5", {"chat": Limit(60, 60, 5)}),
        ("write=1000/h,read=5/day", {"write": Limit(1000, 3600, 1000), "read": Limit(5, 86400, 5)}),
        ("", {}),
    ],
)
def test_settings(text, limits):
    assert parse_limits(text) == {**parse_limits(DEFAULT_LIMITS), **limits}


@pytest.mark.parametrize("text", ["off", " OFF "])
def test_off(text):
    assert parse_limits(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "read",
        "read=5",
        "read=5/fortnight",
        "read=-1/min",
        "read=0/min",
        "read=5/min:0",
        "walk=5/min",
        "read=x/s",
    ],
)
def test_unusable_settings(text):
    with pytest.raises(ValueError):
        parse_limits(text)


def test_a_bucket_empties_and_fills_again():
    limit = Limit(1, 2, 2)
    assert [take("k", limit).granted for _ in range(3)] == [True, True, False]
    eventually(lambda: take("k", limit).granted)
    assert take("another", limit).granted


def test_the_429_says_when_to_come_back(client_for, person, settings):
    settings.PENGUIN_RATE_LIMITS = parse_limits("read=60/min:2")
    client = client_for(person)
    first = client.get(LIST)
    assert first.status_code == 200
    assert first.headers["X-RateLimit-Limit"] == "2"
    assert first.headers["X-RateLimit-Remaining"] == "1"
    client.get(LIST)
    refused = client.get(LIST)
    assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert int(refused.headers["X-RateLimit-Reset"]) in (1, 2)
    # other classes and other people have buckets of their own
    assert client.generic("POST", "/api/v1/auth/ticket").status_code == 200
    assert client_for(UserFactory()).get(LIST).status_code == 200


def test_the_local_owner_has_no_limits(owner_key, settings):
    settings.PENGUIN_RATE_LIMITS = parse_limits("read=1/day")
    client = Client(headers={"X-API-Key": owner_key})
    answers = [client.get(LIST) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert "X-RateLimit-Limit" not in answers[0].headers


def test_off_means_no_limits(client_for, person, settings):
    settings.PENGUIN_RATE_LIMITS = parse_limits("off")
    client = client_for(person)
    assert {client.get(LIST).status_code for _ in range(3)} == {200}


def burst(limit, threads=8, each=10) -> int:
    granted = []
    start = threading.Barrier(threads)

    def run():
        start.wait()
        for _ in range(each):
            granted.append(take("burst", limit).granted)
        connections.close_all()

    workers = [threading.Thread(target=run) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(granted)


@pytest.mark.django_db(transaction=True)
def test_a_parallel_burst_gets_exactly_what_the_bucket_holds():
    assert burst(Limit(1, 86400, 25)) == 25


def test_the_same_in_redis(settings):
    with redis_server() as url:
        settings.REDIS_URL = url
        rate_limits._redis_script.cache_clear()
        try:
            assert burst(Limit(1, 86400, 25)) == 25
            limit = Limit(1, 2, 2)
            assert [take("k", limit).granted for _ in range(3)] == [True, True, False]
            eventually(lambda: take("k", limit).granted)
        finally:
            rate_limits._redis_script().registered_client.close()
            rate_limits._redis_script.cache_clear()


@pytest.mark.django_db(transaction=True)
async def test_sockets_share_the_buckets(settings):
    settings.PENGUIN_RATE_LIMITS = parse_limits("chat=60/min:2")
    user = UserFactory.build()
    await user.asave()
    limits = SocketLimits(
        principals.Principal(user.pk, user.username, False, frozenset({"chat"}), "key", key_id=1)
    )
    await limits.check("chat")
    await limits.check("chat")
    with pytest.raises(TooManyRequests) as refused:
        await limits.check("chat")
    assert refused.value.retry_after_seconds == 1
    owner = principals.Principal(user.pk, "owner", True, frozenset(), "owner")
    for _ in range(3):
        await SocketLimits(owner).check("chat")
