"""Snapshots in the project's database, one row a stream."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from eventstore import models
from eventstore.domain.events import StreamHead
from eventstore.domain.snapshot import Snapshot
from eventstore.infrastructure.driver import driver_of

_LOAD = (
    "SELECT stream_type, schema, version, occurred_at, recorded_at, hash, state "
    f"FROM {models.Snapshot._meta.db_table} WHERE stream_id = %s"
)


class DjangoSnapshotStore:
    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def load(self, stream_id: UUID) -> Snapshot | None:
        # Before every decision, so on the driver's own cursor: Django's query takes three times
        # as long as reading a short stream does.
        driver = driver_of(connection)
        connection.ensure_connection()
        with _savepoint(), connection.wrap_database_errors:
            rows = driver.fetch(connection.connection, _LOAD, [stream_id])
        if not rows:
            return None
        stream_type, schema, version, occurred_at, recorded_at, hash, state = rows[0]
        return Snapshot(
            stream_id=stream_id,
            stream_type=stream_type,
            schema=schema,
            head=StreamHead(
                version=version,
                occurred_at=_aware(occurred_at),
                recorded_at=_aware(recorded_at),
                hash=hash,
            ),
            state=state,
        )

    def save(self, snapshot: Snapshot) -> None:
        columns = self._columns(snapshot)
        rows = models.Snapshot.objects.filter(pk=snapshot.stream_id)
        with transaction.atomic():
            # One of another schema is void, and may tell of events that a restore has taken away.
            older = Q(version__lte=snapshot.head.version) | ~Q(schema=snapshot.schema)
            if not rows.filter(older).update(**columns):
                fresh = models.Snapshot(pk=snapshot.stream_id, **columns)
                models.Snapshot.objects.bulk_create([fresh], ignore_conflicts=True)

    def discard(self, snapshot: Snapshot) -> None:
        rows = models.Snapshot.objects.filter(pk=snapshot.stream_id, version=snapshot.head.version)
        with transaction.atomic():
            rows.delete()

    def _columns(self, snapshot: Snapshot) -> dict[str, Any]:
        return {
            "stream_type": snapshot.stream_type,
            "schema": snapshot.schema,
            "version": snapshot.head.version,
            "occurred_at": snapshot.head.occurred_at,
            "recorded_at": snapshot.head.recorded_at,
            "hash": snapshot.head.hash,
            "state": snapshot.state,
            "taken_at": self._clock(),
        }


def _savepoint() -> AbstractContextManager[None]:
    # Outside a transaction one statement needs none, and on SQLite would take the write lock.
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def _aware(stored: datetime) -> datetime:
    return stored if stored.tzinfo else stored.replace(tzinfo=UTC)
