"""The brokers that the contract is tried on, each with a switch that cuts it off."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import pika

from eventstore.application.ports import EventBus, Message
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.messaging.kafka import Kafka
from eventstore.infrastructure.messaging.memory import MemoryBroker
from eventstore.infrastructure.messaging.message import decode, encode
from eventstore.infrastructure.messaging.rabbitmq import RabbitMQ
from eventstore.wiring import mapper
from tests.backends import rabbitmq_url, require
from tests.eventstore.test_message import LOG
from tests.kafka_mock import Cluster, cluster
from tests.proxy import Proxy

GROUPS = ("readers", "others", "late")


class Bus(EventBus, Protocol):
    keeps_for_nobody: bool
    """Whether messages stay that no group has asked for."""

    def decode(self, body: bytes) -> Message: ...

    def cut(self) -> None:
        """Nobody reaches the broker, without being told so."""

    def mend(self) -> None: ...


def body_of(recorded: RecordedEvent) -> bytes:
    return encode(recorded, source=LOG, data=mapper().data_of(recorded.event))


class MemoryBus(MemoryBroker):
    keeps_for_nobody = False

    def __init__(self) -> None:
        super().__init__(encode=body_of)

    def decode(self, body: bytes) -> Message:
        return decode(body, mapper())

    def cut(self) -> None:
        self.outage = "cut"

    def mend(self) -> None:
        self.outage = ""


def own_topic() -> str:
    """That nobody else has: not another test, and not another of the processes that run tests."""
    return f"test-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}-{uuid4().hex[:12]}"


class RabbitMQBus(RabbitMQ):
    """By way of a proxy that can be cut."""

    keeps_for_nobody = False

    def __init__(self, url: str, proxy: Proxy) -> None:
        super().__init__(url, encode=lambda: body_of, topic=own_topic(), partitions=4)
        self.url = url
        self._proxy = proxy

    def decode(self, body: bytes) -> Message:
        return decode(body, mapper())

    def cut(self) -> None:
        self._proxy.cut()

    def mend(self) -> None:
        self._proxy.mend()


class KafkaBus(Kafka):
    """On a cluster of its own, which can be frozen."""

    keeps_for_nobody = True

    def __init__(self, cluster: Cluster) -> None:
        quick = "message.timeout.ms=2000&socket.timeout.ms=1000&session.timeout.ms=6000"
        self.url = f"kafka://{cluster.servers}?{quick}"
        super().__init__(
            self.url,
            encode=lambda: body_of,
            topic=own_topic(),
            partitions=4,
        )
        self._cluster = cluster
        for topic in (self.topic, *map(self.group, GROUPS)):
            cluster.topic(topic, self.partitions)

    def decode(self, body: bytes) -> Message:
        return decode(body, mapper())

    def cut(self) -> None:
        self._cluster.freeze()

    def mend(self) -> None:
        self._cluster.thaw()


@contextmanager
def kafka_bus() -> Iterator[KafkaBus]:
    with cluster() as mock:
        require("kafka", reachable=bool(mock.servers))
        yield KafkaBus(mock)


@contextmanager
def rabbitmq_bus() -> Iterator[RabbitMQBus]:
    url = rabbitmq_url()
    parts = urlsplit(url)
    with Proxy(parts.hostname or "", parts.port or 5672) as proxy:
        behind = parts._replace(
            netloc=f"{parts.username}:{parts.password}@127.0.0.1:{proxy.port}",
            query="heartbeat=1&socket_timeout=2&stack_timeout=2",
        )
        bus = RabbitMQBus(behind.geturl(), proxy)
        yield bus
    swept(url, bus)


def swept(url: str, bus: RabbitMQ, groups: Collection[str] = GROUPS) -> None:
    """Nothing of it is left on the broker."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    for group in groups:
        for partition in range(bus.partitions):
            channel.queue_delete(bus.queue(group, partition))
    channel.exchange_delete(bus.exchange)
    connection.close()
