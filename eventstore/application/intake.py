"""Brings one batch of messages into the rows of read models: all of it, or nothing."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from eventstore.application.inbox import Inbox, Opened, Received
from eventstore.application.ports import Checkpoint, Checkpoints, ParkedStreams, WaitingRoom
from eventstore.application.received import ReceivedDelivery
from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import LogWasRestored

logger = logging.getLogger(__name__)

Streams: TypeAlias = Mapping[UUID, Sequence[Received]]


class Intake:
    """Where a stream's messages follow its rows, they are folded with those of other streams.

    Any other stream goes by way of the waiting room: one with a gap, with a message that cannot be
    read, with messages that wait already, one that is parked, and, where a projection fails on the
    batch, each of its streams.

    `transaction` calls a function in a transaction, again where the database asks for that;
    `transient` errors say nothing of the messages.
    """

    def __init__(
        self,
        deliveries: Sequence[ReceivedDelivery],
        *,
        inbox: Inbox,
        room: WaitingRoom,
        parked: ParkedStreams,
        checkpoints: Checkpoints,
        transaction: Callable[[Callable[[], None]], None],
        transient: tuple[type[Exception], ...],
    ) -> None:
        self._deliveries = deliveries
        self._inbox = inbox
        self._room = room
        self._parked = parked
        self._checkpoints = checkpoints
        self._transaction = transaction
        self._transient = transient

    def take(self, bodies: Sequence[bytes]) -> None:
        """When it returns, they need not come again. Raises AnotherLog, and what is transient."""
        opened = self._inbox.open(bodies)
        for body in opened.strays:
            self._room.keep_stray(body)
        while opened.epoch:
            try:
                self._taken(opened)
            except _Overtaken:
                continue
            return

    def _taken(self, opened: Opened) -> None:
        try:
            self._transaction(lambda: self._apply(opened, alone=False))
        except _Overtaken:
            raise
        except self._transient:
            raise
        except Exception:  # noqa: BLE001  # all of it is undone, and what fails is looked for
            self._transaction(lambda: self._apply(opened, alone=True))

    def take_strays(self) -> int:
        """Try again those that did not say where they belong. Returns how many do now."""
        strays = self._room.strays()
        still = set(self._inbox.open(strays).strays)
        told = [body for body in strays if body not in still]
        self.take(told)
        for body in told:
            self._room.discard_stray(body)
        return len(told)

    def _apply(self, opened: Opened, *, alone: bool) -> None:
        kept = self._checkpoints.all()
        standing = [
            (one, *self._current(one, opened, kept.get(one.name))) for one in self._deliveries
        ]
        for delivery, _, messages in standing:
            streams = _by_stream(messages, delivery.projection.stream_type)
            irregular: Collection[UUID] = streams
            if streams and not alone:
                irregular = self._apply_together(delivery, streams)
            for stream_id in irregular:
                self._apply_alone(delivery, stream_id, streams[stream_id])
        # At the end, since other consumers wait for these rows until the commit.
        for delivery, epoch, messages in standing:
            newest = max(messages, key=_position, default=None)
            position, known_as = (_position(newest), newest.known_as) if newest else (0, None)
            if not self._checkpoints.received(delivery.name, position, known_as, epoch=epoch):
                raise _Overtaken

    def _current(
        self, delivery: ReceivedDelivery, opened: Opened, kept: Checkpoint | None
    ) -> tuple[int, Sequence[Received]]:
        """The projection's epoch, and the messages that are of it.

        With the first message of a later one everything is sent anew, and so built anew. What is
        of an earlier one may never have been, and comes again where it has.
        """
        name = delivery.name
        if kept is None:
            self._checkpoints.start(name, schema=delivery.projection.schema)
            kept = self._checkpoints.all()[name]
        if opened.epoch > kept.epoch:
            if not self._checkpoints.begin(name, epoch=opened.epoch):
                raise _Overtaken
            delivery.begin_anew()
            if kept.received:
                logger.warning(
                    "%r: the log was restored, and its rows are built anew, in epoch %d",
                    delivery,
                    opened.epoch,
                )
            return opened.epoch, [one for one in opened.messages if one.epoch == opened.epoch]
        if kept.forked:
            return kept.epoch, ()
        current = [one for one in opened.messages if one.epoch == kept.epoch]
        if kept.received_as is not None and any(
            one.known_as not in (None, kept.received_as)
            for one in current
            if _position(one) == kept.received
        ):
            self._checkpoints.fork(name)
            logger.error("%r: %s", delivery, LogWasRestored(after=kept.received))
            return kept.epoch, ()
        return kept.epoch, current

    def _apply_together(self, delivery: ReceivedDelivery, streams: Streams) -> set[UUID]:
        """Returns the streams that need more than that."""
        projection, ids = delivery.projection, streams.keys()
        irregular = self._parked.among(delivery.name, ids) | self._room.among(delivery.name, ids)
        shown = projection.versions(ids)
        begun: dict[UUID, Sequence[RecordedEvent]] = {}
        continued: dict[UUID, Sequence[RecordedEvent]] = {}
        for stream_id, messages in streams.items():
            if stream_id in irregular:
                continue
            version = shown.get(stream_id, 0)
            events = _following(messages, version)
            if events is None:
                irregular.add(stream_id)
            elif events:
                (continued if version else begun)[stream_id] = events
        irregular |= projection.begin(begun) if begun else set()
        irregular |= projection.advance_many(continued) if continued else set()
        return irregular

    def _apply_alone(
        self, delivery: ReceivedDelivery, stream_id: UUID, messages: Sequence[Received]
    ) -> None:
        shown = delivery.projection.version(stream_id)
        later = [one for one in messages if one.version > shown]
        if not later:
            return
        delivery.keep(stream_id, later)
        parked = self._parked.find(delivery.name, stream_id)
        # One that is parked waits for its retry, unless the very event comes once more.
        again = parked is None or any(one.version == parked.version for one in later)
        if again and delivery.heal(stream_id) is None:
            self._parked.release(delivery.name, stream_id)


class _Overtaken(Exception):
    """Another consumer has begun anew meanwhile."""


def _position(message: Received) -> int:
    return message.recorded.position if message.recorded else 0


def _by_stream(messages: Sequence[Received], stream_type: str) -> dict[UUID, list[Received]]:
    streams: dict[UUID, list[Received]] = {}
    for message in messages:
        if message.stream_type == stream_type:
            streams.setdefault(message.stream_id, []).append(message)
    return streams


def _following(messages: Sequence[Received], shown: int) -> list[RecordedEvent] | None:
    """What goes on behind `shown`, repeats left out. None where it does not, or cannot be read."""
    events: list[RecordedEvent] = []
    for message in messages:
        if message.version <= shown + len(events):
            continue
        if message.recorded is None or message.version > shown + len(events) + 1:
            return None
        events.append(message.recorded)
    return events
