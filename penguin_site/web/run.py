"""The life of a web process."""

import asyncio
import logging
import os
import resource
import signal
import sys
import threading

import psycopg

# Installs Twisted's asyncio reactor, so it comes before anything else of Twisted.
from daphne.server import twisted_loop
from django.conf import settings
from django.utils.module_loading import import_string
from psycopg_pool import PoolTimeout

from conversations.live import process as live
from penguin_site.garbage import tune_collection
from penguin_site.web.http_handler import end_waits
from penguin_site.web.server import WebServer

logger = logging.getLogger(__name__)

_DRAIN_SECONDS = 3.0  # `serve` gives us 4.5 in all
_FORCED_EXIT_SECONDS = 9.0


def run(host: str, port: int) -> int:
    """Serves until SIGTERM or SIGINT. Returns the exit code: 1 when the address cannot be listened on."""
    raise_open_file_limit()
    server = WebServer(import_string(settings.ASGI_APPLICATION), host=host, port=port)
    asyncio.set_event_loop(twisted_loop)
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        if not stopping:
            # A request that is stuck in its thread would keep the process for ever.
            forced_exit = threading.Timer(_FORCED_EXIT_SECONDS, os._exit, [1])
            forced_exit.daemon = True
            forced_exit.start()
            end_waits()
            stopping.append(twisted_loop.create_task(server.drain(seconds=_DRAIN_SECONDS)))

    try:
        twisted_loop.run_until_complete(live.start())
    except (psycopg.OperationalError, PoolTimeout) as error:
        print(f"The database cannot be reached: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    for number in (signal.SIGTERM, signal.SIGINT):
        twisted_loop.add_signal_handler(number, stop)
    tune_collection()
    server.run()
    twisted_loop.run_until_complete(live.stop())
    if server.listen_failure:
        reason = server.listen_failure.socketError.strerror or "the address is not usable"
        print(f"The server cannot listen on {host}:{port}: {reason}.", file=sys.stderr)
        return 1
    return 0


def raise_open_file_limit() -> None:
    """Each socket takes a descriptor, and many systems start programs with room for 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError) as error:
            logger.warning("The open file limit stays at %s: %s", soft, error)
