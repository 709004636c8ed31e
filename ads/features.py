"""Parts of the service that staff can switch off; what is off answers 503."""

import time

from ads.models import FeatureSwitch
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
