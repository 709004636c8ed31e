"""The dashboard and the lists of the admin: as many statements whatever there is, and searched by index."""

import re
from datetime import UTC, datetime
from html import unescape
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ads.core.ids import new_id
from ads.models import Decision
from conversations.core.ids import uuid7
from penguin_site import api_keys, audit
from penguin_site.audit import staff_lists
from penguin_site.audit.staff_lists import first_id_of
from penguin_site.audit.staff_texts import short, visible
from penguin_site.staff import figures
from penguin_site.templatetags.staff import dollars, seconds, share
from tests.factories import (
    ApprovalFactory,
    ConversationFactory,
    FeedbackFactory,
    GrantFactory,
    MessageFactory,
    ModelCallFactory,
    QuestionFactory,
    RunFactory,
    ToolCallFactory,
    UserFactory,
    WorkerFactory,
)
from tests.site.staff import superuser
from tests.tasks.factories import (
    ExecutionFactory,
    ProjectFactory,
    ProjectRunFactory,
    ScheduleFactory,
    TaskFactory,
)

pytestmark = pytest.mark.django_db


# The dashboard


def a_day_of_work() -> None:
    call = ModelCallFactory(model="<i>local</i>", cost_micros=1_500_000, first_token_at=datetime.now(UTC))
    ModelCallFactory(run=call.run, step=2, model="other")
    FeedbackFactory(rating="down")
    RunFactory(status="queued")
    TaskFactory(status="pending_review")
    WorkerFactory()
    now = datetime.now(UTC)
    for reason in ("", "no_match", "no_match", "no_match"):
        Decision.objects.create(
            month=now.date().replace(day=1),
            id=new_id(now),
            agent_id=uuid7(),
            book="live",
            decided_at=now,
            placement="chat",
            reason=reason,
            stages=[],
            units_count=0,
            reserve_cents=1,
            relevance_model="m",
            calibration="c",
            auction_version=1,
            took_ms=5,
        )


def test_every_number_of_the_dashboard_leads_to_its_list():
    root = superuser()
    a_day_of_work()
    with CaptureQueriesContext(connection) as cold:
        text = root.get("/admin/").content.decode()
    assert "&lt;i&gt;local&lt;/i&gt;" in text
    assert "25.0 %" in text
    assert "$1.50" in text
    page = text.partition('class="pg-page"')[2]
    links = {unescape(link) for link in re.findall(r'href="(/admin/[^"]*)"', page)}
    assert len(links) > 15
    for link in links:
        assert root.get(link).status_code == 200, link
    # More rows ask for no more statements, and a second look for none of those of the figures.
    a_day_of_work()
    figures.forget()
    with CaptureQueriesContext(connection) as again:
        root.get("/admin/")
    assert len(again) == len(cold)
    with CaptureQueriesContext(connection) as warm:
        root.get("/admin/")
    assert len(warm) < 8


# Lists


MAKERS = {
    "conversations/conversation": ConversationFactory,
    "conversations/message": MessageFactory,
    "conversations/run": RunFactory,
    "conversations/modelcall": ModelCallFactory,
    "conversations/approval": lambda: ApprovalFactory(tool_call=ToolCallFactory(run=RunFactory())),
    "conversations/grant": GrantFactory,
    "conversations/question": QuestionFactory,
    "conversations/worker": WorkerFactory,
    "tasks/project": ProjectFactory,
    "tasks/task": lambda: TaskFactory(project=ProjectFactory()),
    "tasks/execution": ExecutionFactory,
    "tasks/projectrun": ProjectRunFactory,
    "tasks/schedule": ScheduleFactory,
    "penguin_site/user": UserFactory,
    "penguin_site/apikey": lambda: api_keys.make_key(user=UserFactory(), name="a key", scopes=["read"]),
    "penguin_site/auditentry": lambda: audit.record(None, "tests.made", "nothing:1"),
}


def test_a_list_takes_as_many_statements_whatever_its_length(monkeypatch):
    root = superuser()
    monkeypatch.setattr(staff_lists, "MOST_COUNTED", 5)
    for path, make in MAKERS.items():
        counts = []
        for rows in (2, 6):
            for _ in range(rows):
                make()
            root.get(f"/admin/{path}/")  # what is remembered of the figures is none of its matter
            with CaptureQueriesContext(connection) as captured:
                response = root.get(f"/admin/{path}/")
            assert response.status_code == 200
            counts.append(len(captured))
            full_counts = [q["sql"] for q in captured if "COUNT(" in q["sql"] and "LIMIT" not in q["sql"]]
            assert full_counts == [], path
        assert counts[0] == counts[1], (path, counts)
        assert "more than 5" in response.content.decode(), path


def test_lists_are_searched_by_index_and_narrowed_to_days():
    root = superuser()
    ada = UserFactory(username="ada")
    conversation = ConversationFactory(owner=ada, session_id="nightly-build-1", title="\u202egnp")
    run, other = RunFactory(conversation=conversation), RunFactory()
    old = RunFactory(id=UUID(int=first_id_of(datetime(2020, 5, 4, 12, tzinfo=UTC)).int + 7))

    def shown(query: dict[str, str]) -> set[str]:
        text = root.get("/admin/conversations/run/", query).content.decode()
        return {
            name for name, row in (("run", run), ("other", other), ("old", old)) if f"{row.id}/change" in text
        }

    assert shown({"q": str(other.id)}) == {"other"}
    assert shown({"q": "nightly-b"}) == {"run"}
    assert shown({"q": " ada "}) == {"run"}
    assert shown({"q": "build"}) == shown({"q": "ad"}) == set()
    assert shown({"made": "1"}) == {"run", "other"}
    assert shown({"made": "2020-05-04"}) == {"old"}
    assert shown({"made": "2020-05-05"}) == set()
    assert shown({"made": "never"}) == shown({}) == {"run", "other", "old"}
    assert "⟨U+202E⟩gnp" in root.get("/admin/conversations/conversation/").content.decode()
    assert root.get("/admin/conversations/run/", {"q": "\x00"}).status_code in (200, 400)


def test_texts_for_people():
    assert visible("a\u202eb\u200b\nc") == "a⟨U+202E⟩b⟨U+200B⟩\nc"
    assert short("W" * 200) == "W" * 80 + "…"
    assert [dollars(n) for n in (None, 0, 1_234_500_000, 12)] == ["", "$0.00", "$1,234.50", "$0.000012"]
    assert [seconds(n) for n in (None, 0.25, 59.4, 125, 7500, 300_000)] == [
        "", "0.2 s", "59 s", "2 min 5 s", "2 h 5 min", "3 d",
    ]  # fmt: skip
    assert [share(1, 8), share(1, 0)] == ["12.5 %", "–"]
