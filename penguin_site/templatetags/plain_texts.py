"""Template filters for what people, agents and advertisers have named, and for figures."""

from datetime import datetime

from django import template
from django.utils.timesince import timesince

from penguin_site.core import plain_texts

register = template.Library()


@register.filter
def plain(text: object) -> str:
    return plain_texts.plain_line(str(text or ""))


@register.filter
def dollars(micros: int | None) -> str:
    return plain_texts.dollars(int(micros or 0))


@register.filter
def ago(moment: datetime, now: datetime) -> str:
    """`5 minutes ago`; `now` is that of the page."""
    return f"{timesince(moment, now, depth=1)} ago" if (now - moment).total_seconds() >= 60 else "just now"


@register.filter
def count(number: float | None) -> str:
    return f"{int(number or 0):,}"
