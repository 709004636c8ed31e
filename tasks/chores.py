"""Periodic chores of tasks. They may run twice or late without harm."""

import logging

from django.utils import timezone
from procrastinate.contrib.django import app

from tasks import diffs, schedules

logger = logging.getLogger(__name__)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="fire_schedules")
def fire_schedules(timestamp: int) -> None:
    fired = schedules.fire_due(now=timezone.now())
    if fired.started or fired.skipped:
        logger.info("%d schedules started their task, %d did not.", fired.started, fired.skipped)


@app.periodic(cron="*/5 * * * *")
@app.task(queueing_lock="tidy_diffs")
def tidy_diffs(timestamp: int) -> None:
    diffs.finish_diffs(now=timezone.now())
    removed = diffs.forget_abandoned()
    if removed:
        logger.info("%d states of directories that no execution needs were removed.", removed)
