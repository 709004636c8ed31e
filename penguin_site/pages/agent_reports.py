"""What the page of an agent shows: earnings, decisions, fill, and why nothing was shown."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from ads import agent_figures, agents, ledger, payouts, reports
from ads.core.books import book_of
from ads.core.ids import Mark, shown
from ads.core.no_fill import NoFill
from ads.core.tokens import Environment
from ads.models import Agent
from ads.reports import Row, Whose
from penguin_site.core import bar_charts
from penguin_site.core.bar_charts import Chart
from penguin_site.core.plain_texts import dollars, short_count

WINDOWS = (7, 30, 90)
MOST_DECISIONS = 8

# Why nothing was shown, and what a developer can do about it.
NO_FILL = {
    NoFill.NO_MATCH: "No ad has to do with what was said.",
    NoFill.BELOW_RELEVANCE: "Ads were near, but not as near as min_relevance_score asks.",
    NoFill.BELOW_QUALITY: "Ads fitted, but none of the quality that min_quality_score asks.",
    NoFill.BLOCKED: "Everything that fitted is blocked by the request.",
    NoFill.SENSITIVE_CONTEXT: "A sensitive moment: there are never ads in it.",
    NoFill.FREQUENCY_CAP: "This user has seen what fitted often enough.",
    NoFill.BUDGET: "The advertisers of what fitted have no budget left.",
    NoFill.TIMEOUT: "It was not ready in time (max_wait_ms).",
    NoFill.CONSENT_REQUIRED: "The request said that the user has not agreed.",
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A chart with its texts."""

    name: str
    chart: Chart
    top: str
    legend: list[dict[str, Any]]
    bars: list[dict[str, Any]]


def report(agent: Agent, environment: Environment, *, days: int, now: datetime) -> dict[str, Any]:
    """Figures of the last `days` days (UTC), by the clock of the agent's book."""
    moment = agents.time_of(agent, environment, now=now)
    until = moment.date()
    since = until - timedelta(days=days - 1)
    whose = Whose(book_of(environment, agent.pk), agent_id=agent.pk)
    rows = reports.report(whose, since=since, until=until, by=("day",))
    decided = agent_figures.decided_by_day(agent, environment, since=since, until=until)
    spans = [since + timedelta(days=number) for number in range(days)]
    is_live = environment is Environment.LIVE
    return {
        "balance": ledger.balance(ledger.agent_account(agent.pk), book=whose.book or ""),
        "payable": payouts.payable(agent.pk, now=moment) if is_live else None,
        "figures": _sums(rows),
        "earnings": _earnings(rows, spans),
        "fill": _fill(decided, spans),
        "reasons": _reasons(decided),
        "decisions": _newest(agent, environment),
        "rows": [_day(row) for row in reversed(rows)],
        "moment": moment,
    }


def _sums(rows: Sequence[Row]) -> dict[str, int]:
    """Net of what was found invalid."""
    names = ("impressions", "clicks", "conversions")
    sums = {name: sum(row.figures[name] - row.figures[f"invalid_{name}"] for row in rows) for name in names}
    earned = sum(row.figures["earned_micros"] - row.figures["invalid_earned_micros"] for row in rows)
    return {**sums, "earned_micros": earned, "shown": sum(row.figures["shown"] for row in rows)}


def _day(row: Row) -> dict[str, Any]:
    return {"day": row.key[0], **_sums([row])}


def _earnings(rows: Sequence[Row], days: Sequence[date]) -> Plot:
    by_day = {row.key[0]: _sums([row])["earned_micros"] for row in rows}
    values = {"Earned": [max(by_day.get(day, 0), 0) for day in days]}
    return _plot("Earnings by day", days, values, lambda micros: dollars(round(micros)))


def _fill(decided: Sequence[agent_figures.Decided], days: Sequence[date]) -> Plot:
    filled: Counter[date] = Counter()
    empty: Counter[date] = Counter()
    for each in decided:
        (empty if each.reason else filled)[each.day] += each.count
    values = {"Filled": [filled[day] for day in days], "Nothing shown": [empty[day] for day in days]}
    return _plot("Decisions by day", days, values, short_count)


def _plot(name: str, days: Sequence[date], values: dict[str, list[int]], written: Any) -> Plot:
    chart = bar_charts.stacked([f"{day:%-d %b}" for day in days], values, by_size=False)
    return Plot(
        name=name,
        chart=chart,
        top=written(chart.top) if chart.total else "",
        legend=[
            {"number": each.number, "name": each.name, "total": written(each.total)} for each in chart.series
        ],
        bars=[{"bar": bar, "tells": f"{bar.label}: {written(bar.total)}"} for bar in chart.bars],
    )


def _reasons(decided: Sequence[agent_figures.Decided]) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for each in decided:
        counts[each.reason] += each.count
    total, filled = counts.total(), counts.pop("", 0)
    return {
        "total": total,
        "filled": filled,
        "fill_percent": round(100 * filled / total, 1) if total else None,
        "rows": [
            {
                "reason": reason,
                "tells": tells(reason),
                "count": count,
                "percent": round(100 * count / total, 1),
            }
            for reason, count in counts.most_common()
        ],
    }


def tells(reason: str) -> str:
    return NO_FILL.get(reason, "") if reason in set(NoFill) else ""  # type: ignore[call-overload]


def _newest(agent: Agent, environment: Environment) -> list[dict[str, Any]]:
    found = agent_figures.newest_decisions(agent, environment, limit=MOST_DECISIONS)
    return [
        {
            "id": shown(Mark.DECISION, decision.id),
            "decided_at": decision.decided_at,
            "placement": decision.placement,
            "reason": decision.reason,
            "units": decision.units_count,
            "took_ms": decision.took_ms,
        }
        for decision in found
    ]
