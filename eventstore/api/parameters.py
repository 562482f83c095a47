"""Query parameters, taken strictly: a mistyped one must not quietly mean something else."""

import re
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from rest_framework.exceptions import ValidationError

LAST_POSITION = 2**63 - 1
"""In any log."""


def single_values(parameters: Any, known: Collection[str]) -> dict[str, str]:
    """What was given, by name. `parameters` is a request's QueryDict.

    Raises ValidationError that names whatever is unknown, repeated or blank.
    """
    unknown = set(parameters) - set(known)
    repeated = {key for key in parameters if len(parameters.getlist(key)) > 1} - unknown
    blank = {key for key in parameters if not parameters[key]} - unknown - repeated
    wrong = (
        {key: ["There is no such parameter."] for key in unknown}
        | {key: ["This was given more than once."] for key in repeated}
        | {key: ["This was given without a value."] for key in blank}
    )
    if wrong:
        raise ValidationError(wrong, code="invalid_parameter")
    return {key: parameters[key] for key in parameters}


def whole_number(name: str, text: str, *, minimum: int, maximum: int) -> int:
    """Raises ValidationError for anything but ASCII digits that make a number in this range."""
    # Python refuses to read thousands of digits.
    if not (re.fullmatch("[0-9]{1,19}", text) and minimum <= int(text) <= maximum):
        detail = f"It is a number from {minimum} to {maximum}."
        raise ValidationError({name: [detail]}, code="out_of_range")
    return int(text)


def decimal(name: str, text: str, *, minimum: float, maximum: float) -> float:
    """Raises ValidationError for anything but ASCII digits, with a point or without, in this range.

    Python would also take `nan`, `1_0`, ` 75 ` and the digits of other scripts.
    """
    if not (
        re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,20})?", text) and minimum <= float(text) <= maximum
    ):
        detail = f"It is a number from {minimum:g} to {maximum:g}, such as 60 or 72.5."
        raise ValidationError({name: [detail]}, code="out_of_range")
    return float(text)


def short_text(name: str, text: str, *, shortest: int, longest: int) -> str:
    """Raises ValidationError for text with other than so many characters, and for NUL.

    White space at the ends does not count.
    """
    text = text.strip()
    if "\0" in text:
        raise ValidationError({name: ["It holds the character NUL."]}, code="nul_character")
    if not shortest <= len(text) <= longest:
        code = "too_short" if len(text) < shortest else "too_long"
        detail = f"It has {shortest} to {longest} characters, without the white space around it."
        raise ValidationError({name: [detail]}, code=code)
    return text


def instant(name: str, text: str) -> datetime:
    """A time with its offset, as RFC 3339 writes it. Raises ValidationError for anything else.

    Without an offset nobody could say which moment of the day is meant.
    """
    form = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?"
    if re.fullmatch(form + r"(Z|[+-][0-9]{2}:[0-9]{2})", text):
        # Refused where the calendar or the clock has no such day or minute.
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    raise _unreadable_time(name)


def instant_in_utc(name: str, text: str) -> datetime:
    """As `instant`; refuses, too, what lies beyond the calendar in UTC."""
    try:
        return instant(name, text).astimezone(UTC)
    except OverflowError:
        raise _unreadable_time(name) from None


def _unreadable_time(name: str) -> ValidationError:
    detail = "It is a time such as 2026-03-01T12:00:00Z; the + of an offset is written %2B."
    return ValidationError({name: [detail]}, code="unreadable_time")
