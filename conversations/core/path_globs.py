"""Patterns of paths: `*` and `?` within a name, `**` for any number of folders; matched in linear time a name.

A pattern that forbids is read generously: a bare name counts in every folder, and a folder's name for all that is in
it. One that allows is read as it is written.
"""

from fnmatch import fnmatchcase


def matches(path: str, pattern: str, *, root: str = "", generous: bool = False) -> bool:
    """Whether `path`, relative to `root`, fits. A pattern that begins with `/` is about the absolute path."""
    if pattern.startswith("/"):
        path = f"{root.rstrip('/')}/{path}"
    names = _parts(path)
    wanted = _parts(pattern)
    if pattern.endswith("/") and not generous:
        wanted.append("**")
    if generous and len(wanted) == 1 and not pattern.startswith("/"):
        wanted.insert(0, "**")
    if not wanted:
        return False
    places = {0}
    for part in wanted:
        if part == "**":
            places = set(range(min(places), len(names) + 1)) if places else places
        else:
            places = {at + 1 for at in places if at < len(names) and _fits(names[at], part)}
    return any(place > 0 for place in places) if generous else len(names) in places


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _fits(name: str, pattern: str) -> bool:
    # No character classes: a name with a bracket in it is more common than somebody who wants one.
    return fnmatchcase(name, pattern.replace("[", "[[]"))
