"""Host and Origin: which names this server answers to, and whose pages may use it."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client

from penguin_site import startup_checks
from penguin_site.core.origins import normal_origin
from penguin_site.core.proxies import parse_networks

pytestmark = pytest.mark.django_db
PATH = "/api/v1/conversations"


def get(path=PATH, **headers):
    extra = {"SERVER_NAME": headers.pop("host", "127.0.0.1:9000")}
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Client(REMOTE_ADDR="203.0.113.9", headers={"Host": extra["SERVER_NAME"], **headers}).get(path)


@pytest.mark.parametrize("auth", [True, False])
@pytest.mark.parametrize(
    ("host", "ok"),
    [
        ("127.0.0.1:9000", True),
        ("localhost", True),
        ("LOCALHOST:1234", True),
        ("[::1]:9000", True),
        ("penguin.example.com", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("10.0.0.1:9000", False),
        ("", False),
        ("a b", False),
        ("evil.example:9000@127.0.0.1", False),
    ],
)
def test_only_known_hosts_are_answered(host, ok, auth, settings):
    settings.PENGUIN_AUTH_ENABLED = auth
    settings.ALLOWED_HOSTS = startup_checks.allowed_hosts(
        ["Penguin.example.com"], bound_to="127.0.0.1", public_url=""
    )
    response = get(host=host)
    refused = response.status_code == 403 and response.json()["code"] == "foreign_host"
    assert refused != ok
    if ok:
        assert response.status_code == (401 if auth else 200)
    assert response.headers["X-Request-Id"]


@pytest.mark.parametrize("auth", [True, False])
@pytest.mark.parametrize(
    ("origin", "ok"),
    [
        ("http://127.0.0.1:9000", True),
        ("http://localhost:9000", True),  # another name of the same server
        ("http://[::1]:9000", True),
        ("HTTP://LocalHost:9000", True),
        ("https://app.example.com", True),  # listed
        ("https://app.example.com:443", True),
        ("https://app.example.com.evil.example", False),
        ("http://app.example.com", False),
        ("http://127.0.0.1:9001", False),
        ("https://127.0.0.1:9000", False),
        ("http://localhost", False),
        ("http://evil.example", False),
        ("null", False),
        ("", False),
        ("file://", False),
        ("http://evil.example@127.0.0.1:9000", False),
        ("chrome-extension://abc", False),
    ],
)
def test_only_known_origins_may_use_it(origin, ok, auth, settings):
    settings.PENGUIN_AUTH_ENABLED = auth
    settings.PENGUIN_CORS_ORIGINS = startup_checks.cors_origins(["https://app.example.com"])
    response = get(Origin=origin)
    refused = response.status_code == 403 and response.json()["code"] == "foreign_origin"
    assert refused != ok
    if ok:
        assert response.headers["Access-Control-Allow-Origin"] == origin
        assert "X-Request-Id" in response.headers["Access-Control-Expose-Headers"]
        assert "Origin" in response.headers["Vary"]
    else:
        assert "Access-Control-Allow-Origin" not in response.headers
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "https://agent.example"])
def test_the_ads_api_takes_any_origin_and_no_cookie(origin, person):
    response = get("/functions/v1/nothing", Origin=origin)
    assert response.status_code == 404
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert get("/functions/v1x", Origin=origin).status_code == 403


def test_the_ads_api_does_not_see_cookies(rf):
    from penguin_site.middleware import allowed_origins

    seen = []
    middleware = allowed_origins(lambda request: seen.append(dict(request.COOKIES)) or _ok())
    for path in ("/functions/v1/decide", "/api/v1/conversations"):
        request = rf.get(path, headers={"Cookie": "penguin_session=abc"})
        middleware(request)
    assert seen == [{}, {"penguin_session": "abc"}]


def _ok():
    from django.http import HttpResponse

    return HttpResponse()


@pytest.mark.parametrize(
    ("path", "origin", "status"),
    [
        (PATH, "http://127.0.0.1:9000", 204),
        (PATH, "http://evil.example", 403),
        ("/functions/v1/decide", "http://evil.example", 204),
    ],
)
def test_preflights(path, origin, status):
    headers = {
        "Host": "127.0.0.1:9000",
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-api-key",
    }
    response = Client().options(path, headers=headers)
    assert response.status_code == status
    if status == 204:
        assert "POST" in response.headers["Access-Control-Allow-Methods"]
        allowed = response.headers["Access-Control-Allow-Headers"].lower()
        assert {"content-type", "x-api-key", "authorization", "idempotency-key"} <= set(
            allowed.replace(" ", "").split(",")
        )


def test_a_foreign_form_cannot_post_with_authentication_off(settings):
    settings.PENGUIN_AUTH_ENABLED = False
    headers = {"Origin": "http://evil.example", "Content-Type": "text/plain"}
    response = Client(headers=headers).generic("POST", "/api/v1/conversations/create", b"{}")
    assert response.json()["code"] == "foreign_origin"


@pytest.mark.parametrize(
    ("trusted", "address", "origin", "status"),
    [
        (["10.0.0.0/8"], "10.1.2.3", "https://127.0.0.1:9000", 401),  # the proxy speaks TLS for us
        (["10.0.0.0/8"], "10.1.2.3", "http://127.0.0.1:9000", 403),
        (["10.0.0.0/8"], "203.0.113.9", "https://127.0.0.1:9000", 403),  # anybody can say so
        ([], "10.1.2.3", "https://127.0.0.1:9000", 403),
    ],
)
def test_only_trusted_proxies_say_the_scheme(trusted, address, origin, status, settings):
    settings.PENGUIN_TRUSTED_PROXIES = parse_networks(trusted)
    headers = {"Host": "127.0.0.1:9000", "X-Forwarded-Proto": "https", "Origin": origin}
    response = Client(REMOTE_ADDR=address, headers=headers).get(PATH)
    assert response.status_code == status


def test_the_public_address_is_an_own_origin(settings):
    settings.PENGUIN_PUBLIC_URL = "https://penguin.example.com"
    settings.ALLOWED_HOSTS = startup_checks.allowed_hosts(
        [], bound_to="0.0.0.0", public_url=settings.PENGUIN_PUBLIC_URL
    )
    response = get(host="penguin.example.com", Origin="https://penguin.example.com")
    assert response.status_code == 401


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("https://a.example", "https://a.example:443"),
        ("http://A.example:8080", "http://a.example:8080"),
        ("http://[::1]", "http://[::1]:80"),
        ("null", None),
        ("*", None),
        ("https://a.example/path", None),
        ("https://a.example:port", None),
        ("ftp://a.example", None),
        ("https://user@a.example", None),
    ],
)
def test_origins_are_compared_in_their_normal_form(text, normal):
    assert normal_origin(text) == normal


@pytest.mark.parametrize(
    "check",
    [
        lambda: startup_checks.cors_origins(["*"]),
        lambda: startup_checks.cors_origins(["app.example.com"]),
        lambda: startup_checks.trusted_proxies(["10.0.0.0/8", "proxy"]),
        lambda: startup_checks.rate_limits("read=many/min"),
        lambda: startup_checks.rate_limits("fly=1/min"),
        lambda: startup_checks.rate_limits("read=0/min"),
        lambda: startup_checks.allowed_hosts([], bound_to="127.0.0.1", public_url="penguin.example.com"),
        lambda: startup_checks.refuse_open_server("0.0.0.0", auth_enabled=False, allow_insecure=False),
        lambda: startup_checks.refuse_open_server("192.168.1.5", auth_enabled=False, allow_insecure=False),
    ],
)
def test_unusable_settings_stop_the_start_and_name_the_variable(check):
    with pytest.raises(ImproperlyConfigured, match=r"PENGUIN_[A-Z_]+"):
        check()


def test_an_open_server_on_loopback_or_on_demand_starts():
    startup_checks.refuse_open_server("127.0.0.1", auth_enabled=False, allow_insecure=False)
    startup_checks.refuse_open_server("localhost", auth_enabled=False, allow_insecure=False)
    startup_checks.refuse_open_server("0.0.0.0", auth_enabled=True, allow_insecure=False)
    startup_checks.refuse_open_server("0.0.0.0", auth_enabled=False, allow_insecure=True)
