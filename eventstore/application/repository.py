"""Aggregates in and out of the event store."""

from contextlib import nullcontext
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from eventstore.application.ports import EventPublisher, Streams, UnitOfWork
from eventstore.application.snapshots import Snapshots
from eventstore.domain.aggregate import Aggregate
from eventstore.domain.events import Metadata, RecordedEvent, StreamHead
from eventstore.domain.exceptions import AggregateNotFound

A = TypeVar("A", bound=Aggregate)
FEW = 16
"""Events that are read sooner than it is asked whether a snapshot would spare them."""


class AggregateRepository(Generic[A]):
    """Without `snapshots` every load folds the whole stream, and none is taken.

    Events are appended and published in one `unit_of_work`, by default in none.
    """

    def __init__(
        self,
        aggregate: type[A],
        *,
        store: Streams,
        publisher: EventPublisher,
        snapshots: Snapshots | None = None,
        unit_of_work: UnitOfWork = nullcontext,
    ) -> None:
        self._aggregate = aggregate
        self._store = store
        self._publisher = publisher
        self._snapshots = snapshots
        self._unit_of_work = unit_of_work

    def get(self, stream_id: UUID, *, until: int | None = None) -> A:
        """The aggregate as it stands, or as it stood at version `until`.

        Raises AggregateNotFound, also for the id of another kind of stream.
        """
        # Most streams are too short for a snapshot, and a read shows it: no look-up then.
        few = min(self._aggregate.snapshot_every or 0, FEW) if self._snapshots else 0
        if few > 1 and (until is None or until < few):
            aggregate = self._folded(stream_id, until or few)
            if aggregate.version < few:
                return aggregate
        return self._restored(stream_id, until) or self._folded(stream_id, until)

    def save(
        self,
        aggregate: A,
        *,
        metadata: Metadata,
        correlation_id: UUID | None = None,
        occurred_at: datetime | None = None,
    ) -> list[RecordedEvent]:
        """Append what the aggregate recorded and publish it. Raises what `append` raises."""
        with self._unit_of_work():
            recorded = self._store.append(
                aggregate.stream_type,
                aggregate.id,
                aggregate.pending,
                expected=aggregate.head,
                metadata=metadata,
                correlation_id=correlation_id,
                occurred_at=occurred_at,
            )
            self._publisher.publish(recorded)
        aggregate.saved(StreamHead.at(recorded[-1]))
        if self._snapshots:
            self._snapshots.take(aggregate)
        return recorded

    def _folded(self, stream_id: UUID, until: int | None) -> A:
        loaded = self._store.load_stream(stream_id, until=until)
        if loaded is None or loaded.stream_type != self._aggregate.stream_type:
            raise AggregateNotFound(stream_type=self._aggregate.stream_type, stream_id=stream_id)
        aggregate = self._aggregate(stream_id)
        aggregate.replay(loaded.events, head=loaded.head)
        return aggregate

    def _restored(self, stream_id: UUID, until: int | None) -> A | None:
        """From a snapshot and the events behind it; None where the whole stream is needed."""
        if self._snapshots is None:
            return None
        snapshot = self._snapshots.find(self._aggregate, stream_id, until=until)
        if snapshot is None:
            return None
        # The snapshot's own event is read along: it shows that the log has what was folded.
        loaded = self._store.load_stream(stream_id, after=snapshot.head.version - 1, until=until)
        if loaded is None or loaded.first != snapshot.head:
            self._snapshots.discard(snapshot)
            return None
        aggregate = self._aggregate(stream_id)
        if not self._snapshots.restore(aggregate, snapshot):
            return None
        aggregate.replay(loaded.events[1:], head=loaded.head)
        return aggregate
