"""Filters that refuse what they do not understand: a mistyped one would show everything."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import django_filters
from django import forms
from drf_spectacular.drainage import set_override
from rest_framework.exceptions import ValidationError

from eventstore.api.parameters import single_values


class StrictFilterSet(django_filters.FilterSet):  # type: ignore[misc]  # it has no types
    """Refuses parameters that are unknown, repeated or blank."""

    paging: ClassVar[frozenset[str]] = frozenset({"cursor", "page_size"})
    """Parameters that the pagination reads."""
    base_filters: Mapping[str, Any]
    """Those of the class, by name; in an instance those that are asked for."""

    def __init__(self, data: Any = None, *args: Any, **kwargs: Any) -> None:
        every = self.base_filters
        self._known = {*every, *self.paging}
        # Only those that are asked for: a copy of each is made, and a field in a form.
        self.base_filters = {name: every[name] for name in every if name in (data or ())}
        super().__init__(data, *args, **kwargs)

    def is_valid(self) -> bool:
        single_values(self.request, self._known)
        return bool(super().is_valid())


class _ReadField(forms.Field):
    def __init__(self, *, name: str, read: Callable[[str, str], Any], **options: Any) -> None:
        super().__init__(**options)
        self._name = name
        self._read = read

    def to_python(self, value: str | None) -> Any:
        if value is None:
            return None
        try:
            return self._read(self._name, value)
        except ValidationError as error:
            errors: Any = error.detail
            (detail,) = errors[self._name]
            # As a parameter, since django-filter looks for such in the text.
            raise forms.ValidationError(
                "%(detail)s", code=detail.code, params={"detail": detail}
            ) from None


class ReadFilter(django_filters.Filter):  # type: ignore[misc]  # it has no types
    """Of a value that `read(name, text)` makes, which raises DRF's ValidationError for that name.

    Django's form fields would take values with white space around them, digits of every script
    and times without an offset.
    """

    field_class = _ReadField

    def __init__(
        self,
        name: str,
        read: Callable[[str, str], Any],
        *,
        schema: dict[str, Any],
        help_text: str = "",
        **options: Any,
    ) -> None:
        """`schema` says in the OpenAPI document what `read` takes."""
        super().__init__(name=name, read=read, **options)
        set_override(self, "field", {**schema, "description": help_text})
