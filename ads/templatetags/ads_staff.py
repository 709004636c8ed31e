"""How the pages of staff write amounts and names."""

from django import template

from ads.core import shown_money

register = template.Library()


@register.filter
def dollars(micros: int | None) -> str:
    return "" if micros is None else shown_money.dollars(micros)


@register.filter
def cents(amount: int | None) -> str:
    return "" if amount is None else shown_money.dollars(amount * 10_000)


@register.filter
def words(name: str) -> str:
    """A field's or a state's name as words: `landing_url`, `pending_review`."""
    return str(name).replace("_", " ")


@register.filter
def score(value: int) -> str:
    """Relevance and quality: whole numbers up to 10,000 inside, 0 to 1 outside."""
    return f"{value / 10_000:.4f}"
