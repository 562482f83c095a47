"""Compares the rows of a read model with the log, and changes nothing."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from eventstore.application.folding import Occurrence, Projector, Rows
from eventstore.application.parking import described, fold_as_far
from eventstore.application.ports import EventStore

MISSING = "no row"


class StoredStream(Protocol):
    """The rows of one stream as they are served."""

    @property
    def version(self) -> int:
        """What they show."""

    @property
    def rows(self) -> Rows: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """The rows are what the stream was; the log has gone on since."""

    projection: str
    stream_id: UUID
    shown: int
    """0: there are no rows."""
    newest: int

    def __str__(self) -> str:
        return f"{self.projection} {self.stream_id}: behind at {self.shown} of {self.newest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Different:
    """A column is not what the stream folds to at the version that the rows show."""

    projection: str
    stream_id: UUID
    version: int
    column: str
    stored: object
    rebuilt: object

    def __str__(self) -> str:
        return (
            f"{self.projection} {self.stream_id}, version {self.version}, {self.column}: "
            f"stored {self.stored!r}, rebuilt {self.rebuilt!r}"
        )


Finding = Behind | Different


@dataclass(eq=False, kw_only=True)
class UnreadableRows(Exception):
    """A column holds what no projector ever wrote and nobody can read."""

    table: str
    reason: str

    def __str__(self) -> str:
        return f"Rows of {self.table} cannot be read: {self.reason}. A replay builds them anew."


class ReadRows(Protocol):
    """Reads the rows of a read model as they are served. Raises UnreadableRows."""

    def stored(self) -> Generator[tuple[UUID, StoredStream]]:
        """Every stream's, in the order of ids."""

    def find(self, stream_id: UUID) -> StoredStream | None: ...

    def comparable(self, rows: Rows, *, shown: int) -> Rows:
        """Rebuilt rows as they would be read back, with every column, at version `shown`."""

    def shown(self, column: str, value: object) -> object:
        """What a report may say of a value: not what is personal."""


class Comparison:
    """One projection's rows beside its streams. Rows that move meanwhile are looked at again."""

    def __init__(
        self,
        projector: Projector,
        *,
        rows: ReadRows,
        store: EventStore,
        progress: Callable[[int], object],
    ) -> None:
        self._projector = projector
        self._rows = rows
        self._store = store
        self._progress = progress

    def run(self, streams: Iterator[tuple[UUID, Sequence[Occurrence]]]) -> Iterator[Finding]:
        """`streams` are all of the projector's, in the order of ids."""
        with closing(self._rows.stored()) as stored:
            row = next(stored, None)
            for stream_id, stream in streams:
                while row is not None and row[0] < stream_id:
                    yield from self.look_again(row[0])
                    row = next(stored, None)
                kept = None
                if row is not None and row[0] == stream_id:
                    kept, row = row[1], next(stored, None)
                self._progress(len(stream))
                newest = stream[-1].version
                if (
                    kept is None
                    or kept.version != newest
                    or self._differences(stream_id, kept, stream)
                ):
                    yield from self.look_again(stream_id)
            while row is not None:
                yield from self.look_again(row[0])
                row = next(stored, None)

    def look_again(self, stream_id: UUID) -> Iterator[Finding]:
        """What is found when the rows are read before the events, so that these lack nothing."""
        kept = self._rows.find(stream_id)
        stream = self._store.read_stream(stream_id)
        shown, newest = kept.version if kept else 0, stream[-1].version if stream else 0
        if kept is not None:
            yield from self._differences(
                stream_id, kept, [event for event in stream if event.version <= shown]
            )
        if kept is not None and shown > newest > 0:
            yield self._different(stream_id, kept, "version", shown, newest)
        if shown < newest:
            yield Behind(
                projection=self._projector.name, stream_id=stream_id, shown=shown, newest=newest
            )

    def _differences(
        self, stream_id: UUID, kept: StoredStream, stream: Sequence[Occurrence]
    ) -> list[Different]:
        folded, failure = fold_as_far(self._projector, stream)
        if failure is not None:
            fails = f"{described(failure.error)} on version {failure.version}"
            return [self._different(stream_id, kept, "version", kept.version, fails)]
        rebuilt = self._rows.comparable(folded.rows, shown=kept.version)
        if (there := [n for n, _ in kept.rows]) != (wanted := [n for n, _ in rebuilt]):
            return [
                self._different(stream_id, kept, "version", there or MISSING, wanted or MISSING)
            ]
        return [
            self._different(stream_id, kept, column, stored[column], value)
            for (_, stored), (_, fresh) in zip(kept.rows, rebuilt, strict=True)
            for column, value in fresh.items()
            if stored[column] != value or type(stored[column]) is not type(value)
        ]

    def _different(
        self, stream_id: UUID, kept: StoredStream, column: str, stored: object, rebuilt: object
    ) -> Different:
        return Different(
            projection=self._projector.name,
            stream_id=stream_id,
            version=kept.version,
            column=column,
            stored=self._rows.shown(column, stored),
            rebuilt=self._rows.shown(column, rebuilt),
        )
