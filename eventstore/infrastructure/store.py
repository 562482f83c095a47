"""The log in the project's database."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from datetime import datetime
from itertools import takewhile
from uuid import UUID

from django.db import IntegrityError, connection

from eventstore.application.ports import EventBatch
from eventstore.domain.events import (
    Cursor,
    DomainEvent,
    LoadedStream,
    Metadata,
    RecordedEvent,
    StreamHead,
    event_id_of,
)
from eventstore.domain.exceptions import (
    ConcurrencyError,
    EventAlreadyStored,
    PersonalDataErased,
)
from eventstore.infrastructure.batch import DjangoEventBatch
from eventstore.infrastructure.driver import REFUSING, TABLE, Stored, connected, in_transaction
from eventstore.infrastructure.key_checks import opened_to_write
from eventstore.infrastructure.keys import DataKey, Keyring, KeyUnavailable
from eventstore.infrastructure.log import read_settled, settled_cursor
from eventstore.infrastructure.mapper import (
    EventMapper,
    StorageRow,
    UnreadableFact,
    envelope,
    undecodable,
    unreadable,
)
from eventstore.infrastructure.portions import portions
from eventstore.models import StorageEvent, StreamKey

ROWS_PER_STATEMENT = 1000
"""Both databases bound the number of parameters: 32,766 on SQLite."""
PAGE = 2000


class DjangoEventStore:
    """Outside a transaction an append is one statement, which is its own transaction.

    Inside one it is a savepoint. Errors are Django's, although the statements are the driver's.
    """

    def __init__(
        self, mapper: EventMapper, *, keyring: Callable[[], Keyring], clock: Callable[[], datetime]
    ) -> None:
        self._mapper = mapper
        self._keyring = keyring
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
        stated = expected.version if isinstance(expected, StreamHead) else expected
        if head.version != stated or stated < 0:
            raise self._refusal(stream_id, stated, metadata.causation_id)
        key = _StreamKey(stream_id, self._keyring, new=head.version == 0)
        rows = self._mapper.rows(
            stream_type,
            stream_id,
            events,
            head=head,
            metadata=metadata,
            correlation_id=correlation_id,
            occurred_at=occurred_at,
            now=self._clock(),
            key=key,
        )
        # Decoded before they are stored: what could not be read again as it is, is not written.
        read_back = [
            self._mapper.read_back(row, key.opened, given=event)
            for row, event in zip(rows, events, strict=True)
        ]
        try:
            positions = self._insert(rows, head, key.created)
        except _Refused as error:
            raise self._refusal(stream_id, stated, metadata.causation_id) from error.__cause__
        # What is free to be changed by the caller is not handed on.
        kept = metadata._replace(extra=deepcopy(metadata.extra)) if metadata.extra else metadata
        return [
            envelope(row, position, event, kept)
            for row, position, event in zip(rows, positions, read_back, strict=True)
        ]

    def head(self, stream_id: UUID) -> StreamHead:
        newest = f"(SELECT max(version) FROM {TABLE} WHERE stream_id = %s)"
        where = f"event.stream_id = %s AND version = {newest}"
        found = self._select(where, [stream_id, stream_id], personal=False)
        return StreamHead.at(found[0]) if found else StreamHead()

    def load_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> LoadedStream | None:
        database, driver = connected()
        with database.wrap_database_errors:
            rows = driver.load(database.connection, *_part(stream_id, after, until))
        if not rows:
            return None
        try:
            events = self._mapper.facts(rows)
        except UnreadableFact:
            # Slower, and names the event that it stops at. Without keys too: no other stops it.
            recorded = self._select(*_part(stream_id, after, until), personal=False)
            events = [one.event for one in recorded]
        return LoadedStream(
            stream_type=rows[0][3],
            events=events,
            first=driver.head_of(rows[0]),
            head=driver.head_of(rows[-1]),
        )

    def read_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> list[RecordedEvent]:
        where, parameters = _part(stream_id, after, until)
        return self._select(where, parameters)

    def read_streams(self, after: Mapping[UUID, int]) -> Mapping[UUID, list[RecordedEvent]]:
        database, driver = connected()
        with database.wrap_database_errors:
            stored = driver.select_streams(database.connection, after, keys=True)
        found: dict[UUID, list[RecordedEvent]] = {}
        for recorded in self._recorded(stored):
            found.setdefault(recorded.stream_id, []).append(recorded)
        return found

    def batch(self) -> EventBatch:
        return DjangoEventBatch(self, self._mapper, keyring=self._keyring, clock=self._clock)

    def read_command(self, command_id: UUID) -> list[RecordedEvent]:
        # One equality: PostgreSQL keeps a prepared plan, and for a list of ids made while the
        # table was small that plan would read all of it for ever.
        first = self._select("event_id = %s", [event_id_of(command_id, 0)])
        if not first:
            return []
        later = self.read_stream(first[0].stream_id, after=first[0].version)
        return first + list(takewhile(lambda r: r.metadata.causation_id == command_id, later))

    def carried_out(self, command_ids: Collection[UUID]) -> set[UUID]:
        firsts = {event_id_of(command_id, 0): command_id for command_id in command_ids}
        found: set[UUID] = set()
        for portion in portions(firsts):
            rows = StorageEvent.objects.filter(event_id__in=portion)
            found |= set(rows.values_list("event_id", flat=True))
        return {firsts[event_id] for event_id in found}

    def read_all(
        self,
        *,
        after: Cursor | int = 0,
        limit: int,
        stream_types: Collection[str] = (),
        event_types: Collection[str] = (),
    ) -> list[RecordedEvent]:
        stored = read_settled(
            connection,
            after=after,
            limit=limit,
            stream_types=stream_types,
            event_types=self._mapper.stored_names(event_types),
        )
        return self._recorded(stored)

    def settled_end(self) -> int:
        return self.settled_cursor().position

    def settled_cursor(self, *, after: Cursor | int = 0) -> Cursor:
        return settled_cursor(connection, after=after)

    def erase_personal_data(self, stream_id: UUID) -> bool:
        # The row first: an append that makes the stream's first key at this moment is refused, or
        # its key is there to be destroyed.
        StreamKey.objects.get_or_create(stream_id=stream_id, defaults={"wrapped": None})
        key = StreamKey.objects.filter(stream_id=stream_id, wrapped__isnull=False)
        return bool(key.update(wrapped=None))

    def _select(
        self, where: str, parameters: Sequence[object], *, personal: bool = True
    ) -> list[RecordedEvent]:
        database, driver = connected()
        with database.wrap_database_errors:
            stored = driver.select(database.connection, where, parameters, keys=personal)
        return self._recorded(stored)

    def _recorded(self, stored: Iterable[Stored]) -> list[RecordedEvent]:
        # Unwrapped keys live as long as this read and no longer.
        keys: dict[bytes, DataKey] = {}
        recorded = self._mapper.recorded
        return [
            recorded(
                row,
                position,
                None if row.personal is None else self._opened(keys, row, position, wrapped),
            )
            for row, position, wrapped in stored
        ]

    def _opened(
        self, keys: dict[bytes, DataKey], row: StorageRow, position: int, wrapped: bytes | None
    ) -> DataKey | None:
        if wrapped is None:
            return None
        if wrapped not in keys:
            try:
                keys[wrapped] = self._keyring().unwrap(row.stream_id, wrapped)
            except KeyUnavailable as error:
                raise undecodable(row, position, unreadable(error)) from error
        return keys[wrapped]

    def _assumed(self, stream_id: UUID, version: int) -> StreamHead:
        # Nothing has to be read of a stream that must not exist: the statement refuses one that
        # does.
        return self.head(stream_id) if version else StreamHead()

    def _insert(self, rows: list[StorageRow], head: StreamHead, new_key: bytes | None) -> list[int]:
        database, driver = connected()
        one_statement = len(rows) <= ROWS_PER_STATEMENT and (
            new_key is None or (database.vendor == "postgresql" and head.version == 0)
        )
        positions: list[int] = []
        previous = head.hash
        try:
            with (
                database.wrap_database_errors,
                nullcontext()
                if one_statement and database.autocommit
                else in_transaction(database, driver),
            ):
                for i in range(0, len(rows), ROWS_PER_STATEMENT):
                    part = rows[i : i + ROWS_PER_STATEMENT]
                    positions += driver.insert(
                        database.connection,
                        part,
                        previous=previous,
                        key=new_key if i == 0 else None,
                    )
                    if not positions:
                        raise _Refused
                    previous = part[-1].hash
        except IntegrityError as error:
            if not any(name in str(error) for name in REFUSING):
                raise
            raise _Refused from error
        return positions

    def _refusal(
        self, stream_id: UUID, expected: int, command_id: UUID | None
    ) -> ConcurrencyError | EventAlreadyStored:
        """A repeat is told from a conflict, whatever the database came upon first."""
        if command_id:
            event_id = event_id_of(command_id, 0)
            if StorageEvent.objects.filter(event_id=event_id).exists():
                return EventAlreadyStored(event_id=event_id)
        return ConcurrencyError(stream_id=stream_id, expected=expected)


def _part(stream_id: UUID, after: int, until: int | None) -> tuple[str, list[object]]:
    if until is None:
        return "event.stream_id = %s AND version > %s ORDER BY version", [stream_id, after]
    within = "event.stream_id = %s AND version > %s AND version <= %s ORDER BY version"
    return within, [stream_id, after, until]


class _Refused(Exception):
    """The database holds other events than the head says: the savepoint goes, and a key with it."""


class _StreamKey:
    """The key for one append, looked up or drawn only when something personal asks for it."""

    def __init__(self, stream_id: UUID, keyring: Callable[[], Keyring], *, new: bool) -> None:
        self._stream_id = stream_id
        self._keyring = keyring
        self._new = new
        self.opened: DataKey | None = None
        self.created: bytes | None = None
        """Wrapped, where it has to be stored with the events."""

    def __call__(self) -> DataKey:
        if self.opened is None:
            stored = None if self._new else StreamKey.objects.filter(pk=self._stream_id).first()
            if stored is None:
                self.opened, self.created = self._keyring().new_key(self._stream_id)
            elif stored.wrapped is None:
                raise PersonalDataErased(stream_id=self._stream_id)
            else:
                self.opened = opened_to_write(
                    self._keyring(), self._stream_id, bytes(stored.wrapped)
                )
        return self.opened
