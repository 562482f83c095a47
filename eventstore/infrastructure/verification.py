"""Shows whether the log was tampered with: what was changed, removed, moved or added behind us.

Two things are checked. The chain of each stream shows any change within it, any gap and any event
that came from elsewhere. A digest over (position, hash) of the whole log, in order, shows what no
chain can: a stream that is gone as a whole, exchanged positions, a tail that was cut off. A run
that found nothing keeps the digest as a seal, and the next starts behind it; a copy of the digest
that is kept elsewhere also shows a log that was forged whole, seals included.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from eventstore.domain.exceptions import UndecodableEvent
from eventstore.infrastructure import chain
from eventstore.infrastructure.driver import driver_of
from eventstore.infrastructure.mapper import EventMapper, StorageRow
from eventstore.models import LogSeal, StorageEvent

PAGE = 2000
EMPTY = hashlib.sha256().digest()


@dataclass(eq=False, kw_only=True)
class TamperedLog(Exception):
    """The first thing found that cannot be."""

    what: str
    position: int
    stream_id: UUID | None = None
    version: int | None = None

    def __str__(self) -> str:
        stream = f", stream {self.stream_id}, version {self.version}" if self.stream_id else ""
        return f"position {self.position}{stream}: {self.what}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    events: int
    position: int
    digest: str


class Verification:
    """`progress` is called with the number of events that were looked at since the last call."""

    def __init__(self, mapper: EventMapper, *, progress: Callable[[int], object]) -> None:
        self._mapper = mapper
        self._progress = progress

    def stream(self, stream_id: UUID) -> Verified:
        """One stream's chain. Raises TamperedLog."""
        events, last = 0, None
        for last in self._chained(0, None, stream_id):  # noqa: B007  # the last one is wanted
            events += 1
        if last is None:
            return Verified(events=0, position=0, digest=chain.genesis(stream_id).hex())
        row, position = last
        return Verified(events=events, position=position, digest=row.hash.hex())

    def log(
        self, *, until: int, full: bool = False, expected: tuple[int, str] | None = None
    ) -> Verified:
        """The whole log up to the settled position `until`, from the newest seal or the start.

        `expected` is a digest that was kept elsewhere, with its position. Seals the log where
        nothing is wrong. Raises TamperedLog.
        """
        seals = list(LogSeal.objects.order_by("position"))
        if full or (expected and seals and expected[0] < seals[-1].position):
            start = None
        else:
            start = seals[-1] if seals else None
        self._check_count(seals)
        after = start.position if start else 0
        events = sum(1 for _ in self._chained(after, until))
        marks = {seal.position: seal.digest for seal in seals if seal.position > after}
        if expected:
            marks[expected[0]] = expected[1]
            if start and expected[0] == start.position and expected[1] != start.digest:
                raise _differs(*expected)
        position, digest, count = self._fold(start, until, marks)
        if position and position not in {seal.position for seal in seals}:
            LogSeal.objects.create(position=position, digest=digest, events=count)
        return Verified(events=events, position=position, digest=digest)

    def _chained(
        self, after: int, until: int | None, stream_id: UUID | None = None
    ) -> Iterator[tuple[StorageRow, int]]:
        """Rows behind `after` stream by stream, each checked against its predecessor."""
        previous: tuple[StorageRow, int] | None = None
        for row, position in self._rows(after, until, stream_id):
            if previous is None or previous[0].stream_id != row.stream_id:
                previous = self._predecessor(row) if after else None
            self._check(row, position, previous)
            previous = row, position
            yield row, position

    def _check(
        self, row: StorageRow, position: int, previous: tuple[StorageRow, int] | None
    ) -> None:
        def found(what: str) -> TamperedLog:
            return TamperedLog(
                what=what, position=position, stream_id=row.stream_id, version=row.version
            )

        before = previous[0].version if previous else 0
        if row.version != before + 1:
            raise found(f"version {before + 1} is missing before it")
        expected = previous[0].hash if previous else chain.genesis(row.stream_id)
        if chain.link(expected, row[:-1]) != row.hash:
            raise found("its columns, or its predecessor, are not those that its hash was made of")
        if previous and position <= previous[1]:
            raise found(f"it stands before its predecessor, which has position {previous[1]}")
        try:
            self._mapper.recorded(row, position)
        except UndecodableEvent as error:
            raise found(f"it cannot be read: {error.reason}") from error

    def _rows(
        self, after: int, until: int | None, stream_id: UUID | None
    ) -> Iterator[tuple[StorageRow, int]]:
        last = (stream_id or UUID(int=0), 0)
        bounds = "position > %s" + (" AND position <= %s" if until is not None else "")
        only = " AND event.stream_id = %s" if stream_id else ""
        where = (
            f"(event.stream_id, version) > (%s, %s) AND {bounds}{only} "
            f"ORDER BY event.stream_id, version LIMIT {PAGE}"
        )
        while True:
            values: list[object] = [*last, after]
            values += [until] if until is not None else []
            values += [stream_id] if stream_id else []
            page = _select(where, values)
            yield from page
            self._progress(len(page))
            if len(page) < PAGE:
                return
            last = page[-1][0].stream_id, page[-1][0].version

    @staticmethod
    def _predecessor(row: StorageRow) -> tuple[StorageRow, int] | None:
        where = "event.stream_id = %s AND version < %s ORDER BY version DESC LIMIT 1"
        found = _select(where, [row.stream_id, row.version])
        return found[0] if found else None

    @staticmethod
    def _check_count(seals: Sequence[LogSeal]) -> None:
        for seal in seals[-1:]:
            events = StorageEvent.objects.filter(position__lte=seal.position).count()
            if events != seal.events:
                raise TamperedLog(
                    what=f"{events} events stand here or before where {seal.events} were sealed",
                    position=seal.position,
                )

    @staticmethod
    def _fold(start: LogSeal | None, until: int, marks: dict[int, str]) -> tuple[int, str, int]:
        """Position, digest and number of events at the end. Refuses a mark that is not met."""
        position, count = (start.position, start.events) if start else (0, 0)
        digest = bytes.fromhex(start.digest) if start else EMPTY
        hashes = StorageEvent.objects.filter(position__gt=position, position__lte=until)
        pending = dict(sorted(marks.items()))
        for position, hash in (
            hashes.order_by("position").values_list("position", "hash").iterator(chunk_size=PAGE)
        ):
            digest = hashlib.sha256(digest + position.to_bytes(8, "big") + bytes(hash)).digest()
            count += 1
            if position in pending and pending.pop(position) != digest.hex():
                raise _differs(position, marks[position])
        for missing, text in pending.items():
            if not start or missing > start.position:
                raise _differs(missing, text)
        return position, digest.hex(), count


def _differs(position: int, digest: str) -> TamperedLog:
    return TamperedLog(
        what=f"the log up to here is not the one whose digest is {digest}: "
        "an event was exchanged, moved or removed at this position or before",
        position=position,
    )


def _select(where: str, values: Sequence[object]) -> list[tuple[StorageRow, int]]:
    connection.ensure_connection()
    with connection.wrap_database_errors:
        stored = driver_of(connection).select(connection.connection, where, values, keys=False)
    return [(row, position) for row, position, _ in stored]
