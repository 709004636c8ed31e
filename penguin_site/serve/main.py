"""Turns settings into a plan and runs it. The apps are not loaded: that would cost a second of each start."""

import os

from penguin_site.env import env_text


def main(*, host: str | None = None, port: int | None = None) -> int:
    """Serves until it is stopped; the exit code. `host` and `port` go before the environment."""
    # Before the settings are read: others depend on the address (which names are allowed, is a key needed).
    if host:
        os.environ["PENGUIN_HOST"] = host
    if port:
        os.environ["PENGUIN_PORT"] = str(port)
    from django.conf import settings
    from django.utils.log import configure_logging

    from penguin_site.serve.banner import Banner, Facts
    from penguin_site.serve.supervisor import Plan, Supervisor
    from penguin_site.startup_checks import is_loopback_host
    from penguin_site.startup_token import startup_token

    configure_logging(settings.LOGGING_CONFIG, settings.LOGGING)
    url, manage = _local_url(settings.PENGUIN_HOST, settings.PENGUIN_PORT), settings.BASE_DIR / "manage.py"
    plan = Plan(
        host=settings.PENGUIN_HOST,
        port=settings.PENGUIN_PORT,
        url=url,
        data_dir=settings.PENGUIN_DATA_DIR,
        manage=manage,
        workers=settings.PENGUIN_WORKERS,
        drain_seconds=settings.PENGUIN_DRAIN_SECONDS,
        loads_demo_ads=settings.PENGUIN_DEMO_ADS,
        # Not settings.DATABASE_URL: that may be the address which a killed server has left in the data dir.
        database_url=env_text("DATABASE_URL"),
    )
    has_links = settings.PENGUIN_AUTH_ENABLED and is_loopback_host(settings.PENGUIN_HOST)
    facts = Facts(
        url=url,
        startup_token=startup_token(),
        auth_enabled=settings.PENGUIN_AUTH_ENABLED,
        model=settings.PENGUIN_MODEL,
        data_dir=settings.PENGUIN_DATA_DIR,
        manage=manage if has_links else None,
    )
    return Supervisor(plan, look=Banner(facts).look).run()


def _local_url(host: str, port: int) -> str:
    """Where this machine reaches the server."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
