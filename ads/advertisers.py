"""Advertisers: finance makes them, changes what is known of them, and books what they pay in."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from ads import keys, wallets
from ads.core.days import is_time_zone
from ads.core.tokens import Environment
from ads.models import Advertiser
from penguin_site import audit
from penguin_site.errors import InvalidField, NotFound

FIELDS = ("name", "organisation", "time_zone", "is_active")
# With the words before it, it has to fit into the ledger's reference.
MAX_REFERENCE = 100


def create(
    *,
    name: str,
    environment: Environment,
    organisation: str = "",
    time_zone: str = "UTC",
    now: datetime,
    actor: Any = None,
    request: Any = None,
) -> tuple[Advertiser, str]:
    """A new advertiser and the text of its first key, which nobody can show again."""
    made = Advertiser(
        name=name.strip(),
        organisation=organisation.strip().lower(),
        time_zone=time_zone,
        environment=environment.value,
        created_at=now,
    )
    _check(made)
    with transaction.atomic():
        made.save(force_insert=True)
        facts = {"name": made.name, "environment": made.environment, "time_zone": made.time_zone}
        audit.record(actor, "advertiser.created", made, after=facts, request=request)
        _, text = keys.issue(made, environment, now=now, actor=actor, request=request)
    return made, text


def change(advertiser: Advertiser, *, actor: Any = None, request: Any = None, **fields: Any) -> Advertiser:
    """Sets the fields. A name is what people read beside its ads; one that is not active has none shown."""
    if unknown := set(fields) - set(FIELDS):
        raise ValueError(f"not to be set: {', '.join(sorted(unknown))}")
    with transaction.atomic():
        current = Advertiser.objects.select_for_update().get(pk=advertiser.pk)
        before = {name: getattr(current, name) for name in fields}
        for name, value in fields.items():
            setattr(current, name, value)
        _check(current)
        after = {name: getattr(current, name) for name in fields}
        if after != before:
            current.save(update_fields=list(fields))
            audit.record(actor, "advertiser.changed", current, before=before, after=after, request=request)
        return current


def top_up(
    advertiser_id: UUID,
    *,
    amount_micros: int,
    reference: str,
    now: datetime,
    actor: Any = None,
    request: Any = None,
) -> UUID:
    """Books a payment into the live wallet, once for its reference; the ledger transaction's id."""
    found = Advertiser.objects.filter(pk=advertiser_id, environment=Environment.LIVE.value).first()
    if found is None:
        raise NotFound("There is no such live advertiser.")
    reference = reference.strip()
    if not reference or len(reference) > MAX_REFERENCE:
        raise InvalidField("reference", f"must have from 1 to {MAX_REFERENCE} characters")
    with transaction.atomic():
        booked = wallets.top_up(
            advertiser_id=advertiser_id, amount_micros=amount_micros, reference=reference, now=now
        )
        facts = {"amount_micros": amount_micros, "reference": reference, "transaction": booked}
        audit.record(actor, "advertiser.topped_up", found, after=facts, request=request)
    return booked


def _check(advertiser: Advertiser) -> None:
    if not advertiser.name or len(advertiser.name) > 100:
        raise InvalidField("name", "must have from 1 to 100 characters")
    if not is_time_zone(advertiser.time_zone):
        raise InvalidField("time_zone", f"there is no time zone {advertiser.time_zone!r}")
