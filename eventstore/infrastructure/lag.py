"""How far each projection, and the relay to a broker, stands behind the log."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from django.db import connection

from eventstore.application.ports import Checkpoint, Checkpoints, ParkedStreams
from eventstore.application.projection import Projection
from eventstore.application.relay import CHECKPOINT, SCHEMA
from eventstore.application.status import CAP, ProjectionStatus, PublisherStatus
from eventstore.infrastructure.log import settled_cursor, settled_end, settled_position
from eventstore.models import StorageEvent

DATED = 500
"""Of so many streams that lag, the oldest event is looked for."""


def statuses(
    projections: Collection[Projection],
    checkpoints: Checkpoints,
    parked: ParkedStreams,
    *,
    followed: bool,
) -> list[ProjectionStatus]:
    """One for each projection. Raises LogWasRestored, and UnsafeLogRead as a settled read does."""
    end, kept, counts = settled_end(connection), checkpoints.all(), parked.count()
    found = []
    for projection in projections:
        checkpoint = kept.get(projection.name, Checkpoint(0, projection.schema, None))
        settled_position(connection, after=checkpoint.cursor)
        if followed:
            lag, since = _behind_checkpoint(checkpoint.position, end)
        else:
            lag, since = _behind_streams(projection, parked, checkpoint.position, end)
        found.append(
            ProjectionStatus(
                name=projection.name,
                position=checkpoint.position,
                schema=projection.schema,
                stored_schema=checkpoint.schema,
                parked=counts.get(projection.name, 0),
                lag=lag,
                waiting_since=since,
                seen_at=checkpoint.seen_at,
                followed=followed,
                waits_for=checkpoint.waits_for,
            )
        )
    return found


def publisher_status(checkpoints: Checkpoints) -> PublisherStatus:
    """Raises LogWasRestored, and UnsafeLogRead as a settled read does."""
    checkpoint = checkpoints.all().get(CHECKPOINT, Checkpoint(0, SCHEMA, None))
    end = settled_cursor(connection, after=checkpoint.cursor).position
    lag, since = _behind_checkpoint(checkpoint.position, end)
    return PublisherStatus(
        position=checkpoint.position,
        lag=lag,
        waiting_since=since,
        seen_at=checkpoint.seen_at,
        blocked_by=checkpoint.blocked_by,
        waits_for=checkpoint.waits_for,
    )


def _behind_checkpoint(position: int, end: int) -> tuple[int, datetime | None]:
    waiting = StorageEvent.objects.filter(position__gt=position, position__lte=end)
    oldest = waiting.order_by("position").values_list("recorded_at", flat=True).first()
    return waiting[:CAP].count(), oldest


def _behind_streams(
    projection: Projection, parked: ParkedStreams, position: int, end: int
) -> tuple[int, datetime | None]:
    behind = projection.behind(after=position, until=end)[:CAP]
    waiting = parked.among(projection.name, [stream_id for stream_id, _ in behind])
    lagging = [(stream_id, shown) for stream_id, shown in behind if stream_id not in waiting]
    return len(lagging), _oldest(lagging[:DATED])


def _oldest(lagging: Sequence[tuple[UUID, int]]) -> datetime | None:
    shown = dict(lagging)
    events = StorageEvent.objects.filter(stream_id__in=shown)
    stored = events.values_list("stream_id", "version", "recorded_at")
    return min((at for id, version, at in stored if version > shown[id]), default=None)
