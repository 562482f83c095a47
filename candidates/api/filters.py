"""Which candidates a list shows."""

import django_filters
from django.db.models import QuerySet

from candidates.domain.events import Status
from candidates.models import CandidateProjection
from eventstore.api.filters import StrictFilterSet


class CandidateFilter(StrictFilterSet):
    """Retracted candidates are shown only to who asks for them."""

    status = django_filters.ChoiceFilter(
        choices=[(status.value, status.value) for status in Status]
    )

    class Meta:
        model = CandidateProjection
        fields = ["status"]

    def filter_queryset(
        self, queryset: QuerySet[CandidateProjection]
    ) -> QuerySet[CandidateProjection]:
        if not self.form.cleaned_data["status"]:
            queryset = queryset.exclude(status=Status.RETRACTED)
        filtered: QuerySet[CandidateProjection] = super().filter_queryset(queryset)
        return filtered
