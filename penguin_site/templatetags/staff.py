"""What templates of staff pages need: plain texts, money, durations, diffs by line, states in colour."""

import json
from typing import Any

from django import template
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from penguin_site.audit.staff_texts import chip, tone, visible

register = template.Library()
register.filter("visible", visible)
register.filter("tone", tone)
register.filter("chip", chip)

MICROS = 1_000_000


@register.filter
def pretty(value: Any) -> str:
    """A JSON value over several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


@register.filter
def count(value: Any) -> str:
    """`1,234`; empty for None."""
    return "" if value is None else f"{int(value):,}"


@register.filter
def dollars(micros: Any) -> str:
    """Millionths of a US dollar as `$1.20`; below a cent with all that counts. Empty for None."""
    if micros is None:
        return ""
    value = int(micros) / MICROS
    return f"${value:,.2f}" if abs(value) >= 0.01 or value == 0 else f"${value:.6f}"


@register.filter
def seconds(value: Any) -> str:
    """`0.4 s`, `2 min 5 s`, `3 h 10 min`, `4 d`; empty for None."""
    if value is None:
        return ""
    rest = float(value)
    if rest < 60:
        return f"{rest:.1f} s" if rest < 10 else f"{rest:.0f} s"
    minutes, hours = int(rest // 60), int(rest // 3600)
    if minutes < 60:
        return f"{minutes} min {int(rest % 60)} s"
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d"


@register.filter
def share(part: Any, whole: Any) -> str:
    """`12.5 %`; a dash where there is nothing to be a share of."""
    return f"{100 * float(part) / float(whole):.1f} %" if whole else "–"


@register.filter
def diff_lines(text: str) -> SafeString:
    """A unified diff with each line marked as added, taken away or neither."""
    kinds = {"+": "added", "-": "removed", "@": "place"}
    lines = ((kinds.get(line[:1], "same"), visible(line)) for line in text.splitlines())
    return format_html_join("\n", '<span data-line="{}">{}</span>', lines)
