"""The dashboard: one's own usage, budgets, tasks and keys, and nobody else's."""

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from conversations import sponsored
from conversations.models import ModelCall
from conversations.token_usage import by_day
from penguin_site.core import bar_charts
from penguin_site.core.plain_texts import dollars, plain_line, short_count
from penguin_site.core.rate_limits import parse_limits
from penguin_site.models import ApiKey, AuditEntry
from penguin_site.pages import dashboard_figures
from tests.factories import ConversationFactory, RunFactory, UserFactory
from tests.tasks.factories import DependencyFactory, ExecutionFactory, TaskFactory


@pytest.fixture
def browser(person) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    return client


def send(browser: Client, address: str, **fields):
    """As the form on the page does."""
    page = browser.get("/dashboard").content.decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[1]
    return browser.post(address, {**fields, "csrfmiddlewaretoken": token})


def model_call(owner, model: str, at: datetime, *, tokens: int = 100, cost_micros: int | None = 1000) -> None:
    run = RunFactory(conversation=ConversationFactory(owner=owner))
    ModelCall.objects.create(
        run=run, conversation=run.conversation, owner=owner, step=1, attempt=1, model=model, status="succeeded",
        input_tokens=tokens, output_tokens=10, cost_micros=cost_micros, started_at=at,
    )  # fmt: skip


@pytest.mark.django_db
def test_usage_is_by_day_and_model_and_ones_own(browser, person, django_assert_max_num_queries):
    now = timezone.now()
    model_call(person, "a:large", now, tokens=1000, cost_micros=2_000_000)
    model_call(person, "a:large", now - timedelta(days=3))
    model_call(person, "b:\u202esmall", now, cost_micros=None)
    model_call(person, "a:long-ago", now - timedelta(days=40))
    model_call(UserFactory(), "c:somebody-elses", now, tokens=99_999)
    usage = dashboard_figures.usage(owner_id=person.pk, now=now, measure="tokens")
    assert usage["figures"] == {
        "tokens_today": 1120, "cost_today": 2_000_000, "tokens": 1230, "cost": 2_001_000, "calls": 3,
    }  # fmt: skip
    assert [(row["model"], row["tokens"]) for row in usage["rows"]] == [
        ("b:small", 110),
        ("a:large", 1010),
        ("a:large", 110),
    ]
    with django_assert_max_num_queries(20):
        page = browser.get("/dashboard?show=cost")
    text = page.content.decode()
    assert "$2.00" in text
    assert "somebody-elses" not in text and "long-ago" not in text
    assert "\u202e" not in text
    assert "unsafe" not in page.headers["Content-Security-Policy"]
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script|https?://", text)
    assert browser.get("/dashboard?show=nonsense").status_code == 200


@pytest.mark.django_db
def test_tasks_budgets_and_conversations_are_ones_own(browser, person):
    budgeted = ExecutionFactory(
        task=TaskFactory(owner=person, title="<b>Mend</b>\u200b it", status="running"),
        budget_tokens=1000,
        used_tokens=250,
        time_limit_seconds=600,
        used_seconds=700,
        result={"progress": {"percent": 40}},
    )
    DependencyFactory(task=TaskFactory(owner=person, title="Blocked one"), depends_on=budgeted.task)
    ConversationFactory(owner=person, title="My talk", cost_micros=1_500_000)
    ExecutionFactory(task=TaskFactory(title="private task"), budget_tokens=5)
    ConversationFactory(title="private talk")
    text = browser.get("/dashboard").content.decode()
    assert "private" not in text
    assert "&lt;b&gt;Mend&lt;/b&gt; it" in text
    assert f'href="/chat/{budgeted.conversation.session_id}"' in text
    assert "running, 40 %" in text and "blocked" in text
    assert "250 of 1k" in text and 'value="25"' in text
    assert "11.7 min of 10 min" in text and 'value="100"' in text
    assert "My talk" in text and "$1.50" in text


@pytest.mark.django_db
def test_a_key_is_made_shown_once_used_and_revoked(browser, person, django_capture_on_commit_callbacks):
    made = send(browser, "/dashboard/keys", name="for <ci>", scopes=["read"], days="30")
    text = re.search(r"pk_[0-9a-f]{8}_[\w-]{43}", made.content.decode())[0]
    assert "no-store" in made.headers["Cache-Control"]
    assert "for &lt;ci&gt;" in made.content.decode()
    key = ApiKey.objects.get()
    assert (key.user, key.scopes) == (person, ["read"])
    assert timedelta(days=29) < key.expires_at - timezone.now() < timedelta(days=31)
    caller = Client(headers={"X-API-Key": text})
    assert caller.get("/api/v1/conversations").status_code == 200
    assert text not in browser.get("/dashboard").content.decode()
    assert key.prefix in browser.get("/dashboard").content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        assert send(browser, f"/dashboard/keys/{key.pk}/revoke").status_code == 302
    assert caller.get("/api/v1/conversations").status_code == 401
    assert "revoked" in browser.get("/dashboard").content.decode()
    entries = AuditEntry.objects.order_by("id")
    assert [(entry.actor, entry.action) for entry in entries] == [
        (person.username, "api_key.created"),
        (person.username, "api_key.revoked"),
    ]
    assert text not in str([entry.after for entry in entries])


@pytest.mark.django_db
@pytest.mark.parametrize(
    "fields",
    [
        {"name": "x", "scopes": ["read", "ads:admin"]},  # more than one may oneself
        {"name": "x", "scopes": ["everything"]},
        {"name": "x"},  # for nothing
        {"name": " ", "scopes": ["read"]},
        {"name": "x" * 101, "scopes": ["read"]},
        {"name": "x\0", "scopes": ["read"]},
        {"name": "x", "scopes": ["read"], "days": "99999"},
    ],
    ids=range(7),
)
def test_what_no_key_can_be_made_of_is_said(browser, fields):
    response = send(browser, "/dashboard/keys", **fields)
    assert response.status_code == 400
    if "days" not in fields:
        assert 'role="alert"' in response.content.decode()
    assert not ApiKey.objects.exists()


@pytest.mark.django_db
def test_staff_may_give_staffs_scope_and_nobody_touches_anothers_key(browser, person, key_of):
    other = UserFactory(is_staff=True)
    staff = Client(enforce_csrf_checks=True)
    staff.force_login(other)
    assert send(staff, "/dashboard/keys", name="x", scopes=["ads:admin"]).status_code == 200
    theirs = ApiKey.objects.get(user=other)
    for key_id in (theirs.pk, 10**30):
        assert send(browser, f"/dashboard/keys/{key_id}/revoke").status_code == 404
    theirs.refresh_from_db()
    assert theirs.revoked_at is None
    # A program's key opens no pages.
    assert Client(headers={"X-API-Key": key_of(person, "read")}).get("/dashboard").status_code == 302


@pytest.mark.django_db
def test_the_forms_need_their_token_and_are_limited(browser, person, settings):
    for address in ("/dashboard/keys", "/dashboard/sponsored", "/ads/link", "/ads/register"):
        assert browser.post(address, {"name": "x", "scopes": ["read"]}).status_code == 403
    assert not ApiKey.objects.exists()
    settings.PENGUIN_RATE_LIMITS = parse_limits("write=1/min")
    assert send(browser, "/dashboard/sponsored", enabled="yes").status_code == 302
    refused = send(browser, "/dashboard/sponsored", enabled="no")
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert sponsored.is_allowed(person.pk)


@pytest.mark.django_db
def test_the_switch_for_suggestions_and_addresses_that_only_take_forms(browser, person):
    for word, is_on in (("yes", True), ("no", False)):
        assert (
            send(browser, "/dashboard/sponsored", enabled=word).headers["Location"] == "/dashboard#sponsored"
        )
        assert sponsored.is_allowed(person.pk) is is_on
    assert browser.get("/dashboard/keys").headers["Location"] == "/dashboard"
    assert Client().get("/dashboard/keys").headers["Location"] == "/login?next=/dashboard"


@pytest.mark.django_db
def test_without_authentication_the_pages_are_the_local_owners(settings):
    settings.PENGUIN_AUTH_ENABLED = False
    anybody = Client(enforce_csrf_checks=True)
    for address in ("/", "/dashboard", "/ads"):
        text = anybody.get(address).content.decode()
        assert "<bdi>owner</bdi>" in text and "Sign out" not in text
    assert send(anybody, "/dashboard/keys", name="x", scopes=["read"]).status_code == 200
    assert ApiKey.objects.get().user.username == "owner"


@pytest.mark.django_db
def test_home_offers_what_one_may(browser, person):
    text = browser.get("/").content.decode()
    assert all(f'href="{address}"' in text for address in ("/chat", "/dashboard", "/ads", "/api/docs"))
    assert 'href="/admin/"' not in text
    person.is_staff = True
    person.save()
    assert 'href="/admin/"' in browser.get("/").content.decode()


def test_usage_of_days_reads_utc_days(db, person):
    midnight = datetime(2026, 5, 2, tzinfo=UTC)
    model_call(person, "m", midnight - timedelta(microseconds=1))
    model_call(person, "m", midnight)
    rows = by_day(owner_id=person.pk, since=date(2026, 5, 1), until=date(2026, 5, 1))
    assert [(row["day"], row["calls"]) for row in rows] == [(date(2026, 5, 1), 1)]


@pytest.mark.parametrize(
    "largest, top",
    [(0, 1), (-3, 1), (1, 1), (1.01, 1.5), (7, 8), (99, 100), (101, 150), (0.03, 0.03), (9e9, 1e10)],
)
def test_the_top_of_a_chart_is_round_and_no_less(largest, top):
    assert bar_charts.nice_top(largest) == pytest.approx(top)


def test_bars_stack_from_the_ground_and_small_series_are_one():
    chart = bar_charts.stacked(["1", "2"], {f"m{n}": [n, 0] for n in range(1, 9)})
    assert [series.name for series in chart.series] == ["m8", "m7", "m6", "m5", "m4", bar_charts.OTHER]
    first, second = chart.bars
    assert (first.total, second.total, second.segments) == (36, 0, [])
    below = bar_charts.HEIGHT
    for segment in first.segments:
        assert segment.y + segment.height == pytest.approx(below, abs=0.02)
        below = segment.y
    assert bar_charts.stacked([], {}).bars == []


@pytest.mark.parametrize(
    "text, plain",
    [
        ("a\u202eb\u200bc", "abc"),
        ("  two\n lines\t", "two lines"),
        ("x" * 300, "x" * 199 + "…"),
        ("👩‍💻 ünï 世界", "👩💻 ünï 世界"),
        ("\x00\ue000", "\ue000"),
    ],
    ids=range(5),
)
def test_names_have_only_what_can_be_seen(text, plain):
    assert plain_line(text) == plain


def test_figures_are_written_short():
    assert [dollars(micros) for micros in (0, 1, 9_999, 10_000, 1_234_567_890, -2_500_000)] == [
        "$0.00", "$0.000001", "$0.009999", "$0.01", "$1,234.57", "-$2.50",
    ]  # fmt: skip
    assert [short_count(number) for number in (0, 950, 1200, 34e6, 2.5)] == ["0", "950", "1.2k", "34M", "2.5"]
