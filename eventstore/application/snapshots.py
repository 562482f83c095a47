"""Spares long streams from being folded from their beginning. A cache: never in a command's way."""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from uuid import UUID

from eventstore.application.ports import SnapshotStore
from eventstore.domain.aggregate import Aggregate
from eventstore.domain.exceptions import SnapshotNotAuthentic
from eventstore.domain.snapshot import Snapshot

logger = logging.getLogger(__name__)


class Snapshots:
    """Whatever goes wrong here is logged and counted, and the log answers instead.

    One for a process, since it counts.
    """

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store
        self._lock = Lock()
        self.failures: Counter[str] = Counter()
        """By what failed: `read`, `authenticate`, `restore`, `write`, `discard`."""

    def find(
        self, aggregate: type[Aggregate], stream_id: UUID, *, until: int | None = None
    ) -> Snapshot | None:
        """One that this code may use, and that is no newer than version `until`."""
        if aggregate.snapshot_every is None:
            return None
        snapshot = None
        with self._tolerated("read", stream_id):
            try:
                snapshot = self._store.load(stream_id)
            except SnapshotNotAuthentic as error:
                self._count("authenticate")
                logger.error("%s It is ignored; `manage.py verify_log` finds it too.", error)
        if (
            snapshot is None
            or snapshot.schema != aggregate.snapshot_schema
            or snapshot.stream_type != aggregate.stream_type
            or (until is not None and until < snapshot.head.version)
        ):
            return None
        return snapshot

    def restore(self, aggregate: Aggregate, snapshot: Snapshot) -> bool:
        """False where the snapshot cannot be read; the aggregate is of no use then."""
        with self._tolerated("restore", snapshot.stream_id):
            aggregate.restore(json.loads(snapshot.state), head=snapshot.head)
            return True
        return False

    def discard(self, snapshot: Snapshot) -> None:
        """Remove one that tells of events that are not in the log, which a backup brings about."""
        logger.warning(
            "The snapshot of stream %s at version %d does not belong to the log: discarded",
            snapshot.stream_id,
            snapshot.head.version,
        )
        with self._tolerated("discard", snapshot.stream_id):
            self._store.discard(snapshot)

    def take(self, aggregate: Aggregate) -> None:
        """Keep the stored state if it is due: that many events after the snapshot before it."""
        every = aggregate.snapshot_every
        if every is None or aggregate.version - aggregate.snapshot_version < every:
            return
        with self._tolerated("write", aggregate.id):
            self._store.save(
                Snapshot(
                    stream_id=aggregate.id,
                    stream_type=aggregate.stream_type,
                    schema=aggregate.snapshot_schema,
                    head=aggregate.head,
                    state=_canonical(aggregate.dump_state()),
                )
            )
            aggregate.snapshot_version = aggregate.version

    @contextmanager
    def _tolerated(self, step: str, stream_id: UUID) -> Iterator[None]:
        try:
            yield
        except Exception:
            self._count(step)
            logger.exception("Snapshot of stream %s: %s failed", stream_id, step)

    def _count(self, step: str) -> None:
        with self._lock:
            self.failures[step] += 1


_canonical: Callable[[object], str] = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
).encode
