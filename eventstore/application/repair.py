"""Brings a projection up to the log: the streams that it lacks something of, and no other."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from eventstore.application.delivery import Delivery
from eventstore.application.naming import obstacle_of
from eventstore.application.ports import (
    Checkpoint,
    Checkpoints,
    EventStore,
    ParkedStreams,
    UnitOfWork,
)
from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import ReadableElsewhere, RowsOfNewerCode, UndecodableEvent

logger = logging.getLogger(__name__)

SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
"""Seconds between two attempts."""
STREAMS = 500
"""Healed in one transaction: a second at most, for SQLite keeps all writers waiting meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    streams: int
    """That lacked something."""
    complete: bool
    """Whether the checkpoint is now at the end that the log had."""
    waiting: bool = False
    """Whether something waits for another process, and the checkpoint stays where it is."""


def repair_until(
    position: int,
    repairs: Sequence["Repair"],
    *,
    checkpoints: Checkpoints,
    monotonic: Callable[[], float],
    sleep: Callable[[float], object],
    patience: float,
) -> list[str]:
    """Repair until the checkpoints have reached the position, whoever moves them.

    Where a transaction in flight or another process keeps one back, it is tried again for so many
    seconds; where an event waits for another process, it is not. Returns the projections that were
    not brought that far. Raises what a repair raises.
    """
    deadline, pause = monotonic() + patience, SHORTEST_PAUSE
    waiting, left = list(repairs), []
    while True:
        repaired = {repair: repair.run() for repair in waiting}
        left += [repair for repair, done in repaired.items() if done.waiting]
        reached = checkpoints.all()
        waiting = [
            repair
            for repair, done in repaired.items()
            if repair not in left
            and not (done.complete and reached[repair.projection].position >= position)
        ]
        if not waiting or monotonic() >= deadline:
            return [repair.projection for repair in (*left, *waiting)]
        sleep(pause)
        pause = min(pause * 1.5, LONGEST_PAUSE)


class Repair:
    """Safe at any time and beside whatever else writes the rows; killed, it is simply run again."""

    def __init__(
        self,
        delivery: Delivery,
        *,
        store: EventStore,
        checkpoints: Checkpoints,
        parked: ParkedStreams,
        savepoint: UnitOfWork,
    ) -> None:
        self._delivery = delivery
        self._projection = delivery.projection
        self._store = store
        self._checkpoints = checkpoints
        self._parked = parked
        self._savepoint = savepoint

    @property
    def projection(self) -> str:
        """Its name."""
        return self._projection.name

    def run(
        self, *, limit: int | None = None, go_on: Callable[[], bool] = lambda: True
    ) -> Repaired:
        """Heal what lacks an event behind the checkpoint, move it, and retry parked streams.

        Of each at most `limit` streams; `go_on` is asked between transactions. The checkpoint
        moves only when nothing was left: it is skipped where another process has it, and stays
        before an event that only another process can read. The checkpoint says which that is, and
        it is logged when it is met first.

        Raises LogWasRestored, and UnsafeLogRead in a transaction that has appended.
        """
        name = self._projection.name
        self._checkpoints.start(name, schema=self._projection.schema)
        kept = self._checkpoints.all()[name]
        position, end = kept.position, self._store.settled_cursor(after=kept.cursor)
        if kept.schema > (known := self._projection.schema):
            self._wait(kept, RowsOfNewerCode(projection=name, stored=kept.schema, known=known))
            return Repaired(streams=0, complete=False, waiting=True)
        # Before anything is healed: what fails only now is not tried twice.
        parked = self._parked.listed(name, limit=limit)
        behind = self._projection.behind(after=position, until=end.position)
        complete, waiting = limit is None or len(behind) <= limit, list[ReadableElsewhere]()
        for start in range(0, len(behind[:limit]), STREAMS):
            chunk = behind[:limit][start : start + STREAMS]
            healed = self._healed(chunk, at=position) if go_on() else None
            complete = complete and healed is not None
            waiting += healed or ()
        if waiting:
            self._wait(kept, min(waiting, key=lambda error: error.position))
        elif complete:
            with self._checkpoints.claimed(name) as checkpoint:
                complete = checkpoint is not None and self._checkpoints.move(
                    name, expected=position, position=end
                )
        complete = complete and not waiting
        for one in parked:
            if not go_on():
                break
            with self._checkpoints.claimed(name) as checkpoint:
                if checkpoint is not None:
                    self._delivery.retry(one.stream_id)
        return Repaired(streams=len(behind), complete=complete, waiting=bool(waiting))

    def _wait(self, kept: Checkpoint, error: ReadableElsewhere | RowsOfNewerCode) -> None:
        what = obstacle_of(str(error))
        if what != kept.waits_for:
            logger.warning("%r waits: %s", self._projection, error)
            self._checkpoints.wait(self._projection.name, at=kept.position, what=what)

    def _healed(
        self, chunk: Sequence[tuple[UUID, int]], *, at: int
    ) -> list[ReadableElsewhere] | None:
        """What streams wait before; None where another process has the checkpoint."""
        name = self._projection.name
        with self._checkpoints.claimed(name) as checkpoint:
            if checkpoint is None or checkpoint.position != at:
                return None
            waiting = self._parked.among(name, [stream_id for stream_id, _ in chunk])
            shown = {stream_id: shown for stream_id, shown in chunk if stream_id not in waiting}
            try:
                left = self._left(self._store.read_streams(shown), shown)
            except UndecodableEvent:
                # One of the streams cannot be decoded. Each is tried alone to find which.
                left = shown
            healed = [self._healed_alone(stream_id) for stream_id in left]
        return [error for error in healed if error]

    def _left(
        self, missing: Mapping[UUID, Sequence[RecordedEvent]], shown: Mapping[UUID, int]
    ) -> Collection[UUID]:
        """Apply all of them at once. Returns the streams that it was not to be done for."""
        begun = {id: events for id, events in missing.items() if not shown[id]}
        going_on = {id: events for id, events in missing.items() if shown[id]}
        try:
            with self._savepoint():
                return self._projection.begin(begun) | self._projection.advance_many(going_on)
        except Exception:  # noqa: BLE001  # each alone, which parks the one that fails
            return missing

    def _healed_alone(self, stream_id: UUID) -> ReadableElsewhere | None:
        try:
            self._delivery.heal(stream_id)
        except ReadableElsewhere as error:
            return error
        return None
