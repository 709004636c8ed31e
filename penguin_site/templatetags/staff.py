"""What templates of staff pages need: texts whose every character is seen, money, durations, diffs by line, tones."""

import json
from typing import Any
from unicodedata import category

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

MICROS = 1_000_000
_SEEN = "\n\t "
# Of states that mean the same to whoever looks: good, bad, at work, waiting for a person.
_TONES = {
    **dict.fromkeys(
        ("completed", "succeeded", "approved", "done", "up", "ok", "low", "answered", "active"), "good"
    ),
    **dict.fromkeys(
        ("failed", "denied", "expired", "timed_out", "down", "high", "unknown", "error", "revoked", "blocked"),
        "bad",
    ),
    **dict.fromkeys(("running", "started", "queued", "cancelling", "proposed", "ready", "in_review"), "busy"),
    **dict.fromkeys(
        ("waiting", "waiting_approval", "waiting_input", "paused", "pending", "open", "medium", "new",
         "pending_review", "degraded", "unusable", "unavailable"),
        "waiting",
    ),
}  # fmt: skip


@register.filter
def visible(text: Any) -> str:
    """The text with everything that would not be seen, or would turn others round, written out as in ⟨U+202E⟩."""
    return "".join(
        f"⟨U+{ord(character):04X}⟩" if _is_hidden(character) else character for character in str(text)
    )


def _is_hidden(character: str) -> bool:
    return category(character) in ("Cc", "Cf", "Co", "Zl", "Zp") and character not in _SEEN


@register.filter
def pretty(value: Any) -> str:
    """A JSON value over several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


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
def tone(status: Any) -> str:
    return _TONES.get(str(status), "plain")


@register.filter
def chip(status: Any) -> SafeString:
    """A state as a small coloured label."""
    text = str(status)
    return format_html('<span class="pg-chip" data-tone="{}">{}</span>', tone(text), text.replace("_", " "))


@register.filter
def diff_lines(text: str) -> SafeString:
    """A unified diff with each line marked as added, taken away or neither."""
    kinds = {"+": "added", "-": "removed", "@": "place"}
    lines = ((kinds.get(line[:1], "same"), visible(line)) for line in text.splitlines())
    return format_html_join("\n", '<span data-line="{}">{}</span>', lines)
