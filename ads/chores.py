"""Periodic chores of the marketplace. They may run twice or late without harm."""

import logging
from dataclasses import asdict, astuple

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from ads import (
    invalid_traffic,
    ledger_checks,
    qualities,
    rollups,
    settlements,
    traffic_reversals,
    unit_words,
    vectors,
)
from ads.models import AdUnit

logger = logging.getLogger(__name__)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="settle_ads")
def settle_ads(timestamp: int) -> None:
    settled = settlements.settle_all(now=timezone.now())
    if any(astuple(settled)):
        logger.info("Settled: %s.", ", ".join(f"{count} {name}" for name, count in asdict(settled).items()))


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="embed_ads")
def embed_ads(timestamp: int) -> None:
    """Small inventories compute their vectors when they are read; of large ones nobody reads all.

    Words come first: they are there when the model is not.
    """
    if AdUnit.objects.count() <= settings.PENGUIN_ADS_IN_MEMORY:
        return
    if count := unit_words.catch_up(most=25_000):
        logger.info("The words of %d ads were stored.", count)
    if count := vectors.catch_up(most=500):
        logger.info("The texts of %d ads were embedded.", count)


@app.periodic(cron="50 2 * * *")
@app.task(queueing_lock="forget_unused_ad_texts")
def forget_unused_ad_texts(timestamp: int) -> None:
    if count := vectors.forget_unused(most=50_000):
        logger.info("%d texts that no ad has any more were deleted.", count)


@app.periodic(cron="17 2 * * *")
@app.task(queueing_lock="make_ad_months")
def make_ad_months(timestamp: int) -> None:
    settlements.make_months(now=timezone.now())


@app.periodic(cron="*/10 * * * *")
@app.task(queueing_lock="find_invalid_ad_traffic")
def find_invalid_ad_traffic(timestamp: int) -> None:
    if marked := invalid_traffic.look_again(now=timezone.now()):
        logger.info("%d clicks turned out to be invalid; what was paid for them was taken back.", marked)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="take_back_ad_traffic")
def take_back_ad_traffic(timestamp: int) -> None:
    if marked := traffic_reversals.fulfil(now=timezone.now()):
        logger.info(
            "%d events were marked as staff has asked; what was paid for them was taken back.", marked
        )


@app.periodic(cron="10 3 * * *")
@app.task(queueing_lock="check_ad_ledger")
def check_ad_ledger(timestamp: int) -> None:
    check = ledger_checks.check(now=timezone.now())
    if check is not None and not check.is_ok:
        wrong = [finding["code"] for finding in check.findings if not finding["is_ok"]]
        logger.error(
            "The books of ads are not right: %s. See the health of the ledger in the admin.", ", ".join(wrong)
        )


@app.periodic(cron="20 1 * * *")
@app.task(queueing_lock="roll_up_ads")
def roll_up_ads(timestamp: int) -> None:
    days = rollups.roll_up_due(now=timezone.now())
    logger.info("%d days of ads were added up.", days)


@app.periodic(cron="40 2 * * *")
@app.task(queueing_lock="compute_ad_qualities")
def compute_ad_qualities(timestamp: int) -> None:
    changed = qualities.compute(now=timezone.now())
    logger.info("%d ads have another quality.", changed)
