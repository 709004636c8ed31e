"""Money as people read it: dollars, exact to the micro."""

from ads.core.micros import MICROS_PER_DOLLAR


def dollars(micros: int) -> str:
    """`-$1,234.56`; the digits after the cent are shown where there are any."""
    whole, rest = divmod(abs(micros), MICROS_PER_DOLLAR)
    digits = f"{rest:06d}"
    shown = digits[:2] + digits[2:].rstrip("0")
    return f"{'-' if micros < 0 else ''}${whole:,}.{shown}"
