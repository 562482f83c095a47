"""Parked streams in the project's database, one row for a projection and a stream."""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count

from eventstore import models
from eventstore.application.naming import check_parked
from eventstore.application.parking import ParkedStream, described, retry_at
from eventstore.infrastructure.portions import portions


class DjangoParkedStreams:
    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def park(
        self, projection: str, stream_id: UUID, *, version: int, event_type: str, error: Exception
    ) -> ParkedStream:
        check_parked(projection, event_type)
        now = self._clock()
        key: dict[str, Any] = {"projection": projection, "stream_id": stream_id}
        with transaction.atomic():
            before = models.ParkedStream.objects.select_for_update().filter(**key).first()
            repeated = before if before and before.version == version else None
            attempts = repeated.attempts + 1 if repeated else 1
            columns = {
                "version": version,
                "event_type": event_type,
                "error": described(error),
                "attempts": attempts,
                "parked_at": repeated.parked_at if repeated else now,
                "retry_at": retry_at(attempts, now),
            }
            row, _ = models.ParkedStream.objects.update_or_create(**key, defaults=columns)
        return _parked(row)

    def find(self, projection: str, stream_id: UUID) -> ParkedStream | None:
        rows = models.ParkedStream.objects.filter(projection=projection, stream_id=stream_id)
        return next(map(_parked, rows), None)

    def listed(
        self, projection: str | None = None, *, limit: int | None = None
    ) -> list[ParkedStream]:
        rows = models.ParkedStream.objects.order_by("parked_at", "pk")
        if projection is not None:
            rows = rows.filter(projection=projection)
        return [_parked(row) for row in rows[:limit]]

    def due(self, projection: str, *, limit: int) -> list[ParkedStream]:
        rows = models.ParkedStream.objects.filter(
            projection=projection, retry_at__lte=self._clock()
        )
        return [_parked(row) for row in rows.order_by("retry_at", "pk")[:limit]]

    def among(self, projection: str, stream_ids: Collection[UUID]) -> set[UUID]:
        rows = models.ParkedStream.objects.filter(projection=projection)
        # Mostly there is none, which is quicker asked than whether there is one of so many.
        if not rows.exists():
            return set()
        return {
            stream_id
            for portion in portions(stream_ids)
            for stream_id in rows.filter(stream_id__in=portion).values_list("stream_id", flat=True)
        }

    def count(self) -> Mapping[str, int]:
        rows = models.ParkedStream.objects.values("projection").annotate(streams=Count("pk"))
        return dict(rows.values_list("projection", "streams"))

    def release(self, projection: str, stream_id: UUID) -> bool:
        rows = models.ParkedStream.objects.filter(projection=projection, stream_id=stream_id)
        return bool(rows.delete()[0])

    def release_all(self, projection: str) -> None:
        models.ParkedStream.objects.filter(projection=projection).delete()


def _parked(row: models.ParkedStream) -> ParkedStream:
    return ParkedStream(
        projection=row.projection,
        stream_id=row.stream_id,
        version=row.version,
        event_type=row.event_type,
        error=row.error,
        attempts=row.attempts,
        parked_at=row.parked_at,
        retry_at=row.retry_at,
    )
