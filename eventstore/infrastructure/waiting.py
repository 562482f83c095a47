"""The waiting room in the project's database, one row for a projection and a message."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Exists, Min, OuterRef, QuerySet

from eventstore import models
from eventstore.application.naming import check_projection, obstacle_of
from eventstore.application.ports import NewerMessages, WaitingCount, WaitingMessage
from eventstore.infrastructure.portions import portions

KEPT_AT_ONCE = 500


class DjangoWaitingRoom:
    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def keep(self, projection: str, stream_id: UUID, messages: Sequence[WaitingMessage]) -> None:
        check_projection(projection)
        rows = [
            models.WaitingMessage(projection=projection, stream_id=stream_id, **one._asdict())
            for one in messages
        ]
        models.WaitingMessage.objects.bulk_create(
            rows,
            batch_size=KEPT_AT_ONCE,
            update_conflicts=True,
            unique_fields=["projection", "stream_id", "version"],
            update_fields=["body", "erases", "waits_for"],
        )

    def keep_unreadable(
        self,
        projection: str,
        stream_id: UUID,
        message: WaitingMessage,
        *,
        instead_of: bytes | None,
    ) -> None:
        check_projection(projection)
        key = {"projection": projection, "stream_id": stream_id}
        if instead_of is None:
            row = models.WaitingMessage(**key, **message._asdict())
            models.WaitingMessage.objects.bulk_create([row], ignore_conflicts=True)
        else:
            there = models.WaitingMessage.objects.filter(
                **key, version=message.version, body=instead_of
            )
            there.update(body=message.body, erases=message.erases, waits_for="")

    def waiting(self, projection: str, stream_id: UUID, *, after: int = 0) -> list[WaitingMessage]:
        rows = models.WaitingMessage.objects.filter(
            projection=projection, stream_id=stream_id, version__gt=after
        )
        return [
            WaitingMessage(row.version, bytes(row.body), row.erases, row.kept_at)
            for row in rows.order_by("version")
        ]

    def among(self, projection: str, stream_ids: Collection[UUID]) -> set[UUID]:
        rows = models.WaitingMessage.objects.filter(projection=projection)
        # Mostly there is none, which is quicker asked than whether there is one of so many.
        if not rows.exists():
            return set()
        return {
            stream_id
            for portion in portions(stream_ids)
            for stream_id in rows.filter(stream_id__in=portion).values_list("stream_id", flat=True)
        }

    def discard(self, projection: str, stream_id: UUID, versions: Collection[int]) -> None:
        rows = models.WaitingMessage.objects.filter(projection=projection, stream_id=stream_id)
        for portion in portions(versions):
            rows.filter(version__in=portion).delete()

    def clear(self, projection: str) -> None:
        models.WaitingMessage.objects.filter(projection=projection).delete()

    def overdue(self, projection: str, *, before: datetime, limit: int) -> list[UUID]:
        parked = models.ParkedStream.objects.filter(
            projection=projection, stream_id=OuterRef("stream_id")
        )
        newer = _newer().filter(projection=projection, stream_id=OuterRef("stream_id"))
        rows = models.WaitingMessage.objects.filter(projection=projection, kept_at__lt=before)
        rows = rows.exclude(Exists(parked)).exclude(Exists(newer))
        streams = rows.values("stream_id").annotate(since=Min("kept_at"))
        return [row["stream_id"] for row in streams.order_by("since", "stream_id")[:limit]]

    def wait_for(self, projection: str, stream_id: UUID, *, version: int, what: str) -> None:
        rows = models.WaitingMessage.objects.filter(
            projection=projection, stream_id=stream_id, version=version
        )
        rows.update(waits_for=obstacle_of(what))

    def newer(self, projection: str) -> list[UUID]:
        streams = _newer().filter(projection=projection).values("stream_id")
        by_age = streams.annotate(since=Min("kept_at")).order_by("since", "stream_id")
        return [row["stream_id"] for row in by_age]

    def count_newer(self) -> Mapping[str, NewerMessages]:
        counts = _newer().values("projection").annotate(streams=Count("stream_id", distinct=True))
        found = {}
        for projection, streams in counts.values_list("projection", "streams"):
            messages = _newer().filter(projection=projection).order_by("kept_at", "pk")
            if first := messages.first():
                found[projection] = NewerMessages(streams, first.waits_for)
        return found

    def count(self) -> Mapping[str, WaitingCount]:
        rows = models.WaitingMessage.objects.values("projection")
        counts = rows.annotate(messages=Count("pk"), oldest=Min("kept_at"))
        return {row["projection"]: WaitingCount(row["messages"], row["oldest"]) for row in counts}

    def keep_stray(self, body: bytes) -> None:
        row = models.StrayMessage(digest=_digest(body), body=body, kept_at=self._clock())
        models.StrayMessage.objects.bulk_create([row], ignore_conflicts=True)

    def strays(self) -> list[bytes]:
        rows = models.StrayMessage.objects.order_by("pk").values_list("body", flat=True)
        return [bytes(body) for body in rows]

    def discard_stray(self, body: bytes) -> None:
        models.StrayMessage.objects.filter(digest=_digest(body)).delete()

    def count_strays(self) -> int:
        return models.StrayMessage.objects.count()


def _newer() -> "QuerySet[models.WaitingMessage]":
    return models.WaitingMessage.objects.exclude(waits_for="")


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
