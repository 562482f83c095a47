"""Filters that refuse what they do not understand: a mistyped one would show everything."""

from typing import Any

import django_filters
from rest_framework.exceptions import ValidationError

_PAGING = {"cursor", "page_size"}


class StrictFilterSet(django_filters.FilterSet):  # type: ignore[misc]  # it has no types
    """Refuses parameters that are unknown, repeated or blank."""

    def is_valid(self) -> bool:
        parameters: Any = self.data
        unknown = set(parameters) - set(self.filters) - _PAGING
        repeated = {key for key in parameters if len(parameters.getlist(key)) > 1} - unknown
        blank = {key for key in parameters if not parameters[key]} - unknown - repeated
        wrong = (
            {key: ["There is no such parameter."] for key in unknown}
            | {key: ["This was given more than once."] for key in repeated}
            | {key: ["This was given without a value."] for key in blank}
        )
        if wrong:
            raise ValidationError(wrong, code="invalid_parameter")
        return bool(super().is_valid())
