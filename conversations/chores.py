"""Periodic chores of the agent server. Each may run twice or late without harm."""

import logging

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from conversations import retention

logger = logging.getLogger(__name__)


@app.periodic(cron="7 * * * *")
@app.task(queueing_lock="trim_log")
def trim_log(timestamp: int) -> None:
    deleted = retention.trim_log(now=timezone.now(), keep_days=settings.PENGUIN_EVENT_RETENTION_DAYS)
    logger.info("%d events older than %d days were deleted.", deleted, settings.PENGUIN_EVENT_RETENTION_DAYS)


@app.periodic(cron="17 * * * *")
@app.task(queueing_lock="forget_idempotency_keys")
def forget_idempotency_keys(timestamp: int) -> None:
    retention.forget_idempotency_keys(now=timezone.now())
