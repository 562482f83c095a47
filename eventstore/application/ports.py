"""What the application needs from the outside, named for the role."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Protocol, TypeAlias
from uuid import UUID

from eventstore.application.folding import Changes, FoldedStream, Step
from eventstore.application.parking import ParkedStream
from eventstore.domain.events import (
    Cursor,
    DomainEvent,
    LoadedStream,
    Metadata,
    RecordedEvent,
    StreamHead,
)
from eventstore.domain.snapshot import Snapshot

UnitOfWork: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Opens a transaction, a savepoint inside another: what raises in it leaves nothing."""


class StreamSource(Protocol):
    """Where the rows of a stream find what they lack."""

    def read_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> list[RecordedEvent]:
        """Events with `after < version <= until`, without a gap behind `after`, in that order.

        Raises BrokenStream where the next of them is not to be had.
        """


class Streams(Protocol):
    """The streams of the log: all that a command needs of it."""

    def append(
        self,
        stream_type: str,
        stream_id: UUID,
        events: Sequence[DomainEvent],
        *,
        expected: StreamHead | int,
        metadata: Metadata,
        correlation_id: UUID | None = None,
        occurred_at: datetime | None = None,
    ) -> list[RecordedEvent]:
        """Append all events or none, and return them as they are stored.

        `expected` is the head as loaded, or a version (0: the stream must not exist), for which
        the head is read first. `occurred_at` is the business time of all of them, by default now.
        Event ids are derived from `metadata.causation_id` where there is one.

        Inside a caller's transaction this is a savepoint: a refusal leaves it usable.

        Raises ConcurrencyError unless the stream is at the expected version, EventAlreadyStored
        where an event id is in the log, InvalidValue for content that cannot be kept exactly,
        OccurredInFuture and OccurredOutOfOrder for a stated time that cannot be, and
        PersonalDataErased for personal content after an erasure.
        """

    def head(self, stream_id: UUID) -> StreamHead:
        """Where the stream stands; version 0 where there is none."""

    def load_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> LoadedStream | None:
        """Events with `after < version <= until` to fold; None where there are none.

        Personal fields are absent: no aggregate needs them, and no key is looked up.
        """

    def read_stream(
        self, stream_id: UUID, *, after: int = 0, until: int | None = None
    ) -> list[RecordedEvent]:
        """Events with `after < version <= until` in version order; empty where there are none.

        After an erasure personal fields are absent: they have the defaults of their class.
        """

    def read_command(self, command_id: UUID) -> list[RecordedEvent]:
        """The events that this command recorded, in order; empty where it recorded none."""

    def carried_out(self, command_ids: Collection[UUID]) -> set[UUID]:
        """Those of these commands that recorded anything."""


class EventBatch(Streams, Protocol):
    """Streams on which many commands are decided in memory, whose events are stored together.

    It reads the log and what was appended to it itself. An append refuses all that the log's own
    would; its events are at position 0 until `store` has stored them.
    """

    def fetch(self, stream_ids: Collection[UUID], *, command_ids: Collection[UUID] = ()) -> None:
        """Read these streams, and which of these commands were carried out, by a query each.

        What is not fetched is looked up when it is needed, and then one at a time.
        """

    def store(self) -> list[RecordedEvent]:
        """Store all that was appended, or nothing. Returns it in the order of the appends.

        Inside a caller's transaction this is a savepoint: a refusal leaves it usable.

        Raises BatchConflict where another writer was faster: the commands are to be decided anew,
        on a new batch. So where it was stored already; it may be stored again where the caller's
        transaction was rolled back.
        """


class EventStore(Streams, Protocol):
    """The append-only log."""

    def read_streams(self, after: Mapping[UUID, int]) -> Mapping[UUID, list[RecordedEvent]]:
        """`read_stream` behind these versions of these streams, all by one query.

        No entry for a stream without such events.
        """

    def batch(self) -> EventBatch:
        """A new batch on top of the log."""

    def read_all(
        self,
        *,
        after: Cursor | int = 0,
        limit: int,
        stream_types: Collection[str] = (),
        event_types: Collection[str] = (),
    ) -> list[RecordedEvent]:
        """The first committed events behind `after`, in position order, and no other.

        A reader that goes on from the position of the last event it was given, and from nothing
        else, receives every event once: no number is passed that a transaction in flight may
        still fill. Never waits. Empty names mean all; an event type is named as it is today, and
        finds what was stored under its former names too.

        Raises LogWasRestored where `after` has the hash of an event that the log does not hold
        there, CursorBeyondLog where it has none and the log does not reach so far, UnsafeLogRead
        where the answer could lack events, as in a transaction that has appended, and ValueError
        for a negative limit.
        """

    def settled_end(self) -> int:
        """The position of the last event that `read_all` would give; 0 where there is none.

        Raises UnsafeLogRead as `read_all` does.
        """

    def settled_cursor(self, *, after: Cursor | int = 0) -> Cursor:
        """At the event of `settled_end`. Raises what `read_all` does."""

    def erase_personal_data(self, stream_id: UUID) -> bool:
        """Destroy the stream's key for ever: events, versions and hashes stay as they are.

        False, and a tombstone all the same, where nothing personal was stored or it is gone.
        """


class SnapshotStore(Protocol):
    """The newest snapshot of each stream.

    Inside a caller's transaction each call is a savepoint: a failure leaves it usable.
    """

    def load(self, stream_id: UUID) -> Snapshot | None:
        """Raises SnapshotNotAuthentic for one that was not saved here as it is."""

    def save(self, snapshot: Snapshot) -> None:
        """Put it in place of an older one, one of another schema, or one that is not authentic.

        Another of a higher version and the same schema stays as it is.
        """

    def discard(self, snapshot: Snapshot) -> None:
        """Remove it; leave one of another version as it is."""


class EventPublisher(Protocol):
    """Hands stored events on to whoever subscribed."""

    def publish(self, events: Sequence[RecordedEvent]) -> None:
        """Returns when whoever takes them on has them.

        Publishing an event again is allowed: whoever receives it must tolerate it. Raises
        NotPublished where a broker did not confirm all of them.
        """


@dataclass(eq=False, kw_only=True)
class NotPublished(Exception):
    """A broker refused an event, has no queue for it, or is out of reach. Nothing is lost."""

    confirmed: int
    """How many of the events, counted from the first, it has for sure."""
    reason: str

    def __str__(self) -> str:
        return f"Not published: {self.reason}"


class Message(NamedTuple):
    """What a message says: an event, and the id of the log that it is stored in."""

    source: UUID
    recorded: RecordedEvent
    """Without the hash and the command's digest, which stay in the log."""
    epoch: int = 1
    """Of the log, when it was sent."""


class EventConsumer(Protocol):
    """Receives, for one consuming system, the messages that a broker holds for it.

    Those of one stream come in the order in which they were published, repeats included. Whatever
    was received and not acknowledged comes again, to this consumer or to another.
    """

    def receive(self, *, limit: int, wait: float) -> Sequence[bytes]:
        """The bodies of the next messages; empty where none came within `wait` seconds.

        Raises NotReceived.
        """

    def acknowledge(self) -> None:
        """Everything received so far is handled, and need not come again. Raises NotReceived."""

    def drained(self) -> bool:
        """Whether all that the broker held for this consumer by now is received.

        Raises NotReceived.
        """

    def close(self) -> None:
        """Give back what is not acknowledged, for others at once."""


@dataclass(eq=False, kw_only=True)
class NotReceived(Exception):
    """The broker is out of reach, or has taken this consumer's partitions away."""

    reason: str

    def __str__(self) -> str:
        return f"Not received: {self.reason}"


class BusPublisher(EventPublisher, Protocol):
    """Publishes to a broker, whose connection it makes when it first needs it."""

    def announce(self, body: bytes) -> None:
        """A message for every partition, behind all that was published. Raises NotPublished."""

    def close(self) -> None:
        """Lets go of the connection; the next event to publish makes a new one."""


class EventBus(Protocol):
    """A broker, and where on it the messages of this system are.

    A group is one consuming system: each gets every message. The messages of one stream are in
    one partition, whose number is below `partitions`.
    """

    partitions: int

    def publisher(self, group: str | None = None) -> BusPublisher:
        """For every group that there is, or for this one alone, which is made where it is not."""

    def consumer(self, group: str, partitions: Collection[int] | None = None) -> EventConsumer:
        """Of the group, which is made where it is not; of these partitions, or of all.

        Of several consumers of one partition, one receives: another takes over when it ends.
        """


class EventHandler(Protocol):
    """Receives published events."""

    def handle(self, events: Sequence[RecordedEvent]) -> None:
        """Events of one stream, in version order. The same may come twice or be missing."""


class ProjectionRows(Protocol):
    """The rows of a read model, each stream's at the version that they show."""

    def version(self, stream_id: UUID) -> int:
        """0 where there is no row."""

    def advance(self, stream_id: UUID, *, expected: int, version: int, changes: Changes) -> bool:
        """Compare-and-set: write only if the rows are at `expected` (0: there are none).

        False, and nothing written, where they are not.
        """

    def versions(self, stream_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Of each of them; no entry where there is no row."""

    def advance_many(self, streams: Mapping[UUID, Sequence[Step]]) -> set[UUID]:
        """`advance` by the steps of each stream in turn, all at once, from rows that there are.

        Returns the streams that were not where a step begins: it is not written, nor any behind.
        An error leaves nothing of all of them; it needs a transaction around it.
        """

    def replace(self, stream_id: UUID, anew: Callable[[], FoldedStream]) -> None:
        """Put what `anew` gives in place of the stream's rows; it is called with these locked."""

    def add_missing(self, streams: Iterable[tuple[UUID, FoldedStream]]) -> set[UUID]:
        """Add a stream's rows where there are none; those there by now stay as they are.

        Returns the streams of which there were.
        """

    def clear(self) -> None:
        """No stream has rows any more."""

    def behind(self, stream_type: str, *, after: int, until: int) -> list[tuple[UUID, int]]:
        """The streams whose rows lack an event with `after < position <= until`.

        Each with the version that its rows show, 0 where there are none.
        """


class Checkpoint(NamedTuple):
    """How far a projection has handled the log."""

    position: int
    """Of an event at or below the settled position; 0 before the first."""
    schema: int
    """Of the projector that the rows were begun with: they are stale where the code has another."""
    seen_at: datetime | None
    """When a follower or consumer last said that it lives; None: never."""
    blocked_by: str = ""
    """Why it gets no further, in words; empty where nothing is known to be in its way."""
    received: int = 0
    """The highest position of which a message was handled; others below it may still come."""
    waits_for: str = ""
    """What it waits before until newer code runs, in words; empty where nothing is known."""
    hash: bytes | None = None
    """Of the event at `position`; None where it is 0, and where nobody kept it."""
    epoch: int = 1
    """Of the log, when it was begun."""
    received_as: UUID | None = None
    """By what the message of `received` is known again."""
    forked: bool = False
    """Whether another event came at that position: no more is applied before the next epoch."""

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.position, self.hash)


class Checkpoints(Protocol):
    """One checkpoint for each projection, by its name."""

    def all(self) -> Mapping[str, Checkpoint]: ...

    def start(self, projection: str, *, schema: int) -> None:
        """At position 0, where the projection has none yet."""

    def claimed(self, projection: str) -> AbstractContextManager[Checkpoint | None]:
        """A transaction that has the checkpoint to itself; what is written in it stands or falls.

        None, without waiting, where another has it or there is none to be had.
        """

    def move(
        self,
        projection: str,
        *,
        expected: int,
        position: Cursor | int,
        epoch: int | None = None,
    ) -> bool:
        """Compare-and-set: False, and nothing written, where it is not at `expected`.

        Nor where it is not of this epoch, if one is named. Where it is moved, it waits for nothing
        any more.
        """

    def wait(self, projection: str, *, at: int, what: str) -> None:
        """Say what it waits before, if it is at this position; nothing where the text is empty."""

    def advance(self, projection: str, cursor: Cursor) -> None:
        """To there, unless it is further already."""

    def begin(self, projection: str, *, epoch: int) -> bool:
        """Anew, from position 0 on. False, and nothing written, unless the epoch is a later one."""

    def fork(self, projection: str) -> None:
        """What comes is not what the rows were made of."""

    def seen(self, projection: str) -> None:
        """The heartbeat of a follower or consumer, now."""

    def received(
        self, projection: str, position: int, known_as: UUID | None, *, epoch: int
    ) -> bool:
        """A message of this position was handled; of a lower one than before changes nothing.

        False where it is not of this epoch any more, which is settled until the transaction ends:
        then what was made of the message must not stay.
        """

    def block(self, projection: str, obstacle: str) -> None:
        """Say what is in its way; nothing any more where the text is empty."""

    def replace(self, projection: str, *, position: Cursor | int, schema: int) -> None:
        """Whatever was there: the rows were built anew, up to `position`, by this schema."""


class Pause(NamedTuple):
    """Somebody holds this work until somebody lets it go on."""

    reason: str
    since: datetime


class Pauses(Protocol):
    """Which work is held, by name."""

    def all(self) -> Mapping[str, Pause]: ...

    def pause(self, name: str, reason: str) -> None:
        """Work that is paused already has another reason from now on, and the same time."""

    def resume(self, name: str) -> bool:
        """False where it was not paused."""


class WaitingMessage(NamedTuple):
    """The body of a message whose turn has not come, or that cannot be read."""

    version: int
    body: bytes
    erases: bool
    """Whether its event says that the stream's personal data is gone."""
    kept_at: datetime


class WaitingCount(NamedTuple):
    messages: int
    oldest: datetime


class NewerMessages(NamedTuple):
    """What waits for newer code than the consumer's."""

    streams: int
    first: str
    """The one that came first, in words."""


class WaitingRoom(Protocol):
    """Messages that a projection has received and cannot apply yet, for each projection its own.

    Inside a caller's transaction each call is a savepoint or a single statement.
    """

    def keep(self, projection: str, stream_id: UUID, messages: Sequence[WaitingMessage]) -> None:
        """In place of others of the same version, which leave them only the time they came."""

    def keep_unreadable(
        self,
        projection: str,
        stream_id: UUID,
        message: WaitingMessage,
        *,
        instead_of: bytes | None,
    ) -> None:
        """Where no other of its version waits, or in place of the one with this very body.

        Compare-and-set: nothing is written where by now there is another.
        """

    def waiting(self, projection: str, stream_id: UUID, *, after: int = 0) -> list[WaitingMessage]:
        """Those with a higher version than `after`, in that order."""

    def among(self, projection: str, stream_ids: Collection[UUID]) -> set[UUID]:
        """Which of these streams have a message waiting."""

    def discard(self, projection: str, stream_id: UUID, versions: Collection[int]) -> None: ...

    def clear(self, projection: str) -> None:
        """No message waits for it any more."""

    def overdue(self, projection: str, *, before: datetime, limit: int) -> list[UUID]:
        """Streams with a message that waits since before then.

        Unless they are parked, or wait for newer code.
        """

    def wait_for(self, projection: str, stream_id: UUID, *, version: int, what: str) -> None:
        """This message waits for newer code, which `what` says in words."""

    def newer(self, projection: str) -> list[UUID]:
        """Streams that wait for newer code, those with the oldest messages first."""

    def count_newer(self) -> Mapping[str, NewerMessages]:
        """By projection; no entry where none waits for newer code."""

    def count(self) -> Mapping[str, WaitingCount]:
        """By projection; no entry where none waits."""

    def keep_stray(self, body: bytes) -> None:
        """A body that does not say where it belongs; once, however often it comes."""

    def strays(self) -> list[bytes]:
        """Those that came first come first."""

    def discard_stray(self, body: bytes) -> None: ...

    def count_strays(self) -> int: ...


class FeedPage(NamedTuple):
    next: str
    """Where what follows begins."""
    bodies: list[bytes]


FEED_START = "0"


class EventFeed(Protocol):
    """Another system's log, asked for messages over the network."""

    def stream(self, stream_id: UUID, *, after: int, until: int) -> list[bytes]:
        """Bodies of the stream's events with `after < version <= until`. Raises FeedUnavailable."""

    def pages(self, *, after: str = FEED_START) -> Iterator[FeedPage]:
        """The log behind `next` of a page, in its order, to its end of now.

        Raises FeedUnavailable.
        """


@dataclass(eq=False, kw_only=True)
class FeedUnavailable(Exception):
    """The other system's feed did not answer, or not with events."""

    reason: str
    restored: bool = False
    """Whether its log does not hold what was read of it before."""

    def __str__(self) -> str:
        return f"The event feed cannot be read: {self.reason}"


class ParkedStreams(Protocol):
    """The streams that projections failed on; a stream once for each projection.

    Inside a caller's transaction each call is a savepoint.
    """

    def park(
        self, projection: str, stream_id: UUID, *, version: int, event_type: str, error: Exception
    ) -> ParkedStream:
        """Remember that the projection failed on the stream's event `version`.

        The same event again counts one more attempt; another takes the place of the one before.
        """

    def find(self, projection: str, stream_id: UUID) -> ParkedStream | None: ...

    def listed(
        self, projection: str | None = None, *, limit: int | None = None
    ) -> list[ParkedStream]:
        """Of one projection or of all; those parked first come first."""

    def due(self, projection: str, *, limit: int) -> list[ParkedStream]:
        """Those whose time to be retried has come, the longest due first."""

    def among(self, projection: str, stream_ids: Collection[UUID]) -> set[UUID]:
        """Which of these streams are parked."""

    def count(self) -> Mapping[str, int]:
        """How many, by projection; no entry where none."""

    def release(self, projection: str, stream_id: UUID) -> bool:
        """Not parked any more. False where it was not."""

    def release_all(self, projection: str) -> None:
        """None of the projection's streams is parked any more."""
