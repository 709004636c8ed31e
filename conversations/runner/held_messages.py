"""Beside its runs a worker checks the messages that wait for moderation, as soon as it hears of one."""

import asyncio
import logging

import psycopg
from channels.db import database_sync_to_async
from django.db import Error
from django.utils import timezone
from psycopg_pool import PoolTimeout

from conversations import message_checks

logger = logging.getLogger(__name__)

# A wake-up that was lost costs no more than this.
POLL_SECONDS = 1.0
# Before what could not be checked is tried again.
PAUSE_SECONDS = 0.05


async def work(news: asyncio.Event) -> None:
    check_held = database_sync_to_async(message_checks.check_held, thread_sensitive=False)
    while True:
        news.clear()
        try:
            await check_held(now=timezone.now())
        except (psycopg.Error, Error, PoolTimeout) as error:
            logger.warning("Messages that wait could not be checked: %s", error)
        await asyncio.sleep(PAUSE_SECONDS)
        try:
            await asyncio.wait_for(news.wait(), POLL_SECONDS)
        except TimeoutError:
            pass
