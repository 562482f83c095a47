"""Counts for a what-if, of the rows that people see."""

from django.db.models import Count, Q

from candidates.application.what_if import INVITED, UNDECIDED
from candidates.domain.events import Status
from candidates.models import CandidateProjection


def counted(threshold: float) -> dict[Status, tuple[int, int]]:
    """`(candidates, those who reach the threshold)` of each status that occurs, in one query."""
    rows = (
        CandidateProjection.objects.filter(status__in=UNDECIDED + INVITED)
        .values("status")
        .annotate(candidates=Count("pk"), reaching=Count("pk", filter=Q(score__gte=threshold)))
        .values_list("status", "candidates", "reaching")
    )
    return {Status(status): (candidates, reaching) for status, candidates, reaching in rows}
