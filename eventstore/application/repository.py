"""Aggregates in and out of the event store."""

from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from eventstore.application.ports import EventPublisher, EventStore
from eventstore.domain.aggregate import Aggregate
from eventstore.domain.events import Metadata, RecordedEvent, StreamHead
from eventstore.domain.exceptions import AggregateNotFound

A = TypeVar("A", bound=Aggregate)


class AggregateRepository(Generic[A]):
    def __init__(self, aggregate: type[A], *, store: EventStore, publisher: EventPublisher) -> None:
        self._aggregate = aggregate
        self._store = store
        self._publisher = publisher

    def get(self, stream_id: UUID, *, until: int | None = None) -> A:
        """The aggregate as it stands, or as it stood at version `until`.

        Raises AggregateNotFound, also for the id of another kind of stream.
        """
        recorded = self._store.read_stream(stream_id, until=until)
        if not recorded or recorded[0].stream_type != self._aggregate.stream_type:
            raise AggregateNotFound(stream_type=self._aggregate.stream_type, stream_id=stream_id)
        aggregate = self._aggregate(stream_id)
        aggregate.replay((r.event for r in recorded), head=StreamHead.at(recorded[-1]))
        return aggregate

    def save(
        self,
        aggregate: A,
        *,
        metadata: Metadata,
        correlation_id: UUID | None = None,
        occurred_at: datetime | None = None,
    ) -> list[RecordedEvent]:
        """Append what the aggregate recorded and publish it. Raises what `append` raises."""
        recorded = self._store.append(
            aggregate.stream_type,
            aggregate.id,
            aggregate.pending,
            expected=aggregate.head,
            metadata=metadata,
            correlation_id=correlation_id,
            occurred_at=occurred_at,
        )
        aggregate.saved(StreamHead.at(recorded[-1]))
        self._publisher.publish(recorded)
        return recorded
