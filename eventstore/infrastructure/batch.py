"""Many appends to many streams, kept in memory until a few statements store them together."""

from collections.abc import Callable, Collection, Sequence
from copy import deepcopy
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError

from eventstore.application.ports import EventStore
from eventstore.domain.events import (
    DomainEvent,
    LoadedStream,
    Metadata,
    RecordedEvent,
    StreamHead,
    event_id_of,
)
from eventstore.domain.exceptions import (
    BatchConflict,
    ConcurrencyError,
    EventAlreadyStored,
    PersonalDataErased,
)
from eventstore.infrastructure.driver import REFUSING, connected, in_transaction
from eventstore.infrastructure.key_checks import opened_to_write
from eventstore.infrastructure.keys import DataKey, Keyring, KeyUnavailable
from eventstore.infrastructure.mapper import (
    EventMapper,
    StorageRow,
    UnreadableFact,
    envelope,
    undecodable,
    unreadable,
)
from eventstore.infrastructure.portions import portions
from eventstore.models import StreamKey

PER_STATEMENT = 1000
"""Rows, and streams."""


class DjangoEventBatch:
    """On top of the log in the project's database.

    It remembers every stream that it was asked for, so it is made for one chunk of work.
    """

    def __init__(
        self,
        log: EventStore,
        mapper: EventMapper,
        *,
        keyring: Callable[[], Keyring],
        clock: Callable[[], datetime],
    ) -> None:
        self._log = log
        self._mapper = mapper
        self._keyring = keyring
        self._clock = clock
        self._streams: dict[UUID, _Stream] = {}
        self._appended: list[tuple[_Stream, RecordedEvent, StorageRow]] = []
        self._commands: dict[UUID, bool] = {}
        """Whether a command was carried out, in the log or in this batch."""

    def fetch(self, stream_ids: Collection[UUID], *, command_ids: Collection[UUID] = ()) -> None:
        fresh = [id for id in dict.fromkeys(stream_ids) if id not in self._streams]
        for i in range(0, len(fresh), PER_STATEMENT):
            self._fetch(fresh[i : i + PER_STATEMENT])
        self.carried_out(command_ids)

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
        stream, command_id = self._stream(stream_id), metadata.causation_id
        if command_id and self._carried_out(command_id):
            raise EventAlreadyStored(event_id=event_id_of(command_id, 0))
        stated = expected.version if isinstance(expected, StreamHead) else expected
        other = isinstance(expected, StreamHead) and expected.hash != stream.head.hash
        if stream.head.version != stated or other:
            raise ConcurrencyError(stream_id=stream_id, expected=stated)
        key = _Key(stream, self._keyring)
        rows = self._mapper.rows(
            stream_type,
            stream_id,
            events,
            head=stream.head,
            metadata=metadata,
            correlation_id=correlation_id,
            occurred_at=occurred_at,
            now=self._clock(),
            key=key,
        )
        # Decoded before they are kept: what could not be read again as it is, is not stored.
        read_back = [
            self._mapper.read_back(row, key.opened, given=event)
            for row, event in zip(rows, events, strict=True)
        ]
        kept = metadata._replace(extra=deepcopy(metadata.extra)) if metadata.extra else metadata
        recorded = [
            envelope(row, 0, event, kept) for row, event in zip(rows, read_back, strict=True)
        ]
        stream.opened, stream.created = key.opened, key.created
        stream.rows += [(row, 0) for row in rows]
        stream.head = StreamHead.at(recorded[-1])
        self._appended += [(stream, one, row) for one, row in zip(recorded, rows, strict=True)]
        if command_id:
            self._commands[command_id] = True
        return recorded

    def head(self, stream_id: UUID) -> StreamHead:
        return self._stream(stream_id).head

    def load_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> LoadedStream | None:
        rows = self._stream(stream_id).part(after, until)
        if not rows:
            return None
        try:
            facts = self._mapper.facts((row[4], row[5], row[6]) for row, _ in rows)
        except UnreadableFact:
            # Slower, and names the event that it stops at.
            facts = [one.event for one in self.read_stream(stream_id, after=after, until=until)]
        return LoadedStream(
            stream_type=rows[0][0].stream_type,
            events=facts,
            first=head_at(rows[0][0]),
            head=head_at(rows[-1][0]),
        )

    def read_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> list[RecordedEvent]:
        stream = self._stream(stream_id)
        return [self._recorded(stream, *stored) for stored in stream.part(after, until)]

    def read_command(self, command_id: UUID) -> list[RecordedEvent]:
        if not self._carried_out(command_id):
            return []
        own = [one for _, one, _ in self._appended if one.metadata.causation_id == command_id]
        return own or self._log.read_command(command_id)

    def carried_out(self, command_ids: Collection[UUID]) -> set[UUID]:
        unknown = [id for id in command_ids if id not in self._commands]
        if unknown:
            carried_out = self._log.carried_out(unknown)
            self._commands.update((id, id in carried_out) for id in unknown)
        return {id for id in command_ids if self._commands[id]}

    def store(self) -> list[RecordedEvent]:
        rows = [row for _, _, row in self._appended]
        changed = {id: stream for id, stream in self._streams.items() if stream.changed}
        keys = [(id, stream.created) for id, stream in changed.items() if stream.created]
        bases = {id: stream.base for id, stream in changed.items() if stream.base.version}
        positions: list[int] = []
        database, driver = connected()
        try:
            with database.wrap_database_errors, in_transaction(database, driver):
                connection = database.connection
                # No event is ever removed, so what is there stays there: the streams have no gap.
                if bases and driver.present(connection, bases) != bases.keys():
                    raise _Refused
                if keys:
                    driver.insert_keys(connection, keys)
                for i in range(0, len(rows), PER_STATEMENT):
                    positions += driver.insert_many(connection, rows[i : i + PER_STATEMENT])
        except (_Refused, IntegrityError) as error:
            if not isinstance(error, _Refused) and not any(name in str(error) for name in REFUSING):
                raise
            raise BatchConflict(stream_ids=self._conflicting(changed)) from error
        return [
            recorded._replace(position=position)
            for (_, recorded, _), position in zip(self._appended, positions, strict=True)
        ]

    def _carried_out(self, command_id: UUID) -> bool:
        return bool(self.carried_out([command_id]))

    def _stream(self, stream_id: UUID) -> "_Stream":
        if stream_id not in self._streams:
            self.fetch([stream_id])
        return self._streams[stream_id]

    def _fetch(self, stream_ids: Sequence[UUID]) -> None:
        database, driver = connected()
        streams = {id: _Stream(id) for id in stream_ids}
        with database.wrap_database_errors:
            stored = driver.select_streams(
                database.connection, dict.fromkeys(streams, 0), keys=False
            )
        for row, position, _ in stored:
            streams[row.stream_id].rows.append((row, position))
        for portion in portions(streams):
            keys = StreamKey.objects.filter(stream_id__in=portion)
            for stream_id, wrapped in keys.values_list("stream_id", "wrapped"):
                streams[stream_id].keyed = True
                streams[stream_id].wrapped = None if wrapped is None else bytes(wrapped)
        for stream in streams.values():
            if stream.rows:
                stream.base = stream.head = head_at(stream.rows[-1][0])
        self._streams |= streams

    def _recorded(self, stream: "_Stream", row: StorageRow, position: int) -> RecordedEvent:
        key = None
        if row.personal is not None:
            try:
                key = stream.opened or stream.unwrapped(self._keyring())
            except KeyUnavailable as error:
                raise undecodable(row, position, unreadable(error)) from error
        return self._mapper.recorded(row, position, key)

    def _conflicting(self, changed: dict[UUID, "_Stream"]) -> frozenset[UUID]:
        """Where the log has changed since it was read; all, where it cannot be told."""
        database, driver = connected()
        bases = {id: stream.base for id, stream in changed.items()}
        after = {id: base.version for id, base in bases.items()}
        with database.wrap_database_errors:
            newer = driver.select_streams(database.connection, after, keys=False)
            present = driver.present(database.connection, bases)
        found = {row.stream_id for row, _, _ in newer}
        found |= {id for id, base in bases.items() if base.version and id not in present}
        created = [id for id, stream in changed.items() if stream.created]
        for portion in portions(created):
            keys = StreamKey.objects.filter(stream_id__in=portion)
            found |= set(keys.values_list("stream_id", flat=True))
        commands = {
            command_id: one.stream_id
            for _, one, _ in self._appended
            if (command_id := one.metadata.causation_id)
        }
        found |= {commands[id] for id in self._log.carried_out(commands)}
        return frozenset(found or changed)


class _Refused(Exception):
    """A stream does not have the event that the batch goes on from."""


class _Stream:
    """A stream as it was read, and what is appended to it."""

    __slots__ = ("base", "created", "head", "id", "keyed", "opened", "rows", "wrapped")

    def __init__(self, id: UUID) -> None:
        self.id = id
        self.rows: list[tuple[StorageRow, int]] = []
        """With their positions, in version order."""
        self.base = self.head = StreamHead()
        """Where the events of the log end, and where all of them do."""
        self.keyed = False
        """Whether the log has a key of the stream, or the tombstone of one."""
        self.wrapped: bytes | None = None
        self.opened: DataKey | None = None
        self.created: bytes | None = None
        """Wrapped, where it is to be stored with the events."""

    @property
    def changed(self) -> bool:
        return self.head.version > self.base.version

    def part(self, after: int, until: int | None) -> list[tuple[StorageRow, int]]:
        # Versions have no gaps: the first is number 1.
        return self.rows[max(after, 0) : until if until is None else max(until, 0)]

    def unwrapped(self, keyring: Keyring) -> DataKey | None:
        """None after an erasure. Raises KeyUnavailable."""
        if self.opened is None and self.wrapped is not None:
            self.opened = keyring.unwrap(self.id, self.wrapped)
        return self.opened


class _Key:
    """The key for one append, which the stream keeps only if the append is not refused."""

    def __init__(self, stream: _Stream, keyring: Callable[[], Keyring]) -> None:
        self._stream = stream
        self._keyring = keyring
        self.opened = stream.opened
        self.created = stream.created

    def __call__(self) -> DataKey:
        if self.opened is None:
            if not self._stream.keyed:
                self.opened, self.created = self._keyring().new_key(self._stream.id)
            elif not self._stream.head.version:
                raise ConcurrencyError(stream_id=self._stream.id, expected=0)
            elif self._stream.wrapped is None:
                raise PersonalDataErased(stream_id=self._stream.id)
            else:
                self.opened = self._stream.opened = opened_to_write(
                    self._keyring(), self._stream.id, self._stream.wrapped
                )
        return self.opened


def head_at(row: StorageRow) -> StreamHead:
    return StreamHead(
        version=row.version,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        hash=row.hash,
    )
