"""Periodic chores of the site. They may run twice or late without harm."""

import logging

from django.utils import timezone
from procrastinate import JobContext
from procrastinate.contrib.django import app

from penguin_site import retention

logger = logging.getLogger(__name__)

KEEP_JOBS_HOURS = 72


@app.periodic(cron="27 * * * *")
@app.task(queueing_lock="forget_expired")
def forget_expired(timestamp: int) -> None:
    logger.info("%d expired rows were deleted.", retention.forget_expired(now=timezone.now()))


@app.periodic(cron="*/5 * * * *")
@app.task(queueing_lock="retry_stalled_jobs", pass_context=True)
async def retry_stalled_jobs(context: JobContext, timestamp: int) -> None:
    """Chores whose worker was lost are done again."""
    manager = context.app.job_manager
    for job in await manager.get_stalled_jobs():
        await manager.retry_job(job)


@app.periodic(cron="37 3 * * *")
@app.task(queueing_lock="delete_old_jobs", pass_context=True)
async def delete_old_jobs(context: JobContext, timestamp: int) -> None:
    await context.app.job_manager.delete_old_jobs(nb_hours=KEEP_JOBS_HOURS, include_failed=True)
