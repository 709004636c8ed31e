"""Makes a model's text storable: Postgres takes neither NUL nor lone surrogates."""

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class MendedText:
    """Mends one text that comes in pieces; a surrogate pair may be split between two of them."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = ""

    def add(self, piece: str) -> str:
        """The piece in storable form; the first half of a pair at its end is held back for the next."""
        if self._held:
            piece, self._held = self._held + piece, ""
        if not piece.isascii():
            try:
                piece.encode()
            except UnicodeEncodeError:
                if "\ud800" <= piece[-1] <= "\udbff":
                    piece, self._held = piece[:-1], piece[-1]
                piece = piece.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return piece.replace("\x00", REPLACEMENT) if "\x00" in piece else piece

    def end(self) -> str:
        """What stands for a half that nothing followed."""
        held, self._held = self._held, ""
        return REPLACEMENT if held else ""


def storable(text: str) -> str:
    mended = MendedText()
    return mended.add(text) + mended.end()
