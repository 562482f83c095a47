"""Query parameters, taken strictly: a mistyped one must not quietly mean something else."""

import re
from collections.abc import Collection
from typing import Any

from rest_framework.exceptions import ValidationError


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
