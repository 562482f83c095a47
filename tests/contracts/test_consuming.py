"""What becomes of a read model that is fed by messages, on every adapter."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from eventstore.application.consumption import (
    FIRST_RECONNECT,
    GIVE_UP,
    LONGEST_RECONNECT,
    Consumption,
)
from eventstore.application.inbox import Inbox
from eventstore.application.intake import Intake
from eventstore.application.parking import DELAYS
from eventstore.application.ports import (
    FEED_START,
    EventConsumer,
    FeedPage,
    FeedUnavailable,
    Message,
    NotReceived,
    WaitingRoom,
)
from eventstore.application.reading import HEARTBEAT
from eventstore.application.received import PATIENCE, ReceivedDelivery, WaitingStreams
from eventstore.domain.events import Metadata, RecordedEvent
from eventstore.domain.exceptions import AnotherLog, RowsOfNewerCode, UndecodableMessage
from eventstore.infrastructure.memory import InMemoryParkedStreams, InMemoryWaitingRoom
from eventstore.infrastructure.messaging.memory import MemoryEventConsumer
from eventstore.infrastructure.messaging.message import decode, redacted
from eventstore.infrastructure.waiting import DjangoWaitingRoom
from eventstore.wiring import mapper
from tests.broken_upcasters import BROKEN, SECRET, upcaster
from tests.contracts.buses import MemoryBus, body_of
from tests.contracts.conftest import Clock, ReadModel
from tests.contracts.test_projection import HISTORY, rebuilt
from tests.eventstore.test_message import LOG
from tests.factories import added, erased, noted, profile_changed, rejected

RITA = Metadata(actor="rita", door="api")


class Feed:
    """The other system's log, as it is given over the network."""

    def __init__(self, world: "World") -> None:
        self._read = world.model.store.read_stream
        self._all = world.model.store.read_all
        self._failed: set[int] = set()
        self._clock = world.clock
        self.asked: list[tuple[UUID, int, int]] = []
        self.down = False
        self.seconds = 0.0
        """That an answer takes."""

    def stream(self, stream_id: UUID, *, after: int, until: int) -> list[bytes]:
        self.asked.append((stream_id, after, until))
        self._clock.advance(seconds=self.seconds)
        if self.down:
            raise FeedUnavailable(reason="timed out")
        return [body_of(one) for one in self._read(stream_id, after=after, until=until)]

    def pages(self, *, after: str = FEED_START) -> Iterator[FeedPage]:
        """One event at a time, and it fails once in front of each but the first."""
        for number, recorded in enumerate(self._all(after=int(after), limit=100)):
            met = recorded.position in self._failed
            if self.down or ((number or int(after)) and not met):
                self._failed.add(recorded.position)
                raise FeedUnavailable(reason="HTTP Error 429: Too Many Requests")
            yield FeedPage(str(recorded.position), [body_of(recorded)])


class World:
    """One projection that is fed by a broker in memory, and a clock that moves by its naps."""

    def __init__(self, model: ReadModel, clock: Clock) -> None:
        self.model = model
        self.clock = clock
        self.feed: Feed | None = None
        self.newer: set[bytes] = set()
        """Bodies that this code is too old for."""
        self.unreadable: set[bytes] = set()
        """Bodies that an upcaster fails on."""
        self.bus = MemoryBus()
        self.consumer = self.bus.consumer("readers")
        self.naps: list[float] = []
        self.room: WaitingRoom
        if isinstance(model.parked, InMemoryParkedStreams):
            self.room = InMemoryWaitingRoom(parked=model.parked)
        else:
            self.room = DjangoWaitingRoom(clock=clock)

    def decode(self, body: bytes) -> Message:
        source, recorded, epoch = decode(body, mapper())
        if body in self.newer | self.unreadable:
            raise UndecodableMessage(
                reason="newer code" if body in self.newer else "an upcaster failed",
                newer=body in self.newer,
                whole=True,
                source=source,
                event_id=recorded.event_id,
                position=recorded.position,
                stream_type=recorded.stream_type,
                stream_id=recorded.stream_id,
                version=recorded.version,
                event_type=recorded.event.event_type,
                schema_version=9,
                epoch=epoch,
            )
        return Message(source, recorded, epoch)

    def accept(self, source: UUID) -> None:
        if source != LOG:
            raise AnotherLog(source=source, reason="it is not ours.")

    @property
    def inbox(self) -> Inbox:
        return Inbox(decode=self.decode, accept=self.accept)

    @property
    def delivery(self) -> ReceivedDelivery:
        projection, source = (
            self.model.projection,
            WaitingStreams(
                self.model.projection.name, room=self.room, decode=self.decode, clock=self.clock
            ),
        )
        memory = isinstance(self.room, InMemoryWaitingRoom)
        return ReceivedDelivery(
            type(projection)(self.model.projector, rows=self.model.rows, source=source),
            source=source,
            parked=self.model.parked,
            savepoint=_nothing if memory else transaction.atomic,
            transient=(TimeoutError,),
            inbox=self.inbox,
            room=self.room,
            redact=lambda body: redacted(body, mapper()),
            feed=self.feed,
            clock=self.clock,
        )

    def intake(self, delivery: ReceivedDelivery | None = None) -> Intake:
        def in_transaction(work: Callable[[], None]) -> None:
            with _nothing() if isinstance(self.room, InMemoryWaitingRoom) else transaction.atomic():
                work()

        return Intake(
            [delivery or self.delivery],
            inbox=self.inbox,
            room=self.room,
            parked=self.model.parked,
            checkpoints=self.model.checkpoints,
            transaction=in_transaction,
            transient=(TimeoutError,),
        )

    def consumption(
        self,
        connect: Callable[[], EventConsumer] | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Consumption:
        delivery = self.delivery
        return Consumption(
            [delivery],
            self.intake(delivery),
            connect=connect or (lambda: self.bus.consumer("readers")),
            checkpoints=self.model.checkpoints,
            parked=self.model.parked,
            room=self.room,
            monotonic=lambda: self.clock.now.timestamp(),
            clock=self.clock,
            sleep=self._sleep,
            stopped=stopped,
        )

    def stored(self, *events: Any, stream_id: UUID | None = None) -> list[RecordedEvent]:
        stream_id = stream_id or uuid4()
        known = self.model.store.head(stream_id).version
        return self.model.store.append(
            "candidate", stream_id, events or HISTORY, expected=known, metadata=RITA
        )

    def sent(self, *recorded: RecordedEvent) -> None:
        """To one partition: in the order in which they are named."""
        for one in recorded:
            self.bus.put("readers", 0, body_of(one))

    def consume(self) -> None:
        """What the broker holds by now; then the clock goes on by a second."""
        self.consumption().run(once=True)
        self.clock.advance(seconds=1)

    def version(self, stream: Sequence[RecordedEvent]) -> int:
        return self.model.rows.version(stream[0].stream_id)

    def parked(self) -> list[tuple[UUID, int, str, int]]:
        return [(p.stream_id, p.version, p.error, p.attempts) for p in self.model.parked.listed()]

    @property
    def waiting(self) -> int:
        return sum(count.messages for count in self.room.count().values())

    def left(self) -> int:
        """How many messages the broker still holds."""
        return sum(len(queue.bodies) for queue in self.bus.groups["readers"])

    def _sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.clock.advance(seconds=seconds)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@pytest.fixture
def world(read_model: ReadModel, clock: Clock) -> World:
    return World(read_model, clock)


def test_what_comes_in_its_turn_is_shown_as_a_rebuild_shows_it(world: World) -> None:
    streams = [world.stored() for _ in range(3)]
    for turn in zip(*streams, strict=True):
        world.sent(*turn)
    world.consume()
    assert [world.version(stream) for stream in streams] == [8] * 3
    assert (world.waiting, world.parked(), world.left()) == (0, [], 0)
    assert world.model.look() == rebuilt(world.model)


def test_batch_by_batch_a_stream_goes_on_where_it_was(world: World) -> None:
    stream = world.stored()
    for first, last in pairwise((0, 1, 2, 5, 8)):
        world.sent(*stream[first:last])
        world.consume()
        assert world.version(stream) == last
    assert world.model.look() == rebuilt(world.model)


def test_repeats_change_nothing(world: World) -> None:
    stream = world.stored()
    world.sent(*stream[:3], *stream[:2], *stream[2:], *stream)
    world.consume()
    before = world.model.look()
    world.sent(*stream)
    world.consume()
    assert world.model.look() == before == rebuilt(world.model)
    assert (world.waiting, world.parked()) == (0, [])


@pytest.mark.parametrize("seed", range(4))
def test_shuffled_messages_make_the_same_rows(world: World, seed: int) -> None:
    chance = random.Random(seed)
    log = [one for _ in range(6) for one in world.stored()]
    log += chance.sample(log, 12)
    chance.shuffle(log)
    while log:
        size = chance.randint(1, 9)
        world.sent(*log[:size])
        log = log[size:]
        world.consumption().run(once=True)
    assert (world.waiting, world.parked()) == (0, [])
    assert world.model.look() == rebuilt(world.model)


def test_what_is_behind_a_gap_waits_and_other_streams_go_on(world: World) -> None:
    torn, whole = world.stored(), world.stored()
    world.sent(*torn[:2], *torn[4:], *whole)
    world.consume()
    assert [world.version(torn), world.version(whole)] == [2, 8]
    assert (world.waiting, world.parked(), world.left()) == (4, [], 0)
    world.sent(torn[3], torn[2])
    world.consume()
    assert (world.version(torn), world.waiting) == (8, 0)
    assert world.model.look() == rebuilt(world.model)


def test_a_gap_that_does_not_close_parks_its_stream_in_words(world: World) -> None:
    torn, whole = world.stored(), world.stored()
    world.sent(*torn[:2], *torn[4:])
    world.consume()
    world.clock.advance(seconds=PATIENCE.total_seconds())
    world.sent(*whole)
    world.consume()
    error = "EventsMissing: events 3-4 never came"
    assert world.parked() == [(torn[0].stream_id, 3, error, 1)]
    assert (world.version(whole), world.waiting) == (8, 4)
    # Later ones go on waiting, and the two that come after all end it.
    world.sent(torn[2])
    world.consume()
    assert world.version(torn) == 3
    world.sent(torn[3])
    world.consume()
    assert (world.version(torn), world.parked(), world.waiting) == (8, [], 0)


def test_one_event_that_never_came_is_named_alone(world: World) -> None:
    torn = world.stored()
    world.sent(torn[0], torn[2])
    world.consume()
    world.clock.advance(seconds=PATIENCE.total_seconds())
    world.consume()
    assert world.parked() == [(torn[0].stream_id, 2, "EventsMissing: event 2 never came", 1)]


def test_what_never_came_is_asked_for_where_there_is_a_feed(world: World) -> None:
    world.feed = Feed(world)
    torn = world.stored()
    world.sent(*torn[:2], *torn[4:])
    world.consume()
    assert world.feed.asked == []
    world.clock.advance(seconds=PATIENCE.total_seconds())
    world.consume()
    assert world.feed.asked == [(torn[0].stream_id, 2, 4)]
    assert (world.version(torn), world.waiting, world.parked()) == (8, 0, [])
    assert world.model.look() == rebuilt(world.model)


def test_a_feed_that_does_not_answer_is_asked_again_later(world: World) -> None:
    world.feed = Feed(world)
    world.feed.down = True
    torn = world.stored()
    world.sent(torn[0], *torn[2:])
    world.consume()
    world.clock.advance(seconds=PATIENCE.total_seconds())
    world.consume()
    assert [attempts for *_, attempts in world.parked()] == [1]
    world.feed.down = False
    world.clock.advance(seconds=DELAYS[0].total_seconds())
    world.consume()
    assert (world.version(torn), world.waiting, world.parked()) == (8, 0, [])


def test_a_feed_that_takes_its_time_holds_up_no_messages(world: World) -> None:
    world.feed = feed = Feed(world)
    feed.down, feed.seconds = True, 10.0
    torn = [world.stored() for _ in range(4)]
    world.sent(*(one for stream in torn for one in (stream[0], *stream[2:])))
    world.consume()
    world.clock.advance(seconds=PATIENCE.total_seconds())
    whole = world.stored()

    def stopped() -> bool:
        if feed.asked:
            world.sent(*whole)
        return world.version(whole) > 0

    world.consumption(stopped=stopped).run()
    assert len(feed.asked) == 1


def test_a_message_that_cannot_be_read_parks_its_stream_and_others_go_on(world: World) -> None:
    poisoned, whole = world.stored(), world.stored()
    world.unreadable = {body_of(poisoned[2])}
    world.sent(*poisoned[:4], *whole, *poisoned[4:])
    world.consume()
    third = poisoned[2]
    error = (
        f"UnreadableMessage: the message of event 3, {third.event.event_type} version 9, "
        f"{third.event_id} at position {third.position}, cannot be decoded: an upcaster failed"
    )
    assert world.parked() == [(poisoned[0].stream_id, 3, error, 1)]
    assert [world.version(poisoned), world.version(whole)] == [2, 8]
    assert (world.waiting, world.left()) == (6, 0)


def test_a_message_of_newer_code_waits_by_name_and_parks_nothing(world: World) -> None:
    ahead, whole, gone = world.stored(), world.stored(), world.stored()
    world.newer = {body_of(ahead[2]), body_of(gone[0])}
    world.sent(*ahead[:4], *whole, gone[0], *ahead[4:])
    world.consume()
    assert [world.version(one) for one in (ahead, whole, gone)] == [2, 8, 0]
    waits = world.room.count_newer()[world.delivery.name]
    assert waits.streams == 2
    assert any(
        f"{one.event_id} at position {one.position}" in waits.first for one in (ahead[2], gone[0])
    )
    # However long it waits.
    world.clock.advance(seconds=PATIENCE.total_seconds() + 1)
    world.consume()
    assert (world.parked(), world.left()) == ([], 0)
    world.sent(*gone[1:])
    world.consume()
    assert (world.version(gone), world.parked(), world.waiting) == (0, [], 6 + 8)
    # Its own upgrade.
    world.newer.clear()
    world.consume()
    assert [world.version(one) for one in (ahead, whole, gone)] == [8, 8, 8]
    assert (world.parked(), world.waiting, world.room.count_newer()) == ([], 0, {})
    assert world.model.look() == rebuilt(world.model)


def test_behind_a_gap_a_message_of_newer_code_is_no_reason_to_wait(world: World) -> None:
    stream = world.stored()
    world.newer = {body_of(stream[4])}
    world.sent(*stream[:2], *stream[4:])
    world.consume()
    assert world.room.count_newer() == {}
    world.clock.advance(seconds=PATIENCE.total_seconds() + 1)
    world.consume()
    assert [version for _, version, *_ in world.parked()] == [3]
    world.sent(*stream[2:4])
    world.consume()
    assert (world.version(stream), world.parked()) == (4, [])
    assert world.room.count_newer()[world.delivery.name].streams == 1


def test_rows_that_newer_code_built_are_not_fed(world: World) -> None:
    name, schema = world.delivery.name, world.delivery.projection.schema
    world.model.checkpoints.replace(name, position=0, schema=schema + 1)
    stream = world.stored()
    world.sent(*stream)
    with pytest.raises(RowsOfNewerCode):
        world.consume()
    assert f"of schema {schema + 1}" in world.model.checkpoints.all()[name].waits_for
    assert world.version(stream) == 0
    world.model.checkpoints.replace(name, position=0, schema=schema)
    world.consume()
    assert (world.version(stream), world.model.checkpoints.all()[name].waits_for) == (8, "")


def test_after_an_upgrade_what_could_not_be_read_is_decoded_anew(world: World) -> None:
    poisoned = world.stored()
    world.unreadable = {body_of(poisoned[0]), body_of(poisoned[5])}
    world.sent(*poisoned)
    world.consume()
    assert world.version(poisoned) == 0
    world.unreadable = {body_of(poisoned[5])}
    failed = world.delivery.retry(poisoned[0].stream_id)
    assert failed is not None
    assert (failed.version, world.version(poisoned), world.waiting) == (6, 5, 3)
    world.unreadable = set()
    assert world.delivery.retry(poisoned[0].stream_id) is None
    assert (world.version(poisoned), world.parked(), world.waiting) == (8, [], 0)
    assert world.model.look() == rebuilt(world.model)


def test_what_cannot_be_read_may_be_passed_over(world: World) -> None:
    poisoned = world.stored()
    world.unreadable = {body_of(poisoned[4])}
    world.sent(*poisoned)
    world.consume()
    assert world.delivery.skip(poisoned[0].stream_id, version=5) is None
    assert (world.version(poisoned), world.parked(), world.waiting) == (8, [], 0)


def _altered(one: RecordedEvent, **attributes: Any) -> bytes:
    return json.dumps(json.loads(body_of(one)) | attributes).encode()


TWINS: dict[str, Callable[[RecordedEvent], bytes]] = {
    "of newer code": lambda one: _altered(one, schemaversion=99),
    "of an unknown type": lambda one: _altered(one, type="candidate.promoted"),
    "without its event": lambda one: _altered(one, data={}),
    "with another event": lambda one: _altered(
        one, data={"event": [], "metadata": {"actor": "rita", "door": "api"}}
    ),
    "of another time": lambda one: _altered(one, time="yesterday"),
    "of another specification": lambda one: _altered(one, specversion="0.3"),
    "with another id": lambda one: _altered(one, id="none"),
}
"""Messages of the same event of the same stream that nobody can read."""


@pytest.mark.parametrize("order", ["before", "after", "before by a batch", "after by a batch"])
@pytest.mark.parametrize("waiting", [True, False], ids=["behind a gap", "in its turn"])
def test_a_malformed_twin_never_takes_the_place_of_a_message_that_can_be_read(
    world: World, order: str, waiting: bool
) -> None:
    streams = {kind: world.stored() for kind in TWINS}
    for stream in streams.values():
        world.sent(*stream[: 2 if waiting else 3])
    first: list[bytes] = []
    second: list[bytes] = []
    for kind, stream in streams.items():
        whole, twin = body_of(stream[3]), TWINS[kind](stream[3])
        first.append(twin if order.startswith("before") else whole)
        second.append(whole if order.startswith("before") else twin)
    for bodies in (first, second):
        if order.endswith("batch"):
            world.consume()
        for body in bodies:
            world.bus.put("readers", 0, body)
    world.consume()
    for stream in streams.values():
        world.sent(*stream[2:3], *stream[4:])
    world.consume()
    assert {kind: world.version(stream) for kind, stream in streams.items()} == dict.fromkeys(
        TWINS, 8
    )
    assert (world.parked(), world.waiting) == ([], 0)
    assert world.model.look() == rebuilt(world.model)


def test_a_malformed_twin_of_what_is_shown_changes_nothing(world: World) -> None:
    stream = world.stored()
    world.sent(*stream[:4])
    world.consume()
    for twin in TWINS.values():
        world.bus.put("readers", 0, twin(stream[3]))
    world.consume()
    world.sent(*stream[4:])
    world.consume()
    assert (world.version(stream), world.parked(), world.waiting) == (8, [], 0)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("apart", [True, False])
def test_of_two_that_cannot_be_read_the_one_that_is_more_like_the_event_waits(
    world: World, order: int, apart: bool
) -> None:
    """A message that newer code wrote is read after an upgrade; a damaged one never is."""
    stream = world.stored()
    newer = body_of(stream[3])
    world.newer = {newer}
    world.sent(*stream[:3])
    for body in [newer, TWINS["without its event"](stream[3])][::order]:
        world.bus.put("readers", 0, body)
        if apart:
            world.consume()
    world.consume()
    world.sent(*stream[4:])
    world.consume()
    assert (world.version(stream), world.parked()) == (3, [])
    world.newer = set()
    world.consume()
    assert (world.version(stream), world.parked(), world.waiting) == (8, [], 0)


def test_where_neither_of_two_can_be_read_the_feed_is_asked(world: World) -> None:
    world.feed = Feed(world)
    stream = world.stored()
    world.sent(*stream[:3])
    for kind in ("without its event", "of another time"):
        world.bus.put("readers", 0, TWINS[kind](stream[3]))
        world.consume()
    world.sent(*stream[4:])
    world.consume()
    world.clock.advance(seconds=DELAYS[-1].total_seconds())
    world.consume()
    assert world.feed.asked[-1] == (stream[0].stream_id, 3, 4)
    assert (world.version(stream), world.parked(), world.waiting) == (8, [], 0)


def test_what_the_feed_gives_takes_the_place_of_what_is_no_better(world: World) -> None:
    """If newer code may have written both messages, the one from the log's own feed is right."""
    world.feed = Feed(world)
    stream = world.stored()
    own = body_of(stream[3])
    world.newer = {own}
    world.sent(*stream[:3])
    world.bus.put("readers", 0, TWINS["of newer code"](stream[3]))
    world.consume()
    assert world.feed.asked == []
    # As when it is started anew.
    world.consume()
    assert [one.body for one in world.room.waiting(world.delivery.name, stream[0].stream_id)] == [
        own
    ]
    world.newer = set()
    world.consume()
    assert (world.version(stream), world.parked()) == (4, [])


def test_a_line_break_behind_an_attribute_stops_no_other_stream(world: World) -> None:
    whole = world.stored()
    for attribute in ("source", "sequence", "logposition", "type", "streamtype"):
        (poisoned,) = world.stored(added())
        said = json.loads(body_of(poisoned))[attribute]
        world.bus.put("readers", 0, _altered(poisoned, **{attribute: f"{said}\n"}))
        world.consume()
        assert world.version([poisoned]) == 0
    world.sent(*whole)
    world.consume()
    assert (world.version(whole), world.left()) == (8, 0)
    # Two of the five messages still tell their stream, so these streams are parked.
    assert (len(world.parked()), world.room.count_strays()) == (2, 3)


def test_whatever_an_upcaster_does_wrong_parks_its_stream_and_others_go_on(world: World) -> None:
    old = {"event": {"reason": "too far away"}, "metadata": {"actor": "rita", "door": "api"}}
    whole = world.stored()
    for word, broken in BROKEN.items():
        poisoned = world.stored(added(), rejected())
        world.sent(poisoned[0])
        world.bus.put("readers", 0, _altered(poisoned[1], schemaversion=1, data=old))
        world.sent(whole[0])
        with upcaster(broken):
            world.consumption().run(once=True)
            assert (world.version(poisoned), world.left()) == (1, 0)
            ((stream_id, version, error, attempts),) = world.parked()
            assert (stream_id, version, attempts) == (poisoned[0].stream_id, 2, 1)
            told = (
                f"the message of event 2, candidate.rejected version 1, {poisoned[1].event_id} at "
                f"position {poisoned[1].position}, cannot be decoded: "
            )
            assert error.startswith("UnreadableMessage: ")
            assert told in error
            assert word in error
            assert SECRET not in error
            assert world.delivery.retry(poisoned[0].stream_id) is not None
        assert world.delivery.retry(poisoned[0].stream_id) is None
        assert (world.version(poisoned), world.parked(), world.waiting) == (2, [], 0)
    assert world.version(whole) == 1


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, SystemExit])
def test_what_says_nothing_of_a_message_is_raised_and_the_message_comes_again(
    world: World, error: type[BaseException]
) -> None:
    stream = world.stored(added(), rejected())

    def upcast(data: Any) -> Any:
        raise error

    old = {"event": {"reason": "too far away"}, "metadata": {"actor": "rita", "door": "api"}}
    world.sent(stream[0])
    world.bus.put("readers", 0, _altered(stream[1], schemaversion=1, data=old))
    with upcaster(upcast), pytest.raises(error):
        world.consumption().run(once=True)
    assert (world.parked(), world.left()) == ([], 2)
    world.consume()
    assert (world.version(stream), world.parked()) == (2, [])


def test_messages_about_what_nobody_shows_here_are_passed_over(world: World) -> None:
    (other,) = world.stored(added())
    body = json.loads(body_of(other)) | {"streamtype": "vacancy", "type": "vacancy.opened"}
    world.bus.put("readers", 0, json.dumps(body).encode())
    world.consume()
    assert (world.version([other]), world.waiting, world.parked()) == (0, 0, [])
    assert (world.room.count_strays(), world.left()) == (0, 0)


def test_a_body_that_does_not_say_where_it_belongs_is_kept_once(world: World) -> None:
    stream = world.stored()
    for body in (b"{", b"\xff\x00", b"{"):
        world.bus.put("readers", 0, body)
    world.sent(*stream)
    world.consume()
    assert world.room.strays() == [b"{", b"\xff\x00"]
    assert (world.version(stream), world.left()) == (8, 0)


def test_a_stray_that_this_code_can_read_by_now_is_taken(world: World) -> None:
    stream = world.stored()
    world.room.keep_stray(b"{")
    world.room.keep_stray(body_of(stream[0]))
    assert world.intake().take_strays() == 1
    assert (world.version(stream), world.room.strays()) == (1, [b"{"])


def test_messages_of_another_log_stop_everything_before_anything_is_written(world: World) -> None:
    stream = world.stored()
    foreign = json.loads(body_of(stream[1])) | {"source": uuid4().urn}
    world.sent(stream[0])
    world.bus.put("readers", 0, json.dumps(foreign).encode())
    with pytest.raises(AnotherLog, match="it is not ours"):
        world.consume()
    assert (world.version(stream), world.waiting, world.left()) == (0, 0, 2)


@pytest.fixture
def broken(world: World, monkeypatch: pytest.MonkeyPatch) -> set[tuple[UUID, int]]:
    """The events that the projector fails on."""
    on: set[tuple[UUID, int]] = set()
    kind: Any = type(world.model.projector)
    changes = kind.changes

    def fail_on_some(self: Any, recorded: RecordedEvent) -> Any:
        if (recorded.stream_id, recorded.version) in on:
            raise ValueError("Zoë, zoe@example.org")
        return changes(self, recorded)

    monkeypatch.setattr(kind, "changes", fail_on_some)
    return on


def test_what_a_projector_fails_on_is_parked_and_retried(
    world: World, broken: set[tuple[UUID, int]]
) -> None:
    failing, whole = world.stored(), world.stored()
    broken.add((failing[0].stream_id, 4))
    world.sent(*failing[:5], *whole)
    world.consume()
    ((stream_id, version, error, attempts),) = world.parked()
    assert (stream_id, version, attempts) == (failing[0].stream_id, 4, 1)
    assert error.startswith("ValueError at")
    assert "Zoë" not in error
    assert [world.version(failing), world.version(whole)] == [3, 8]
    world.sent(*failing[5:])
    world.consume()
    assert world.version(failing) == 3
    broken.clear()
    world.clock.advance(seconds=DELAYS[1].total_seconds())
    world.consume()
    assert (world.version(failing), world.parked(), world.waiting) == (8, [], 0)
    assert world.model.look() == rebuilt(world.model)


def test_what_says_nothing_of_the_messages_is_raised_and_they_come_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = world.stored()
    world.sent(*stream)

    def locked(*_: Any, **__: Any) -> Any:
        raise TimeoutError("locked")

    with monkeypatch.context() as patched:
        patched.setattr(type(world.model.rows), "add_missing", locked)
        with pytest.raises(TimeoutError):
            world.consume()
    assert (world.version(stream), world.left(), world.parked()) == (0, 8, [])
    world.consume()
    assert (world.version(stream), world.left()) == (8, 0)


def test_rows_that_another_consumer_has_moved_meanwhile_are_gone_on_from(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = world.stored(), world.stored()
    world.sent(*first[:2])
    world.consume()
    versions = type(world.model.rows).versions
    raced: list[bool] = []

    def look_and_lose(self: Any, ids: Any) -> Any:
        shown = versions(self, ids)
        if not raced:
            raced.append(True)
            world.model.projection.handle(first[2:4])
            world.model.projection.handle(second[:1])
        return shown

    monkeypatch.setattr(type(world.model.rows), "versions", look_and_lose)
    world.sent(*first[2:], *second)
    world.consume()
    assert [world.version(first), world.version(second)] == [8, 8]
    assert (world.waiting, world.parked()) == (0, [])
    assert world.model.look() == rebuilt(world.model)


def test_what_waits_forgets_what_is_personal_once_an_erasure_has_come(world: World) -> None:
    stream = world.stored(added(), noted(text="Ann called"), noted(text="Ann wrote"), erased())
    world.unreadable = {body_of(stream[1])}
    world.sent(stream[1], stream[2])
    world.consume()
    name, stream_id = world.model.projection.name, stream[0].stream_id
    kept = [one.body for one in world.room.waiting(name, stream_id)]
    assert [b"Ann" in body for body in kept] == [True, True]
    redactable = {body_of(stream[1])}
    world.unreadable = redactable
    world.sent(stream[3])
    world.consume()
    kept = [one.body for one in world.room.waiting(name, stream_id)]
    assert not any(b"Ann" in body for body in kept)
    world.sent(*stream[:2])
    world.unreadable = set()
    world.consume()
    assert (world.version(stream), world.waiting) == (4, 0)


def test_an_erasure_leaves_a_message_of_newer_code_waiting_without_its_event(world: World) -> None:
    stream = world.stored(added(), noted(text="Ann called"), erased())
    world.sent(stream[0])
    world.bus.put("readers", 0, TWINS["of an unknown type"](stream[1]))
    world.sent(stream[2])
    world.consume()
    kept = [one.body for one in world.room.waiting(world.delivery.name, stream[0].stream_id)]
    assert [b"candidate.promoted" in body for body in kept] == [True, False]
    assert not any(b"Ann" in body for body in kept)
    assert (world.parked(), world.version(stream)) == ([], 1)
    assert world.room.count_newer()[world.delivery.name].streams == 1


def test_the_highest_position_that_came_is_remembered(world: World) -> None:
    first, second = world.stored(), world.stored()
    world.sent(*second, *first)
    world.consume()
    kept = world.model.checkpoints.all()[world.model.projection.name]
    assert (kept.received, kept.position) == (second[-1].position, 0)


def test_acknowledged_is_only_what_is_handled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies between the rows and the acknowledgement: everything comes once more."""
    stream = world.stored()
    world.sent(*stream)

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(MemoryEventConsumer, "acknowledge", die)
        with pytest.raises(KeyboardInterrupt):
            world.consume()
    assert (world.version(stream), world.left()) == (8, 8)
    before = world.model.look()
    world.consume()
    assert (world.model.look(), world.left()) == (before, 0)


def test_a_stopped_consumer_finishes_its_batch(world: World) -> None:
    stream = world.stored()
    world.sent(*stream)
    asked: list[bool] = []

    def stopped() -> bool:
        asked.append(True)
        return world.version(stream) > 0

    world.consumption(stopped=stopped).run()
    assert (world.version(stream), world.left()) == (8, 0)


class Unreachable:
    """A broker that is out of reach for so many tries."""

    def __init__(self, world: World, tries: int) -> None:
        self.world = world
        self.tries = tries

    def __call__(self) -> EventConsumer:
        if self.tries:
            self.tries -= 1
            raise NotReceived(reason="connection refused")
        return self.world.bus.consumer("readers")


def test_a_broker_that_is_away_is_tried_again_and_the_heart_beats_on(world: World) -> None:
    stream, started = world.stored(), world.clock.now
    world.sent(*stream)
    connect = Unreachable(world, tries=7)
    world.consumption(connect, stopped=lambda: world.version(stream) > 0).run()
    assert world.version(stream) == 8
    waits = [FIRST_RECONNECT * 2**n for n in range(7)]
    expected = sum(min(wait, LONGEST_RECONNECT) for wait in waits)
    assert sum(world.naps) == pytest.approx(expected, abs=0.01)
    seen_at = world.model.checkpoints.all()[world.model.projection.name].seen_at
    assert seen_at is not None
    assert world.clock.now - seen_at <= timedelta(seconds=HEARTBEAT + 1)
    assert seen_at > started


def test_that_the_broker_is_away_shows_until_it_is_back(world: World) -> None:
    stream = world.stored()
    world.sent(*stream)
    shown: list[str] = []

    def stopped() -> bool:
        shown.append(world.model.checkpoints.all()[world.model.projection.name].blocked_by)
        return world.version(stream) > 0

    world.consumption(Unreachable(world, tries=2), stopped=stopped).run()
    assert list(dict.fromkeys(shown)) == ["", "connection refused"]
    assert shown[-1] == ""


def test_who_only_drains_says_that_the_broker_is_away(world: World) -> None:
    with pytest.raises(NotReceived, match="connection refused"):
        world.consumption(Unreachable(world, tries=1)).run(once=True)


def test_a_connection_that_is_lost_while_receiving_is_made_anew(world: World) -> None:
    stream = world.stored()
    world.sent(*stream)
    world.bus.cut()

    def stopped() -> bool:
        if world.naps:
            world.bus.mend()
        return world.version(stream) > 0

    world.consumption(stopped=stopped).run()
    assert (world.version(stream), world.left()) == (8, 0)


def test_a_feed_that_fails_on_the_way_is_gone_on_with(world: World) -> None:
    streams = [world.stored(), world.stored()]
    world.consumption().bootstrap(Feed(world))
    assert [world.version(stream) for stream in streams] == [8, 8]
    assert world.naps


def test_a_feed_that_stays_away_is_told(world: World) -> None:
    world.stored()
    feed = Feed(world)
    feed.down = True
    with pytest.raises(FeedUnavailable, match="429"):
        world.consumption().bootstrap(feed)
    assert world.naps == []
    started = world.clock.now

    def stopped() -> bool:
        feed.down = world.clock.now > started
        return False

    with pytest.raises(FeedUnavailable, match="429"):
        world.consumption(stopped=stopped).bootstrap(feed)
    assert GIVE_UP < (world.clock.now - started).total_seconds() < GIVE_UP + 2 * LONGEST_RECONNECT


def test_what_waits_for_two_projections_is_kept_for_each(world: World) -> None:
    stream = world.stored(added(), profile_changed(), noted())
    name = world.model.projection.name
    world.sent(stream[0], stream[2])
    world.consume()
    assert set(world.room.count()) == {name}
    assert world.room.waiting("another", stream[0].stream_id) == []
