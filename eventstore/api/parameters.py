"""Query parameters, taken strictly: a mistyped one must not quietly mean something else."""

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from urllib.parse import unquote_to_bytes

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from eventstore.domain.numbers import read_number
from eventstore.domain.times import read_instant

MOST_NAMED = 20
"""Mistakes of one kind that are listed: a request full of them is not answered with a longer one.
"""
LAST_POSITION = 2**63 - 1
"""In any log."""


def single_values(
    request: Request, known: Collection[str], *, blank: Collection[str] = ()
) -> dict[str, str]:
    """The query's parameters by name.

    Raises ValidationError that names whatever is unknown, repeated, blank or not UTF-8.
    Those in `blank` may be blank.
    """
    parameters = request.query_params
    unknown = set(parameters) - set(known)
    repeated = {key for key in parameters if len(parameters.getlist(key)) > 1} - unknown
    empty = {key for key in parameters if not parameters[key]} - unknown - repeated - set(blank)
    wrong = (
        {key: ["There is no such parameter."] for key in unknown}
        | {key: ["This was given more than once."] for key in repeated}
        | {key: ["This was given without a value."] for key in empty}
    )
    if wrong:
        raise ValidationError(dict(islice(wrong.items(), MOST_NAMED)), code="invalid_parameter")
    if unreadable := set(_not_utf8(request)):
        detail = "It is not text in UTF-8."
        raise ValidationError({name: [detail] for name in unreadable}, code="not_utf8")
    return {key: parameters[key] for key in parameters}


def _not_utf8(request: Request) -> Iterator[str]:
    """Parameters whose values Django would read with another character in the place of bytes."""
    query: str = request.META.get("QUERY_STRING", "")
    # WSGI gives every byte as one character.
    for pair in query.encode("latin-1" if hasattr(request, "environ") else "utf-8").split(b"&"):
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        try:
            unquote_to_bytes(value).decode()
        except UnicodeDecodeError:
            yield unquote_to_bytes(name).decode(errors="backslashreplace")


def whole_number(name: str, text: str, *, minimum: int, maximum: int) -> int:
    """Raises ValidationError for anything but ASCII digits that make a number in this range.

    As in JSON none begins with a 0 but 0 itself.
    """
    # Python refuses to read thousands of digits.
    if not (re.fullmatch("0|[1-9][0-9]{0,18}", text) and minimum <= int(text) <= maximum):
        detail = f"It is a number from {minimum} to {maximum}."
        raise ValidationError({name: [detail]}, code="out_of_range")
    return int(text)


def decimal(name: str, text: str, *, minimum: float, maximum: float) -> float:
    """Raises ValidationError for anything but a number in this range: see `read_number`."""
    with suppress(ValueError):
        if minimum <= (read := read_number(text)) <= maximum:
            return read
    detail = f"It is a number from {minimum:g} to {maximum:g}, such as 60 or 72.5."
    raise ValidationError({name: [detail]}, code="out_of_range")


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
    """A time with its offset: see `read_instant`. Raises ValidationError for anything else.

    Without an offset nobody could say which moment of the day is meant.
    """
    try:
        return read_instant(text)
    except ValueError:
        raise _unreadable_time(name) from None


def instant_in_utc(name: str, text: str) -> datetime:
    """As `instant`; refuses, too, what lies beyond the calendar in UTC."""
    try:
        return instant(name, text).astimezone(UTC)
    except OverflowError:
        raise _unreadable_time(name) from None


def _unreadable_time(name: str) -> ValidationError:
    detail = "It is a time such as 2026-03-01T12:00:00Z; the + of an offset is written %2B."
    return ValidationError({name: [detail]}, code="unreadable_time")
