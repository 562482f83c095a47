"""Delivers events to a projection; a stream that it fails on is parked, and others go on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from eventstore.application.parking import ParkedStream
from eventstore.application.ports import ParkedStreams, StreamSource, UnitOfWork
from eventstore.application.projection import Projection
from eventstore.domain.content import EVENT_TYPE_LENGTH
from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import (
    BrokenStream,
    MessageOfNewerCode,
    ReadableElsewhere,
    UndecodableEvent,
    UnreadableEvent,
)

logger = logging.getLogger(__name__)


@dataclass(eq=False, kw_only=True)
class NotParked(Exception):
    """The stream is not parked for this projection."""

    projection: str
    stream_id: UUID

    def __str__(self) -> str:
        return f"Stream {self.stream_id} is not parked for {self.projection}."


@dataclass(eq=False, kw_only=True)
class NothingToGoOnFrom(Exception):
    """The event that fails is the stream's first: without it there is no row to go on from."""

    projection: str
    stream_id: UUID

    def __str__(self) -> str:
        return (
            f"{self.projection} has no row of stream {self.stream_id} to go on from: "
            "the first event of a stream cannot be skipped."
        )


class Delivery:
    """Whatever the projection raises is a stream parked, and so is an event that cannot be decoded.

    Raised are ReadableElsewhere and MessageOfNewerCode, with everything before the event applied:
    it waits for another process. Raised are MemoryError and what is `transient`, too, since these
    say nothing of the event (the database is locked or gone), and whatever parking raises: nobody
    may take those for handled.
    """

    def __init__(
        self,
        projection: Projection,
        *,
        source: StreamSource,
        parked: ParkedStreams,
        savepoint: UnitOfWork,
        transient: tuple[type[Exception], ...],
    ) -> None:
        self.projection = projection
        self._source = source
        self._parked = parked
        self._savepoint = savepoint
        self._raised: tuple[type[Exception], ...] = (
            MessageOfNewerCode,
            MemoryError,
            *transient,
        )

    def __repr__(self) -> str:
        return repr(self.projection)

    @property
    def name(self) -> str:
        return self.projection.name

    def handle(self, events: Sequence[RecordedEvent]) -> None:
        """As part of a command: a parked stream is left alone, however much comes behind.

        That is asked only where the rows are not at the event before: a delivery in its turn
        costs no look-up. A repeat of the very command that failed is tried; the next retry then
        finds nothing left to do.
        """
        if not events or events[0].stream_type != self.projection.stream_type:
            return
        stream_id = events[0].stream_id
        try:
            if self.projection.advance(events):
                return
            if self._parked.find(self.name, stream_id) is None:
                self.projection.heal(stream_id)
        except self._raised:
            raise
        except Exception:  # noqa: BLE001  # parked with its class and place
            if self._parked.find(self.name, stream_id) is None:
                self._heal_one_by_one(stream_id)

    def heal(self, stream_id: UUID) -> ParkedStream | None:
        """Bring the stream's rows up to the log, or to the event that fails, and park it there."""
        try:
            with self._savepoint():
                self.projection.heal(stream_id)
        except self._raised:
            raise
        except BrokenStream as error:
            return self._park(stream_id, error.version, error.event_type, error)
        except Exception:  # noqa: BLE001  # parked with its class and place
            return self._heal_one_by_one(stream_id)
        return None

    def retry(self, stream_id: UUID) -> ParkedStream | None:
        """Heal a parked stream. None where it is not parked any more, else how it failed now.

        It stays parked before an event that waits for another process: checkpoints may be past it.
        """
        parked = self._healed_or_parked(stream_id)
        if parked is not None:
            return parked
        self._parked.release(self.name, stream_id)
        # Whatever was appended in between, others have passed by: it was parked to them.
        return self._healed_or_parked(stream_id)

    def _healed_or_parked(self, stream_id: UUID) -> ParkedStream | None:
        try:
            return self.heal(stream_id)
        except ReadableElsewhere as error:
            return self._park_before(error)

    def skip(self, stream_id: UUID, *, version: int) -> ParkedStream | None:
        """As `retry`, but if event `version` fails again, pass it over and heal the rest.

        Nothing is passed over where by now another event fails. A replay tries it again.
        Raises NotParked, and NothingToGoOnFrom for the first event of a stream.
        """
        if self._parked.find(self.name, stream_id) is None:
            raise NotParked(projection=self.name, stream_id=stream_id)
        parked = self.retry(stream_id)
        if parked is None or parked.version != version:
            return parked
        if version == 1:
            raise NothingToGoOnFrom(projection=self.name, stream_id=stream_id)
        with self._savepoint():
            self.projection.pass_over(stream_id, version)
        return self.retry(stream_id)

    def _heal_one_by_one(self, stream_id: UUID) -> ParkedStream | None:
        """Which event it is that fails; all before it are applied. Raises ReadableElsewhere."""
        missing, unreadable = self._missing(stream_id)
        for recorded in missing:
            try:
                with self._savepoint():
                    self.projection.handle([recorded])
            except ReadableElsewhere:
                raise
            except self._raised:
                raise
            except Exception as error:  # noqa: BLE001  # parked with its class and place
                event_type = recorded.event.event_type
                return self._park(stream_id, recorded.version, event_type, error)
        if isinstance(unreadable, ReadableElsewhere):
            raise unreadable
        return None if unreadable is None else self._park_before(unreadable)

    def _missing(self, stream_id: UUID) -> tuple[list[RecordedEvent], UndecodableEvent | None]:
        """What the rows lack, up to the first event that cannot be decoded, and why it cannot."""
        shown = self.projection.version(stream_id)
        try:
            return self._source.read_stream(stream_id, after=shown), None
        except UndecodableEvent as error:
            until = error.version - 1
            return self._source.read_stream(stream_id, after=shown, until=until), error

    def _park_before(self, error: UndecodableEvent) -> ParkedStream:
        stream_id, version = error.stream_id, error.version
        # As newer code, or somebody past all code, has stored it.
        event_type = error.event_type[:EVENT_TYPE_LENGTH] if error.event_type.isprintable() else ""
        broken = UnreadableEvent(
            stream_id=stream_id, version=version, event_type=event_type, error=error
        )
        return self._park(stream_id, version, event_type, broken)

    def _park(
        self, stream_id: UUID, version: int, event_type: str, error: Exception
    ) -> ParkedStream:
        parked = self._parked.park(
            self.name, stream_id, version=version, event_type=event_type, error=error
        )
        logger.error(
            "%r failed on stream %s at version %d: %s. Parked after attempt %d",
            self.projection,
            stream_id,
            version,
            parked.error,
            parked.attempts,
        )
        return parked
