"""The consistency boundary: one stream, one decision at a time."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar
from uuid import UUID

from eventstore.domain.events import DomainEvent, StreamHead


class Aggregate(ABC):
    """State folded from a stream. Command methods decide and record; `apply` only evolves."""

    stream_type: ClassVar[str]

    def __init__(self, id: UUID) -> None:
        self.id = id
        self.head = StreamHead()
        """As stored; `version` runs ahead of it while events are pending."""
        self.version = 0
        self._pending: list[DomainEvent] = []

    @property
    def pending(self) -> tuple[DomainEvent, ...]:
        """Recorded since the last save, in order."""
        return tuple(self._pending)

    def replay(self, events: Iterable[DomainEvent], *, head: StreamHead) -> None:
        """Take in stored events. `head` is where the stream stands after the last of them."""
        for event in events:
            self._evolve(event)
        self.head = head

    def saved(self, head: StreamHead) -> None:
        """The pending events are stored now."""
        self._pending.clear()
        self.head = head

    @abstractmethod
    def apply(self, event: Any) -> None:
        """Evolve by one event that happened. Refuses nothing: rules may have changed since."""

    def _record(self, event: DomainEvent) -> None:
        self._evolve(event)
        self._pending.append(event)

    def _evolve(self, event: DomainEvent) -> None:
        self.version += 1
        self.apply(event)
