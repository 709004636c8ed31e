"""Prints a link that signs a browser on this machine in as the local owner, once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from penguin_site import login


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--until-restart",
            action="store_true",
            help="For the banner: the link lives until it is used or the next such link is made.",
        )

    def handle(self, *args: Any, until_restart: bool = False, **options: Any) -> None:
        self.stdout.write(login.make_login_link(until_restart=until_restart))
