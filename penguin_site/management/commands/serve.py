"""Runs everything on this machine: Postgres, workers, web."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from penguin_site.serve.main import main


class Command(BaseCommand):
    help = "Starts and watches Postgres (unless DATABASE_URL is set), the workers and the web."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", help="default: PENGUIN_HOST")
        parser.add_argument("--port", type=int, help="default: PENGUIN_PORT")

    def handle(self, *args: Any, **options: Any) -> None:
        sys.exit(main(host=options["host"], port=options["port"]))
