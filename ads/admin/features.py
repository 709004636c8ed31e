"""Switches of parts of the service: what is off answers 503, within seconds in every process."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse

from ads import features
from ads.admin.staff import StaffList, button, page
from ads.models import FeatureSwitch

EXPLAINED = {
    "decide": "Decisions for agents, and suggestions in the chat.",
    "search": "Search for capabilities.",
    "events": "Reports of impressions and other events.",
    "clicks": "Clicks lead on, and nobody pays for them.",
    "feedback": "Feedback on ads and on sessions.",
    "services": "Reports of services that agents called.",
    "ratings": "Ratings of businesses.",
    "sessions": "Sessions with businesses.",
    "sign_up": "New agents.",
    "advertisers": "The API that advertisers use.",
}


@admin.register(FeatureSwitch)
class FeatureSwitchAdmin(StaffList):
    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        known = {row.feature: row for row in FeatureSwitch.objects.all()}
        rows = [
            {
                "name": feature.value,
                "label": feature.label,
                "explained": EXPLAINED[feature.value],
                "switch": known.get(feature.value),
                "is_on": feature.value not in known or known[feature.value].is_on,
            }
            for feature in features.Feature
        ]
        may_switch = request.user.has_perm("ads.change_featureswitch")
        return page(self, request, "features.html", "Switches", rows=rows, may_switch=may_switch)

    def get_urls(self) -> list[URLPattern]:
        return [self.address("switch", self.switch, "switch/"), *super().get_urls()]

    def switch(self, request: HttpRequest) -> HttpResponse:
        def act() -> str | None:
            name, is_on = request.POST.get("feature", ""), request.POST.get("to") == "on"
            if name not in features.Feature.values:
                messages.error(request, "There is no such switch.")
                return None
            note = request.POST.get("note", "").strip()[:200]
            feature = features.Feature(name)
            if not features.switch(feature, is_on=is_on, note=note, actor=request.user, request=request):
                messages.warning(request, f"Somebody has switched {feature.label} {_word(is_on)} already.")
                return None
            return f"{feature.label} is {_word(is_on)}. Every process follows within seconds."

        back_to = reverse("admin:ads_featureswitch_changelist")
        return button(request, "change_featureswitch", act, back_to=back_to)


def _word(is_on: bool) -> str:
    return "on" if is_on else "off"
