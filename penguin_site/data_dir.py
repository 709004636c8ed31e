"""What lies in the data dir: secrets (0600) and the address of the embedded Postgres while it runs."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

DATABASE_URL_FILE = "postgres-url"


def secret(directory: Path, name: str) -> str:
    """The secret kept in file `name`; the first caller on a data dir makes it, however many start at once."""
    path = directory / name
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            draft = directory / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(48))
            try:
                os.link(draft, path)  # fails when another process was first: then its secret counts
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        value = path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"PENGUIN_DATA_DIR {directory} cannot be used: {error.strerror}."
        ) from error
    if not value:
        raise ImproperlyConfigured(f"{path} is empty: delete it, a new secret is made at the next start.")
    return value


def embedded_database_url(directory: Path) -> str:
    """The address that the launcher has left for other commands; empty while no embedded Postgres runs."""
    try:
        return (directory / DATABASE_URL_FILE).read_text().strip()
    except OSError:
        return ""
