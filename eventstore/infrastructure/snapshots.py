"""Snapshots in the project's database, one row a stream."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from operator import index
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.db.models import Q

from eventstore import models
from eventstore.domain.events import StreamHead
from eventstore.domain.exceptions import InvalidValue, SnapshotNotAuthentic
from eventstore.domain.snapshot import Snapshot
from eventstore.infrastructure.driver import driver_of
from eventstore.infrastructure.snapshot_macs import SnapshotMacs

PAGE = 1000
UNREADABLE = (InvalidValue, ValueError, TypeError, AttributeError, DatabaseError)
"""Raised by a row that holds what no snapshot has; SQLite keeps any value in any column."""
_TABLE = models.Snapshot._meta.db_table
_LOAD = (
    "SELECT stream_type, schema, version, occurred_at, recorded_at, hash, state, mac "
    f"FROM {_TABLE} WHERE stream_id = %s"
)
_IDS = f"SELECT stream_id FROM {_TABLE} WHERE stream_id > %s ORDER BY stream_id LIMIT {PAGE}"


class DjangoSnapshotStore:
    def __init__(self, *, macs: Callable[[], SnapshotMacs], clock: Callable[[], datetime]) -> None:
        self._macs = macs
        self._clock = clock

    def load(self, stream_id: UUID) -> Snapshot | None:
        if (found := self._row(stream_id)) is None:
            return None
        snapshot, mac = found
        self._macs().check(snapshot, mac)
        return snapshot

    def save(self, snapshot: Snapshot) -> None:
        columns = self._columns(snapshot)
        rows = models.Snapshot.objects.filter(pk=snapshot.stream_id)
        with transaction.atomic():
            # One of another schema is void, and may tell of events that a restore has taken away.
            older = Q(version__lte=snapshot.head.version) | ~Q(schema=snapshot.schema)
            if rows.filter(older).update(**columns):
                return
            fresh = models.Snapshot(pk=snapshot.stream_id, **columns)
            models.Snapshot.objects.bulk_create([fresh], ignore_conflicts=True)
            # A forged one says that it is of any version.
            if not self._authentic(snapshot.stream_id):
                rows.update(**columns)

    def discard(self, snapshot: Snapshot) -> None:
        rows = models.Snapshot.objects.filter(pk=snapshot.stream_id, version=snapshot.head.version)
        with transaction.atomic():
            rows.delete()

    def stream_ids(self) -> Iterator[UUID]:
        """Yields the streams that have one. What is no id is passed over, as every load does."""
        page: list[Any] = [UUID(int=0)]
        while page:
            connection.ensure_connection()
            with connection.wrap_database_errors:
                found = driver_of(connection).fetch(connection.connection, _IDS, [page[-1]])
            page = [stored for (stored,) in found]
            for stored in page:
                with suppress(ValueError, TypeError, AttributeError):
                    yield stored if isinstance(stored, UUID) else UUID(hex=stored)

    def renew_macs(self) -> int:
        """Write those of older keys anew under the newest; return how many rows were removed.

        They are those of keys that are not configured. What has no MAC, or is not what its MAC was
        made of, stays as it is, for a verification to find.
        """
        macs, removed = self._macs(), 0
        for stream_id in self.stream_ids():
            with suppress(SnapshotNotAuthentic, *UNREADABLE):
                snapshot, mac = self._row(stream_id) or (None, None)
                if snapshot is None or not isinstance(mac, bytes) or macs.is_newest(mac):
                    continue
                same = models.Snapshot.objects.filter(pk=stream_id, mac=mac)
                if macs.knows_key_of(mac):
                    macs.check(snapshot, mac)
                    same.update(mac=macs.of(snapshot))
                else:
                    removed += same.delete()[0]
        return removed

    def _row(self, stream_id: UUID) -> tuple[Snapshot, Any] | None:
        """The snapshot as it stands there, and its MAC."""
        # Before every decision, so on the driver's own cursor: Django's query takes three times
        # as long as reading a short stream does.
        driver = driver_of(connection)
        connection.ensure_connection()
        with _savepoint(), connection.wrap_database_errors:
            rows = driver.fetch(connection.connection, _LOAD, [stream_id])
        if not rows:
            return None
        stream_type, schema, version, occurred_at, recorded_at, hash, state, mac = rows[0]
        head = StreamHead(
            # SQLite would give a text as well.
            version=index(version),
            occurred_at=_aware(occurred_at),
            recorded_at=_aware(recorded_at),
            hash=hash,
        )
        snapshot = Snapshot(
            stream_id=stream_id, stream_type=stream_type, schema=schema, head=head, state=state
        )
        return snapshot, mac

    def _authentic(self, stream_id: UUID) -> bool:
        try:
            return self.load(stream_id) is not None
        except (SnapshotNotAuthentic, *UNREADABLE):
            return False

    def _columns(self, snapshot: Snapshot) -> dict[str, Any]:
        return {
            "stream_type": snapshot.stream_type,
            "schema": snapshot.schema,
            "version": snapshot.head.version,
            "occurred_at": snapshot.head.occurred_at,
            "recorded_at": snapshot.head.recorded_at,
            "hash": snapshot.head.hash,
            "state": snapshot.state,
            "mac": self._macs().of(snapshot),
            "taken_at": self._clock(),
        }


def _savepoint() -> AbstractContextManager[None]:
    # Outside a transaction one statement needs none, and on SQLite would take the write lock.
    return transaction.atomic() if connection.in_atomic_block else nullcontext()


def _aware(stored: datetime) -> datetime:
    return stored if stored.tzinfo else stored.replace(tzinfo=UTC)
