"""Relaying the log to a broker that confirms every message, beside a bare client of that broker.

Ours is everything between two positions of the checkpoint: the settled log read, decoded and
decrypted, written as CloudEvents, published and confirmed, the checkpoint moved. The bare client
sends bodies of the same size to the same places, and waits for as many confirms at once.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pika
from confluent_kafka import Producer
from django.db import connection
from django.test import override_settings
from pika import BasicProperties, SelectConnection, URLParameters
from pika.channel import Channel

from eventstore.application.ports import BusPublisher
from eventstore.application.reading import BATCH
from eventstore.application.relay import CHECKPOINT, SCHEMA
from eventstore.infrastructure.messaging.kafka import _PRODUCER, Kafka
from eventstore.infrastructure.messaging.rabbitmq import RabbitMQ
from eventstore.models import StorageEvent
from eventstore.wiring import checkpoints, event_bus, event_store, message_encoder, relay
from tests.backends import BROKER, reachable_rabbitmq
from tests.benchmarks import events
from tests.benchmarks.timing import Figure, in_turn, seconds
from tests.contracts.buses import own_topic, swept
from tests.kafka_mock import cluster

GROUP = "readers"


def run(stored: int) -> Iterator[Figure]:
    events.fill(stored)
    count = StorageEvent.objects.count()
    bodies = [message_encoder()(one) for one in event_store().read_all(limit=BATCH)]
    yield from _rabbitmq(count, bodies)
    yield _kafka(count, bodies)


def _rabbitmq(count: int, bodies: list[bytes]) -> Iterator[Figure]:
    if not reachable_rabbitmq(BROKER):
        return
    with override_settings(EVENT_BUS_URL=BROKER, EVENT_BUS_TOPIC=own_topic()):
        bus = event_bus()
        assert isinstance(bus, RabbitMQ)
        with closing(bus.consumer(GROUP)) as consumer:
            consumer.drained()
        try:
            yield _compared(
                "rabbitmq",
                bus.publisher(),
                lambda: _bare_rabbitmq(bus, count, bodies),
                count=count,
                target=10_000,
                before=lambda: _purge(bus),
            )
        finally:
            swept(BROKER, bus, [GROUP])


def _kafka(count: int, bodies: list[bytes]) -> Figure:
    with (
        cluster() as mock,
        override_settings(EVENT_BUS_URL=f"kafka://{mock.servers}", EVENT_BUS_TOPIC=own_topic()),
    ):
        bus = event_bus()
        assert isinstance(bus, Kafka)
        mock.topic(bus.topic, bus.partitions)
        producer = Producer({**_PRODUCER, **bus.configuration})
        return _compared(
            "kafka",
            bus.publisher(),
            lambda: _bare_kafka(producer, bus.topic, count, bodies),
            count=count,
            target=20_000,
            before=lambda: None,
        )


def _compared(
    broker: str,
    publisher: BusPublisher,
    bare: Callable[[], object],
    *,
    count: int,
    target: int,
    before: Callable[[], object],
) -> Figure:
    def ours() -> float:
        before()
        checkpoints().replace(CHECKPOINT, position=0, schema=SCHEMA)
        return count / seconds(lambda: relay(publisher).run(once=True))

    def limit() -> float:
        before()
        return count / seconds(bare)

    with closing(publisher):
        rate, other, ratio = in_turn(ours, limit)
    return Figure(
        name=f"publish/{broker}/{connection.vendor}",
        ours=round(rate, 1),
        limit=round(other, 1),
        ratio=round(ratio, 3),
        unit="msg/s",
        target=f">= {target}",
        met=rate >= target,
    )


def _purge(bus: RabbitMQ) -> None:
    with closing(pika.BlockingConnection(URLParameters(BROKER))) as broker:
        channel = broker.channel()
        for partition in range(bus.partitions):
            channel.queue_purge(bus.queue(GROUP, partition))


def _bare_kafka(producer: Producer, topic: str, count: int, bodies: list[bytes]) -> None:
    for start in range(0, count, BATCH):
        for number in range(start, min(start + BATCH, count)):
            producer.produce(topic, bodies[number % len(bodies)], key=str(number % 1000))
            producer.poll(0)
        assert producer.flush(30) == 0


def _bare_rabbitmq(bus: RabbitMQ, count: int, bodies: list[bytes]) -> None:
    """The same windows by callbacks alone, in one thread."""
    properties = BasicProperties(delivery_mode=2)
    sent = confirmed = 0

    def window(channel: Channel) -> None:
        nonlocal sent
        for number in range(sent, min(sent + BATCH, count)):
            key = str(number % bus.partitions)
            body = bodies[number % len(bodies)]
            channel.basic_publish(bus.exchange, key, body, properties, mandatory=True)
        sent = min(sent + BATCH, count)

    def begin(channel: Channel) -> None:
        def answered(frame: Any) -> None:
            nonlocal confirmed
            tag = frame.method.delivery_tag
            settled.update(range(lowest[0], tag + 1) if frame.method.multiple else [tag])
            if frame.method.multiple:
                lowest[0] = tag + 1
            confirmed = len(settled)
            if confirmed == count:
                client.close()
            elif confirmed == sent:
                window(channel)

        settled: set[int] = set()
        lowest = [1]
        channel.confirm_delivery(answered, callback=lambda _: window(channel))

    def opened(_: object) -> None:
        client.channel(on_open_callback=begin)

    client = SelectConnection(
        URLParameters(BROKER),
        on_open_callback=opened,
        on_close_callback=lambda *_: client.ioloop.stop(),
    )
    client.ioloop.start()
    client.ioloop.close()
    assert confirmed == count
