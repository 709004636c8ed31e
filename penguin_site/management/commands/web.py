"""Runs one web process: REST, sockets, pages."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Serves HTTP and WebSockets. The database has to be there and migrated."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.PENGUIN_HOST, help="default: PENGUIN_HOST")
        parser.add_argument("--port", type=int, default=settings.PENGUIN_PORT, help="default: PENGUIN_PORT")

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        if (host, port) != (settings.PENGUIN_HOST, settings.PENGUIN_PORT):
            # Other settings depend on the address (which names are allowed, is a key needed): read them again.
            os.environ.update(PENGUIN_HOST=host, PENGUIN_PORT=str(port))
            os.execv(sys.executable, [sys.executable, sys.argv[0], "web"])
        # Here, so that the other commands do not load the server.
        from penguin_site.web.run import run

        raise SystemExit(run(host, port))
