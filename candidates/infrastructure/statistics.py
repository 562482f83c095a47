"""Counts the stays of candidates: each figure is one query, and a moment is a WHERE clause."""

from collections import Counter
from datetime import UTC, date, timedelta
from typing import Any

from django.db.models import (
    Count,
    DurationField,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Window,
)
from django.db.models.functions import RowNumber, TruncDate

from candidates.application.statistics import COUNTED, Statistics, Stays
from candidates.domain.events import RejectionReason, Status
from candidates.models import StatusSpan
from eventstore.application.past import KnownAt, PastTime
from eventstore.domain.events import EARLIEST

_BEFORE_ALL = EARLIEST - timedelta(microseconds=1)
"""Nothing happened by then, and it is no earlier than every database can take."""


def counted_statistics(moment: PastTime | None) -> Statistics:
    """As it was at that moment; None: as it is."""
    spans = _Spans(moment)
    now: Counter[tuple[str, Status]] = Counter()
    reasons: Counter[RejectionReason] = Counter()
    for source, status, reason, count in spans.now():
        now[source, Status(status)] += count
        if reason:
            reasons[RejectionReason(reason)] += count
    return Statistics.of(
        now=now,
        ever={(source, Status(status)): count for source, status, count in spans.ever()},
        stays=spans.stays(),
        reasons=reasons,
        reached={(day, Status(status)): count for day, status, count in spans.reached()},
    )


class _Spans:
    """The stays that had begun by then, and whether they had ended or been undone by then."""

    def __init__(self, moment: PastTime | None) -> None:
        since, until, undone_at = "since", "until", "undone_at"
        if isinstance(moment, KnownAt):
            since, until, undone_at = "recorded_since", "recorded_until", "undone_recorded_at"
        self._begun = StatusSpan.objects.all()
        if moment is None:
            self._ended, self._undone = (
                Q((f"{name}__isnull", False)) for name in (until, undone_at)
            )
        else:
            # In UTC, since PostgreSQL takes no offset of 16 hours or more.
            at = max(moment.at, _BEFORE_ALL).astimezone(UTC)
            self._begun = self._begun.filter((f"{since}__lte", at))
            self._ended, self._undone = (Q((f"{name}__lte", at)) for name in (until, undone_at))
        self._counted = self._begun.filter(status__in=COUNTED)

    def now(self) -> QuerySet[Any, tuple[str, str, str, int]]:
        """`(source, status, reason, candidates)`."""
        return (
            self._counted.exclude(self._ended)
            .values("source", "status", "reason")
            .annotate(candidates=Count("candidate"))
            .values_list("source", "status", "reason", "candidates")
        )

    def ever(self) -> QuerySet[Any, tuple[str, str, int]]:
        """`(source, status, candidates)`, each under the source of its newest stay."""
        newest = self._begun.exclude(self._ended).filter(candidate=OuterRef("candidate"))
        return (
            self._counted.exclude(self._undone)
            .annotate(newest_source=Subquery(newest.values("source")[:1]))
            .values("newest_source", "status")
            .annotate(candidates=Count("candidate", distinct=True))
            .values_list("newest_source", "status", "candidates")
        )

    def stays(self) -> dict[Status, Stays]:
        ranked = (
            self._counted.filter(self._ended)
            .exclude(self._undone)
            .annotate(
                lasted=ExpressionWrapper(F("until") - F("since"), output_field=DurationField()),
                rank=Window(RowNumber(), order_by="lasted", partition_by="status"),
                ended=Window(Count("*"), partition_by="status"),
            )
            .filter(Q(rank=_nearest(50, F("ended"))) | Q(rank=_nearest(90, F("ended"))))
            .values_list("status", "ended", "rank", "lasted")
        )
        by_rank: dict[tuple[str, int], dict[int, timedelta]] = {}
        for status, ended, rank, lasted in ranked:
            by_rank.setdefault((status, ended), {})[rank] = lasted
        return {
            Status(status): Stays(
                ended=ended,
                median=lasted[_nearest(50, ended)],
                percentile_90=lasted[_nearest(90, ended)],
            )
            for (status, ended), lasted in by_rank.items()
        }

    def reached(self) -> QuerySet[Any, tuple[date, str, int]]:
        """`(day, status, stays)`: each began by an add or a decision."""
        return (
            self._counted.exclude(self._undone)
            .filter(by_undo=False)
            .values(day=TruncDate("since", tzinfo=UTC))
            .annotate(candidates=Count("candidate"))
            .values_list("day", "status", "candidates")
        )


def _nearest(percent: int, count: Any) -> Any:
    """The rank, counted from 1: so many in a hundred, rounded up. Of a number or of a column."""
    hundredfold = count * percent + 99
    return hundredfold // 100 if isinstance(count, int) else hundredfold / 100
