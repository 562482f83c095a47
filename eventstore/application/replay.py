"""Builds read models anew from the log, all of them in one pass, while the old rows are served."""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from eventstore.application.folding import (
    FoldedStream,
    Occurrence,
    Projector,
    fold,
)
from eventstore.application.parking import Failure, fold_as_far
from eventstore.application.ports import Checkpoints, EventStore, ParkedStreams
from eventstore.domain.events import Cursor

PAUSES = (0.1, 0.2, 0.5, *[1.0] * 5, *[5.0] * 10)
"""Seconds between attempts to put the new rows in place: a minute in all."""
STREAMS_PER_REPORT = 1_000
STREAMS_PER_COLLECTION = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    events: int
    """Of the log, each counted once however many projections it went into."""
    rows: int
    parked: int
    """Streams that a projection failed on, counted for each: their rows end before that event."""


@dataclass(frozen=True, slots=True)
class Loaded:
    events: int
    rows: int
    failed: list[tuple[str, UUID]]
    """Projections, and the streams that they raised on: no rows were added for these."""

    def __add__(self, other: "Loaded") -> "Loaded":
        return Loaded(
            self.events + other.events, self.rows + other.rows, self.failed + other.failed
        )


Streams = Iterable[tuple[UUID, Sequence[Occurrence]]]
"""Each stream once, with its events in version order."""
Add = Callable[[UUID, FoldedStream], int]
"""Takes a stream's rows and says how many they are."""


class Rebuild(Protocol):
    """New rows of read models beside those that are served."""

    @property
    def end(self) -> Cursor:
        """At the last event at or below the settled position when the rebuild began."""

    def load(self, progress: Callable[[int], object]) -> Loaded:
        """Fold every stream up to `end` into new rows, and make them quick to find.

        `progress` is called with the number of events since the last call. Raises
        UndecodableEvent and WorkerDied.
        """

    def behind(self, projector: Projector) -> list[UUID]:
        """Streams with events behind `end` that their new rows do not show."""

    def put(self, projector: Projector, streams: Iterable[tuple[UUID, FoldedStream]]) -> None:
        """In place of whatever new rows these streams have."""

    def swapped(self) -> AbstractContextManager[None]:
        """Nobody writes the served rows in the block; at its end the new ones are served.

        What is written in the block stands or falls with that. It may be entered again after it
        raised Blocked.
        """


class Blocked(Exception):
    """Somebody uses the served rows for too long to wait for."""

    def __str__(self) -> str:
        return (
            "The new rows were built, but could not take the place of the old: somebody has used "
            "these for a minute. Look for long transactions, such as a dump, and try again."
        )


class WorkerDied(Exception):
    """A process that built a part of the new rows was ended from outside."""

    def __str__(self) -> str:
        return "A worker has died, perhaps for lack of memory. The old rows are served."


class Rebuilds(Protocol):
    def begun(self, projectors: Sequence[Projector]) -> AbstractContextManager[Rebuild]:
        """A rebuild of these, the only one at a time. Whatever an earlier one left is cleared.

        Raises ReplayRunning.
        """


def build(
    projectors: Sequence[Projector],
    streams: Streams,
    adders: Mapping[str, Add],
    *,
    progress: Callable[[int], object],
) -> Loaded:
    """The loop that every event of the log goes through."""
    pairs = [(projector, adders[projector.name]) for projector in projectors]
    failed: list[tuple[str, UUID]] = []
    events = rows = reported = 0
    with _without_collector():
        for number, (stream_id, occurrences) in enumerate(streams, 1):
            for projector, add in pairs:
                try:
                    rows += add(stream_id, fold(projector, occurrences))
                except MemoryError:
                    raise
                except Exception:  # noqa: BLE001  # it may raise anything; who parks it, looks why
                    failed.append((projector.name, stream_id))
            events += len(occurrences)
            if not number % STREAMS_PER_REPORT:
                progress(events - reported)
                reported = events
                if not number % STREAMS_PER_COLLECTION:
                    gc.collect()
    progress(events - reported)
    return Loaded(events, rows, failed)


class Replay:
    def __init__(
        self,
        projectors: Sequence[Projector],
        *,
        rebuilds: Rebuilds,
        store: EventStore,
        checkpoints: Checkpoints,
        parked: ParkedStreams,
        sleep: Callable[[float], object],
    ) -> None:
        self._projectors = projectors
        self._rebuilds = rebuilds
        self._store = store
        self._checkpoints = checkpoints
        self._parked = parked
        self._sleep = sleep

    def run(self, progress: Callable[[int], object]) -> Replayed:
        """Raises ReplayRunning, UndecodableEvent and Blocked: then the old rows go on being served.

        A stream that a projector fails on is parked for it, and no longer parked where it did not.
        """
        with self._rebuilds.begun(self._projectors) as rebuild:
            loaded = rebuild.load(progress)
            failures: dict[tuple[str, UUID], Failure] = {}
            for projector in self._projectors:
                failed = [id for name, id in loaded.failed if name == projector.name]
                rebuild.put(projector, self._folded(projector, failed, failures))
            # Twice: what was written meanwhile is much, what was written since then is little.
            self._catch_up(rebuild, failures)
            for pause in (*PAUSES, None):
                try:
                    with rebuild.swapped():
                        self._catch_up(rebuild, failures)
                        self._settle(rebuild, failures)
                    break
                except Blocked:
                    if pause is None:
                        raise
                    # Others wait behind each attempt, so they get longer and longer without one.
                    self._sleep(pause)
                    self._catch_up(rebuild, failures)
        return Replayed(events=loaded.events, rows=loaded.rows, parked=len(failures))

    def _catch_up(self, rebuild: Rebuild, failures: dict[tuple[str, UUID], Failure]) -> None:
        for projector in self._projectors:
            behind = [
                stream_id
                for stream_id in rebuild.behind(projector)
                if (projector.name, stream_id) not in failures
            ]
            if behind:
                rebuild.put(projector, self._folded(projector, behind, failures))

    def _folded(
        self,
        projector: Projector,
        stream_ids: Iterable[UUID],
        failures: dict[tuple[str, UUID], Failure],
    ) -> Iterator[tuple[UUID, FoldedStream]]:
        for stream_id in stream_ids:
            folded, failure = fold_as_far(projector, self._store.read_stream(stream_id))
            if failure is not None:
                failures[projector.name, stream_id] = failure
            yield stream_id, folded

    def _settle(self, rebuild: Rebuild, failures: Mapping[tuple[str, UUID], Failure]) -> None:
        for projector in self._projectors:
            name = projector.name
            self._checkpoints.replace(name, position=rebuild.end, schema=projector.schema)
            self._parked.release_all(name)
        for (name, stream_id), failure in failures.items():
            self._parked.park(name, stream_id, **failure._asdict())


@contextmanager
def _without_collector() -> Iterator[None]:
    """Nothing in the loop makes cycles, and looking for them takes a fifth of it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
