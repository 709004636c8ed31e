"""Parts of the service that staff can switch off; what is off answers 503."""

import time
from typing import Any

from django.db import transaction
from django.utils import timezone

from ads.models import FeatureSwitch
from penguin_site import audit
from penguin_site.errors import Unavailable

Feature = FeatureSwitch.Feature
# A process remembers the switches so long: no request pays for them.
REMEMBERED_SECONDS = 2.0
_remembered: tuple[float, frozenset[str]] = (0.0, frozenset())


class FeatureOff(Unavailable):
    """This part of the service is switched off at the moment."""


def require(feature: FeatureSwitch.Feature) -> None:
    """Raises FeatureOff when the feature is switched off."""
    if feature.value in switched_off():
        raise FeatureOff


def switch(
    feature: FeatureSwitch.Feature, *, is_on: bool, note: str = "", actor: Any = None, request: Any = None
) -> bool:
    """Switches a feature on or off; whether it was the other way before. Other processes notice within seconds."""
    with transaction.atomic():
        FeatureSwitch.objects.get_or_create(feature=feature)
        changed = FeatureSwitch.objects.filter(feature=feature, is_on=not is_on).update(
            is_on=is_on, note=note, changed_at=timezone.now()
        )
        if changed:
            action = "ads.switched_on" if is_on else "ads.switched_off"
            audit.record(actor, action, f"feature:{feature.value}", after={"note": note}, request=request)
            transaction.on_commit(forget)
    return bool(changed)


def switched_off() -> frozenset[str]:
    global _remembered
    until, names = _remembered
    if time.monotonic() < until:
        return names
    names = frozenset(FeatureSwitch.objects.filter(is_on=False).values_list("feature", flat=True))
    _remembered = (time.monotonic() + REMEMBERED_SECONDS, names)
    return names


def forget() -> None:
    """Reads the switches again at the next request."""
    global _remembered
    _remembered = (0.0, frozenset())
