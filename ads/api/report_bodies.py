"""Reports as JSON and as CSV: gross, what of it was invalid, and net."""

import csv
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ads import reports
from ads.api.schema import obj
from ads.core.micros import MICROS_PER_DOLLAR
from ads.reports import Row, Whose
from penguin_site.errors import InvalidField

MOST_DAYS = 92
COUNTS = ("impressions", "clicks", "conversions")
_FIGURE = {
    name: obj("gross invalid net", gross="number", invalid="number", net="number") for name in ("figure",)
}
_GROUPS = {"day": {"type": "string", "format": "date"}, "placement": "string", "campaign": "string"}


def parameters(by: Sequence[str]) -> list[OpenApiParameter]:
    day = {"type": "string", "format": "date"}
    return [
        OpenApiParameter("from", day, description="The first day (UTC); without it 29 days before `until`."),
        OpenApiParameter("until", day, description="The last day (UTC); without it today."),
        OpenApiParameter(
            "by", str, description=f"What to add up by, divided by commas: {', '.join(by)}. Without it day."
        ),
        OpenApiParameter("format", {"type": "string", "enum": ["json", "csv"], "default": "json"}),
    ]


def report_schema(name: str, summary: str, *, by: Sequence[str], money: str) -> Any:
    figures = dict.fromkeys((*COUNTS, money), _FIGURE["figure"])
    line = obj(
        " ".join(("shown", *figures)), shown="integer", **{each: _GROUPS[each] for each in by}, **figures
    )
    answer = obj(
        "from until currency rows total is_cut",
        **{"from": _GROUPS["day"]}, until=_GROUPS["day"], currency="string", rows={"type": "array", "items": line},
        total=line, is_cut={"type": "boolean", "description": "There are more rows: ask for fewer days."},
    )  # fmt: skip
    counted = {"gross": 12, "invalid": 2, "net": 10}
    row = {
        "shown": 40, "impressions": {"gross": 31, "invalid": 0, "net": 31}, "clicks": counted,
        "conversions": {"gross": 1, "invalid": 0, "net": 1}, money: {"gross": 2.45, "invalid": 0.0, "net": 2.45},
    }  # fmt: skip
    example = {
        "from": "2026-05-01", "until": "2026-05-20", "currency": "USD", "rows": [{"day": "2026-05-20"} | row],
        "total": row, "is_cut": False,
    }  # fmt: skip
    return extend_schema(
        operation_id=name,
        summary=summary,
        parameters=parameters(by),
        responses={
            (200, "application/json"): OpenApiResponse(answer, description="Done."),
            (200, "text/csv"): OpenApiTypes.STR,
        },
        examples=[
            OpenApiExample(
                "Answer",
                value=example,
                response_only=True,
                status_codes=["200"],
                media_type="application/json",
            )
        ],
        tags=["ads"],
    )


def answer(request: Request, whose: Whose, *, by: Sequence[str], money: str, now: datetime) -> Any:
    """What the request asks for; `money` is `earnings` (the agent's share) or `spend` (the whole price)."""
    since, until = _days(request, now)
    asked = _by(request, by)
    wanted = request.query_params.get("format", "json")
    if wanted not in ("json", "csv"):
        raise InvalidField("format", "must be json or csv")
    rows = reports.report(whose, since=since, until=until, by=asked)
    (total,) = reports.report(whose, since=since, until=until, by=()) or [Row((), {})]
    shown = rows[: reports.MOST_ROWS]
    if wanted == "csv":
        return _as_csv(shown, asked, money)
    return Response(
        {
            "from": since.isoformat(),
            "until": until.isoformat(),
            "currency": "USD",
            "rows": [
                dict(zip(asked, map(_text, row.key), strict=True)) | _figures(row, money) for row in shown
            ],
            "total": _figures(total, money),
            "is_cut": len(rows) > len(shown),
        }
    )


def _figures(row: Row, money: str) -> dict[str, Any]:
    found: dict[str, Any] = {"shown": row.figures.get("shown", 0)}
    for name in COUNTS:
        found[name] = _parts(row, name, f"invalid_{name}", 1)
    column = "earned_micros" if money == "earnings" else "charged_micros"
    return found | {money: _parts(row, column, f"invalid_{column}", MICROS_PER_DOLLAR)}


def _parts(row: Row, gross: str, invalid: str, unit: int) -> dict[str, Any]:
    all_, wrong = row.figures.get(gross, 0), row.figures.get(invalid, 0)
    if unit == 1:
        return {"gross": all_, "invalid": wrong, "net": all_ - wrong}
    return {"gross": all_ / unit, "invalid": wrong / unit, "net": (all_ - wrong) / unit}


def _as_csv(rows: Sequence[Row], by: Sequence[str], money: str) -> HttpResponse:
    text = io.StringIO()
    writer = csv.writer(text)
    parts = ("gross", "invalid", "net")
    writer.writerow([*by, "shown", *(f"{name}_{part}" for name in (*COUNTS, money) for part in parts)])
    for row in rows:
        figures = _figures(row, money)
        cells = [figures[name][part] for name in (*COUNTS, money) for part in parts]
        writer.writerow([*(_cell(_text(value)) for value in row.key), figures["shown"], *cells])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="report.csv"'
    return response


def _cell(text: str) -> str:
    """A text that a spreadsheet would read as a formula stays a text."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _days(request: Request, now: datetime) -> tuple[date, date]:
    until = _day(request, "until") or now.astimezone(UTC).date()
    since = _day(request, "from") or until - min(timedelta(days=29), until - date.min)
    if not timedelta() <= until - since < timedelta(days=MOST_DAYS):
        raise InvalidField("from", f"must be no later than until, and at most {MOST_DAYS} days of them")
    return since, until


def _day(request: Request, name: str) -> date | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidField(name, "must be a day, as 2026-05-20") from None


def _by(request: Request, known: Sequence[str]) -> list[str]:
    asked = [name for name in request.query_params.get("by", "day").split(",") if name]
    if not set(asked) <= set(known) or len(set(asked)) < len(asked):
        raise InvalidField("by", f"must name some of {', '.join(known)}, each once")
    return asked
