"""Read models built from what RabbitMQ holds, beside a bare client that only takes it from there.

Ours is everything from the broker to the acknowledgement: received, decoded, folded into every
projection, committed. The lives of a thousand candidates go on side by side, so hardly a batch
holds two events of one. The bare client decodes nothing and keeps nothing.
"""

import itertools
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from statistics import median

import pika
import uuid_utils.compat as uuid_utils
from django.db import connection
from django.test import override_settings
from pika import BasicProperties

from eventstore import wiring
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.messaging.partitions import partition_of
from eventstore.infrastructure.messaging.rabbitmq import PREFETCH, RabbitMQ
from tests.backends import BROKER, reachable_rabbitmq
from tests.benchmarks import events
from tests.benchmarks.timing import Figure, seconds
from tests.contracts.buses import own_topic, swept

GROUP = "readers"
ROUNDS = 3
SIDE_BY_SIDE = 1_000
TARGET = 5_000


def run(stored: int) -> Iterator[Figure]:
    if not reachable_rabbitmq(BROKER):
        return
    with override_settings(
        EVENT_BUS_URL=BROKER, EVENT_BUS_TOPIC=own_topic(), EVENT_DELIVERY="bus", READ_ONLY=True
    ):
        bus = wiring.event_bus()
        assert isinstance(bus, RabbitMQ)
        with closing(bus.consumer(GROUP)) as consumer:
            consumer.drained()
        try:
            yield _measured(bus, stored)
        finally:
            swept(BROKER, bus, [GROUP])


def _measured(bus: RabbitMQ, count: int) -> Figure:
    pairs, positions = [], itertools.count(1)
    for _ in range(ROUNDS):
        _send(bus, count, positions)
        ours = count / seconds(lambda: _consumed(bus))
        _send(bus, count, positions)
        pairs.append((ours, count / seconds(lambda: _taken(bus, count))))
    rate = median(ours for ours, _ in pairs)
    return Figure(
        name=f"consume/rabbitmq/{connection.vendor}",
        ours=round(rate, 1),
        limit=round(median(bare for _, bare in pairs), 1),
        ratio=round(median(ours / bare for ours, bare in pairs), 3),
        unit="events/s",
        target=f">= {TARGET}",
        met=rate >= TARGET,
    )


def _consumed(bus: RabbitMQ) -> None:
    names = list(wiring.projections())
    wiring.consumption(names, connect=lambda: bus.consumer(GROUP)).run(once=True)


def _taken(bus: RabbitMQ, count: int) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(BROKER))) as broker:
        channel = broker.channel()
        channel.basic_qos(prefetch_count=PREFETCH)
        taken = 0

        def take(channel: object, method: pika.spec.Basic.Deliver, *_: object) -> None:
            nonlocal taken
            taken += 1
            if taken % 100 == 0 or taken == count:
                broker_channel.basic_ack(method.delivery_tag or 0, multiple=True)
            if taken == count:
                broker_channel.stop_consuming()

        broker_channel = channel
        for partition in range(bus.partitions):
            channel.basic_consume(bus.queue(GROUP, partition), take)
        channel.start_consuming()


def _send(bus: RabbitMQ, count: int, positions: Iterator[int]) -> None:
    """So many messages of new candidates, whose lives go on side by side."""
    with closing(pika.BlockingConnection(pika.URLParameters(BROKER))) as broker:
        channel = broker.channel()
        properties = BasicProperties(delivery_mode=2)
        for recorded, body in _messages(count, positions):
            key = str(partition_of(recorded.stream_id, bus.partitions))
            channel.basic_publish(bus.exchange, key, body, properties)
    _settled(bus, count)


def _messages(count: int, positions: Iterator[int]) -> Iterator[tuple[RecordedEvent, bytes]]:
    encode, now, made = wiring.message_encoder(), datetime.now(UTC), 0
    while made < count:
        streams = [uuid_utils.uuid7() for _ in range(SIDE_BY_SIDE)]
        for version, event in enumerate(events.LIFE, 1):
            for stream_id in streams[: count - made]:
                made += 1
                recorded = RecordedEvent(
                    event,
                    uuid_utils.uuid7(),
                    "candidate",
                    stream_id,
                    version,
                    next(positions),
                    now,
                    now,
                    events.METADATA,
                )
                yield recorded, encode(recorded)


def _settled(bus: RabbitMQ, count: int) -> None:
    """The broker has them all in its queues."""
    with closing(pika.BlockingConnection(pika.URLParameters(BROKER))) as broker:
        channel = broker.channel()
        while True:
            queues = [
                channel.queue_declare(bus.queue(GROUP, partition), passive=True)
                for partition in range(bus.partitions)
            ]
            if sum(queue.method.message_count or 0 for queue in queues) >= count:
                return
            broker.sleep(0.05)
