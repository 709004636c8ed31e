"""The key that lets this machine in while nobody has configured one; printed by the banner. No database in here."""

from django.conf import settings

from penguin_site import data_dir

TOKEN_FILE = "startup_token"


def startup_token() -> str | None:
    """The token, alike in all processes of a data dir; None where keys are configured or none is needed."""
    if settings.PENGUIN_API_KEYS or not settings.PENGUIN_AUTH_ENABLED:
        return None
    return settings.PENGUIN_AUTH_STARTUP_TOKEN or data_dir.secret(settings.PENGUIN_DATA_DIR, TOKEN_FILE)
