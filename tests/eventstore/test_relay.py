"""How the log gets to a broker, without either: the broker is in memory, and so is the log."""

from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import pairwise
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest

from candidates.domain.events import CandidateEvent
from candidates.infrastructure.upcasters import UPCASTERS
from eventstore.application.ports import NotPublished
from eventstore.application.reading import BATCH, HEARTBEAT, LONGEST_PAUSE
from eventstore.application.relay import CHECKPOINT, GIVE_UP, LONGEST_RETRY, OVERTAKEN, Relay
from eventstore.domain.events import Cursor, Metadata, RecordedEvent
from eventstore.domain.exceptions import (
    CursorBeyondLog,
    LogWasRestored,
    StoredByNewerCode,
    UndecodableEvent,
)
from eventstore.infrastructure.mapper import EventMapper
from eventstore.infrastructure.memory import InMemoryCheckpoints, InMemoryEventStore
from eventstore.infrastructure.messaging.memory import MemoryEventPublisher
from eventstore.infrastructure.messaging.message import restored_notice
from tests.contracts.buses import MemoryBus
from tests.contracts.conftest import Clock
from tests.eventstore.test_message import LOG
from tests.factories import added, noted

RITA = Metadata(actor="rita", door="api")


class World:
    """A log, a broker with one group, and a clock that moves only while the relay sleeps."""

    def __init__(self) -> None:
        self.clock = Clock()
        mapper = EventMapper()
        mapper.register(get_args(CandidateEvent), upcasters=UPCASTERS)
        self.store = InMemoryEventStore(mapper, clock=self.clock)
        self.checkpoints = InMemoryCheckpoints(clock=self.clock)
        self.broker = MemoryBus()
        self.consumer = self.broker.consumer("readers")
        self.naps: list[float] = []
        self.at: dict[int, Callable[[], object]] = {}
        """What happens in the relay's nap of that number, counted from 1."""

    def stored(self, notes: int = 0) -> list[RecordedEvent]:
        """A new stream."""
        events = added(), *(noted(text=str(number)) for number in range(notes))
        return self.store.append("candidate", uuid4(), events, expected=0, metadata=RITA)

    def relay(self, publisher: Any = None, *, stopped: Callable[[], bool] = lambda: False) -> Relay:
        return Relay(
            publisher or self.broker.publisher(),
            notice=lambda: restored_notice(LOG, self.checkpoints.all()[CHECKPOINT].epoch),
            store=self.store,
            checkpoints=self.checkpoints,
            monotonic=lambda: self.clock.now.timestamp(),
            sleep=self._sleep,
            stopped=stopped,
        )

    def run(self, *, naps: int) -> None:
        """Until the relay has slept so often."""
        self.naps = []
        self.relay(stopped=lambda: len(self.naps) >= naps).run()

    def _sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.clock.advance(seconds=seconds)
        self.at.pop(len(self.naps), lambda: None)()

    def read(self, group: str = "readers") -> list[int]:
        """The positions of what the group gets, as far as nobody has received it yet."""
        consumer = self.consumer if group == "readers" else self.broker.consumer(group)
        with closing(consumer):
            bodies = consumer.receive(limit=10**6, wait=0)
            consumer.acknowledge()
        return [self.broker.decode(body).recorded.position for body in bodies]

    @property
    def position(self) -> int:
        return self.checkpoints.all()[CHECKPOINT].position

    @property
    def blocked_by(self) -> str:
        return self.checkpoints.all()[CHECKPOINT].blocked_by


@pytest.fixture
def world() -> World:
    return World()


class RefusesSome(MemoryEventPublisher):
    """As a broker does that has no queue for these streams."""

    def __init__(self, broker: MemoryBus, *streams: UUID) -> None:
        super().__init__(broker, broker.encode, None)
        self.streams = set(streams)

    def publish(self, events: Sequence[RecordedEvent]) -> None:
        for confirmed, recorded in enumerate(events):
            if recorded.stream_id in self.streams:
                raise NotPublished(confirmed=confirmed, reason="no queue takes it")
            super().publish([recorded])


def test_once_publishes_the_log_in_order_and_ends(world: World) -> None:
    events = world.stored(notes=3) + world.stored()
    world.relay().run(once=True)
    assert sorted(world.read()) == [event.position for event in events]
    assert (world.position, world.naps) == (events[-1].position, [])
    world.relay().run(once=True)
    assert world.read() == []


def test_once_on_an_empty_log_has_nothing_to_do(world: World) -> None:
    world.relay().run(once=True)
    assert (world.position, world.read()) == (0, [])


def test_a_long_log_goes_in_batches(world: World) -> None:
    world.stored(notes=2 * BATCH + 7)
    sizes: list[int] = []

    class Counts(MemoryEventPublisher):
        def publish(self, events: Sequence[RecordedEvent]) -> None:
            sizes.append(len(events))
            super().publish(events)

    world.relay(Counts(world.broker, world.broker.encode, None)).run(once=True)
    assert sizes == [BATCH, BATCH, 8]
    assert world.read() == list(range(1, 2 * BATCH + 9))


def test_what_is_appended_meanwhile_is_published(world: World) -> None:
    world.at = {3: world.stored, 9: world.stored}
    world.run(naps=12)
    assert sorted(world.read()) == [1, 2]
    assert max(world.naps) == LONGEST_PAUSE


def test_what_a_broker_did_not_confirm_is_published_again_and_nothing_before_it(
    world: World,
) -> None:
    first, second, third = world.stored(), world.stored(notes=1), world.stored()
    publisher = RefusesSome(world.broker, second[0].stream_id)
    world.at = {5: publisher.streams.clear}
    world.relay(publisher).run(once=True)
    assert sorted(world.read()) == [event.position for event in first + second + third]
    assert world.position == third[-1].position


def test_what_is_in_its_way_shows_until_it_is_gone(world: World) -> None:
    world.stored()
    refused, _ = world.stored(), world.stored()
    publisher = RefusesSome(world.broker, refused[0].stream_id)
    seen: list[tuple[int, str]] = []

    def look() -> None:
        seen.append((world.position, world.blocked_by))
        publisher.streams.clear()

    world.at = {1: look}
    world.relay(publisher).run(once=True)
    assert seen == [(1, "from position 2 on: no queue takes it")]
    assert world.blocked_by == ""


def test_what_another_relay_met_is_forgotten_by_who_finds_nothing_to_do(world: World) -> None:
    world.checkpoints.start(CHECKPOINT, schema=1)
    world.checkpoints.block(CHECKPOINT, "no queue takes it")
    world.relay().run(once=True)
    assert world.blocked_by == ""


def test_a_broker_that_is_away_is_asked_ever_less_often_and_its_heart_beats(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.stored()
    world.broker.cut()
    tries, beats = [], []

    class Counts(MemoryEventPublisher):
        def publish(self, events: Sequence[RecordedEvent]) -> None:
            tries.append(world.clock.now.timestamp())
            super().publish(events)

    def look() -> None:
        seen_at = world.checkpoints.all()[CHECKPOINT].seen_at
        assert seen_at is not None
        beats.append(seen_at.timestamp())

    world.at = {**dict.fromkeys(range(1, 700), look), 700: world.broker.mend}
    publisher = Counts(world.broker, world.broker.encode, None)
    world.relay(publisher, stopped=lambda: len(world.naps) >= 800).run()
    gaps = [round(later - earlier, 3) for earlier, later in pairwise(tries)]
    assert gaps[:6] == [0.5, 1, 2, 4, 8, 10]
    assert max(gaps) == LONGEST_RETRY
    assert max(later - earlier for earlier, later in pairwise(beats)) < HEARTBEAT + 1
    assert (world.read(), world.blocked_by) == ([1], "")
    # However often it was tried.
    assert [record.getMessage() for record in caplog.records] == [
        "Not published: cut. Waiting for the broker, and going on by itself.",
        "The broker takes events again.",
    ]


def test_a_relay_that_is_held_publishes_nothing_until_it_goes_on(world: World) -> None:
    world.stored()
    held = {CHECKPOINT}
    world.at = {30: held.clear}
    relay = Relay(
        world.broker.publisher(),
        notice=lambda: restored_notice(LOG, 1),
        store=world.store,
        checkpoints=world.checkpoints,
        monotonic=lambda: world.clock.now.timestamp(),
        sleep=world._sleep,
        stopped=lambda: len(world.naps) >= 40,
        held=held.__contains__,
    )
    relay.run(once=True)
    assert (world.position, world.naps) == (0, [])
    relay.run()
    assert len(world.naps) == 40
    assert (world.position, world.read()) == (1, [1])


def test_once_gives_up_in_the_end_and_keeps_what_was_confirmed(world: World) -> None:
    first, refused = world.stored(), world.stored()
    publisher = RefusesSome(world.broker, refused[0].stream_id)
    began = world.clock.now
    with pytest.raises(NotPublished, match="no queue takes it"):
        world.relay(publisher).run(once=True)
    assert GIVE_UP < (world.clock.now - began).total_seconds() < 2 * GIVE_UP
    assert world.position == first[-1].position


def test_a_stopped_relay_does_not_wait_for_its_next_try(world: World) -> None:
    world.stored()
    world.broker.cut()
    world.run(naps=1)
    assert (len(world.naps), world.position) == (1, 0)


def test_of_two_that_publish_the_same_one_moves_the_checkpoint_and_the_other_lets_it_go_on(
    world: World,
) -> None:
    world.stored(notes=4)

    class IsOvertaken(MemoryEventPublisher):
        def publish(self, events: Sequence[RecordedEvent]) -> None:
            super().publish(events)
            world.checkpoints.move(CHECKPOINT, expected=0, position=2)

    world.relay(IsOvertaken(world.broker, world.broker.encode, None)).run(once=True)
    assert world.read() == [1, 2, 3, 4, 5, 3, 4, 5]
    assert world.position == 5
    assert sum(world.naps) == pytest.approx(OVERTAKEN)


@pytest.fixture
def unreadable(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[int, type[UndecodableEvent]]:
    """The positions of events that cannot be read, and how that is told."""
    at: dict[int, type[UndecodableEvent]] = {}
    read_all = world.store.read_all

    def checked(**terms: Any) -> list[RecordedEvent]:
        for event in (found := read_all(**terms)):
            if error := at.get(event.position):
                raise error(
                    stream_id=event.stream_id,
                    version=event.version,
                    event_type="candidate.promoted",
                    schema_version=1,
                    event_id=event.event_id,
                    position=event.position,
                    reason="it cannot be read",
                )
        return found

    monkeypatch.setattr(world.store, "read_all", checked)
    return at


@pytest.mark.parametrize("error", [UndecodableEvent, StoredByNewerCode])
def test_what_cannot_be_decoded_stops_it_behind_everything_before(
    world: World,
    unreadable: dict[int, type[UndecodableEvent]],
    error: type[UndecodableEvent],
    caplog: pytest.LogCaptureFixture,
) -> None:
    events = world.stored(notes=5)
    unreadable[4] = error
    with pytest.raises(error, match="position 4"):
        world.relay().run(once=True)
    assert world.position == 3
    # One that need not come to an end waits, and names it once.
    world.run(naps=30)
    assert world.read() == [event.position for event in events[:3]]
    told = (world.blocked_by, world.checkpoints.all()[CHECKPOINT].waits_for)
    waits_for = told[error is StoredByNewerCode]
    assert "position 4, candidate.promoted" in waits_for
    assert told[error is not StoredByNewerCode] == ""
    assert caplog.text.count("position 4") == 1
    unreadable.clear()
    world.relay().run(once=True)
    assert world.read() == [event.position for event in events[3:]]
    assert (world.blocked_by, world.checkpoints.all()[CHECKPOINT].waits_for) == ("", "")


def test_a_relay_that_waits_goes_on_behind_what_another_has_published(
    world: World, unreadable: dict[int, type[UndecodableEvent]]
) -> None:
    world.stored(notes=5)
    unreadable[4] = StoredByNewerCode

    def newer_relay() -> None:
        world.checkpoints.move(CHECKPOINT, expected=3, position=4)

    world.at = {9: newer_relay}
    world.run(naps=30)
    assert world.read() == [1, 2, 3, 5, 6]
    assert (world.position, world.checkpoints.all()[CHECKPOINT].waits_for) == (6, "")


def test_a_checkpoint_beyond_the_log_is_an_error_with_advice(world: World) -> None:
    world.stored()
    world.checkpoints.replace(CHECKPOINT, position=10**9, schema=1)
    with pytest.raises(CursorBeyondLog, match="older backup"):
        world.relay().run(once=True)


def test_a_group_is_sent_what_lies_behind_a_position_and_the_relay_stays_where_it_is(
    world: World,
) -> None:
    world.stored(notes=BATCH + 9)
    world.relay().run(once=True)
    before = world.checkpoints.all()
    late = world.relay(world.broker.publisher("late"))
    assert list(late.send(after=5)) == [BATCH + 5, BATCH + 10]
    assert world.read("late") == list(range(6, BATCH + 11))
    assert len(world.read()) == BATCH + 10
    assert world.checkpoints.all() == before


def test_what_is_relayed_while_a_group_is_made_reaches_it_all_the_same(world: World) -> None:
    """Before its queues are there, or after: one of the two brings it."""
    world.stored(notes=3)

    class Late(MemoryEventPublisher):
        def publish(self, events: Sequence[RecordedEvent]) -> None:
            if "late" not in world.broker.groups:
                world.stored()
                world.relay().run(once=True)
                world.broker.publisher("late")
            super().publish(events)

    list(world.relay(Late(world.broker, world.broker.encode, "late")).send(after=0))
    assert sorted(world.read("late")) == [1, 2, 3, 4, 5]


def test_sending_goes_on_where_the_broker_was_away_and_gives_up_in_the_end(world: World) -> None:
    world.stored(notes=BATCH)
    world.broker.cut()
    world.at = {3: world.broker.mend}
    sent = world.relay(world.broker.publisher("late"), stopped=lambda: False).send(after=0)
    assert next(sent) == BATCH
    world.broker.cut()
    with pytest.raises(NotPublished):
        next(sent)
    world.broker.mend()
    assert world.read("late") == list(range(1, BATCH + 1))


def test_there_is_nothing_to_send_behind_the_end(world: World) -> None:
    last = world.stored()[-1].position
    assert list(world.relay(world.broker.publisher("late")).send(after=last)) == []
    with pytest.raises(CursorBeyondLog):
        list(world.relay(world.broker.publisher("late")).send(after=last + 1))


def begin_epoch(world: World, epoch: int) -> bool:
    return world.checkpoints.begin(CHECKPOINT, epoch=epoch)


def announced(world: World) -> int:
    """How many notices the group gets before anything else."""
    with closing(world.consumer) as consumer:
        bodies = consumer.receive(limit=10**6, wait=0)
        consumer.acknowledge()
    return sum(b"eventstore.log_restored" in body for body in bodies)


def test_a_new_epoch_is_announced_to_every_partition_and_all_is_sent_anew(world: World) -> None:
    events = world.stored(notes=2)
    world.relay().run(once=True)
    assert sorted(world.read()) == [1, 2, 3]
    begin_epoch(world, 2)
    world.relay().run(once=True)
    bodies = world.consumer.receive(limit=10**6, wait=0)
    notices = [body for body in bodies if b"eventstore.log_restored" in body]
    assert len(notices) == world.broker.partitions
    assert len(bodies) == len(notices) + len(events)
    world.consumer.acknowledge()
    world.relay().run(once=True)
    assert world.read() == []


def test_an_epoch_that_begins_while_the_relay_runs_is_noticed(world: World) -> None:
    world.stored(notes=2)
    world.at[2] = lambda: (world.read(), begin_epoch(world, 2))
    world.run(naps=4)
    assert announced(world) == world.broker.partitions
    assert world.position == 3


def test_an_epoch_is_not_lost_while_the_broker_is_away(world: World) -> None:
    world.checkpoints.start(CHECKPOINT, schema=1)
    begin_epoch(world, 2)
    world.broker.outage = "out of reach"
    world.at[3] = lambda: setattr(world.broker, "outage", "")
    world.run(naps=8)
    assert announced(world) == world.broker.partitions


def test_what_was_published_in_an_epoch_that_ends_meanwhile_does_not_count_in_the_next(
    world: World,
) -> None:
    """The checkpoint is at 0 in both: by its position alone nobody could tell."""
    world.stored(notes=2)

    class EndsTheEpoch(MemoryEventPublisher):
        def publish(self, events: Sequence[RecordedEvent]) -> None:
            super().publish(events)
            begin_epoch(world, 2)

    world.relay(EndsTheEpoch(world.broker, world.broker.encode, None)).run(once=True)
    assert announced(world) == world.broker.partitions


def test_a_relay_remembers_what_it_has_published_of_a_log_that_is_put_back(world: World) -> None:
    """Its checkpoint comes from the backup as well, and fits the log that came with it."""
    world.stored(notes=5)
    other = World()
    before = other.stored(notes=1)

    def restored() -> None:
        world.store.__dict__.update(other.store.__dict__)
        kept = world.checkpoints.all()[CHECKPOINT]
        world.checkpoints.replace(CHECKPOINT, position=Cursor.at(before[0]), schema=kept.schema)
        other.stored(notes=9)

    world.at[1] = restored
    with pytest.raises(LogWasRestored):
        world.run(naps=5)
