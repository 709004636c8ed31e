"""Texts on staff pages: of people and agents with every character seen, links, states in colour."""

from typing import Any
from unicodedata import category

from django.db.models import Model
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

MOST_IN_LIST = 80
_SEEN = "\n\t "
# Of states that mean the same to whoever looks: good, bad, at work, waiting for a person.
_TONES = {
    **dict.fromkeys(
        ("completed", "succeeded", "approved", "done", "up", "ok", "low", "answered", "active"), "good"
    ),
    **dict.fromkeys(
        ("failed", "denied", "expired", "timed_out", "down", "high", "unknown", "error", "revoked", "blocked", "lost"),
        "bad",
    ),
    **dict.fromkeys(("running", "started", "queued", "cancelling", "proposed", "ready", "in_review"), "busy"),
    **dict.fromkeys(
        ("waiting", "waiting_approval", "waiting_input", "paused", "pending", "open", "medium", "new",
         "pending_review", "degraded", "unusable", "unavailable"),
        "waiting",
    ),
}  # fmt: skip


def visible(text: Any) -> str:
    """The text with everything that would not be seen, or would turn others round, written out as in ⟨U+202E⟩."""
    return "".join(
        f"⟨U+{ord(character):04X}⟩" if _is_hidden(character) else character for character in str(text)
    )


def _is_hidden(character: str) -> bool:
    return category(character) in ("Cc", "Cf", "Co", "Zl", "Zp") and character not in _SEEN


def short(text: Any) -> str:
    """The beginning of the text, visible, as a list has room for it."""
    whole = str(text)
    return visible(whole[:MOST_IN_LIST]) + ("…" if len(whole) > MOST_IN_LIST else "")


def link_to(row: Model | None) -> SafeString | str:
    """The row's name as a link to its page; a dash where there is none."""
    if row is None:
        return "–"
    meta = row._meta
    address = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', address, short(row))


def tone(status: Any) -> str:
    return _TONES.get(str(status), "plain")


def chip(status: Any) -> SafeString:
    """A state as a small coloured label."""
    text = str(status)
    return format_html('<span class="pg-chip" data-tone="{}">{}</span>', tone(text), text.replace("_", " "))
