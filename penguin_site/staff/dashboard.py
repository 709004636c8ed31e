"""The first page of the admin: what waits and how things are now, today and the last 30 days as charts.

Everybody sees what they may also see the lists of. Every number leads to its list.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode

from ads.figures import AdDay
from penguin_site import health
from penguin_site.staff import figures
from penguin_site.staff.charts import Chart, Series, by_day
from penguin_site.templatetags.staff import dollars, seconds, share

MICROS = 1_000_000
# Colours are told apart up to here; the rest is one more.
MOST_MODELS = 5


@dataclass(frozen=True, slots=True)
class Tile:
    """A number of now. `tone` is a state's, as in `templatetags/staff.py`."""

    title: str
    value: str
    note: str
    link: str
    tone: str = "plain"


def add_to(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """For django-unfold's DASHBOARD_CALLBACK."""
    user: Any = request.user
    first = figures.first_day().date()
    days = [first + timedelta(days=number) for number in range(figures.DAYS)]
    charts: list[Chart] = []
    if user.has_perm("conversations.view_run"):
        charts += [*_of_runs(days), *_of_models(days)]
    if user.has_perm("conversations.view_messagefeedback"):
        charts.append(_of_thumbs(days))
    ads_charts = list(_of_ads(days, user)) if _sees_ads(user) else []
    return {
        **context,
        "title": "Dashboard",
        "tiles": [*_waiting(user), *_work(user)],
        "health": health.report(),
        "workers_link": _link("admin:conversations_worker_changelist"),
        "charts": charts,
        "ads_charts": ads_charts,
        "cached_seconds": round(figures.DAYS_SECONDS),
    }


def _link(*names: str, query: dict[str, str] | None = None) -> str:
    """The first of these pages that there is; `{made}` in the query stays to be filled in."""
    for name in names:
        try:
            address = reverse(name)
        except NoReverseMatch:
            continue
        return f"{address}?{urlencode(query).replace('%7Bmade%7D', '{made}')}" if query else address
    return ""


def _sees_ads(user: Any) -> bool:
    return user.has_perm("ads.view_campaign") or user.has_perm("ads.view_ledgertransaction")


# What waits for people, and the work going on


def _waiting(user: Any) -> Iterator[Tile]:
    now = figures.of_conversations()
    if user.has_perm("conversations.view_approval"):
        age = f"the oldest for {seconds(now.approval_seconds)}" if now.approvals else "nothing waits"
        inbox = _link("admin:conversations_approval_inbox")
        yield Tile(
            "Approvals waiting", f"{now.approvals:,}", age, inbox, "waiting" if now.approvals else "good"
        )
    if user.has_perm("conversations.view_question"):
        link = _link("admin:conversations_question_changelist", query={"status__exact": "open"})
        tone = "waiting" if now.questions else "good"
        yield Tile("Open questions", f"{now.questions:,}", "only the owners answer", link, tone)
    if user.has_perm("conversations.view_moderationflag"):
        flags = figures.open_flags()
        link = _link("admin:conversations_moderationflag_changelist")
        yield Tile("Open flags", _bounded(flags), "for moderators", link, "waiting" if flags else "good")
    if user.has_perm("conversations.view_messagefeedback"):
        link = _link("admin:conversations_messagefeedback_changelist", query={"review_status__exact": "new"})
        tone = "waiting" if now.new_feedback else "good"
        yield Tile("Feedback to review", _bounded(now.new_feedback), "new, of any age", link, tone)
    if user.has_perm("tasks.view_task"):
        reviews = figures.of_tasks().reviews
        link = _link("admin:tasks_task_changelist", query={"status__exact": "pending_review"})
        yield Tile(
            "Tasks to review",
            _bounded(reviews),
            "done, say their agents",
            link,
            "waiting" if reviews else "good",
        )


def _work(user: Any) -> Iterator[Tile]:
    now = figures.of_conversations()
    if user.has_perm("conversations.view_run"):
        runs = "admin:conversations_run_changelist"
        link = _link(runs, query={"status__exact": "running"})
        yield Tile(
            "Runs at work", f"{now.running:,}", f"{now.workers} worker{'' if now.workers == 1 else 's'}", link
        )
        note = f"the oldest for {seconds(now.queued_seconds)}" if now.queued else "no queue"
        link = _link(runs, query={"status__exact": "queued"})
        yield Tile("Runs queued", f"{now.queued:,}", note, link, "busy" if now.queued else "plain")
    if user.has_perm("tasks.view_execution"):
        at_work = figures.of_tasks()
        link = _link("admin:tasks_execution_changelist", query={"status__exact": "running"})
        yield Tile("Executions at work", f"{at_work.at_work:,}", f"{at_work.standing} stand still", link)


def _bounded(count: int) -> str:
    return f"{count:,}+" if count >= figures.MOST_COUNTED else f"{count:,}"


# Charts of the agent server


def _of_runs(days: Sequence[date]) -> Iterator[Chart]:
    found: dict[str, dict[date, int]] = {}
    for day, status, count in figures.days_of_conversations().runs:
        found.setdefault(status, {})[day] = count
    ended = ["completed", "failed", "cancelled", "timed_out"]
    open_days = dict.fromkeys(days, 0)
    for status, counts in found.items():
        if status not in ended:
            for day, count in counts.items():
                open_days[day] = open_days.get(day, 0) + count
    runs = "admin:conversations_run_changelist"
    series = [
        Series(
            status.replace("_", " "),
            by_day(days, found.get(status, {})),
            _link(runs, query={"status__exact": status, "made": "{made}"}),
        )
        for status in ended
    ]
    series.append(Series("open", by_day(days, open_days), _link(runs, query={"made": "{made}"})))
    yield Chart("Runs by state", days, series, _count)
    tokens = dict(figures.days_of_conversations().first_tokens)
    calls = _link("admin:conversations_modelcall_changelist", query={"made": "{made}"})
    latencies = [
        Series(name, [_at(tokens.get(day), place) for day in days], calls, total=_middle(tokens, place))
        for place, name in enumerate(("median", "95th percentile"))
    ]
    yield Chart("Time to the first token", days, latencies, _seconds, kind="line")


def _at(values: Sequence[float] | None, place: int) -> float | None:
    return round(values[place], 3) if values else None


def _middle(tokens: dict[date, list[float]], place: int) -> float | None:
    """Of all days: the middle one of the days' values."""
    values = sorted(value[place] for value in tokens.values())
    return values[len(values) // 2] if values else None


def _of_models(days: Sequence[date]) -> Iterator[Chart]:
    by_model: dict[str, dict[date, Any]] = {}
    for line in figures.days_of_conversations().models:
        by_model.setdefault(line.model, {})[line.day] = line
    ranked = sorted(by_model, key=lambda model: -sum(_tokens(line) for line in by_model[model].values()))
    for title, value, shown in (
        ("Tokens by model", _tokens, _count),
        ("Cost by model", lambda line: line.cost_micros / MICROS, _dollars),
    ):
        series = [
            Series(
                model,
                by_day(days, {day: value(line) for day, line in by_model[model].items()}),
                _link(
                    "admin:conversations_modelcall_changelist",
                    query={"model__exact": model, "made": "{made}"},
                ),
            )
            for model in ranked[:MOST_MODELS]
        ]
        if ranked[MOST_MODELS:]:
            others = [
                sum(value(by_model[model][day]) for model in ranked[MOST_MODELS:] if day in by_model[model])
                for day in days
            ]
            link = _link("admin:conversations_modelcall_changelist", query={"made": "{made}"})
            series.append(Series("other models", others, link))
        yield Chart(title, days, series, shown)


def _tokens(line: Any) -> int:
    return int(line.input_tokens + line.output_tokens)


def _of_thumbs(days: Sequence[date]) -> Chart:
    found: dict[str, dict[date, int]] = {"up": {}, "down": {}}
    for day, rating, count in figures.days_of_conversations().thumbs:
        found[rating][day] = count
    page = "admin:conversations_messagefeedback_changelist"
    series = [
        Series(f"thumbs {rating}", by_day(days, counts), _link(page, query={"rating__exact": rating}))
        for rating, counts in found.items()
    ]
    return Chart("Feedback on answers", days, series, _count)


# Charts of the marketplace


def _of_ads(days: Sequence[date], user: Any) -> Iterator[Chart]:
    found = figures.days_of_ads()
    lines = [found.get(day, AdDay()) for day in days]
    if user.has_perm("ads.view_campaign"):
        yield from _of_decisions(days, lines)
    invalid = _link("admin:ads_invalidmark_changelist", "admin:ads_campaign_changelist")
    yield Chart(
        "Invalid traffic", days, [Series("events", [line.invalid for line in lines], invalid)], _count
    )
    if user.has_perm("ads.view_ledgertransaction"):
        yield _of_money(days, lines)


def _of_decisions(days: Sequence[date], lines: Sequence[AdDay]) -> Iterator[Chart]:
    page = _link("admin:ads_decision_changelist", "admin:ads_campaign_changelist")
    counts = [
        Series("with an ad", [line.fills for line in lines], page),
        Series("without", [line.decisions - line.fills for line in lines], page),
    ]
    yield Chart("Decisions", days, counts, _count)
    rates = []
    for name, part, whole in (("fill rate", "fills", "decisions"), ("click rate", "clicks", "impressions")):
        parts, wholes = ([getattr(line, figure) for line in lines] for figure in (part, whole))
        by_days = [_rate(*pair) for pair in zip(parts, wholes, strict=True)]
        rates.append(Series(name, by_days, page, total=_rate(sum(parts), sum(wholes)) or 0))
    yield Chart("Fill and click rate", days, rates, _percent, kind="line")


def _of_money(days: Sequence[date], lines: Sequence[AdDay]) -> Chart:
    ledger = _link("admin:ads_ledgertransaction_changelist", "admin:ads_account_changelist")
    payouts = _link("admin:ads_payoutbatch_changelist")
    money = [
        Series("charged to advertisers", [line.charged_micros / MICROS for line in lines], ledger),
        Series("earned by agents", [line.earned_micros / MICROS for line in lines], ledger),
        Series("paid out", [line.paid_out_micros / MICROS for line in lines], payouts),
    ]
    return Chart("Revenue and payouts", days, money, _dollars, kind="line")


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _dollars(value: float | None) -> str:
    return "–" if value is None else dollars(round(value * MICROS))


def _seconds(value: float | None) -> str:
    return "–" if value is None else seconds(value)


def _percent(value: float | None) -> str:
    return "–" if value is None else share(value, 1)
