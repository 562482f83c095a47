"""Follows the settled log and feeds projections, each from its own checkpoint."""

import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from eventstore.application.delivery import Delivery
from eventstore.application.naming import obstacle_of
from eventstore.application.ports import Checkpoint, Checkpoints, EventStore, ParkedStreams
from eventstore.application.reading import (
    HEARTBEAT,
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    WAITING,
    readable,
)
from eventstore.application.repair import Repair
from eventstore.domain.events import Cursor, RecordedEvent
from eventstore.domain.exceptions import ReadableElsewhere, RowsOfNewerCode, UndecodableEvent

logger = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds between two looks for parked streams that are due."""


class _Waiting(NamedTuple):
    """What a projection waits before, and when it looks again."""

    position: int
    error: ReadableElsewhere | RowsOfNewerCode
    until: float


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
        self._waiting: dict[str, _Waiting] = {}

    def run(self, *, once: bool = False) -> None:
        """Until stopped; with `once`, as far as the log is settled now, held ones left out.

        Where only another process can read the next event, or newer code built the rows, the
        checkpoint says so and stays. Streams without such an event go on meanwhile, by repairs,
        and so do other projections; with `once` it is raised when they are there.

        Raises LogWasRestored, and with `once` ReadableElsewhere and RowsOfNewerCode.
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
                kept.position >= end or self._held(delivery.name)
                for delivery, kept in zip(self._deliveries, self._kept(), strict=True)
            ):
                return
            if once and not moved and self._waiting:
                raise next(iter(self._waiting.values())).error
            pause = SHORTEST_PAUSE if moved else min(pause * 1.5, LONGEST_PAUSE)
            if not moved:
                self._sleep(pause)

    def _kept(self) -> list[Checkpoint]:
        checkpoints = self._checkpoints.all()
        return [checkpoints[delivery.name] for delivery in self._deliveries]

    def _round(self) -> bool:
        """One batch for each projection. False where no checkpoint was moved."""
        moved = False
        batches: dict[Cursor, list[RecordedEvent]] = {}
        for delivery, kept in zip(self._deliveries, self._kept(), strict=True):
            waiting = self._waiting.get(delivery.name)
            if self._held(delivery.name):
                continue
            if waiting and waiting.position == kept.position and self._monotonic() < waiting.until:
                continue
            try:
                moved = self._advance(delivery, kept, batches) or moved
                self._waiting.pop(delivery.name, None)
            except (ReadableElsewhere, RowsOfNewerCode) as error:
                self._wait(delivery, kept, error)
        return moved

    def _advance(
        self, delivery: Delivery, kept: Checkpoint, batches: dict[Cursor, list[RecordedEvent]]
    ) -> bool:
        """False where the checkpoint was not moved."""
        known, cursor = delivery.projection.schema, kept.cursor
        if kept.schema > known:
            raise RowsOfNewerCode(projection=delivery.name, stored=kept.schema, known=known)
        try:
            if cursor not in batches:
                batches[cursor] = readable(self._store, after=cursor)
        except UndecodableEvent:
            # Perhaps one of streams that this projection has nothing to do with.
            return self._advance_alone(delivery, cursor)
        batch = batches[cursor]
        return bool(batch) and self._deliver(delivery, cursor.position, batch, Cursor.at(batch[-1]))

    def _advance_alone(self, delivery: Delivery, cursor: Cursor) -> bool:
        """By its own streams' events. One that cannot be decoded parks its stream."""
        position, end = cursor.position, self._store.settled_cursor(after=cursor)
        try:
            batch = readable(
                self._store, after=position, stream_types=[delivery.projection.stream_type]
            )
        except ReadableElsewhere:
            raise
        except UndecodableEvent as error:
            streams: dict[UUID, list[RecordedEvent]] = {error.stream_id: []}
            last = Cursor(error.position)
            return self._delivered(delivery, position, last, streams, alone=True)
        return self._deliver(delivery, position, batch, Cursor.at(batch[-1]) if batch else end)

    def _wait(
        self, delivery: Delivery, kept: Checkpoint, error: ReadableElsewhere | RowsOfNewerCode
    ) -> None:
        name, what, began = delivery.name, obstacle_of(str(error)), self._monotonic()
        if kept.waits_for != what:
            logger.warning("%s waits: %s", name, error)
            self._checkpoints.wait(name, at=kept.position, what=what)
        if isinstance(error, ReadableElsewhere):
            # Order matters within a stream alone: all others go on.
            for repair in self._repairs:
                if repair.projection == name:
                    repair.run(go_on=self._go_on)
        took = self._monotonic() - began
        self._waiting[name] = _Waiting(kept.position, error, self._monotonic() + WAITING + 4 * took)

    def _deliver(
        self, delivery: Delivery, position: int, batch: list[RecordedEvent], last: Cursor
    ) -> bool:
        """Rows and checkpoint in one transaction. False where another process has it."""
        streams: dict[UUID, list[RecordedEvent]] = {}
        for recorded in batch:
            if recorded.stream_type == delivery.projection.stream_type:
                streams.setdefault(recorded.stream_id, []).append(recorded)
        try:
            return self._delivered(delivery, position, last, streams)
        except Exception:  # noqa: BLE001  # all of it is undone, and what fails is looked for
            return self._delivered(delivery, position, last, streams, alone=True)

    def _delivered(
        self,
        delivery: Delivery,
        position: int,
        last: Cursor,
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
                    self._heal(delivery, stream_id, last.position)
                else:
                    delivery.projection.handle(events)
            return self._checkpoints.move(delivery.name, expected=position, position=last)

    def _heal(self, delivery: Delivery, stream_id: UUID, last: int) -> None:
        try:
            delivery.heal(stream_id)
        except ReadableElsewhere as error:
            # What comes later is met in its turn.
            if error.position <= last:
                raise

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
