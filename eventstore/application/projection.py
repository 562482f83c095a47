"""Keeps the rows of a read model equal to the log, however events arrive."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from eventstore.application.folding import FoldedStream, Projector, fold, steps
from eventstore.application.ports import EventStore, ProjectionRows
from eventstore.domain.events import RecordedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    events: int
    rows: int


class Projection:
    """One projector, the rows it feeds and the log it can always go back to.

    Version n of a stream applies only to its rows at n - 1. So a repeated event changes nothing, a
    missing one is noticed and read from the log, and no order of delivery turns a row back.
    """

    def __init__(self, projector: Projector, *, rows: ProjectionRows, store: EventStore) -> None:
        self._projector = projector
        self._rows = rows
        self._store = store

    def __repr__(self) -> str:
        return f"<Projection {self.name}>"

    @property
    def name(self) -> str:
        return self._projector.name

    def handle(self, events: Sequence[RecordedEvent]) -> None:
        """Deliver events of one stream, in version order; others' streams are passed over."""
        if not events or events[0].stream_type != self._projector.stream_type:
            return
        if not self._advance(events):
            self.heal(events[0].stream_id)

    def heal(self, stream_id: UUID) -> None:
        """Bring the stream's rows up to the log, reading only what they lack."""
        while missing := self._store.read_stream(stream_id, after=self._rows.version(stream_id)):
            # Refused only when another process moved the rows meanwhile: then look again.
            if self._advance(missing):
                return

    def repair(self) -> int:
        """Heal every stream whose rows are missing or behind. Returns how many there were."""
        behind = self._rows.behind(self._projector.stream_type)
        for stream_id, shown in behind:
            if shown:
                self.heal(stream_id)
        missing = (self._store.read_stream(stream_id) for stream_id, shown in behind if not shown)
        self._rows.add_missing(self._folded(stream) for stream in missing)
        return len(behind)

    def replay(self) -> Replayed:
        """Build all rows anew from the log, in stream order, and put them in place at once."""
        events = 0

        def rebuilt() -> Iterator[tuple[UUID, FoldedStream]]:
            nonlocal events
            log = self._store.read_by_stream(self._projector.stream_type)
            for _, recorded in groupby(log, key=lambda recorded: recorded.stream_id):
                stream = list(recorded)
                events += len(stream)
                yield self._folded(stream)

        rows = self._rows.replace_all(rebuilt())
        return Replayed(events=events, rows=rows)

    def _advance(self, events: Sequence[RecordedEvent]) -> bool:
        """False where the rows are not where these events go on."""
        return all(
            self._rows.advance(events[0].stream_id, expected=before, version=after, changes=changes)
            for before, after, changes in steps(self._projector, events)
        )

    def _folded(self, stream: Sequence[RecordedEvent]) -> tuple[UUID, FoldedStream]:
        return stream[0].stream_id, fold(self._projector, stream)
