"""Twins of the adapters that need no database: for tests, and for trying things out."""

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import islice
from threading import Lock
from typing import Any
from uuid import UUID

from eventstore.application.folding import Changes, FoldedStream, Step, advanced
from eventstore.application.naming import check_parked, check_projection, obstacle_of
from eventstore.application.parking import ParkedStream, described, retry_at
from eventstore.application.ports import (
    Checkpoint,
    EventBatch,
    EventStore,
    NewerMessages,
    WaitingCount,
    WaitingMessage,
)
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
    BatchConflict,
    ConcurrencyError,
    CursorBeyondLog,
    EventAlreadyStored,
    LogWasRestored,
    PersonalDataErased,
    UnsafeLogRead,
)
from eventstore.domain.snapshot import Snapshot
from eventstore.infrastructure.keys import DataKey
from eventstore.infrastructure.mapper import EventMapper, StorageRow


class InMemoryEventStore:
    """Keeps rows as the table would, through the same mapper, so what it returns is a copy."""

    def __init__(self, mapper: EventMapper, *, clock: Callable[[], datetime]) -> None:
        self._mapper = mapper
        self._clock = clock
        self._streams: dict[UUID, list[tuple[StorageRow, int]]] = {}
        self._by_event_id: dict[UUID, tuple[StorageRow, int]] = {}
        self._keys: dict[UUID, DataKey | None] = {}
        self._lock = Lock()

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
        with self._lock:
            head = self.head(stream_id)
            stated = expected.version if isinstance(expected, StreamHead) else expected
            command_id = metadata.causation_id
            if command_id and (first_id := event_id_of(command_id, 0)) in self._by_event_id:
                raise EventAlreadyStored(event_id=first_id)
            other = isinstance(expected, StreamHead) and expected.hash != head.hash
            if head.version != stated or other:
                raise ConcurrencyError(stream_id=stream_id, expected=stated)
            rows = self._mapper.rows(
                stream_type,
                stream_id,
                events,
                head=head,
                metadata=metadata,
                correlation_id=correlation_id,
                occurred_at=occurred_at,
                now=self._clock(),
                key=lambda: self._key(stream_id),
            )
            for row, event in zip(rows, events, strict=True):
                self._mapper.read_back(row, self._keys.get(stream_id), given=event)
            return [self._kept(row) for row in rows]

    def _kept(self, row: StorageRow) -> RecordedEvent:
        stored = row, len(self._by_event_id) + 1
        self._streams.setdefault(row.stream_id, []).append(stored)
        self._by_event_id[row.event_id] = stored
        return self._recorded(*stored)

    def head(self, stream_id: UUID) -> StreamHead:
        stream = self._streams.get(stream_id)
        return StreamHead.at(self._mapper.recorded(*stream[-1])) if stream else StreamHead()

    def load_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> LoadedStream | None:
        recorded = [
            self._mapper.recorded(row, position)
            for row, position in self._streams.get(stream_id, [])
            if after < row.version and (until is None or row.version <= until)
        ]
        return _loaded(recorded)

    def read_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> list[RecordedEvent]:
        return [
            self._recorded(row, position)
            for row, position in self._streams.get(stream_id, [])
            if after < row.version and (until is None or row.version <= until)
        ]

    def read_command(self, command_id: UUID) -> list[RecordedEvent]:
        found: list[RecordedEvent] = []
        while stored := self._by_event_id.get(event_id_of(command_id, len(found))):
            found.append(self._recorded(*stored))
        return found

    def carried_out(self, command_ids: Collection[UUID]) -> set[UUID]:
        return {id for id in command_ids if event_id_of(id, 0) in self._by_event_id}

    def read_streams(self, after: Mapping[UUID, int]) -> Mapping[UUID, list[RecordedEvent]]:
        found = {id: self.read_stream(id, after=version) for id, version in after.items()}
        return {id: recorded for id, recorded in found.items() if recorded}

    def batch(self) -> EventBatch:
        return InMemoryEventBatch(self._mapper, clock=self._clock, log=self)

    @property
    def last_position(self) -> int:
        return len(self._by_event_id)

    def streams(self, stream_type: str) -> dict[UUID, list[RecordedEvent]]:
        """All of this type, in the order of their ids."""
        return {
            stream_id: [self._recorded(*stored) for stored in stream]
            for stream_id, stream in sorted(self._streams.items())
            if stream[0][0].stream_type == stream_type
        }

    def read_all(
        self,
        *,
        after: Cursor | int = 0,
        limit: int,
        stream_types: Collection[str] = (),
        event_types: Collection[str] = (),
    ) -> list[RecordedEvent]:
        if limit < 0:
            raise ValueError(f"A limit is not negative: {limit}.")
        with self._lock:
            log = list(self._by_event_id.values())
        _check_held(log, Cursor.of(after))
        after = Cursor.of(after).position
        stored_names = self._mapper.stored_names(event_types)
        wanted = (
            (row, position)
            for row, position in log[max(after, 0) :]
            if (not stream_types or row.stream_type in stream_types)
            and (not stored_names or row.event_type in stored_names)
        )
        return [self._recorded(*stored) for stored in islice(wanted, min(limit, len(log)))]

    def settled_end(self) -> int:
        return self.settled_cursor().position

    def settled_cursor(self, *, after: Cursor | int = 0) -> Cursor:
        with self._lock:
            log = list(self._by_event_id.values())
        _check_held(log, Cursor.of(after))
        return Cursor(log[-1][1], log[-1][0].hash) if log else Cursor()

    def erase_personal_data(self, stream_id: UUID) -> bool:
        destroyed = self._keys.get(stream_id) is not None
        self._keys[stream_id] = None
        return destroyed

    def _recorded(self, row: StorageRow, position: int) -> RecordedEvent:
        return self._mapper.recorded(row, position, self._keys.get(row.stream_id))

    def _key(self, stream_id: UUID) -> DataKey:
        key = self._keys.setdefault(stream_id, DataKey(stream_id, os.urandom(32)))
        if key is None:
            raise PersonalDataErased(stream_id=stream_id)
        return key


class OverlayEventStore(InMemoryEventStore):
    """What would be stored on top of another log, which is only read: for trying commands out."""

    def __init__(
        self, mapper: EventMapper, *, clock: Callable[[], datetime], beneath: EventStore
    ) -> None:
        super().__init__(mapper, clock=clock)
        self._beneath = beneath

    def append(
        self, stream_type: str, stream_id: UUID, events: Sequence[DomainEvent], **terms: Any
    ) -> list[RecordedEvent]:
        command_id = terms["metadata"].causation_id
        if command_id and self._beneath.carried_out([command_id]):
            raise EventAlreadyStored(event_id=event_id_of(command_id, 0))
        return super().append(stream_type, stream_id, events, **terms)

    def head(self, stream_id: UUID) -> StreamHead:
        return (
            super().head(stream_id) if stream_id in self._streams else self._beneath.head(stream_id)
        )

    def load_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> LoadedStream | None:
        beneath = self._beneath.load_stream(stream_id, after=after, until=until)
        above = super().load_stream(stream_id, after=after, until=until)
        if beneath is None or above is None:
            return beneath or above
        return replace(beneath, events=beneath.events + above.events, head=above.head)

    def read_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> list[RecordedEvent]:
        stored = self._beneath.read_stream(stream_id, after=after, until=until)
        return stored + super().read_stream(stream_id, after=after, until=until)

    def read_command(self, command_id: UUID) -> list[RecordedEvent]:
        return self._beneath.read_command(command_id) or super().read_command(command_id)

    def carried_out(self, command_ids: Collection[UUID]) -> set[UUID]:
        return self._beneath.carried_out(command_ids) | super().carried_out(command_ids)

    def read_all(
        self,
        *,
        after: Cursor | int = 0,
        limit: int,
        stream_types: Collection[str] = (),
        event_types: Collection[str] = (),
    ) -> list[RecordedEvent]:
        raise UnsafeLogRead(reason="what is only tried out has no place in it.")

    def settled_cursor(self, *, after: Cursor | int = 0) -> Cursor:
        raise UnsafeLogRead(reason="what is only tried out has no place in it.")


class InMemoryEventBatch(OverlayEventStore):
    def __init__(
        self, mapper: EventMapper, *, clock: Callable[[], datetime], log: InMemoryEventStore
    ) -> None:
        super().__init__(mapper, clock=clock, beneath=log)
        self._under = log
        self._keys = log._keys
        self._bases: dict[UUID, StreamHead] = {}

    def append(
        self, stream_type: str, stream_id: UUID, events: Sequence[DomainEvent], **terms: Any
    ) -> list[RecordedEvent]:
        base = self._under.head(stream_id)
        recorded = super().append(stream_type, stream_id, events, **terms)
        self._bases.setdefault(stream_id, base)
        return [one._replace(position=0) for one in recorded]

    def fetch(self, stream_ids: Collection[UUID], *, command_ids: Collection[UUID] = ()) -> None:
        """Nothing is far away."""

    def read_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> list[RecordedEvent]:
        recorded = super().read_stream(stream_id, after=after, until=until)
        return [
            one._replace(position=0) if one.event_id in self._by_event_id else one
            for one in recorded
        ]

    def read_command(self, command_id: UUID) -> list[RecordedEvent]:
        recorded = super().read_command(command_id)
        return [
            one._replace(position=0) if one.event_id in self._by_event_id else one
            for one in recorded
        ]

    def store(self) -> list[RecordedEvent]:
        with self._under._lock:
            conflicting = {
                row.stream_id
                for event_id, (row, _) in self._by_event_id.items()
                if event_id in self._under._by_event_id
                or self._under.head(row.stream_id) != self._bases[row.stream_id]
            }
            if conflicting:
                raise BatchConflict(stream_ids=frozenset(conflicting))
            return [self._under._kept(row) for row, _ in self._by_event_id.values()]


def _check_held(log: Sequence[tuple[StorageRow, int]], after: Cursor) -> None:
    held = log[after.position - 1][0].hash if 0 < after.position <= len(log) else None
    if after.hash is not None and held != after.hash:
        raise LogWasRestored(after=after.position)
    if after.position > len(log):
        raise CursorBeyondLog(after=after.position, last=len(log))


def _loaded(recorded: list[RecordedEvent]) -> LoadedStream | None:
    if not recorded:
        return None
    return LoadedStream(
        stream_type=recorded[0].stream_type,
        events=[one.event for one in recorded],
        first=StreamHead.at(recorded[0]),
        head=StreamHead.at(recorded[-1]),
    )


class InMemorySnapshotStore:
    def __init__(self) -> None:
        self._lock = Lock()
        self.snapshots: dict[UUID, Snapshot] = {}

    def load(self, stream_id: UUID) -> Snapshot | None:
        return self.snapshots.get(stream_id)

    def save(self, snapshot: Snapshot) -> None:
        with self._lock:
            kept = self.snapshots.get(snapshot.stream_id, snapshot)
            void = kept.schema != snapshot.schema
            if void or kept.head.version <= snapshot.head.version:
                self.snapshots[snapshot.stream_id] = snapshot

    def discard(self, snapshot: Snapshot) -> None:
        with self._lock:
            kept = self.snapshots.get(snapshot.stream_id)
            if kept and kept.head.version == snapshot.head.version:
                del self.snapshots[snapshot.stream_id]


class InMemoryProjectionRows:
    """A read model in a dictionary: stream id -> its rows and their version."""

    def __init__(self, store: InMemoryEventStore) -> None:
        self._store = store
        self._lock = Lock()
        self.streams: dict[UUID, FoldedStream] = {}

    def version(self, stream_id: UUID) -> int:
        return self.streams[stream_id].version if stream_id in self.streams else 0

    def advance(self, stream_id: UUID, *, expected: int, version: int, changes: Changes) -> bool:
        with self._lock:
            if self.version(stream_id) != expected:
                return False
            before = self.streams.get(stream_id, FoldedStream(0, []))
            self.streams[stream_id] = advanced(before, version, changes)
            return True

    def versions(self, stream_ids: Collection[UUID]) -> Mapping[UUID, int]:
        return {id: self.streams[id].version for id in stream_ids if id in self.streams}

    def advance_many(self, streams: Mapping[UUID, Sequence[Step]]) -> set[UUID]:
        return {
            stream_id
            for stream_id, steps in streams.items()
            if not all(
                self.advance(stream_id, expected=before, version=after, changes=changes)
                for before, after, changes in steps
            )
        }

    def replace(self, stream_id: UUID, anew: Callable[[], FoldedStream]) -> None:
        with self._lock:
            self.streams[stream_id] = anew()

    def add_missing(self, streams: Iterable[tuple[UUID, FoldedStream]]) -> set[UUID]:
        taken: set[UUID] = set()
        for stream_id, stream in streams:
            with self._lock:
                if self.streams.setdefault(stream_id, stream) is not stream:
                    taken.add(stream_id)
        return taken

    def clear(self) -> None:
        with self._lock:
            self.streams.clear()

    def behind(self, stream_type: str, *, after: int, until: int) -> list[tuple[UUID, int]]:
        heads = {
            event.stream_id: event.version
            for stream in self._store.streams(stream_type).values()
            for event in stream
            if after < event.position <= until
        }
        return [
            (stream_id, shown)
            for stream_id, newest in heads.items()
            if (shown := self.version(stream_id)) < newest
        ]


class InMemoryCheckpoints:
    """Rolls nothing back."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._checkpoints: dict[str, Checkpoint] = {}
        self._claims: dict[str, Lock] = defaultdict(Lock)

    def all(self) -> Mapping[str, Checkpoint]:
        return dict(self._checkpoints)

    def start(self, projection: str, *, schema: int) -> None:
        check_projection(projection, schema=schema)
        self._checkpoints.setdefault(projection, Checkpoint(0, schema, None))

    @contextmanager
    def claimed(self, projection: str) -> Iterator[Checkpoint | None]:
        claim = self._claims[projection]
        if not claim.acquire(blocking=False):
            yield None
            return
        try:
            yield self._checkpoints.get(projection)
        finally:
            claim.release()

    def move(
        self,
        projection: str,
        *,
        expected: int,
        position: Cursor | int,
        epoch: int | None = None,
    ) -> bool:
        kept = self._checkpoints.get(projection)
        if kept is None or kept.position != expected or epoch not in (None, kept.epoch):
            return False
        self._checkpoints[projection] = kept._replace(**Cursor.of(position)._asdict(), waits_for="")
        return True

    def wait(self, projection: str, *, at: int, what: str) -> None:
        kept = self._checkpoints.get(projection)
        if kept and kept.position == at:
            self._checkpoints[projection] = kept._replace(waits_for=obstacle_of(what))

    def seen(self, projection: str) -> None:
        if kept := self._checkpoints.get(projection):
            self._checkpoints[projection] = kept._replace(seen_at=self._clock())

    def block(self, projection: str, obstacle: str) -> None:
        if kept := self._checkpoints.get(projection):
            self._checkpoints[projection] = kept._replace(blocked_by=obstacle_of(obstacle))

    def advance(self, projection: str, cursor: Cursor) -> None:
        kept = self._checkpoints.get(projection)
        if kept and kept.position < cursor.position:
            self._checkpoints[projection] = kept._replace(**cursor._asdict())

    def begin(self, projection: str, *, epoch: int) -> bool:
        kept = self._checkpoints.get(projection)
        if kept is None or kept.epoch >= epoch:
            return False
        self._checkpoints[projection] = Checkpoint(
            0, kept.schema, kept.seen_at, kept.blocked_by, epoch=epoch
        )
        return True

    def fork(self, projection: str) -> None:
        if kept := self._checkpoints.get(projection):
            self._checkpoints[projection] = kept._replace(forked=True)

    def received(
        self, projection: str, position: int, known_as: UUID | None, *, epoch: int
    ) -> bool:
        kept = self._checkpoints.get(projection)
        if kept is None or kept.epoch != epoch:
            return False
        if kept.received < position:
            self._checkpoints[projection] = kept._replace(received=position, received_as=known_as)
        return True

    def replace(self, projection: str, *, position: Cursor | int, schema: int) -> None:
        self.start(projection, schema=schema)
        kept = self._checkpoints[projection]
        self._checkpoints[projection] = kept._replace(
            **Cursor.of(position)._asdict(), schema=schema, waits_for=""
        )


class InMemoryParkedStreams:
    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._parked: dict[tuple[str, UUID], ParkedStream] = {}

    def park(
        self, projection: str, stream_id: UUID, *, version: int, event_type: str, error: Exception
    ) -> ParkedStream:
        check_parked(projection, event_type)
        now = self._clock()
        with self._lock:
            before = self.find(projection, stream_id)
            repeated = before if before and before.version == version else None
            attempts = repeated.attempts + 1 if repeated else 1
            parked = ParkedStream(
                projection=projection,
                stream_id=stream_id,
                version=version,
                event_type=event_type,
                error=described(error),
                attempts=attempts,
                parked_at=repeated.parked_at if repeated else now,
                retry_at=retry_at(attempts, now),
            )
            self._parked[projection, stream_id] = parked
        return parked

    def find(self, projection: str, stream_id: UUID) -> ParkedStream | None:
        return self._parked.get((projection, stream_id))

    def listed(
        self, projection: str | None = None, *, limit: int | None = None
    ) -> list[ParkedStream]:
        wanted = [one for one in self._parked.values() if projection in (None, one.projection)]
        return sorted(wanted, key=lambda one: one.parked_at)[:limit]

    def due(self, projection: str, *, limit: int) -> list[ParkedStream]:
        now = self._clock()
        due = [
            (one.retry_at, number, one)
            for number, one in enumerate(self._parked.values())
            if one.projection == projection and one.retry_at is not None and one.retry_at <= now
        ]
        return [one for *_, one in sorted(due)[:limit]]

    def among(self, projection: str, stream_ids: Collection[UUID]) -> set[UUID]:
        return {id for id in stream_ids if (projection, id) in self._parked}

    def count(self) -> Mapping[str, int]:
        return Counter(one.projection for one in self._parked.values())

    def release(self, projection: str, stream_id: UUID) -> bool:
        return self._parked.pop((projection, stream_id), None) is not None

    def release_all(self, projection: str) -> None:
        with self._lock:
            self._parked = {key: one for key, one in self._parked.items() if key[0] != projection}


class InMemoryWaitingRoom:
    """Rolls nothing back."""

    def __init__(self, *, parked: InMemoryParkedStreams) -> None:
        self._parked = parked
        self._messages: dict[tuple[str, UUID], dict[int, WaitingMessage]] = {}
        self._newer: dict[tuple[str, UUID, int], str] = {}
        self._strays: dict[bytes, None] = {}

    def keep(self, projection: str, stream_id: UUID, messages: Sequence[WaitingMessage]) -> None:
        check_projection(projection)
        kept = self._messages.setdefault((projection, stream_id), {})
        for message in messages:
            since = kept.get(message.version, message).kept_at
            kept[message.version] = message._replace(kept_at=since)
            self._newer.pop((projection, stream_id, message.version), None)

    def keep_unreadable(
        self,
        projection: str,
        stream_id: UUID,
        message: WaitingMessage,
        *,
        instead_of: bytes | None,
    ) -> None:
        there = self._messages.get((projection, stream_id), {}).get(message.version)
        if (there.body if there else None) == instead_of:
            self.keep(projection, stream_id, [message])

    def waiting(self, projection: str, stream_id: UUID, *, after: int = 0) -> list[WaitingMessage]:
        kept = self._messages.get((projection, stream_id), {})
        return [message for version, message in sorted(kept.items()) if version > after]

    def among(self, projection: str, stream_ids: Collection[UUID]) -> set[UUID]:
        return {id for id in stream_ids if self._messages.get((projection, id))}

    def discard(self, projection: str, stream_id: UUID, versions: Collection[int]) -> None:
        kept = self._messages.get((projection, stream_id), {})
        for version in versions:
            kept.pop(version, None)
            self._newer.pop((projection, stream_id, version), None)

    def clear(self, projection: str) -> None:
        self._messages = {key: one for key, one in self._messages.items() if key[0] != projection}
        self._newer = {key: one for key, one in self._newer.items() if key[0] != projection}

    def overdue(self, projection: str, *, before: datetime, limit: int) -> list[UUID]:
        newer = set(self.newer(projection))
        since = {
            stream_id: min(message.kept_at for message in kept.values())
            for (name, stream_id), kept in self._messages.items()
            if name == projection
            and kept
            and stream_id not in newer
            and not self._parked.find(name, stream_id)
        }
        late = sorted((at, stream_id) for stream_id, at in since.items() if at < before)
        return [stream_id for _, stream_id in late[:limit]]

    def wait_for(self, projection: str, stream_id: UUID, *, version: int, what: str) -> None:
        if version in self._messages.get((projection, stream_id), {}):
            self._newer[projection, stream_id, version] = obstacle_of(what)

    def newer(self, projection: str) -> list[UUID]:
        return list(dict.fromkeys(id for name, id, _ in self._by_age() if name == projection))

    def count_newer(self) -> Mapping[str, NewerMessages]:
        found: dict[str, NewerMessages] = {}
        for projection, stream_id, version in self._by_age():
            what = self._newer[projection, stream_id, version]
            found.setdefault(projection, NewerMessages(len(self.newer(projection)), what))
        return found

    def _by_age(self) -> list[tuple[str, UUID, int]]:
        return sorted(self._newer, key=lambda one: self._messages[one[:2]][one[2]].kept_at)

    def count(self) -> Mapping[str, WaitingCount]:
        times: dict[str, list[datetime]] = defaultdict(list)
        for (projection, _), kept in self._messages.items():
            times[projection] += [message.kept_at for message in kept.values()]
        return {name: WaitingCount(len(at), min(at)) for name, at in times.items() if at}

    def keep_stray(self, body: bytes) -> None:
        self._strays.setdefault(body)

    def strays(self) -> list[bytes]:
        return list(self._strays)

    def discard_stray(self, body: bytes) -> None:
        self._strays.pop(body, None)

    def count_strays(self) -> int:
        return len(self._strays)
