"""The browser's ways in."""

import re
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from penguin_site.login import make_login_link
from penguin_site.models import ApiKey, AuditEntry, LoginLink, User
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def open_link(link: str, **client):
    browser = Client(**client)
    parts = urlsplit(link)
    return browser, browser.get(f"{parts.path}?{parts.query}")


def test_a_link_signs_in_as_the_local_owner_once():
    link = make_login_link()
    assert link.startswith("http://127.0.0.1:9000/authorize?token=")
    browser, response = open_link(link)
    assert (response.status_code, response.headers["Location"]) == (302, "/chat")
    assert "<bdi>owner</bdi>" in browser.get("/").content.decode()
    assert browser.get("/admin/").status_code == 200
    assert open_link(link)[1].status_code == 403
    assert AuditEntry.objects.get().action == "login_link.used"
    assert link.partition("=")[2].encode() not in bytes(AuditEntry.objects.get().hash)


@pytest.mark.parametrize(
    "client",
    [
        {"REMOTE_ADDR": "203.0.113.9"},
        {"headers": {"X-Forwarded-For": "127.0.0.1"}},
        {"headers": {"Forwarded": "for=127.0.0.1"}},
    ],
)
def test_a_link_works_on_this_machine_only_and_is_not_used_up_elsewhere(client):
    link = make_login_link()
    assert open_link(link, **client)[1].status_code == 403
    assert open_link(link)[1].status_code == 302


@pytest.mark.parametrize("token", ["", "wrong", "%00", "%ff"])
def test_wrong_tokens_are_refused(token):
    response = Client().get(f"/authorize?token={token}")
    assert response.status_code in (400, 403)
    assert "sessionid" not in response.cookies


def test_links_end_after_a_while_but_the_banners_does_not():
    link, banners = make_login_link(), make_login_link(until_restart=True)
    LoginLink.objects.update(created_at=timezone.now() - timedelta(days=3))
    LoginLink.objects.filter(is_banners=False).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert open_link(link)[1].status_code == 403
    assert open_link(banners)[1].status_code == 302


def test_the_next_start_ends_the_last_banners_link():
    old, other = make_login_link(until_restart=True), make_login_link()
    new = make_login_link(until_restart=True)
    assert [open_link(link)[1].status_code for link in (old, other, new)] == [403, 302, 302]


def test_the_command_prints_a_link(capsys):
    call_command("login_link")
    assert open_link(capsys.readouterr().out.strip())[1].status_code == 302


@pytest.fixture
def staff(request, settings) -> User:
    """Ann, whose password is hashed fast, except where `real_hash` is asked for: the real way takes half a second."""
    if "real_hash" not in request.fixturenames:
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    user = UserFactory(username="ann", is_staff=True, is_superuser=True)
    user.set_password("correct horse battery")
    user.save()
    return user


@pytest.fixture
def real_hash() -> None:
    """Passwords are hashed as they are outside of tests."""


def sign_in(name, password, client=None, **more):
    return (client or Client()).post("/login", {"username": name, "password": password, **more})


def test_name_and_password(real_hash, staff):
    browser = Client()
    assert browser.get("/").headers["Location"] == "/login?next=/"
    assert browser.get("/login").status_code == 200
    assert sign_in("ann", "wrong", browser).status_code == 200
    response = sign_in("ann", "correct horse battery", browser, next="/admin/")
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")
    assert browser.get("/").status_code == 200
    assert browser.get("/logout").status_code == 405
    assert browser.post("/logout").status_code == 302
    assert browser.get("/").status_code == 302


def test_the_way_on_after_login_stays_here(staff):
    response = sign_in("ann", "correct horse battery", next="https://evil.example/")
    assert response.headers["Location"] == "/"


def test_the_login_form_needs_its_token(staff):
    response = sign_in("ann", "correct horse battery", Client(enforce_csrf_checks=True))
    assert response.status_code == 403


def test_attempts_are_limited_per_name(staff, settings):
    settings.PENGUIN_RATE_LIMITS = {}
    answers = [sign_in("Ann", "wrong", Client(REMOTE_ADDR=f"203.0.113.{n}")).status_code for n in range(10)]
    assert answers == [200] * 10
    refused = sign_in("ann", "correct horse battery", Client(REMOTE_ADDR="203.0.113.99"))
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0


def test_attempts_are_limited_per_address(staff):
    here = {"REMOTE_ADDR": "203.0.113.7"}
    answers = [sign_in(f"person{n}", "wrong", Client(**here)).status_code for n in range(31)]
    assert answers == [200] * 30 + [429]
    assert sign_in("ann", "correct horse battery", Client(**here)).status_code == 429
    assert sign_in("ann", "correct horse battery", Client(REMOTE_ADDR="203.0.113.8")).status_code == 302


def test_a_password_is_changed_and_ends_the_other_sessions(staff, settings):
    here, elsewhere = Client(), Client()
    for browser in (here, elsewhere):
        sign_in("ann", "correct horse battery", browser)
    new = {"new_password1": "staple of penguins", "new_password2": "staple of penguins"}
    for wrong in (
        {"old_password": "guessed"},
        {"old_password": "correct horse battery", "new_password2": "other"},
    ):
        refused = here.post("/password", new | wrong)
        assert refused.status_code == 200 and 'role="alert"' in refused.content.decode()
    changed = here.post("/password", new | {"old_password": "correct horse battery"}, follow=True)
    assert "is changed" in changed.content.decode()
    assert here.get("/dashboard").status_code == 200
    assert elsewhere.get("/dashboard").headers["Location"] == "/login?next=/dashboard"
    assert sign_in("ann", "correct horse battery").status_code == 200
    assert sign_in("ann", "staple of penguins").status_code == 302
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.after) == ("ann", "password.changed", None)


def test_the_old_password_cannot_be_guessed_there(staff):
    browser = Client()
    browser.force_login(staff)
    answers = [browser.post("/password", {"old_password": "wrong"}).status_code for _ in range(11)]
    assert answers == [200] * 10 + [429]
    assert Client().get("/password").headers["Location"] == "/login?next=/password"


def test_who_signs_in_by_link_has_no_password_to_change():
    browser, _ = open_link(make_login_link())
    assert "has no password" in browser.get("/password").content.decode()
    new = {"new_password1": "staple of penguins", "new_password2": "staple of penguins"}
    assert browser.post("/password", new).status_code == 302
    assert not User.objects.get(username="owner").has_usable_password()


def test_a_session_ends_after_two_weeks_and_with_its_user(staff, settings):
    assert settings.SESSION_COOKIE_AGE == 14 * 24 * 3600
    browser = Client()
    response = sign_in("ann", "correct horse battery", browser)
    cookie = response.cookies["penguin_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", 14 * 24 * 3600)
    assert browser.get("/dashboard").status_code == 200
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert browser.get("/dashboard").headers["Location"] == "/login?next=/dashboard"
    sign_in("ann", "correct horse battery", browser)
    User.objects.update(is_active=False)
    assert browser.get("/dashboard").headers["Location"] == "/login?next=/dashboard"
    assert sign_in("ann", "correct horse battery", browser).status_code == 200


def test_the_admin_uses_the_one_door(staff):
    response = Client().get("/admin/")
    assert response.status_code == 302
    response = Client().get(response.headers["Location"])
    assert response.headers["Location"] == "/login?next=%2Fadmin%2F"
    visitor = Client()
    visitor.force_login(UserFactory())
    assert visitor.get("/admin/", follow=True).status_code == 403


def test_pages_carry_strict_headers():
    headers = Client().get("/login").headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    # Not `no-referrer`: a browser would then send our own forms with `Origin: null`, and they would be refused.
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert "no-store" in headers["Cache-Control"]


@pytest.mark.parametrize("path", ["/password", "/chat", "/admin/", "/api/docs"])
def test_pages_have_an_icon(path, staff):
    browser = Client()
    browser.force_login(staff)
    page = browser.get(path).content.decode()
    (address,) = re.findall(r'<link\s+rel="icon"[^>]*\shref="([^"]+)"', page)
    icon = browser.get(address)
    assert (icon.status_code, icon.headers["Content-Type"]) == (200, "image/svg+xml")
    assert b"".join(icon).startswith(b"<svg")  # and its file is closed


def test_the_icon_that_browsers_ask_for_is_kept_by_them():
    icon = Client().get("/favicon.ico")
    assert (icon.status_code, icon.headers["Content-Type"]) == (200, "image/x-icon")
    assert icon.content.startswith(b"\0\0\1\0")
    assert icon.headers["Cache-Control"] == "public, max-age=86400"
    assert "Set-Cookie" not in icon.headers and "Cookie" not in icon.headers["Vary"]
    assert Client().post("/favicon.ico").status_code == 405


@pytest.fixture
def admin(staff) -> Client:
    client = Client()
    client.force_login(staff)
    return client


def test_a_key_is_made_in_the_admin_and_shown_once(admin, staff, person):
    page = "/admin/penguin_site/apikey/add/"
    assert admin.get(page).status_code == 200
    form = {"user": person.pk, "name": "ci", "scopes": ["read"]}
    response = admin.post(page, form)
    assert response.status_code == 200, response.headers
    text = re.search(r"pk_[0-9a-f]{8}_[\w-]{43}", response.content.decode())[0]
    caller = Client(headers={"X-API-Key": text})
    assert caller.get("/api/v1/conversations").status_code == 200
    listing = admin.get("/admin/penguin_site/apikey/").content.decode()
    key = ApiKey.objects.get()
    change = admin.get(f"/admin/penguin_site/apikey/{key.pk}/change/").content.decode()
    assert text not in listing + change
    assert key.prefix in listing
    assert AuditEntry.objects.get().actor == "ann"

    action = {"action": "revoke", "_selected_action": [key.pk]}
    assert admin.post("/admin/penguin_site/apikey/", action).status_code == 302
    key.refresh_from_db()
    assert key.revoked_at
    assert admin.post(f"/admin/penguin_site/apikey/{key.pk}/delete/").status_code == 403


def test_a_key_with_more_than_its_user_may_is_not_made(admin, person):
    form = {"user": person.pk, "name": "ci", "scopes": ["ads:admin"]}
    assert "cannot have" in admin.post("/admin/penguin_site/apikey/add/", form).content.decode()
    assert not ApiKey.objects.exists()


def test_the_audit_is_there_to_read(admin, person):
    from penguin_site import audit

    entry = audit.record(person, "thing.changed", "thing:1")
    page = f"/admin/penguin_site/auditentry/{entry.pk}/change/"
    assert "thing.changed" in admin.get("/admin/penguin_site/auditentry/").content.decode()
    assert admin.get(page).status_code == 200
    assert admin.post(page, {"action": "x"}).status_code == 403
    assert admin.get("/admin/penguin_site/auditentry/add/").status_code == 403
