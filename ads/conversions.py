"""Conversions that advertisers confirm: an agent's own report of one proves nothing where money follows from it."""

import re
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Exists, OuterRef

from ads import shown_units
from ads.core.books import environment_of
from ads.core.ids import Mark, time_of
from ads.core.tokens import LIFETIME_SECONDS, Window
from ads.models import AdEvent, Campaign, Conversion
from ads.shown_units import ShownUnit
from penguin_site.errors import Conflict, InvalidRequest, NotFound

LISTED = 100
_DIGITS = re.compile("[0-9a-f]{64}")
WINDOW = timedelta(seconds=LIFETIME_SECONDS[Window.CONVERSION])


# In a landing URL it stands for the click's name, which the advertiser confirms its conversion with.
CLICK_ID_MACRO = "%7Bclick_id%7D"


class TooLate(InvalidRequest):
    """Conversions count within seven days of the decision."""


class DuplicateConversion(Conflict):
    """This conversion was confirmed before."""

    code = "duplicate_conversion"


def click_id(decision_id: UUID, unit_id: UUID) -> str:
    return f"{Mark.CLICK}{decision_id.hex}{unit_id.hex}"


def ids_of(click: str) -> tuple[UUID, UUID]:
    """Raises NotFound for what we would not have written so."""
    digits = click.removeprefix(Mark.CLICK)
    if not click.startswith(Mark.CLICK) or not _DIGITS.fullmatch(digits):
        raise NotFound("There is no such click of yours.")
    return UUID(hex=digits[:32]), UUID(hex=digits[32:])


def landing_url(shown: ShownUnit) -> str:
    """Where a click leads, with the click's name where the advertiser wants it."""
    return shown.landing_url.replace(CLICK_ID_MACRO, click_id(shown.decision_id, shown.unit_id))


def unconfirmed(advertiser_id: UUID, *, now: datetime) -> list[AdEvent]:
    """What agents have reported of this advertiser's ads in the last week, the newest first, at most LISTED."""
    confirmed = Conversion.objects.filter(decision_id=OuterRef("decision_id"), unit_id=OuterRef("unit_id"))
    return list(
        AdEvent.objects.filter(
            campaign_id__in=Campaign.objects.filter(advertiser_id=advertiser_id).values("pk"),
            kind=AdEvent.Kind.CONVERSION,
            reason="",
            decision_id__isnull=False,
            occurred_at__gt=now - WINDOW,
        )
        .exclude(Exists(confirmed))
        .order_by("-occurred_at", "-id")[:LISTED]
    )


def confirm(
    *, advertiser_id: UUID, decision_id: UUID, unit_id: UUID, source: Conversion.Source, now: datetime
) -> tuple[Conversion, bool]:
    """The confirmed conversion of a shown unit, and whether it is new. Raises NotFound for what was another's ad."""
    found = shown_units.find_by_ids(decision_id, unit_id)
    if found is None or found[0].advertiser_id != advertiser_id:
        raise NotFound("There is no such ad of yours.")
    unit = found[0]
    moment = unit.time(environment_of(unit.book), now)
    if moment > time_of(decision_id) + WINDOW:
        raise TooLate
    return Conversion.objects.get_or_create(
        decision_id=decision_id,
        unit_id=unit_id,
        defaults={
            "advertiser_id": advertiser_id,
            "book": unit.book,
            "source": source,
            "confirmed_at": moment,
        },
    )
