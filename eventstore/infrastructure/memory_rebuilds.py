"""The twin of the rebuilds that needs no database: nobody writes while it works."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

from eventstore.application.folding import FoldedStream, Projector
from eventstore.application.replay import Loaded, Rebuild, build
from eventstore.infrastructure.memory import InMemoryEventStore, InMemoryProjectionRows


class InMemoryRebuilds:
    def __init__(
        self, rows: Mapping[str, InMemoryProjectionRows], *, store: InMemoryEventStore
    ) -> None:
        self._rows = rows
        self._store = store

    @contextmanager
    def begun(self, projectors: Sequence[Projector]) -> Iterator[Rebuild]:
        yield _Rebuild(projectors, self._rows, self._store)


class _Rebuild:
    def __init__(
        self,
        projectors: Sequence[Projector],
        rows: Mapping[str, InMemoryProjectionRows],
        store: InMemoryEventStore,
    ) -> None:
        self._projectors = projectors
        self._rows = rows
        self._store = store
        self._new: dict[str, dict[UUID, FoldedStream]] = {p.name: {} for p in projectors}
        self.end = store.settled_cursor()
        self.until = self.end.position

    def load(self, progress: Callable[[int], object]) -> Loaded:
        def adder(name: str) -> Callable[[UUID, FoldedStream], int]:
            def add(stream_id: UUID, stream: FoldedStream) -> int:
                self._new[name][stream_id] = stream
                return len(stream.rows)

            return add

        total = Loaded(0, 0, [])
        for stream_type in {projector.stream_type for projector in self._projectors}:
            group = [p for p in self._projectors if p.stream_type == stream_type]
            adders = {p.name: adder(p.name) for p in group}
            streams = self._store.streams(stream_type)
            total += build(group, streams.items(), adders, progress=progress)
        return total

    def behind(self, projector: Projector) -> list[UUID]:
        new = self._new[projector.name]
        return [
            stream_id
            for stream_id, stream in self._store.streams(projector.stream_type).items()
            if stream[-1].position > self.until
            and (stream_id not in new or new[stream_id].version < stream[-1].version)
        ]

    def put(self, projector: Projector, streams: Iterable[tuple[UUID, FoldedStream]]) -> None:
        self._new[projector.name].update(streams)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        yield
        for name, new in self._new.items():
            self._rows[name].streams = {id: stream for id, stream in new.items() if stream.rows}
