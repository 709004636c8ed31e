"""Serializer fields that take what they are given: 5 is no string, "true" is no boolean, "7" is no number.

In a query string everything is text, so its numbers and flags have fields of their own.
"""

import re
from datetime import UTC, date, datetime, time
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


class StrictCharField(serializers.CharField):
    """Text as it came; blanks around it stay. Text of blanks alone is blank, as in DRF."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=kwargs.pop("trim_whitespace", False), **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if isinstance(data, str) and not data.strip() and not self.allow_blank:
            self.fail("blank")
        return super().run_validation(data)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBooleanField(serializers.BooleanField):
    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictIntegerField(serializers.IntegerField):
    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictChoiceField(serializers.ChoiceField):
    """One of some words. DRF compares `str(data)`, so that 5 would pass for "5"."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


class StrictListField(serializers.ListField):
    """A JSON array; DRF takes any sized iterable but text and objects."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        return super().to_internal_value(data)


class QueryIntegerField(serializers.IntegerField):
    """A number in a query string: ASCII digits only, where `int` would take blanks, signs and any script."""

    def to_internal_value(self, data: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", str(data), re.ASCII):
            self.fail("invalid")
        return super().to_internal_value(data)


class QueryBooleanField(serializers.BooleanField):
    """`true` or `false` in a query string."""

    def to_internal_value(self, data: Any) -> bool:
        if data not in ("true", "false"):
            self.fail("invalid", input=data)
        return bool(data == "true")


@extend_schema_field(OpenApiTypes.STR)
class MomentField(serializers.Field):
    """An ISO date or a date and time; UTC where no offset is given. A bare date means its first moment."""

    default_error_messages = {"invalid": "Send a date (2024-03-30) or a time (2024-03-30T12:00:00Z)."}

    def to_internal_value(self, data: Any) -> datetime:
        try:
            moment = parse_datetime(data) if len(data) > 10 else None
            if moment is None:
                day: date | None = parse_date(data)
                moment = datetime.combine(day, time.min) if day else None
        except (TypeError, ValueError):
            moment = None
        if moment is None:
            self.fail("invalid")
        try:
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except OverflowError:
            self.fail("invalid")

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


class StrictUUIDField(serializers.UUIDField):
    """A UUID as text; DRF takes numbers too."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        return super().to_internal_value(data)
