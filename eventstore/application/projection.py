"""Keeps the rows of a read model equal to the log, however events arrive."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from eventstore.application.ports import EventStore, ProjectionRows, Projector
from eventstore.domain.events import RecordedEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    events: int
    rows: int


class Projection:
    """One projector, the rows it feeds and the log it can always go back to.

    Version n of a stream applies only to a row at n - 1. So a repeated event changes nothing, a
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
        first, last = events[0], events[-1]
        if not self._rows.advance(
            first.stream_id,
            expected=first.version - 1,
            version=last.version,
            changes=self._fold(events),
        ):
            self.heal(first.stream_id)

    def heal(self, stream_id: UUID) -> None:
        """Bring the row up to the log, reading only what it lacks."""
        while missing := self._missing(stream_id):
            # Refused only when another process moved the row meanwhile: then look again.
            if self._rows.advance(
                stream_id,
                expected=missing[0].version - 1,
                version=missing[-1].version,
                changes=self._fold(missing),
            ):
                return

    def repair(self) -> int:
        """Heal every stream whose row is missing or behind. Returns how many there were."""
        behind = list(self._rows.behind(self._projector.stream_type))
        for stream_id, shown in behind:
            if shown:
                self.heal(stream_id)
        missing = (self._store.read_stream(stream_id) for stream_id, shown in behind if not shown)
        self._rows.add_missing(self._row(stream) for stream in missing)
        return len(behind)

    def replay(self) -> Replayed:
        """Build all rows anew from the log, in stream order, and put them in place at once."""
        events = 0

        def rebuilt() -> Iterator[tuple[UUID, int, Mapping[str, object]]]:
            nonlocal events
            log = self._store.read_by_stream(self._projector.stream_type)
            for _, recorded in groupby(log, key=lambda recorded: recorded.stream_id):
                stream = list(recorded)
                events += len(stream)
                yield self._row(stream)

        rows = self._rows.replace_all(rebuilt())
        return Replayed(events=events, rows=rows)

    def _missing(self, stream_id: UUID) -> list[RecordedEvent]:
        return self._store.read_stream(stream_id, after=self._rows.version(stream_id))

    def _row(self, stream: Sequence[RecordedEvent]) -> tuple[UUID, int, Mapping[str, object]]:
        return stream[0].stream_id, stream[-1].version, self._fold(stream)

    def _fold(self, events: Iterable[RecordedEvent]) -> dict[str, object]:
        columns: dict[str, object] = {}
        for recorded in events:
            columns.update(self._projector.changes(recorded))
        return columns
