"""The figures of the dashboard are those of the reports, before and after a day is added up."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ads import figures, payouts, rollups
from tests.ads.test_api_events import TAX, decide, tax_ad
from tests.ads.test_reports import busy, mark_all, today

__all__ = ["busy"]  # a fixture

pytestmark = pytest.mark.django_db


def now_figures() -> figures.AdDay:
    with CaptureQueriesContext(connection) as captured:
        found = figures.days(since=timezone.now() - timedelta(days=3))
    assert len(captured) == 5
    return found[today()]


def test_a_day_reads_the_same_before_and_after_it_is_added_up(live, busy):
    day = now_figures()
    assert (day.decisions, day.fills, day.impressions, day.clicks, day.invalid) == (3, 3, 2, 3, 3)
    assert (day.charged_micros, day.earned_micros, day.paid_out_micros) == (50_000, 35_000, 0)
    rollups.roll_up(today(), now=timezone.now())
    assert now_figures() == day
    # What is taken back is revenue no more, whenever it is found.
    mark_all(agent_id=live.agent.pk)
    marked = now_figures()
    assert (marked.charged_micros, marked.earned_micros, marked.decisions) == (0, 0, 3)


def test_what_is_taken_back_or_paid_out_on_a_day_that_is_not_over(live, busy):
    mark_all(agent_id=live.agent.pk)
    day = now_figures()
    assert (day.charged_micros, day.earned_micros) == (0, 0)
    assert day.invalid >= 3
    assert figures.days(since=datetime(2100, 1, 1, tzinfo=UTC)) == {}
    assert payouts.pay_out(minimum_micros=1, now=timezone.now()) == []


def test_decisions_without_an_ad_are_no_fills(live):
    live.post("decide", TAX)
    tax_ad()
    decide(live)
    day = now_figures()
    assert (day.decisions, day.fills) == (2, 1)
