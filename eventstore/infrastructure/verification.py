"""Shows whether the log was tampered with: what was changed, removed, moved or added behind us.

Two things are checked. The chain of each stream shows any change within it, any gap and any event
that came from elsewhere. A digest over (position, hash) of the whole log, in order, shows what no
chain can: a stream that is gone as a whole, exchanged positions, a tail that was cut off. A run
that found nothing keeps the digest as a seal, and the next starts behind it; a copy of the digest
that is kept elsewhere also shows a log that was forged whole, seals included.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID

from eventstore.domain.exceptions import UndecodableEvent
from eventstore.infrastructure import chain
from eventstore.infrastructure.driver import Stored
from eventstore.infrastructure.keys import DataKey, Keyring, KeyUnavailable, WrappingKeyMissing
from eventstore.infrastructure.mapper import EventMapper, StorageRow
from eventstore.infrastructure.tampering import (
    TamperedLog,
    check_positions,
    check_spelling,
    read_rows,
)
from eventstore.models import LogSeal, StorageEvent, StreamKey

PAGE = 2000
EMPTY = hashlib.sha256().digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    events: int
    position: int
    digest: str


class Verification:
    """`progress` is called with the number of events that were looked at since the last call.

    Personal data is decrypted too: WrappingKeyMissing is raised where that cannot be done.
    """

    def __init__(
        self,
        mapper: EventMapper,
        *,
        keyring: Callable[[], Keyring],
        progress: Callable[[int], object],
    ) -> None:
        self._mapper = mapper
        self._keyring = keyring
        self._progress = progress

    def stream(self, stream_id: UUID) -> Verified:
        """One stream's chain. Raises TamperedLog."""
        check_positions(stream_id)
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
        check_positions()
        seals = list(LogSeal.objects.order_by("position"))
        if full or (expected and seals and expected[0] < seals[-1].position):
            start = None
        else:
            start = seals[-1] if seals else None
        for seal in seals[-1:]:
            self._check_seal(seal)
        after = start.position if start else 0
        check_spelling(after)
        events = sum(1 for _ in self._chained(after, until))
        marks = {seal.position: seal.digest for seal in seals if seal.position > after}
        if expected:
            marks[expected[0]] = expected[1]
            if start and expected[0] == start.position and expected[1] != start.digest:
                raise _differs(*expected)
        position, digest, count = self._fold(start, until, marks)
        if position and position not in {seal.position for seal in seals}:
            # Of two that verify at a time, one is the first.
            seal = LogSeal(position=position, digest=digest, events=count)
            LogSeal.objects.bulk_create([seal], ignore_conflicts=True)
        return Verified(events=events, position=position, digest=digest)

    def _chained(
        self, after: int, until: int | None, stream_id: UUID | None = None
    ) -> Iterator[tuple[StorageRow, int]]:
        """Rows behind `after` stream by stream, each checked against its predecessor."""
        previous: tuple[StorageRow, int] | None = None
        key: DataKey | None = None
        for row, position, wrapped in self._rows(after, until, stream_id):
            if previous is None or previous[0].stream_id != row.stream_id:
                previous, key = self._predecessor(row) if after else None, None
            self._check(row, position, previous)
            try:
                if row.personal is not None:
                    key = key or self._key(row.stream_id, wrapped)
                self._mapper.recorded(row, position, key)
            except WrappingKeyMissing:
                raise
            except (UndecodableEvent, KeyUnavailable) as error:
                reason = error.reason if isinstance(error, UndecodableEvent) else str(error)
                raise _found(row, position, f"it cannot be read: {reason}") from error
            previous = row, position
            yield row, position

    def _key(self, stream_id: UUID, wrapped: bytes | None) -> DataKey | None:
        """None after an erasure. Raises KeyUnavailable."""
        if wrapped is not None:
            return self._keyring().unwrap(stream_id, wrapped)
        if not StreamKey.objects.filter(pk=stream_id).exists():
            raise KeyUnavailable("its stream's key was removed, which no erasure does")
        return None

    @staticmethod
    def _check(row: StorageRow, position: int, previous: tuple[StorageRow, int] | None) -> None:
        before = previous[0].version if previous else 0
        if row.version != before + 1:
            raise _found(row, position, f"version {before + 1} is missing before it")
        expected = previous[0].hash if previous else chain.genesis(row.stream_id)
        if chain.link(expected, row[:-1]) != row.hash:
            what = "its columns, or its predecessor, are not those that its hash was made of"
            raise _found(row, position, what)
        if previous and position <= previous[1]:
            what = f"it stands before its predecessor, which has position {previous[1]}"
            raise _found(row, position, what)

    def _rows(self, after: int, until: int | None, stream_id: UUID | None) -> Iterator[Stored]:
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
            page = read_rows(where, values)
            yield from page
            self._progress(len(page))
            if len(page) < PAGE:
                return
            last = page[-1][0].stream_id, page[-1][0].version

    @staticmethod
    def _predecessor(row: StorageRow) -> tuple[StorageRow, int] | None:
        where = "event.stream_id = %s AND version < %s ORDER BY version DESC LIMIT 1"
        found = read_rows(where, [row.stream_id, row.version])
        return found[0][:2] if found else None

    @staticmethod
    def _check_seal(seal: LogSeal) -> None:
        if not re.fullmatch("[0-9a-f]{64}", seal.digest):
            raise TamperedLog(what="its seal holds no digest", position=seal.position)
        events = StorageEvent.objects.filter(position__lte=seal.position)
        if (count := events.count()) != seal.events:
            raise TamperedLog(
                what=f"{count} events stand here or before where {seal.events} were sealed",
                position=seal.position,
            )
        if not events.filter(position=seal.position).exists():
            raise TamperedLog(what="no event stands where one was sealed", position=seal.position)

    @staticmethod
    def _fold(start: LogSeal | None, until: int, marks: dict[int, str]) -> tuple[int, str, int]:
        """Position, digest and number of events at the end. Refuses a mark that is not met."""
        position, count = (start.position, start.events) if start else (0, 0)
        digest = bytes.fromhex(start.digest) if start else EMPTY
        hashes = StorageEvent.objects.filter(position__gt=position, position__lte=until)
        pending = dict(sorted(marks.items()))
        if not start and pending.get(0) == digest.hex():
            del pending[0]
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


def _found(row: StorageRow, position: int, what: str) -> TamperedLog:
    return TamperedLog(what=what, position=position, stream_id=row.stream_id, version=row.version)


def _differs(position: int, digest: str) -> TamperedLog:
    return TamperedLog(
        what=f"the log up to here is not the one whose digest is {digest}: "
        "an event was exchanged, moved or removed at this position or before",
        position=position,
    )
