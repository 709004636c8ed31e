import os
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from ads import demo


class Command(BaseCommand):
    help = "Loads some 200 ads of advertisers that do not exist; test keys are shown them. May be run again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--gently", action="store_true", help="let everything else on this machine go first"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["gently"]:
            os.nice(15)
        count = demo.load(now=timezone.now())
        self.stdout.write(f"{count} demo ads were loaded." if count else "All demo ads were there already.")
