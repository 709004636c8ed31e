"""What a request may say beyond its types: noted beside them, checked before anything is sent."""

from typing import Annotated, NamedTuple


class Limit(NamedTuple):
    """Bounds in the words of JSON Schema; None where there is none."""

    min_length: int | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    max_items: int | None = None


def text(max_length: int, *, min_length: int = 1) -> Limit:
    return Limit(min_length=min_length, max_length=max_length)


Id = Annotated[str, text(64)]
Key = Annotated[str, text(190)]
Token = Annotated[str, text(2_048)]
Label = Annotated[str, text(200)]
