"""Keeps the rows of a read model equal to the log, however events arrive."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from eventstore.application.folding import FoldedStream, Projector, fold, steps
from eventstore.application.parking import Failure, fold_as_far
from eventstore.application.ports import ProjectionRows, StreamSource
from eventstore.domain.events import RecordedEvent


class Projection:
    """One projector, the rows it feeds and the streams it can always go back to.

    Version n of a stream applies only to its rows at n - 1. So a repeated event changes nothing, a
    missing one is noticed and read from the log, and no order of delivery turns a row back.
    """

    def __init__(self, projector: Projector, *, rows: ProjectionRows, source: StreamSource) -> None:
        self._projector = projector
        self._rows = rows
        self._source = source

    def __repr__(self) -> str:
        return f"<Projection {self.name}>"

    @property
    def name(self) -> str:
        return self._projector.name

    @property
    def stream_type(self) -> str:
        return self._projector.stream_type

    @property
    def schema(self) -> int:
        return self._projector.schema

    def handle(self, events: Sequence[RecordedEvent]) -> None:
        """Deliver events of one stream, in version order; others' streams are passed over."""
        if not events or events[0].stream_type != self.stream_type:
            return
        if not self.advance(events):
            self.heal(events[0].stream_id)

    def heal(self, stream_id: UUID) -> None:
        """Bring the stream's rows up to the log, reading only what they lack."""
        while missing := self._source.read_stream(stream_id, after=self._rows.version(stream_id)):
            # Refused only when another process moved the rows meanwhile: then look again.
            if self.advance(missing):
                return

    def version(self, stream_id: UUID) -> int:
        """What the stream's rows show; 0 where there are none."""
        return self._rows.version(stream_id)

    def versions(self, stream_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """See `ProjectionRows.versions`."""
        return self._rows.versions(stream_ids)

    def pass_over(self, stream_id: UUID, version: int) -> None:
        """Leave out what this event does, if it is the next one of the stream's rows."""
        self._rows.advance(stream_id, expected=version - 1, version=version, changes={})

    def clear(self) -> None:
        """No stream has rows any more."""
        self._rows.clear()

    def behind(self, *, after: int = 0, until: int) -> list[tuple[UUID, int]]:
        """See `ProjectionRows.behind`."""
        return self._rows.behind(self._projector.stream_type, after=after, until=until)

    def add_missing(self, streams: Iterable[Sequence[RecordedEvent]]) -> set[UUID]:
        """Rows of whole streams, where there are none: many at a time, and all or none.

        Returns the streams of which there were.
        """
        folded = [self._folded(stream) for stream in streams]
        return self._rows.add_missing(folded)

    def begin(self, streams: Mapping[UUID, Sequence[RecordedEvent]]) -> set[UUID]:
        """Rows of streams that have none, from their first event on, all at once.

        Returns the streams of which another process has begun rows meanwhile, and not as far.
        """
        taken = self.add_missing(streams.values())
        shown = self._rows.versions(taken) if taken else {}
        return {id for id in taken if shown.get(id, 0) < streams[id][-1].version}

    def advance_many(self, streams: Mapping[UUID, Sequence[RecordedEvent]]) -> set[UUID]:
        """`advance` for each stream that has rows, all at once. See `ProjectionRows.advance_many`.

        Returns the streams whose rows are not where these events go on.
        """
        return self._rows.advance_many(
            {id: list(steps(self._projector, stream)) for id, stream in streams.items()}
        )

    def rebuild(self, stream_id: UUID) -> tuple[int, Failure | None]:
        """Fold the stream from its first event into new rows, in place. Returns how many.

        They end before the event that the projector fails on, if it does on one.
        """
        rows, failure = 0, None

        def anew() -> FoldedStream:
            # Read when the rows are locked, so that it lacks nothing that they show.
            nonlocal rows, failure
            stream, failure = fold_as_far(self._projector, self._source.read_stream(stream_id))
            rows = len(stream.rows)
            return stream

        self._rows.replace(stream_id, anew)
        return rows, failure

    def advance(self, events: Sequence[RecordedEvent]) -> bool:
        """False where the rows are not where these events go on."""
        return all(
            self._rows.advance(events[0].stream_id, expected=before, version=after, changes=changes)
            for before, after, changes in steps(self._projector, events)
        )

    def _folded(self, stream: Sequence[RecordedEvent]) -> tuple[UUID, FoldedStream]:
        return stream[0].stream_id, fold(self._projector, stream)
