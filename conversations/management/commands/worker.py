import asyncio
import sys

from django.core.management.base import BaseCommand

from conversations.runner.worker import Worker


class Command(BaseCommand):
    help = "Answers messages: claims queued runs and drives them. Any number of workers may share a database."

    def handle(self, *args: object, **options: object) -> None:
        try:
            asyncio.run(self._run())
        except* Exception as errors:
            for error in errors.exceptions:
                self.stderr.write(f"The worker ends: {type(error).__name__}: {error}")
            sys.exit(1)

    async def _run(self) -> None:
        await Worker().run()
