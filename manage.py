#!/usr/bin/env python3
"""Entry point of every command: serve, web, worker, migrate, login_link ..."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "penguin_site.settings")
    from django.core.exceptions import ImproperlyConfigured

    try:
        if sys.argv[1:2] == ["serve"]:
            # Only starts the others: it needs no apps, and loading them takes a second of each start.
            from penguin_site.management.commands.serve import Command

            Command().run_from_argv(sys.argv)
        else:
            from django.core.management import execute_from_command_line

            execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"Unusable setting: {error}")


if __name__ == "__main__":
    main()
