"""What publishers and consumers promise, whichever broker is between them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import count
from uuid import UUID, uuid4

import pytest

from eventstore.application.ports import BusPublisher, EventConsumer, NotPublished, NotReceived
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.messaging.partitions import partition_of
from tests.contracts.buses import Bus
from tests.eventstore.test_message import recorded
from tests.factories import noted
from tests.processes import until

STREAMS = [UUID(int=number) for number in range(1, 41)]
EVENTS = 3
positions = count(1)


def stored(streams: Sequence[UUID] = STREAMS, *, versions: int = EVENTS) -> list[RecordedEvent]:
    """A log in which these streams grow side by side."""
    return [
        recorded(
            event=noted(text=f"☎ {version}"),
            event_id=uuid4(),
            stream_id=stream_id,
            version=version,
            position=next(positions),
            hash=b"",
        )
        for version in range(1, versions + 1)
        for stream_id in streams
    ]


def received(
    bus: Bus, consumer: EventConsumer, number: int, *, limit: int = 50
) -> list[RecordedEvent]:
    """So many, in the order in which they came; more are not there at once."""
    bodies: list[bytes] = []

    def more() -> bool:
        bodies.extend(consumer.receive(limit=min(limit, number - len(bodies)), wait=0.2))
        return len(bodies) >= number

    until(more, seconds=60)
    return [bus.decode(body).recorded for body in bodies]


def by_stream(events: Sequence[RecordedEvent]) -> dict[UUID, list[RecordedEvent]]:
    streams = defaultdict(list)
    for event in events:
        streams[event.stream_id].append(event)
    return dict(streams)


def ids(events: Sequence[RecordedEvent]) -> set[UUID]:
    return {event.event_id for event in events}


def first_times(events: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    """In the order of the first arrivals: a dictionary keeps a key where it was put first."""
    return list({event.event_id: event for event in events}.values())


def joined(*consumers: EventConsumer) -> None:
    """Each has its part of the group's partitions, and there is nothing in them."""

    def has_joined() -> bool:
        assert [consumer.receive(limit=10, wait=0.1) for consumer in consumers] == empty
        return all(consumer.drained() for consumer in consumers)

    empty: list[Sequence[bytes]] = [[] for _ in consumers]
    until(has_joined)


def has_nothing(consumer: EventConsumer) -> bool:
    return not consumer.receive(limit=10, wait=0.3) and consumer.drained()


@pytest.fixture
def publisher(bus: Bus) -> Iterator[BusPublisher]:
    with closing(bus.publisher()) as publisher:
        yield publisher


@pytest.fixture
def consumer(bus: Bus) -> Iterator[EventConsumer]:
    """Of the group `readers`, which is there from now on."""
    with closing(bus.consumer("readers")) as consumer:
        joined(consumer)
        yield consumer


def test_what_is_published_is_received_whole_and_in_the_order_of_each_stream(
    bus: Bus, publisher: BusPublisher, consumer: EventConsumer
) -> None:
    events = stored()
    publisher.publish(events[:50])
    publisher.publish(events[50:])
    assert by_stream(received(bus, consumer, len(events))) == by_stream(events)
    assert has_nothing(consumer)


def test_nothing_to_publish_is_published(publisher: BusPublisher, consumer: EventConsumer) -> None:
    publisher.publish([])
    assert has_nothing(consumer)


def test_no_more_is_received_at_once_than_was_asked_for(
    publisher: BusPublisher, consumer: EventConsumer
) -> None:
    publisher.publish(stored(versions=1))
    sizes: list[int] = []

    def all_of_them() -> bool:
        sizes.append(len(consumer.receive(limit=7, wait=0.2)))
        return sum(sizes) == len(STREAMS)

    until(all_of_them)
    assert max(sizes) == 7


def test_each_group_receives_everything(
    bus: Bus, publisher: BusPublisher, consumer: EventConsumer
) -> None:
    events = stored(versions=1)
    with closing(bus.consumer("others")) as other:
        joined(other)
        publisher.publish(events)
        assert ids(received(bus, other, len(events))) == ids(events)
        assert ids(received(bus, consumer, len(events))) == ids(events)


def test_messages_wait_for_a_group_while_nobody_consumes(bus: Bus, publisher: BusPublisher) -> None:
    with closing(bus.consumer("readers")) as consumer:
        joined(consumer)
        consumer.acknowledge()
    events = stored()
    publisher.publish(events)
    with closing(bus.consumer("readers")) as consumer:
        assert by_stream(received(bus, consumer, len(events))) == by_stream(events)


def test_what_was_not_acknowledged_comes_again_and_in_order(
    bus: Bus, publisher: BusPublisher, consumer: EventConsumer
) -> None:
    events = stored()
    publisher.publish(events)
    first = received(bus, consumer, 30)
    consumer.acknowledge()
    received(bus, consumer, 40)
    consumer.close()
    rest = [event for event in events if event.event_id not in ids(first)]
    with closing(bus.consumer("readers")) as successor:
        assert by_stream(received(bus, successor, len(rest))) == by_stream(rest)
        assert has_nothing(successor)
        successor.acknowledge()
    with closing(bus.consumer("readers")) as successor:
        joined(successor)


def test_what_is_published_again_comes_again(
    bus: Bus, publisher: BusPublisher, consumer: EventConsumer
) -> None:
    events = stored(versions=1)
    publisher.publish(events)
    publisher.publish(events)
    assert {
        stream_id: len(both)
        for stream_id, both in by_stream(received(bus, consumer, 2 * len(events))).items()
    } == dict.fromkeys(STREAMS, 2)


def test_a_stream_is_in_the_partition_that_anybody_can_work_out(
    bus: Bus, publisher: BusPublisher
) -> None:
    with ExitStack() as stack:
        consumers = [
            stack.enter_context(closing(bus.consumer("readers", partitions=[number])))
            for number in range(bus.partitions)
        ]
        joined(*consumers)
        publisher.publish(stored(versions=1))
        for number, consumer in enumerate(consumers):
            expected = {one for one in STREAMS if partition_of(one, bus.partitions) == number}
            assert {event.stream_id for event in received(bus, consumer, len(expected))} == expected
            assert has_nothing(consumer)


def test_two_consumers_share_the_partitions_and_each_keeps_the_order_of_its_streams(
    bus: Bus, publisher: BusPublisher
) -> None:
    half = bus.partitions // 2
    events = stored()
    with (
        closing(bus.consumer("readers", partitions=range(half))) as left,
        closing(bus.consumer("readers", partitions=range(half, bus.partitions))) as right,
    ):
        joined(left, right)
        publisher.publish(events)
        expected: tuple[list[RecordedEvent], list[RecordedEvent]] = ([], [])
        for event in events:
            expected[partition_of(event.stream_id, bus.partitions) >= half].append(event)
        assert by_stream(received(bus, left, len(expected[0]))) == by_stream(expected[0])
        assert by_stream(received(bus, right, len(expected[1]))) == by_stream(expected[1])
        assert all(expected)


def test_the_partitions_of_who_ends_are_taken_over_and_nothing_is_lost_or_passed_by(
    bus: Bus, publisher: BusPublisher
) -> None:
    events = stored()
    taken: list[RecordedEvent] = []

    def take(consumer: EventConsumer) -> None:
        bodies = consumer.receive(limit=50, wait=0.2)
        taken.extend(bus.decode(body).recorded for body in bodies)
        consumer.acknowledge()

    def all_there() -> bool:
        take(second)
        return ids(taken) == ids(events)

    def first_holds_some() -> bool:
        take(second)
        return bool(first.receive(limit=10, wait=0.2))

    with closing(bus.consumer("readers")) as first, closing(bus.consumer("readers")) as second:
        joined(first)
        publisher.publish(events[:60])
        until(first_holds_some)
        first.close()
        publisher.publish(events[60:])
        until(all_there, seconds=60)
    assert by_stream(first_times(taken)) == by_stream(events)


def test_what_is_sent_to_one_group_reaches_no_other(
    bus: Bus, publisher: BusPublisher, consumer: EventConsumer
) -> None:
    events = stored(versions=2)
    with closing(bus.publisher("late")) as backfill, closing(bus.consumer("late")) as late:
        backfill.publish(events[:40])
        publisher.publish(events[40:])
        assert ids(received(bus, late, len(events))) == ids(events)
        assert ids(received(bus, consumer, 40)) == ids(events[40:])
        assert has_nothing(consumer)


def test_a_broker_out_of_reach_is_told_and_takes_everything_once_it_is_back(
    bus: Bus, publisher: BusPublisher, consumer: EventConsumer
) -> None:
    events = stored()
    publisher.publish(events[:40])
    bus.cut()
    with pytest.raises(NotPublished) as refused:
        publisher.publish(events[40:])
    with pytest.raises(NotReceived):
        until(lambda: consumer.receive(limit=1, wait=0.5) == [b""], seconds=90)
    consumer.close()
    bus.mend()
    assert refused.value.confirmed == 0
    publisher.publish(events[40:])
    read: list[RecordedEvent] = []

    def all_there() -> bool:
        read.extend(received(bus, successor, 1))
        return ids(read) == ids(events)

    with closing(bus.consumer("readers")) as successor:
        until(all_there, seconds=60)
    assert by_stream(first_times(read)) == by_stream(events)


def test_a_message_for_nobody_is_refused_or_kept_and_never_lost(
    bus: Bus, publisher: BusPublisher
) -> None:
    events = stored()
    if bus.keeps_for_nobody:
        publisher.publish(events)
    else:
        with pytest.raises(NotPublished, match="queue") as refused:
            publisher.publish(events)
        assert refused.value.confirmed == 0
    with closing(bus.consumer("readers")) as consumer:
        if not bus.keeps_for_nobody:
            joined(consumer)
            publisher.publish(events)
        assert by_stream(received(bus, consumer, len(events))) == by_stream(events)
