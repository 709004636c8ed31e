"""Periodic chores of the agent server. Each may run twice or late without harm."""

import logging

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from conversations import holds, message_checks, retention

logger = logging.getLogger(__name__)


@app.periodic(cron="7 * * * *")
@app.task(queueing_lock="trim_log")
def trim_log(timestamp: int) -> None:
    deleted = retention.trim_log(now=timezone.now(), keep_days=settings.PENGUIN_EVENT_RETENTION_DAYS)
    logger.info("%d events older than %d days were deleted.", deleted, settings.PENGUIN_EVENT_RETENTION_DAYS)


@app.periodic(cron="* * * * * */15")
@app.task(queueing_lock="check_messages")
def check_messages(timestamp: int) -> None:
    """Moderation of what was said since the last time. Runs that wait for it are looked after at once, too, see
    `runner/held_messages.py`."""
    if settings.PENGUIN_MODERATION == "off":
        holds.let_all_go()
        return
    if checked := message_checks.check_new(now=timezone.now()):
        logger.info("%d messages were checked.", checked)


@app.periodic(cron="17 * * * *")
@app.task(queueing_lock="forget_idempotency_keys")
def forget_idempotency_keys(timestamp: int) -> None:
    retention.forget_idempotency_keys(now=timezone.now())
