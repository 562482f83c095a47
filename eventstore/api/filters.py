"""Filters that refuse what they do not understand: a mistyped one would show everything."""

import django_filters

from eventstore.api.parameters import single_values

_PAGING = {"cursor", "page_size"}


class StrictFilterSet(django_filters.FilterSet):  # type: ignore[misc]  # it has no types
    """Refuses parameters that are unknown, repeated or blank."""

    def is_valid(self) -> bool:
        single_values(self.data, {*self.filters, *_PAGING})
        return bool(super().is_valid())
