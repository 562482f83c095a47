"""What happened, and the envelope it travels in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple
from uuid import UUID, uuid5

from eventstore.domain.exceptions import InvalidValue, OccurredInFuture, OccurredOutOfOrder

EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
"""Of business time: a day from the calendar's edge, so that every time zone can show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainEvent:
    """A fact in the past tense. Business data only: no id and no clock of its own."""

    event_type: ClassVar[str]
    """The stored name. Permanent: the class may be renamed, this may not."""
    schema_version: ClassVar[int] = 1
    """Counts up with every change of the fields, each step with an upcaster."""
    erases_personal_data: ClassVar[bool] = False
    """Whether it says that what is personal in its stream is gone: nobody may keep it then."""


class Metadata(NamedTuple):
    """Who recorded an event, for whom, through which door, and because of which command.

    A tuple, since one is made for every event that is read.
    """

    actor: str
    door: str
    on_behalf_of: str | None = None
    causation_id: UUID | None = None
    """The id of the command. It names the events too: see `event_id_of`."""
    command_digest: str | None = None
    """What the command said, so that its id cannot be used again for something else."""
    extra: Mapping[str, Any] = MappingProxyType({})
    """Free keys, any JSON value. A key may not be the name of a field above."""


class RecordedEvent(NamedTuple):
    """An event as the store returns it and handlers receive it.

    A tuple, since every event of the log is put into one: a frozen dataclass takes five times as
    long to make.
    """

    event: DomainEvent
    event_id: UUID
    stream_type: str
    stream_id: UUID
    version: int
    """Place in the stream: 1, 2, 3 … without gaps."""
    position: int
    """Place in the whole log: rising, gaps possible."""
    occurred_at: datetime
    recorded_at: datetime
    metadata: Metadata
    correlation_id: UUID | None = None
    hash: bytes = b""
    """Chains it to its predecessor in the stream: see `eventstore.infrastructure.chain`."""


class Cursor(NamedTuple):
    """How far somebody has read the log."""

    position: int = 0
    """Of the last event that was read; 0 before the first."""
    hash: bytes | None = None
    """Its hash, by which a log that was restored is told; None where nobody kept it."""

    @classmethod
    def at(cls, recorded: RecordedEvent) -> "Cursor":
        return cls(recorded.position, recorded.hash)

    @classmethod
    def of(cls, position: "Cursor | int") -> "Cursor":
        return position if isinstance(position, Cursor) else cls(position)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamHead:
    """Where a stream stands: version, times and hash of its newest event."""

    version: int = 0
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None
    hash: bytes = b""

    @classmethod
    def at(cls, recorded: RecordedEvent) -> "StreamHead":
        return cls(
            version=recorded.version,
            occurred_at=recorded.occurred_at,
            recorded_at=recorded.recorded_at,
            hash=recorded.hash,
        )

    def next_times(self, *, now: datetime, stated: datetime | None) -> tuple[datetime, datetime]:
        """`(occurred_at, recorded_at)` for events appended now.

        Neither goes back within a stream. A stated business time that would is refused; an
        unstated one, and the store's own clock, are raised to the predecessor's.

        Both are given in UTC. Raises OccurredInFuture, OccurredOutOfOrder, and InvalidValue for a
        time without its offset or before EARLIEST.
        """
        recorded_at = max(now, self.recorded_at or now)
        if stated is None:
            return max(now, self.occurred_at or now), recorded_at
        if stated.tzinfo is None:
            detail = "A time needs its offset from UTC."
            raise InvalidValue(pointer="/occurred_at", rule="naive_time", detail=detail)
        if stated > now:
            raise OccurredInFuture(stated=stated, now=now)
        if stated < EARLIEST:
            detail = "This is too early for some time zones to show."
            raise InvalidValue(pointer="/occurred_at", rule="too_early", detail=detail)
        # Not before the two checks: near the ends of the calendar it overflows.
        stated = stated.astimezone(UTC)
        if self.occurred_at is not None and stated < self.occurred_at:
            raise OccurredOutOfOrder(stated=stated, predecessor=self.occurred_at)
        return stated, recorded_at


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedStream:
    """What an aggregate is folded from: facts without envelopes, and without what is personal."""

    stream_type: str
    events: list[DomainEvent]
    first: StreamHead
    """Where the stream stood at the first of them."""
    head: StreamHead
    """At the last."""


def event_id_of(command_id: UUID, index: int) -> UUID:
    """The id of the command's event number `index`, counted from 0.

    Derived, so that a command given twice meets its own events in the log.
    """
    return uuid5(command_id, str(index))


def stream_id_of(command_id: UUID) -> UUID:
    """The id of the stream that this command starts."""
    return uuid5(command_id, "stream")
