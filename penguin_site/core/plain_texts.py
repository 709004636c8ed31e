"""Texts of people and agents in pages: names without what cannot be seen, money and counts as they are read."""

import re

# As in chat/dom.js: controls, soft hyphens, zero-width characters and those that turn the direction of text. They
# could make one name look like another.
_UNSEEN = re.compile(
    "[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_MICROS = 1_000_000


def plain_line(text: str, *, most: int = 200) -> str:
    """`text` as one line of at most `most` characters, of which each can be seen."""
    line = " ".join(_UNSEEN.sub("", text[: most * 4]).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def dollars(micros: int) -> str:
    """`$12.30`; of less than a cent as many digits as it needs, to the micro."""
    sign, amount = ("-" if micros < 0 else ""), abs(micros)
    if amount == 0 or amount >= _MICROS // 100:
        return f"{sign}${amount / _MICROS:,.2f}"
    return f"{sign}${amount / _MICROS:.6f}".rstrip("0")


def short_count(number: float) -> str:
    """`950`, `1.2k`, `34M`."""
    for unit, mark in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            return f"{number / unit:.3g}{mark}"
    return f"{number:.3g}" if number != int(number) else str(int(number))
