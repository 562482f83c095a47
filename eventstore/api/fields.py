"""Serializers that take what was sent, or say what is wrong with it, and convert nothing."""

import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any

from django.core.validators import MaxLengthValidator
from rest_framework import serializers

from eventstore.api.parameters import MOST_NAMED
from eventstore.domain.times import read_date, read_instant


class StrictSerializer(serializers.Serializer[Any]):
    # No docstring: the OpenAPI document would show it as every body's description.

    def to_internal_value(self, data: Any) -> Any:
        """Refuses fields that nobody asked for: a typing error is not silently dropped."""
        known = self.fields
        if isinstance(data, Mapping) and (
            unknown := list(islice((key for key in data if key not in known), MOST_NAMED))
        ):
            raise serializers.ValidationError(
                {
                    key: serializers.ErrorDetail("There is no such field.", code="unknown_field")
                    for key in unknown
                }
            )
        return super().to_internal_value(data)


class StrictText(serializers.CharField):
    """Text exactly as it was sent; DRF would turn 75 into "75"."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)
        # Which characters text may hold is one rule for all content, with one code: the store's.
        self.validators = [v for v in self.validators if isinstance(v, MaxLengthValidator)]

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictChoice(serializers.ChoiceField):
    """One of these words. DRF would repeat what was sent, which no answer may be able to hold."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and data in self.choices:
            return data
        detail = f"It is one of {', '.join(self.choices)}."
        raise serializers.ValidationError(detail, code="invalid_choice")


class StrictInteger(serializers.IntegerField):
    """DRF would take "7". JSON has one kind of number: 7.0 is the integer 7, as in JSON Schema."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, float) and data.is_integer():
            data = int(data)
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBoolean(serializers.BooleanField):
    """DRF would take "yes" and 1."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class JSONObject(serializers.DictField):
    """Any JSON object, as it was sent."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("not_a_dict", input_type=type(data).__name__)
        return data


class StrictNumber(serializers.FloatField):
    """DRF would take "75" and true. Whether the number will do is the domain's question."""

    def to_internal_value(self, data: Any) -> float:
        if not isinstance(data, (int, float)) or isinstance(data, bool):
            self.fail("invalid")
        try:
            return float(data)
        except OverflowError:
            return math.inf  # as 1e999 is read


class StrictDateTime(serializers.DateTimeField):
    """An instant, as in a query: see `read_instant`. DRF would read weeks, other digits and more.

    It would read a time without its offset in the server's zone, too.
    """

    default_error_messages = {
        "invalid": "It is a time such as 2026-03-01T12:00:00Z.",
        "naive_time": "A time needs its offset from UTC, or Z.",
    }

    def to_internal_value(self, value: Any) -> datetime:
        if not isinstance(value, str):
            self.fail("invalid")
        try:
            return read_instant(value)
        except ValueError:
            self.fail("naive_time" if _lacks_its_offset(value) else "invalid")


def _lacks_its_offset(text: str) -> bool:
    for lacking in ("Z", "T00:00Z"):
        with suppress(ValueError):
            return bool(read_instant(text + lacking))
    return False


class StrictDate(serializers.DateField):
    """A day: see `read_date`."""

    default_error_messages = {"invalid": "It is a date such as 2026-03-01."}

    def to_internal_value(self, value: Any) -> date:
        if not isinstance(value, str):
            self.fail("invalid")
        try:
            return read_date(value)
        except ValueError:
            self.fail("invalid")


class UTCDateTimeField(serializers.DateTimeField):
    """TIME_ZONE is for people; machines are sent UTC."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(default_timezone=UTC, **kwargs)
