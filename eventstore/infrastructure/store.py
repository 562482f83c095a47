"""The log in the project's database."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import takewhile
from uuid import UUID

from django.db import IntegrityError, connection, transaction

from eventstore.domain.events import (
    DomainEvent,
    Metadata,
    RecordedEvent,
    StreamHead,
    event_id_of,
)
from eventstore.domain.exceptions import ConcurrencyError, EventAlreadyStored
from eventstore.infrastructure.driver import TABLE, driver_of
from eventstore.infrastructure.log import read_settled
from eventstore.infrastructure.mapper import EventMapper, StorageRow
from eventstore.models import EVENT_ID_CONSTRAINT, VERSION_CONSTRAINT, StorageEvent

ROWS_PER_STATEMENT = 1000
"""Both databases bound the number of parameters: 32,766 on SQLite."""


class DjangoEventStore:
    """Outside a transaction an append is one statement, which is its own transaction.

    Inside one it is a savepoint. Errors are Django's, although the statements are the driver's.
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
        newest = f"(SELECT max(version) FROM {TABLE} WHERE stream_id = %s)"
        found = self._select(f"stream_id = %s AND version = {newest}", [stream_id, stream_id])
        return StreamHead.at(found[0]) if found else StreamHead()

    def read_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> list[RecordedEvent]:
        if until is None:
            return self._select("stream_id = %s AND version > %s", [stream_id, after])
        within = "stream_id = %s AND version > %s AND version <= %s"
        return self._select(within, [stream_id, after, until])

    def read_command(self, command_id: UUID) -> list[RecordedEvent]:
        # One equality: PostgreSQL keeps a prepared plan, and for a list of ids made while the
        # table was small that plan would read all of it for ever.
        first = self._select("event_id = %s", [event_id_of(command_id, 0)])
        if not first:
            return []
        later = self.read_stream(first[0].stream_id, after=first[0].version)
        return first + list(takewhile(lambda r: r.metadata.causation_id == command_id, later))

    def read_by_stream(self, stream_type: str) -> Iterator[RecordedEvent]:
        events = StorageEvent.objects.filter(stream_type=stream_type)
        columns = events.order_by("stream_id", "version").values_list(
            "position", *StorageRow._fields
        )
        for position, *row in columns.iterator(chunk_size=2000):
            yield self._mapper.recorded(StorageRow._make(row), position)

    def read_all(
        self,
        *,
        after: int = 0,
        limit: int,
        stream_types: Collection[str] = (),
        event_types: Collection[str] = (),
    ) -> list[RecordedEvent]:
        return read_settled(
            connection,
            self._mapper,
            after=after,
            limit=limit,
            stream_types=stream_types,
            event_types=event_types,
        )

    def _select(self, where: str, parameters: Sequence[object]) -> list[RecordedEvent]:
        driver = driver_of(connection)
        connection.ensure_connection()
        with connection.wrap_database_errors:
            rows = driver.select(connection.connection, where, parameters)
        return [self._mapper.recorded(row, position) for row, position in rows]

    def _assumed(self, stream_id: UUID, version: int) -> StreamHead:
        head = self.head(stream_id)
        # Another head is refused by the statement, which also tells a repeat from a conflict.
        return head if head.version == version else StreamHead(version=version)

    def _insert(self, rows: list[StorageRow], head: StreamHead) -> list[int]:
        driver = driver_of(connection)
        connection.ensure_connection()
        try:
            if connection.get_autocommit() and len(rows) <= ROWS_PER_STATEMENT:
                with connection.wrap_database_errors:
                    positions = driver.insert(connection.connection, rows)
            else:
                positions = []
                with transaction.atomic(), connection.wrap_database_errors:
                    for i in range(0, len(rows), ROWS_PER_STATEMENT):
                        part = rows[i : i + ROWS_PER_STATEMENT]
                        positions += driver.insert(connection.connection, part)
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
