"""Follows the settled log and feeds projections, each from its own checkpoint."""

from collections.abc import Callable, Sequence
from uuid import UUID

from eventstore.application.delivery import Delivery
from eventstore.application.ports import Checkpoints, EventStore, ParkedStreams
from eventstore.application.reading import HEARTBEAT, LONGEST_PAUSE, SHORTEST_PAUSE, readable
from eventstore.application.repair import Repair
from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import UndecodableEvent

RETRY = 1.0
"""Seconds between two looks for parked streams that are due."""


class Follower:
    """Any number may follow one log: who has a checkpoint moves it, the others pass it by.

    `monotonic` counts seconds from anywhere, `sleep` waits so many, `stopped` says that this is
    enough: it is asked between two transactions, as is whether a projection is `held`.
    """

    def __init__(
        self,
        deliveries: Sequence[Delivery],
        repairs: Sequence[Repair],
        *,
        store: EventStore,
        checkpoints: Checkpoints,
        parked: ParkedStreams,
        monotonic: Callable[[], float],
        sleep: Callable[[float], object],
        stopped: Callable[[], bool],
        held: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._deliveries = deliveries
        self._repairs = repairs
        self._store = store
        self._checkpoints = checkpoints
        self._parked = parked
        self._monotonic = monotonic
        self._sleep = sleep
        self._stopped = stopped
        self._held = held
        self._beat_at = self._retry_at = monotonic()

    def run(self, *, once: bool = False) -> None:
        """Until stopped; with `once`, as far as the log is settled now, held ones left out.

        Raises UndecodableEvent at the first event that this code cannot read, with everything
        before it handled, and CursorBeyondLog.
        """
        end = self._store.settled_end()
        for delivery in self._deliveries:
            self._checkpoints.start(delivery.name, schema=delivery.projection.schema)
            self._checkpoints.seen(delivery.name)
        for repair in self._repairs:
            repair.run(go_on=self._go_on)
        pause = SHORTEST_PAUSE
        while self._go_on():
            self._retry()
            moved = self._round()
            if once and all(
                position >= end or self._held(delivery.name)
                for delivery, position in zip(self._deliveries, self._positions(), strict=True)
            ):
                return
            pause = SHORTEST_PAUSE if moved else min(pause * 1.5, LONGEST_PAUSE)
            if not moved:
                self._sleep(pause)

    def _positions(self) -> list[int]:
        checkpoints = self._checkpoints.all()
        return [checkpoints[delivery.name].position for delivery in self._deliveries]

    def _round(self) -> bool:
        """One batch for each projection. False where no checkpoint was moved."""
        moved = False
        batches: dict[int, list[RecordedEvent]] = {}
        for delivery, position in zip(self._deliveries, self._positions(), strict=True):
            if self._held(delivery.name):
                continue
            if position not in batches:
                batches[position] = readable(self._store, after=position)
            if batches[position]:
                moved = self._deliver(delivery, position, batches[position]) or moved
        return moved

    def _deliver(self, delivery: Delivery, position: int, batch: list[RecordedEvent]) -> bool:
        """Rows and checkpoint in one transaction. False where another process has it."""
        streams: dict[UUID, list[RecordedEvent]] = {}
        for recorded in batch:
            if recorded.stream_type == delivery.projection.stream_type:
                streams.setdefault(recorded.stream_id, []).append(recorded)
        try:
            return self._delivered(delivery, position, batch[-1].position, streams)
        except UndecodableEvent:
            raise
        except Exception:  # noqa: BLE001  # all of it is undone, and what fails is looked for
            return self._delivered(delivery, position, batch[-1].position, streams, alone=True)

    def _delivered(
        self,
        delivery: Delivery,
        position: int,
        last: int,
        streams: dict[UUID, list[RecordedEvent]],
        *,
        alone: bool = False,
    ) -> bool:
        """With `alone` each stream has a savepoint, and is parked where it fails."""
        with self._checkpoints.claimed(delivery.name) as checkpoint:
            if checkpoint is None or checkpoint.position != position:
                return False
            waiting = self._parked.among(delivery.name, streams.keys())
            for stream_id, events in streams.items():
                if stream_id in waiting:
                    continue
                if alone:
                    delivery.heal(stream_id)
                else:
                    delivery.projection.handle(events)
            return self._checkpoints.move(delivery.name, expected=position, position=last)

    def _retry(self) -> None:
        if self._monotonic() < self._retry_at:
            return
        self._retry_at = self._monotonic() + RETRY
        for delivery in self._deliveries:
            while (
                not self._held(delivery.name)
                and self._parked.due(delivery.name, limit=1)
                and self._go_on()
            ):
                with self._checkpoints.claimed(delivery.name) as checkpoint:
                    if checkpoint is None:
                        break
                    # Again, now that nobody else may have retried it meanwhile.
                    for parked in self._parked.due(delivery.name, limit=1):
                        delivery.retry(parked.stream_id)

    def _go_on(self) -> bool:
        if self._monotonic() >= self._beat_at:
            self._beat_at = self._monotonic() + HEARTBEAT
            for delivery in self._deliveries:
                self._checkpoints.seen(delivery.name)
        return not self._stopped()
