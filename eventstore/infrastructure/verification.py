"""Shows whether the log was tampered with: what was changed, removed, moved or added behind us.

Two things are checked. The chain of each stream shows any change within it, any gap and any event
that came from elsewhere. A digest over (position, hash) of the whole log, in order, shows what no
chain can: a stream that is gone as a whole, exchanged positions, a tail that was cut off. A run
that found nothing keeps the digest as a seal, and the next starts behind it; a copy of the digest
that is kept elsewhere also shows a log that was forged whole, seals included.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from uuid import UUID

from eventstore.domain.exceptions import StoredByNewerCode, UndecodableEvent, printable
from eventstore.infrastructure import chain
from eventstore.infrastructure.driver import Stored
from eventstore.infrastructure.erasures import undone, unsaid
from eventstore.infrastructure.keys import DataKey, Keyring, KeyUnavailable, WrappingKeyMissing
from eventstore.infrastructure.log import as_bytes
from eventstore.infrastructure.mapper import EventMapper, StorageRow
from eventstore.infrastructure.snapshots import DjangoSnapshotStore
from eventstore.infrastructure.tampering import (
    FindingKind,
    LogFinding,
    forged_snapshots,
    misspelt,
    never_drawn,
    of_row,
    read_page,
)
from eventstore.models import LogSeal, StorageEvent, StreamKey

PAGE = 2000
_PERHAPS = (
    ". Where it was restored from an older backup, run `manage.py after_restore` and verify again"
)
EMPTY = hashlib.sha256().digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    events: int
    position: int
    digest: str
    found: Mapping[FindingKind, int]
    """How many findings of each kind; empty where all is as it should be."""


class Verification:
    """One run. `report` is given whatever is found, and the run goes on behind it.

    `progress` is called with the number of events that were looked at since the last call.

    Personal data is decrypted too: WrappingKeyMissing is raised where that cannot be done.
    """

    def __init__(
        self,
        mapper: EventMapper,
        *,
        keyring: Callable[[], Keyring],
        snapshots: DjangoSnapshotStore,
        progress: Callable[[int], object],
        report: Callable[[LogFinding], object],
    ) -> None:
        self._mapper = mapper
        self._keyring = keyring
        self._snapshots = snapshots
        self._progress = progress
        self._tell = report
        self._found: Counter[FindingKind] = Counter()
        self._misspelt = False

    def stream(self, stream_id: UUID) -> Verified:
        """One stream's chain."""
        self._report_all(never_drawn(stream_id))
        self._report_all(forged_snapshots(self._snapshots, [stream_id]))
        self._report_all(unsaid(self._mapper.erasing, stream_id))
        self._report_all(undone(self._mapper.erasing, stream_id=stream_id))
        events, last = 0, None
        for last in self._chained(0, None, stream_id):  # noqa: B007  # the last one is wanted
            events += 1
        position, digest = 0, chain.genesis(stream_id)
        if last is not None:
            position, digest = last[1], last[0].hash
        return Verified(events=events, position=position, digest=digest.hex(), found=self._found)

    def log(
        self, *, until: int, full: bool = False, expected: tuple[int, str] | None = None
    ) -> Verified:
        """The whole log up to the settled position `until`, from the newest seal or the start.

        `expected` is a digest that was kept elsewhere, with its position. Seals the log where
        nothing is found.
        """
        self._report_all(never_drawn())
        self._report_all(forged_snapshots(self._snapshots, self._snapshots.stream_ids()))
        seals = list(LogSeal.objects.order_by("position"))
        start = seals[-1] if seals else None
        for seal in seals[-1:]:
            if self._report_all(_wrong_with(seal)):
                start = None
        if full or (expected and start and expected[0] < start.position):
            start = None
        after = start.position if start else 0
        self._misspelt = self._report_all(misspelt(after))
        self._report_all(unsaid(self._mapper.erasing))
        self._report_all(undone(self._mapper.erasing, after=after))
        events = sum(1 for _ in self._chained(after, until))
        marks = {
            seal.position: seal.digest
            for seal in seals
            if seal.position > after and _is_digest(seal.digest)
        }
        if expected:
            marks[expected[0]] = expected[1]
            if start and expected[0] == start.position and expected[1] != start.digest:
                self._report(_differs(*expected))
        position, digest, count = self._fold(start, until, marks, expected)
        if position and not self._found and position not in {seal.position for seal in seals}:
            # Of two that verify at a time, one is the first.
            seal = LogSeal(position=position, digest=digest, events=count)
            LogSeal.objects.bulk_create([seal], ignore_conflicts=True)
        return Verified(events=events, position=position, digest=digest, found=self._found)

    def _report(self, finding: LogFinding) -> None:
        self._found[finding.kind] += 1
        self._tell(finding)

    def _report_all(self, findings: Iterable[LogFinding]) -> bool:
        """Whether there were any."""
        count = 0
        for count, finding in enumerate(findings, 1):  # noqa: B007  # counted to the end
            self._report(finding)
        return bool(count)

    def _chained(
        self, after: int, until: int | None, stream_id: UUID | None = None
    ) -> Iterator[tuple[StorageRow, int]]:
        """Rows behind `after` stream by stream, each checked against its predecessor."""
        previous: tuple[StorageRow, int] | None = None
        key: DataKey | None = None
        hidden = False
        """Whether the row before could not be read, so that nobody knows what follows it."""
        for stored in self._rows(after, until, stream_id):
            if isinstance(stored, LogFinding):
                self._report(stored)
                previous, key, hidden = None, None, True
                continue
            row, position, wrapped = stored
            if previous is None or previous[0].stream_id != row.stream_id:
                previous, key = None, None
                if after and not hidden:
                    previous, hidden = self._predecessor(row)
            wrong = [] if hidden and row.version > 1 else list(_wrong_in(row, position, previous))
            hidden = False
            for what in wrong:
                self._report(of_row(row, position, what))
            if row.personal is not None:
                key = self._opened(row, position, key, wrapped, wrong)
            if not wrong:
                self._check_content(row, position, key)
            previous = row, position
            yield row, position

    def _opened(
        self,
        row: StorageRow,
        position: int,
        key: DataKey | None,
        wrapped: bytes | None,
        wrong: list[str],
    ) -> DataKey | None:
        """The stream's key, if it has one. What is personal in the row is decrypted with it."""
        try:
            key = key or self._key(row.stream_id, wrapped)
            if key is not None and row.personal is not None and not wrong:
                key.decrypt(row.personal, version=row.version)
        except WrappingKeyMissing:
            raise
        except (KeyUnavailable, TypeError) as error:
            # A row that was reported already needs no second finding.
            if not wrong:
                wrong.append(f"it cannot be read: {error}")
                self._report(of_row(row, position, wrong[-1]))
        return key

    def _check_content(self, row: StorageRow, position: int, key: DataKey | None) -> None:
        """Its hash is right, so whoever stored it meant it so."""
        try:
            self._mapper.recorded(row, position, key)
        except UndecodableEvent as error:
            newer = isinstance(error, StoredByNewerCode)
            kind = FindingKind.NEWER if newer else FindingKind.UNDECODABLE
            what = (
                f"event {row.event_id}, {printable(row.event_type)} version {row.schema_version}, "
                f"cannot be read: {error.reason}"
            )
            self._report(of_row(row, position, what, kind))

    def _key(self, stream_id: UUID, wrapped: bytes | None) -> DataKey | None:
        """None after an erasure. Raises KeyUnavailable."""
        if wrapped is not None:
            return self._keyring().unwrap(stream_id, wrapped)
        if not StreamKey.objects.filter(pk=stream_id).exists():
            raise KeyUnavailable("its stream's key was removed, which no erasure does")
        return None

    def _rows(
        self, after: int, until: int | None, stream_id: UUID | None
    ) -> Iterator[Stored | LogFinding]:
        last: tuple[object, object] | None = (stream_id or UUID(int=0), 0)
        bounds = "position > %s" + (" AND position <= %s" if until is not None else "")
        only = " AND event.stream_id = %s" if stream_id else ""
        where = (
            f"(event.stream_id, version) > (%s, %s) AND {bounds}{only} "
            f"ORDER BY event.stream_id, version LIMIT {PAGE}"
        )
        while last is not None:
            values: list[object] = [*last, after]
            values += [until] if until is not None else []
            values += [stream_id] if stream_id else []
            page = read_page(where, values, misspelt=self._misspelt)
            yield from page.rows
            self._progress(len(page.rows))
            last = page.last if len(page.rows) == PAGE else None

    @staticmethod
    def _predecessor(row: StorageRow) -> tuple[tuple[StorageRow, int] | None, bool]:
        """And whether there is one that cannot be read."""
        where = "event.stream_id = %s AND version < %s ORDER BY version DESC LIMIT 1"
        match read_page(where, [row.stream_id, row.version]).rows:
            case [LogFinding()]:
                return None, True
            case [(found, position, _)]:
                return (found, position), False
        return None, False

    def _fold(
        self,
        start: LogSeal | None,
        until: int,
        marks: Mapping[int, str],
        expected: tuple[int, str] | None,
    ) -> tuple[int, str, int]:
        """Position, digest and number of events at the end."""
        position, count = (start.position, start.events) if start else (0, 0)
        digest = bytes.fromhex(start.digest) if start else EMPTY
        pending = dict(sorted(marks.items()))
        missed: list[int] = []
        if not start and pending.get(0) == digest.hex():
            del pending[0]
        for position, digest in _folded(position, until, digest):  # noqa: B020  # goes on from there
            count += 1
            if position in pending and pending.pop(position) != digest.hex():
                missed.append(position)
        missed += [place for place in pending if not start or place > start.position]
        # Behind the first seal that is not met none is: the digest folds in all before it.
        of_seals = [place for place in missed if expected is None or place != expected[0]]
        for place in sorted({*of_seals[:1], *(set(missed) - set(of_seals))}):
            self._report(_differs(place, marks[place]))
        return position, digest.hex(), count


def forget_unmet_seals() -> list[LogSeal]:
    """Remove the seals that the log does not bear out, and return them.

    For a log that was restored: which events are gone is not known, so all of it up to the last
    seal is read, positions and hashes alone.
    """
    seals = {seal.position: seal for seal in LogSeal.objects.all()}
    met, digest = set(), EMPTY
    for position, after in _folded(0, max(seals, default=0), EMPTY):
        digest = after
        if position in seals and seals[position].digest == digest.hex():
            met.add(position)
    unmet = [seal for position, seal in sorted(seals.items()) if position not in met]
    LogSeal.objects.filter(position__in=[seal.position for seal in unmet]).delete()
    return unmet


def _folded(after: int, until: int, digest: bytes) -> Iterator[tuple[int, bytes]]:
    """Each position, and the digest of the log up to there."""
    hashes = StorageEvent.objects.filter(position__gt=after, position__lte=until)
    pairs = hashes.order_by("position").values_list("position", "hash")
    for position, kept in pairs.iterator(chunk_size=PAGE):
        hash = as_bytes(kept) or b""
        digest = hashlib.sha256(digest + position.to_bytes(8, "big") + hash).digest()
        yield position, digest


def _wrong_in(
    row: StorageRow, position: int, previous: tuple[StorageRow, int] | None
) -> Iterator[str]:
    before = previous[0].version if previous else 0
    if row.version != before + 1:
        yield f"version {before + 1} is missing before it"
    else:
        expected = previous[0].hash if previous else chain.genesis(row.stream_id)
        if chain.link(expected, row[:-1]) != row.hash:
            yield "its columns, or its predecessor, are not those that its hash was made of"
    if previous and position <= previous[1]:
        yield f"it stands before its predecessor, which has position {previous[1]}"


def _wrong_with(seal: LogSeal) -> Iterator[LogFinding]:
    if not _is_digest(seal.digest):
        yield LogFinding(what="its seal holds no digest", position=seal.position)
    events = StorageEvent.objects.filter(position__lte=seal.position)
    if (count := events.count()) != seal.events:
        what = f"{count} events stand here or before where {seal.events} were sealed{_PERHAPS}"
        yield LogFinding(what=what, position=seal.position)
    elif not events.filter(position=seal.position).exists():
        yield LogFinding(
            what=f"no event stands where one was sealed{_PERHAPS}", position=seal.position
        )


def _is_digest(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def _differs(position: int, digest: str) -> LogFinding:
    return LogFinding(
        what=f"the log up to here is not the one whose digest is {digest}: "
        f"an event was exchanged, moved or removed at this position or before{_PERHAPS}",
        position=position,
    )
