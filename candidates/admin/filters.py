"""What narrows the list of candidates down, beyond the values of a column."""

from collections.abc import Iterable

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from candidates.domain.events import Status
from candidates.models import CandidateProjection


class StatusFilter(admin.SimpleListFilter):
    """Retracted candidates are shown only to who asks for them."""

    title = "status"
    parameter_name = "status"

    def lookups(
        self, request: HttpRequest, model_admin: "admin.ModelAdmin[CandidateProjection]"
    ) -> Iterable[tuple[str, str]]:
        return [(status.value, status.value.capitalize()) for status in Status]

    def queryset(
        self, request: HttpRequest, queryset: "QuerySet[CandidateProjection]"
    ) -> "QuerySet[CandidateProjection]":
        if self.value() is None:
            return queryset.exclude(status=Status.RETRACTED)
        return queryset.filter(status=self.value())
