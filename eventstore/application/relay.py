"""Hands the settled log on to a broker: the log is the outbox."""

import logging
from collections.abc import Callable, Iterator, Sequence

from eventstore.application.naming import obstacle_of
from eventstore.application.ports import (
    BusPublisher,
    Checkpoint,
    Checkpoints,
    EventStore,
    NotPublished,
)
from eventstore.application.reading import (
    HEARTBEAT,
    LONGEST_PAUSE,
    SHORTEST_PAUSE,
    WAITING,
    readable,
)
from eventstore.domain.events import Cursor, RecordedEvent
from eventstore.domain.exceptions import ReadableElsewhere, UndecodableEvent

logger = logging.getLogger(__name__)

CHECKPOINT = "publisher"
"""Its name among those of the projections. It has no rows, and so one schema for ever."""
SCHEMA = 1
FIRST_RETRY = 0.5
LONGEST_RETRY = 10.0
"""Seconds from a refusal to the next try, twice as many each time."""
GIVE_UP = 30.0
"""Seconds without a single event confirmed, after which who has an end to reach says so."""
OVERTAKEN = 1.0
"""Seconds that a relay leaves to the other one that was faster."""
_NAP = 0.2


class Relay:
    """Any number may relay one log; where they overlap, events are published twice.

    In a later epoch the checkpoint begins anew, and with it all of the log: consumers are told by
    `notice`, a message for each of them, and by each event.

    The checkpoint is the position of the last event of which, and of all before it, the broker
    has confirmed that it has it. No transaction is open while a broker is waited for.

    `monotonic` counts seconds from anywhere, `sleep` waits so many, `stopped` says that this is
    enough: it is asked between two batches, as is whether the relay is `held`.
    """

    def __init__(
        self,
        publisher: BusPublisher,
        *,
        notice: Callable[[], bytes],
        store: EventStore,
        checkpoints: Checkpoints,
        monotonic: Callable[[], float],
        sleep: Callable[[float], object],
        stopped: Callable[[], bool],
        held: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._publisher = publisher
        self._notice = notice
        self._store = store
        self._checkpoints = checkpoints
        self._monotonic = monotonic
        self._sleep = sleep
        self._stopped = stopped
        self._held = held
        self._beat_at: float | None = None
        self._retry_in = FIRST_RETRY
        self._refused = False
        """Whether that was said, which is done once."""
        self._progress_at = monotonic()
        self._announced = 1
        """The epoch that consumers know of."""
        self._relayed = Cursor()
        """At the last event that this process moved the checkpoint to, in the epoch announced."""

    def run(self, *, once: bool = False) -> None:
        """Until stopped; with `once`, as far as the log is settled now, or not at all while held.

        Before an event that cannot be read it waits, with everything before it published, and the
        checkpoint says so.

        Raises LogWasRestored; with `once` also UndecodableEvent, and NotPublished, where the
        broker takes nothing for `GIVE_UP` seconds.
        """
        end = self._store.settled_end()
        self._checkpoints.start(CHECKPOINT, schema=SCHEMA)
        self._beat_at = self._monotonic()
        pause = SHORTEST_PAUSE
        while self._go_on():
            if self._held(CHECKPOINT):
                if once:
                    return
                self._sleep(LONGEST_PAUSE)
                continue
            checkpoint = self._checkpoints.all()[CHECKPOINT]
            if checkpoint.epoch != self._announced:
                if not checkpoint.position and not self._announce(checkpoint, give_up=once):
                    continue
                self._announced, self._relayed = checkpoint.epoch, Cursor()
            if checkpoint.position < self._relayed.position:
                # Nobody moves it back but a restore.
                self._store.settled_cursor(after=self._relayed)
            try:
                batch = readable(self._store, after=checkpoint.cursor)
            except UndecodableEvent as error:
                if once:
                    raise
                self._stand(checkpoint, error)
                continue
            if not batch:
                self._tell(checkpoint, "")
            if once and checkpoint.position >= end:
                return
            if batch:
                pause = SHORTEST_PAUSE
                self._relay(checkpoint, batch, give_up=once)
            else:
                self._sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)

    def send(self, *, after: int) -> Iterator[int]:
        """Publish everything behind `after`, up to where the log is settled once that began.

        Gives the position of the last event confirmed, after each batch. The checkpoint stays
        where it is. Raises what `run` raises with `once`.
        """
        position, end = after, None
        while self._go_on():
            batch = readable(self._store, after=position)
            if not batch:
                return
            confirmed, refusal = self._published(batch)
            if confirmed:
                position = batch[confirmed - 1].position
                yield position
                # Not before: from here on there are queues, and what is relayed gets into them.
                end = self._store.settled_end() if end is None else end
                if position >= end:
                    return
            if refusal:
                self._back_off(refusal, give_up=True)

    def _relay(
        self, checkpoint: Checkpoint, batch: Sequence[RecordedEvent], *, give_up: bool
    ) -> None:
        confirmed, refusal = self._published(batch)
        overtaken = False
        if confirmed:
            reached = Cursor.at(batch[confirmed - 1])
            moved = self._checkpoints.move(
                CHECKPOINT,
                expected=checkpoint.position,
                position=reached,
                epoch=checkpoint.epoch,
            )
            self._relayed, overtaken = (reached if moved else self._relayed), not moved
        if refusal:
            waiting = batch[confirmed].position
            self._tell(checkpoint, f"from position {waiting} on: {refusal.reason}")
            if not self._refused:
                logger.warning("%s. Waiting for the broker, and going on by itself.", refusal)
                self._refused = True
            self._back_off(refusal, give_up=give_up)
        else:
            if self._refused:
                logger.warning("The broker takes events again.")
                self._refused = False
            self._tell(checkpoint, "")
        if overtaken:
            self._wait(OVERTAKEN)

    def _announce(self, checkpoint: Checkpoint, *, give_up: bool) -> bool:
        try:
            self._publisher.announce(self._notice())
        except NotPublished as refusal:
            self._tell(checkpoint, f"with epoch {checkpoint.epoch}: {refusal.reason}")
            self._back_off(refusal, give_up=give_up)
            return False
        self._progress_at = self._monotonic()
        return True

    def _published(self, batch: Sequence[RecordedEvent]) -> tuple[int, NotPublished | None]:
        """How many events the broker has, counted from the first, and why not all of them."""
        refusal = None
        try:
            self._publisher.publish(batch)
        except NotPublished as error:
            refusal = error
        confirmed = refusal.confirmed if refusal else len(batch)
        if confirmed:
            self._progress_at = self._monotonic()
            self._retry_in = FIRST_RETRY
        return confirmed, refusal

    def _stand(self, checkpoint: Checkpoint, error: UndecodableEvent) -> None:
        """Another relay may be able to read it, and then moves the checkpoint."""
        what = obstacle_of(str(error))
        waits_for, obstacle = (what, "") if isinstance(error, ReadableElsewhere) else ("", what)
        if what not in (checkpoint.waits_for, checkpoint.blocked_by):
            logger.warning("The relay waits: %s", error)
        if checkpoint.waits_for != waits_for:
            self._checkpoints.wait(CHECKPOINT, at=checkpoint.position, what=waits_for)
        self._tell(checkpoint, obstacle)
        self._wait(WAITING)

    def _tell(self, checkpoint: Checkpoint, obstacle: str) -> None:
        if checkpoint.blocked_by != obstacle:
            self._checkpoints.block(CHECKPOINT, obstacle)

    def _back_off(self, refusal: NotPublished, *, give_up: bool) -> None:
        if give_up and self._monotonic() - self._progress_at > GIVE_UP:
            raise refusal
        self._wait(self._retry_in)
        self._retry_in = min(2 * self._retry_in, LONGEST_RETRY)

    def _wait(self, seconds: float) -> None:
        end = self._monotonic() + seconds
        while self._go_on() and (left := end - self._monotonic()) > 0:
            self._sleep(min(left, _NAP))

    def _go_on(self) -> bool:
        if self._beat_at is not None and self._monotonic() >= self._beat_at:
            self._beat_at = self._monotonic() + HEARTBEAT
            self._checkpoints.seen(CHECKPOINT)
        return not self._stopped()
