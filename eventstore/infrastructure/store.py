"""The log in the project's database."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet

from eventstore.domain.events import (
    DomainEvent,
    Metadata,
    RecordedEvent,
    StreamHead,
    event_id_of,
)
from eventstore.domain.exceptions import ConcurrencyError, EventAlreadyStored
from eventstore.infrastructure.append import dialect_of
from eventstore.infrastructure.mapper import EventMapper, StorageRow
from eventstore.models import EVENT_ID_CONSTRAINT, VERSION_CONSTRAINT, StorageEvent

ROWS_PER_STATEMENT = 1000
"""Both databases bound the number of parameters: 32,766 on SQLite."""
COMMAND_PROBE = 4
"""Few commands record more events than this: they are found by one look at the index."""


class DjangoEventStore:
    """Outside a transaction an append is one statement, which is its own transaction.

    It goes to the driver's connection below Django's cursor, so Django's query log and execute
    wrappers do not see it; errors are Django's all the same.
    """

    def __init__(self, mapper: EventMapper, *, clock: Callable[[], datetime]) -> None:
        self._mapper = mapper
        self._clock = clock

    def append(
        self,
        stream_type: str,
        stream_id: UUID,
        events: Sequence[DomainEvent],
        *,
        expected: StreamHead | int,
        metadata: Metadata,
        correlation_id: UUID | None = None,
        occurred_at: datetime | None = None,
    ) -> list[RecordedEvent]:
        head = expected if isinstance(expected, StreamHead) else self._assumed(stream_id, expected)
        rows = self._mapper.rows(
            stream_type,
            stream_id,
            events,
            head=head,
            metadata=metadata,
            correlation_id=correlation_id,
            occurred_at=occurred_at,
            now=self._clock(),
        )
        # Decoded before they are stored: what could not be read again is not written.
        read_back = [self._mapper.recorded(row, 0) for row in rows]
        positions = self._insert(rows, head)
        return [
            replace(recorded, position=position)
            for recorded, position in zip(read_back, positions, strict=True)
        ]

    def head(self, stream_id: UUID) -> StreamHead:
        newest = (
            StorageEvent.objects.filter(stream_id=stream_id)
            .order_by("-version")
            .values("version", "occurred_at", "recorded_at")
            .first()
        )
        return StreamHead(**newest) if newest else StreamHead()

    def read_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> list[RecordedEvent]:
        events = StorageEvent.objects.filter(stream_id=stream_id, version__gt=after)
        if until is not None:
            events = events.filter(version__lte=until)
        return list(self._read(events.order_by("version")))

    def read_command(self, command_id: UUID) -> list[RecordedEvent]:
        found: list[RecordedEvent] = []
        while len(found) % COMMAND_PROBE == 0:
            first = len(found)
            ids = [event_id_of(command_id, first + i) for i in range(COMMAND_PROBE)]
            events = StorageEvent.objects.filter(event_id__in=ids).order_by("version")
            found.extend(self._read(events))
            if len(found) == first:
                break
        return found

    def read_by_stream(self, stream_type: str) -> Iterator[RecordedEvent]:
        events = StorageEvent.objects.filter(stream_type=stream_type)
        return self._read(events.order_by("stream_id", "version"))

    def _read(self, events: "QuerySet[StorageEvent]") -> Iterator[RecordedEvent]:
        columns = events.values_list("position", *StorageRow._fields)
        for position, *row in columns.iterator(chunk_size=2000):
            yield self._mapper.recorded(StorageRow(*row), position)

    def _assumed(self, stream_id: UUID, version: int) -> StreamHead:
        head = self.head(stream_id)
        # Another head is refused by the statement, which also tells a repeat from a conflict.
        return head if head.version == version else StreamHead(version=version)

    def _insert(self, rows: list[StorageRow], head: StreamHead) -> list[int]:
        dialect = dialect_of(connection)
        connection.ensure_connection()
        try:
            if connection.get_autocommit() and len(rows) <= ROWS_PER_STATEMENT:
                with connection.wrap_database_errors:
                    positions = dialect.insert(connection.connection, rows)
            else:
                positions = []
                with transaction.atomic(), connection.wrap_database_errors:
                    for i in range(0, len(rows), ROWS_PER_STATEMENT):
                        part = rows[i : i + ROWS_PER_STATEMENT]
                        positions += dialect.insert(connection.connection, part)
        except IntegrityError as error:
            if EVENT_ID_CONSTRAINT in str(error):
                raise self._already_stored(rows) from error
            if VERSION_CONSTRAINT in str(error):
                raise self._conflict(rows, head) from error
            raise
        if not positions:
            raise self._conflict(rows, head)
        return positions

    @staticmethod
    def _already_stored(rows: list[StorageRow]) -> EventAlreadyStored:
        return EventAlreadyStored(event_id=rows[0].event_id)

    @staticmethod
    def _conflict(rows: list[StorageRow], head: StreamHead) -> ConcurrencyError:
        return ConcurrencyError(stream_id=rows[0].stream_id, expected=head.version)
