"""What finance does by hand: advertisers and their keys, payments in, payouts, traffic that is taken back."""

import csv
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from ads import advertisers, invalid_traffic, payouts
from ads.core.micros import MICROS_PER_CENT
from ads.core.tokens import Environment
from penguin_site.errors import DomainError


class Command(BaseCommand):
    help = "Advertisers, payments in, payouts, and traffic that is taken back."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        made = acts.add_parser("advertiser", help="makes an advertiser; prints its id and its key")
        made.add_argument("name")
        made.add_argument("--organisation", default="", help="its domain")
        made.add_argument("--time-zone", default="UTC")
        made.add_argument("--test", action="store_true", help="its ads are shown to test keys only")
        paid = acts.add_parser("top-up", help="books a payment into a wallet, once for a reference")
        paid.add_argument("advertiser", type=UUID)
        paid.add_argument("cents", type=int)
        paid.add_argument("reference", help="the payment's own name, as the bank gives it")
        out = acts.add_parser("pay-out", help="pays out what is settled; prints the batch as CSV")
        out.add_argument("--minimum-cents", type=int, default=settings.PENGUIN_AD_MINIMUM_PAYOUT_CENTS)
        back = acts.add_parser(
            "take-back", help="marks a range of live traffic as invalid and takes its money back"
        )
        back.add_argument("since", help="2026-05-20T00:00:00Z")
        back.add_argument("until")
        back.add_argument("--agent", type=UUID)
        back.add_argument("--campaign", type=UUID)
        back.add_argument("--note", required=True)

    def handle(self, *args: Any, act: str, **given: Any) -> None:
        try:
            getattr(self, act.replace("-", "_"))(**given)
        except DomainError as error:
            raise CommandError(error.message) from None

    def advertiser(self, name: str, organisation: str, time_zone: str, test: bool, **_: Any) -> None:
        made, key = advertisers.create(
            name=name,
            environment=Environment.TEST if test else Environment.LIVE,
            organisation=organisation,
            time_zone=time_zone,
            now=timezone.now(),
        )
        self.stdout.write(f"{made.pk}\n{key}")

    def top_up(self, advertiser: UUID, cents: int, reference: str, **_: Any) -> None:
        booked = advertisers.top_up(
            advertiser, amount_micros=cents * MICROS_PER_CENT, reference=reference, now=timezone.now()
        )
        self.stdout.write(str(booked))

    def pay_out(self, minimum_cents: int, **_: Any) -> None:
        paid = payouts.pay_out(minimum_micros=minimum_cents * MICROS_PER_CENT, now=timezone.now())
        csv.writer(self.stdout).writerows(payouts.export(paid))

    def take_back(
        self, since: str, until: str, agent: UUID | None, campaign: UUID | None, note: str, **_: Any
    ) -> None:
        moments = [parse_datetime(text) for text in (since, until)]
        if not all(moment and moment.tzinfo for moment in moments) or not (agent or campaign):
            raise CommandError("Say from when until when, with time zones, and of which agent or campaign.")
        found = invalid_traffic.Range(moments[0], moments[1], agent, campaign)  # type: ignore[arg-type]
        self.stdout.write(
            f"{invalid_traffic.mark_range(found, note=note, now=timezone.now())} events marked."
        )
