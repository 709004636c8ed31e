"""Forms of the marketplace's staff, in the theme's looks."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminFileFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from ads.admin.staff import as_id
from ads.core.days import is_time_zone
from ads.core.micros import MICROS_PER_DOLLAR
from ads.invalid_traffic import Range
from ads.models import Advertiser

_MOMENT = {"type": "datetime-local", "step": "60"}


class Dollars(forms.DecimalField):
    """An amount in dollars, two digits after the point at most; cleaned to micros."""

    widget = UnfoldAdminDecimalFieldWidget

    def __init__(self, **options: Any) -> None:
        super().__init__(decimal_places=2, max_digits=14, **options)

    def clean(self, value: Any) -> int | None:
        amount: Decimal | None = super().clean(value)
        return None if amount is None else int(amount * MICROS_PER_DOLLAR)


class IdField(forms.CharField):
    """An id as staff copies it: `agt_...` or a UUID."""

    widget = UnfoldAdminTextInputWidget

    def clean(self, value: Any) -> UUID | None:
        text = super().clean(value)
        if not text:
            return None
        identifier = as_id(text)
        if not isinstance(identifier, UUID):
            raise ValidationError("This is no id.")
        return identifier


class AdvertiserForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text="Named as the sponsor beside every ad.",
    )
    organisation = forms.CharField(
        max_length=254,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Its domain. Agents of the same organisation are not shown its ads.",
    )
    time_zone = forms.CharField(
        max_length=64,
        initial="UTC",
        widget=UnfoldAdminTextInputWidget,
        help_text="Days of budgets begin here: America/Toronto, for example.",
    )

    def clean_time_zone(self) -> str:
        zone: str = self.cleaned_data["time_zone"]
        if not is_time_zone(zone):
            raise ValidationError("There is no such time zone.")
        return zone


class NewAdvertiserForm(AdvertiserForm):
    environment = forms.ChoiceField(
        choices=Advertiser.Environment.choices,
        widget=UnfoldAdminSelectWidget,
        help_text="A test advertiser's ads are shown to test keys only, and nobody pays for them.",
    )


class ChangedAdvertiserForm(AdvertiserForm):
    is_active = forms.BooleanField(
        required=False, widget=UnfoldBooleanSwitchWidget, help_text="Off: none of its ads is shown."
    )


class PaymentForm(forms.Form):
    amount = Dollars(min_value=Decimal("0.01"), label="Amount in dollars")
    reference = forms.CharField(
        max_length=100,
        widget=UnfoldAdminTextInputWidget,
        help_text="The payment's own name, as the bank gives it: the same one is booked once.",
    )


class NoteForm(forms.Form):
    note = forms.CharField(
        max_length=200, required=False, widget=UnfoldAdminTextInputWidget, help_text="For the audit."
    )


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=300, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}))


class BatchForm(forms.Form):
    minimum = Dollars(min_value=Decimal("0.01"), label="Minimum in dollars")
    batch = forms.UUIDField(widget=forms.HiddenInput)


class ResultsForm(forms.Form):
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget,
        help_text="CSV with the columns payout and outcome (paid or returned); bank_reference, note and amount_usd may"
        " be there.",
    )

    def clean_file(self) -> bytes:
        file = self.cleaned_data["file"]
        if file.size > 2_000_000:
            raise ValidationError("The file is larger than 2 MB.")
        content: bytes = file.read()
        return content


class KeyForm(forms.Form):
    holder = IdField(
        max_length=40,
        label="Agent or advertiser",
        help_text="Its id, as the pages of agents and advertisers show it.",
    )
    environment = forms.ChoiceField(
        choices=Advertiser.Environment.choices,
        widget=UnfoldAdminSelectWidget,
        help_text="An advertiser has keys of its own environment only.",
    )


class RangeForm(forms.Form):
    """Times are UTC."""

    since = forms.DateTimeField(
        widget=forms.DateTimeInput(attrs=_MOMENT, format="%Y-%m-%dT%H:%M"), label="From (UTC)"
    )
    until = forms.DateTimeField(
        widget=forms.DateTimeInput(attrs=_MOMENT, format="%Y-%m-%dT%H:%M"), label="Until (UTC)"
    )
    agent = IdField(max_length=40, required=False)
    campaign = IdField(max_length=40, required=False, help_text="An agent, a campaign, or both.")
    note = forms.CharField(
        max_length=200, widget=UnfoldAdminTextInputWidget, help_text="Why: it stays with every mark."
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        looks = UnfoldAdminTextInputWidget().attrs["class"]
        for name in ("since", "until"):
            self.fields[name].widget.attrs["class"] = looks

    def range(self) -> Range:
        given = self.cleaned_data
        since: datetime = given["since"]
        return Range(since, given["until"], given["agent"], given["campaign"])
