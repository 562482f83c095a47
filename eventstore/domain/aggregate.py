"""The consistency boundary: one stream, one decision at a time."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from uuid import UUID

from eventstore.domain.events import DomainEvent, StreamHead
from eventstore.domain.lost_keys import KeyDeclaredLost


class Aggregate(ABC):
    """State folded from a stream. Command methods decide and record; `apply` only evolves."""

    stream_type: ClassVar[str]
    snapshot_every: ClassVar[int | None] = None
    """How many events a load folds before a snapshot spares the next one them; None: none is kept.

    Who sets it writes `dump_state` and `load_state`.
    """
    snapshot_schema: ClassVar[int] = 1
    """Counts up when the state changes, or how events fold into it: older snapshots are void then.
    """

    def __init__(self, id: UUID) -> None:
        self.id = id
        self.head = StreamHead()
        """As stored; `version` runs ahead of it while events are pending."""
        self.version = 0
        self.snapshot_version = 0
        """Of the newest snapshot that it came from or went into; 0: of none."""
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

    def restore(self, state: Mapping[str, Any], *, head: StreamHead) -> None:
        """Take in a state instead of the events up to `head` that led to it.

        Raises what `load_state` raises; the aggregate is of no use then.
        """
        self.load_state(state)
        self.version = self.snapshot_version = head.version
        self.head = head

    def saved(self, head: StreamHead) -> None:
        """The pending events are stored now."""
        self._pending.clear()
        self.head = head

    @abstractmethod
    def apply(self, event: Any) -> None:
        """Evolve by one event that happened. Refuses nothing: rules may have changed since."""

    def dump_state(self) -> Mapping[str, Any]:
        """Everything that `apply` has set, as JSON values and without personal data."""
        raise NotImplementedError

    def load_state(self, state: Mapping[str, Any]) -> None:
        """The way back. Raises ValueError for anything that `dump_state` would not have given."""
        raise NotImplementedError

    def _record(self, event: DomainEvent) -> None:
        self._evolve(event)
        self._pending.append(event)

    def _evolve(self, event: DomainEvent) -> None:
        self.version += 1
        if type(event) is not KeyDeclaredLost:
            self.apply(event)
