"""What bodies from elsewhere are: messages about streams, or strays."""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID, uuid5

from eventstore.application.ports import Message
from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import UndecodableMessage


class Received(NamedTuple):
    """A message that says where it belongs."""

    stream_type: str
    stream_id: UUID
    version: int
    body: bytes
    recorded: RecordedEvent | None
    """None: this code cannot read it."""
    error: UndecodableMessage | None = None
    """Why it cannot."""
    epoch: int = 1
    """Of the log, when it was sent."""

    @property
    def known_as(self) -> UUID | None:
        """By what its event is told from another at the same position; None where it is not read.

        An event that a command given anew stores once more has the id of the one that is gone.
        """
        if self.recorded is None:
            return None
        return uuid5(self.recorded.event_id, self.recorded.recorded_at.isoformat())

    @property
    def likeness(self) -> int:
        """Ranks messages of one event: the higher one is closer to the event itself.

        A message that newer code wrote, or that an upcaster fails on, can be read one day. A
        message with a damaged envelope cannot.
        """
        if self.error is None:
            return 3
        return 2 if self.error.newer else int(self.error.whole)

    @property
    def erases(self) -> bool:
        return self.recorded is not None and self.recorded.event.erases_personal_data


class Opened(NamedTuple):
    messages: list[Received]
    strays: list[bytes]
    """Those that do not."""
    epoch: int
    """The latest that any of them is of, or tells of; 0 where none does."""


class Inbox:
    """Opens bodies, and takes them from one log alone.

    `accept` is given the id of a log when it is first met. It raises AnotherLog where it is not
    the one that this system's read models are built from.
    """

    def __init__(
        self, *, decode: Callable[[bytes], Message], accept: Callable[[UUID], object]
    ) -> None:
        self.decode = decode
        self._accept = accept
        self._accepted: set[UUID] = set()

    def open(self, bodies: Sequence[bytes]) -> Opened:
        """In the order in which they came. Raises AnotherLog."""
        messages: list[Received] = []
        strays: list[bytes] = []
        newest = 0
        for body in bodies:
            recorded: RecordedEvent | None
            failure: UndecodableMessage | None = None
            try:
                source, recorded, epoch = self.decode(body)
            except UndecodableMessage as error:
                recorded, failure, epoch = None, error, error.epoch or 1
                if error.restored and error.source is not None:
                    self._known(error.source)
                    newest = max(newest, epoch)
                    continue
                said = error.source, error.stream_type, error.stream_id, error.version
                match said:
                    case (UUID() as source, str(stream_type), UUID() as stream_id, int(version)):
                        pass
                    case _:
                        strays.append(body)
                        continue
            else:
                stream_type, stream_id = recorded.stream_type, recorded.stream_id
                version = recorded.version
            self._known(source)
            newest = max(newest, epoch)
            messages.append(
                Received(stream_type, stream_id, version, body, recorded, failure, epoch)
            )
        return Opened(messages, strays, newest)

    def _known(self, source: UUID) -> None:
        if source not in self._accepted:
            self._accept(source)
            self._accepted.add(source)
