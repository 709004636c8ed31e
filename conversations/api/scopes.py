"""What a key must be allowed to do, where that depends on the object and not on the route."""

from typing import Any

from penguin_site.errors import Forbidden


class ScopeMissing(Forbidden):
    """The key lacks a scope."""

    code = "scope_missing"


def require(principal: Any, scope: str) -> None:
    if not principal.may(scope):
        raise ScopeMissing(f"This needs the scope {scope}.", scope=scope)
