"""Receives what a broker holds for this system and has read models built from it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from uuid import UUID

from eventstore.application.intake import Intake
from eventstore.application.ports import (
    FEED_START,
    Checkpoints,
    EventConsumer,
    EventFeed,
    FeedUnavailable,
    NotReceived,
    ParkedStreams,
    WaitingRoom,
)
from eventstore.application.reading import HEARTBEAT, WAITING
from eventstore.application.received import PATIENCE, ReceivedDelivery
from eventstore.domain.exceptions import LogWasRestored, RowsOfNewerCode

logger = logging.getLogger(__name__)

BATCH = 2000
"""Messages in one transaction: a second at most, for SQLite keeps all writers waiting meanwhile."""
WAIT = 1.0
"""Seconds for the next message, before something else is looked after."""
LAST_WAIT = 0.2
"""Seconds for a message that may be on its way, where what is there is to be drained."""
RETRY = 1.0
"""Seconds between two looks for parked streams that are due and gaps that did not close."""
LOOK = 5.0
"""Seconds after which a look is broken off: a feed that does not answer takes its time."""
OVERDUE = 100
"""Streams with such a gap that are mended at one look."""
FIRST_RECONNECT = 0.5
LONGEST_RECONNECT = 10.0
"""Seconds from a lost connection to the next try, twice as many each time."""
GIVE_UP = 120.0
"""Seconds without a page of the feed: a limit on its calls is one a minute at least."""
_NAP = 0.2


class Consumption:
    """Any number may consume: the broker gives each partition to one of them at a time.

    `connect` gives a consumer, whose connection is made when it first needs it. `monotonic` counts
    seconds from anywhere, `clock` tells the time, `sleep` waits so many seconds, `stopped` says
    that this is enough: it is asked between two batches, as is whether the work is `held`.
    """

    def __init__(
        self,
        deliveries: Sequence[ReceivedDelivery],
        intake: Intake,
        *,
        connect: Callable[[], EventConsumer],
        checkpoints: Checkpoints,
        parked: ParkedStreams,
        room: WaitingRoom,
        monotonic: Callable[[], float],
        clock: Callable[[], datetime],
        sleep: Callable[[float], object],
        stopped: Callable[[], bool],
        held: Callable[[], bool] = lambda: False,
    ) -> None:
        self._deliveries = deliveries
        self._intake = intake
        self._connect = connect
        self._checkpoints = checkpoints
        self._parked = parked
        self._room = room
        self._monotonic = monotonic
        self._clock = clock
        self._sleep = sleep
        self._stopped = stopped
        self._held = held
        self._beat_at = self._retry_at = monotonic()
        self._reconnect_in = FIRST_RECONNECT
        self._obstacle: str | None = None
        """As the checkpoints have it; None: whatever is there from before."""

    def run(self, *, once: bool = False) -> None:
        """Until stopped; with `once`, until what the broker holds by now is handled.

        Where the log was restored and nobody has said so, messages are received and not applied,
        until its next epoch begins: then the rows are built anew.

        Raises AnotherLog, and what says nothing of the messages, as when the database is gone;
        with `once` also NotReceived, where the broker is out of reach, RowsOfNewerCode, and
        LogWasRestored.
        """
        self._start()
        while (newer := self._rows_of_newer_code()) and self._go_on():
            if once:
                raise newer
            self._wait(WAITING)
        while self._go_on():
            if self._held():
                if once:
                    return
                self._wait(WAIT)
                continue
            try:
                with closing(self._connect()) as consumer:
                    if self._receive(consumer, once=once):
                        self._refuse_forked()
                        return
            except NotReceived as error:
                if once:
                    raise
                if not self._obstacle:
                    logger.warning("%s. Waiting for the broker, and going on by itself.", error)
                self._tell(error.reason)
                self._wait(self._reconnect_in)
                self._reconnect_in = min(2 * self._reconnect_in, LONGEST_RECONNECT)

    def bootstrap(self, feed: EventFeed) -> None:
        """Handle all of the log as the feed gives it.

        What is recorded meanwhile is held by the broker, to which this group is known before. A
        feed that fails on the way, or has enough of us for a while, is asked again.

        Raises FeedUnavailable where there is no first page, or no next one within `GIVE_UP`
        seconds, AnotherLog, and NotReceived where the broker is out of reach.
        """
        self._start()
        with closing(self._connect()) as consumer:
            # A broker makes what holds the messages of a group when the group first asks.
            consumer.drained()
        begun, pause, progress_at = FEED_START, FIRST_RECONNECT, self._monotonic()
        while self._go_on():
            try:
                for page in feed.pages(after=begun):
                    if not self._go_on():
                        return
                    self._intake.take(page.bodies)
                    begun, pause, progress_at = page.next, FIRST_RECONNECT, self._monotonic()
            except FeedUnavailable as error:
                if begun == FEED_START or self._monotonic() - progress_at > GIVE_UP:
                    raise
                if error.restored:
                    begun = FEED_START
                if pause == FIRST_RECONNECT:
                    logger.warning("%s. Asking again, for %d s.", error, GIVE_UP)
                self._wait(pause)
                pause = min(2 * pause, LONGEST_RECONNECT)
            else:
                return

    def _refuse_forked(self) -> None:
        kept = self._checkpoints.all()
        for delivery in self._deliveries:
            if kept[delivery.name].forked:
                raise LogWasRestored(after=kept[delivery.name].received)

    def _start(self) -> None:
        for delivery in self._deliveries:
            self._checkpoints.start(delivery.name, schema=delivery.projection.schema)
            self._checkpoints.seen(delivery.name)
        self._read_anew()

    def _read_anew(self) -> None:
        """This code may be the newer one that messages wait for."""
        for delivery in self._deliveries:
            for stream_id in self._room.newer(delivery.name):
                if not self._go_on():
                    return
                delivery.heal(stream_id)
        # Of what is left the feed may give a better message.
        end = self._monotonic() + LOOK
        for delivery in self._deliveries:
            for stream_id in self._room.newer(delivery.name):
                if not self._go_on() or self._monotonic() > end:
                    return
                delivery.retry(stream_id)

    def _rows_of_newer_code(self) -> RowsOfNewerCode | None:
        found = None
        kept = self._checkpoints.all()
        for delivery in self._deliveries:
            name, stored, known = delivery.name, kept[delivery.name], delivery.projection.schema
            newer = None
            if stored.schema > known:
                newer = RowsOfNewerCode(projection=name, stored=stored.schema, known=known)
            what = str(newer or "")
            if what != stored.waits_for:
                self._checkpoints.wait(name, at=stored.position, what=what)
            found = found or newer
        return found

    def _receive(self, consumer: EventConsumer, *, once: bool) -> bool:
        """True when, with `once`, the broker holds no more."""
        while self._go_on() and not self._held():
            bodies = consumer.receive(limit=BATCH, wait=LAST_WAIT if once else WAIT)
            if self._obstacle:
                logger.warning("The broker is there: messages are received again.")
            self._tell("")
            if bodies:
                self._intake.take(bodies)
                # Not before: what is not committed has to come again.
                consumer.acknowledge()
                self._reconnect_in = FIRST_RECONNECT
            self._look_after()
            if once and not bodies and consumer.drained():
                return True
        return False

    def _look_after(self) -> None:
        begun = self._monotonic()
        if begun < self._retry_at:
            return
        for delivery, stream_id in self._overdue():
            delivery.retry(stream_id)
            if not self._go_on() or self._monotonic() - begun > LOOK:
                break
        # Messages have as much time as this took.
        self._retry_at = self._monotonic() + max(RETRY, self._monotonic() - begun)

    def _overdue(self) -> Iterator[tuple[ReceivedDelivery, UUID]]:
        for delivery in self._deliveries:
            while due := self._parked.due(delivery.name, limit=1):
                yield delivery, due[0].stream_id
            before = self._clock() - PATIENCE
            for stream_id in self._room.overdue(delivery.name, before=before, limit=OVERDUE):
                yield delivery, stream_id

    def _tell(self, obstacle: str) -> None:
        if obstacle != self._obstacle:
            for delivery in self._deliveries:
                self._checkpoints.block(delivery.name, obstacle)
            self._obstacle = obstacle

    def _wait(self, seconds: float) -> None:
        end = self._monotonic() + seconds
        while self._go_on() and (left := end - self._monotonic()) > 0:
            self._sleep(min(left, _NAP))

    def _go_on(self) -> bool:
        if self._monotonic() >= self._beat_at:
            self._beat_at = self._monotonic() + HEARTBEAT
            for delivery in self._deliveries:
                self._checkpoints.seen(delivery.name)
        return not self._stopped()
