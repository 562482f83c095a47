"""Streams as they are put together from messages, and their delivery to a projection."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from eventstore.application.delivery import Delivery
from eventstore.application.inbox import Inbox, Received
from eventstore.application.parking import ParkedStream
from eventstore.application.ports import (
    EventFeed,
    FeedUnavailable,
    Message,
    ParkedStreams,
    StreamSource,
    UnitOfWork,
    WaitingMessage,
    WaitingRoom,
)
from eventstore.application.projection import Projection
from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import (
    EventsMissing,
    MessageOfNewerCode,
    UndecodableMessage,
    UnreadableMessage,
)

logger = logging.getLogger(__name__)

PATIENCE = timedelta(seconds=30)
"""How long the messages behind a gap wait for what closes it, before somebody is asked."""


class WaitingStreams:
    """The streams of a waiting room, for one projection."""

    def __init__(
        self,
        projection: str,
        *,
        room: WaitingRoom,
        decode: Callable[[bytes], Message],
        clock: Callable[[], datetime],
    ) -> None:
        self._projection = projection
        self._room = room
        self._decode = decode
        self._clock = clock

    def read_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> list[RecordedEvent]:
        """What has come, up to the first gap or to what cannot be read.

        Where that is next, raises UnreadableMessage, or EventsMissing once PATIENCE is at an end.
        """
        events: list[RecordedEvent] = []
        for message in self._room.waiting(self._projection, stream_id, after=after):
            missing = after + len(events) + 1
            if until is not None and missing > until:
                break
            if message.version > missing:
                if not events and self._clock() - message.kept_at >= PATIENCE:
                    raise EventsMissing(
                        stream_id=stream_id,
                        version=missing,
                        until=message.version - 1,
                        event_type="",
                    )
                break
            try:
                events.append(self._decode(message.body).recorded)
            except UndecodableMessage as error:
                if events:
                    break
                kind = MessageOfNewerCode if error.newer else UnreadableMessage
                raise kind(
                    stream_id=stream_id,
                    version=missing,
                    event_type=error.event_type or "",
                    schema_version=error.schema_version,
                    event_id=error.event_id,
                    position=error.position,
                    reason=error.reason,
                ) from None
        return events


class ReceivedDelivery(Delivery):
    """Of messages, for which the waiting room is what the log is for other deliveries.

    `redact` leaves out of a body what is personal, and raises UndecodableMessage; `feed` is asked
    for what never came.
    """

    def __init__(
        self,
        projection: Projection,
        *,
        source: StreamSource,
        parked: ParkedStreams,
        savepoint: UnitOfWork,
        transient: tuple[type[Exception], ...],
        inbox: Inbox,
        room: WaitingRoom,
        redact: Callable[[bytes], bytes],
        feed: EventFeed | None,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(
            projection, source=source, parked=parked, savepoint=savepoint, transient=transient
        )
        self._inbox = inbox
        self._room = room
        self._redact = redact
        self._feed = feed
        self._clock = clock

    def keep(
        self, stream_id: UUID, messages: Sequence[Received], *, from_log: bool = False
    ) -> None:
        """Until their turn comes. Nothing personal is kept in front of the stream's erasure.

        One that cannot be read never takes the place of one that can, whichever came first, nor of
        one that is as much like its event, unless it comes `from_log` itself.
        """
        now = self._clock()
        best: dict[int, Received] = {}
        for one in messages:
            rival = best.get(one.version)
            if rival is None or one.recorded or one.likeness > rival.likeness:
                best[one.version] = one
        readable = [one for one in best.values() if one.recorded]
        unreadable = [one for one in best.values() if not one.recorded]
        self._room.keep(self.name, stream_id, [_waiting(one, now) for one in readable])
        if unreadable:
            there = {one.version: one.body for one in self._room.waiting(self.name, stream_id)}
            for one in unreadable:
                self._keep_unreadable(
                    stream_id, one, there.get(one.version), now, from_log=from_log
                )
        waiting = self._room.waiting(self.name, stream_id)
        erased = max((one.version for one in waiting if one.erases), default=0)
        if before := [one for one in waiting if one.version < erased]:
            self._forget(stream_id, before)

    def _keep_unreadable(
        self,
        stream_id: UUID,
        message: Received,
        there: bytes | None,
        now: datetime,
        *,
        from_log: bool,
    ) -> None:
        if there == message.body:
            return
        if there is not None:
            rivals = self._inbox.open([there]).messages
            likeness = max((rival.likeness for rival in rivals), default=0)
            if message.likeness < likeness or (message.likeness == likeness and not from_log):
                logger.warning(
                    "%r, stream %s: a second message of event %d cannot be read, and is left out: "
                    "%s",
                    self,
                    stream_id,
                    message.version,
                    message.error.reason if message.error else "",
                )
                return
        self._room.keep_unreadable(self.name, stream_id, _waiting(message, now), instead_of=there)

    def heal(self, stream_id: UUID) -> ParkedStream | None:
        """What has come is applied, and leaves the waiting room.

        A message that newer code wrote stays in it, and so does what comes behind it.
        """
        parked = None
        try:
            # Twice: what could be read is applied by then, so what cannot be is met first.
            parked = super().heal(stream_id) or super().heal(stream_id)
        except MessageOfNewerCode as error:
            self._room.wait_for(self.name, stream_id, version=error.version, what=str(error))
        self._clear(stream_id)
        return parked

    def retry(self, stream_id: UUID) -> ParkedStream | None:
        """Asks the feed, where there is one, for what is missing or cannot be read.

        Not in a transaction, which would be open while another system is asked. Raises AnotherLog.
        """
        self._fetch(stream_id)
        return super().retry(stream_id)

    def begin_anew(self) -> None:
        """Forget the rows and what waits: all of it comes again."""
        self._room.clear(self.name)
        self._parked.release_all(self.name)
        self.projection.clear()

    def skip(self, stream_id: UUID, *, version: int) -> ParkedStream | None:
        parked = super().skip(stream_id, version=version)
        self._clear(stream_id)
        return parked

    def _clear(self, stream_id: UUID) -> None:
        shown = self.projection.version(stream_id)
        waiting = self._room.waiting(self.name, stream_id)
        if passed := [message.version for message in waiting if message.version <= shown]:
            self._room.discard(self.name, stream_id, passed)

    def _fetch(self, stream_id: UUID) -> None:
        shown = self.projection.version(stream_id)
        waiting = self._room.waiting(self.name, stream_id, after=shown)
        if self._feed is None or not waiting:
            return
        until = max(waiting[0].version - 1, shown + 1)
        try:
            bodies = self._feed.stream(stream_id, after=shown, until=until)
        except FeedUnavailable as error:
            logger.warning("%r, stream %s: %s", self, stream_id, error)
            return
        # The feed may be ahead of the broker in telling that the log was restored.
        epoch = self._inbox.open([waiting[0].body]).epoch
        told = [
            one
            for one in self._inbox.open(bodies).messages
            if one.stream_id == stream_id and one.epoch == epoch
        ]
        self.keep(stream_id, told, from_log=True)

    def _forget(self, stream_id: UUID, waiting: Sequence[WaitingMessage]) -> None:
        open_parts, unreadable = [], []
        for message in waiting:
            try:
                open_parts.append(message._replace(body=self._redact(message.body)))
            except UndecodableMessage:
                unreadable.append(message.version)
        self._room.keep(self.name, stream_id, open_parts)
        self._room.discard(self.name, stream_id, unreadable)


def _waiting(message: Received, now: datetime) -> WaitingMessage:
    return WaitingMessage(message.version, message.body, message.erases, now)
