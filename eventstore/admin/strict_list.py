"""Lists of the admin that take what their own pages send, and refuse whatever else is asked.

Django's filter by any column and operator that an address names: some of these fail in the
database, and some reach what the page does not show.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

_OPERATORS = {"exact", "gte", "lt", "isnull"}
_OF_RELATIONS = {"id__exact", "isnull"}


class StrictListAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Returns whether a filter of the list sends this; what is not allowed is a bad request."""
        return (
            lookup in self._sent_by_filters(request)
            # No text of a database holds it, and PostgreSQL fails on it.
            and "\x00" not in value
            and super().lookup_allowed(lookup, value, request)
        )

    def response_action(
        self, request: HttpRequest, queryset: "QuerySet[Any]", *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """Raises BadRequest for a selection that names no keys."""
        key = self.opts.pk
        assert key is not None
        try:
            for named in request.POST.getlist(ACTION_CHECKBOX_NAME):
                key.run_validators(key.to_python(named))
        except ValidationError:
            raise BadRequest("A selection names rows by their keys.") from None
        return super().response_action(request, queryset, *args, **kwargs)

    def _sent_by_filters(self, request: HttpRequest) -> set[str]:
        sent = set[str]()
        filters: Sequence[Any] = self.get_list_filter(request)
        for listed in filters:
            if isinstance(listed, tuple):
                # One that lists all values sends the field alone.
                sent.add(str(listed[0]))
            elif isinstance(listed, str):
                related = self.opts.get_field(listed).is_relation
                operators = _OF_RELATIONS if related else _OPERATORS
                sent |= {f"{listed}__{operator}" for operator in operators}
            elif issubclass(listed, admin.SimpleListFilter):
                sent.add(str(listed.parameter_name))
        return sent
