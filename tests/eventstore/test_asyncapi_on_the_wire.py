"""Messages sent to brokers are as the AsyncAPI document describes them."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import UUID
from zlib import crc32

import jsonschema
import pika
import pytest
from confluent_kafka import Consumer, TopicPartition
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker

from eventstore.application.ports import NotPublished
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.messaging.asyncapi import document
from eventstore.infrastructure.messaging.kafka import Kafka
from eventstore.infrastructure.messaging.rabbitmq import RabbitMQ
from eventstore.wiring import mapper
from tests.backends import rabbitmq_url, require
from tests.contracts.buses import body_of, own_topic, swept
from tests.eventstore.test_message import EVENTS, recorded
from tests.kafka_mock import cluster

PARTITIONS, GROUP = 3, "readers"
STREAMS = [UUID(int=number) for number in range(1, 10)]


def _stored() -> list[RecordedEvent]:
    """Every type of event, in several streams."""
    return [
        recorded(event=event, event_id=UUID(int=1000 + number), stream_id=STREAMS[number % 9])
        for number, event in enumerate(EVENTS)
    ]


def _described(topic: str) -> dict[str, Any]:
    return document(mapper(), topic=topic, partitions=PARTITIONS, group=GROUP)


def _partition_of(body: dict[str, Any]) -> int:
    """As the document puts it in words."""
    return crc32(body["subject"].encode()) % PARTITIONS


def _check_payload(described: dict[str, Any], channel: str, body: dict[str, Any]) -> dict[str, Any]:
    """Checks a message against its channel's schema. Returns the message's description."""
    [name] = described["channels"][channel]["messages"][body["type"]].values()
    message: dict[str, Any] = described["components"]["messages"][name.rpartition("/")[2]]
    schema = {**message["payload"], "components": described["components"]}
    jsonschema.validate(body, schema)
    return message


@pytest.fixture
def channel() -> Iterator[BlockingChannel]:
    with closing(pika.BlockingConnection(pika.URLParameters(rabbitmq_url()))) as connection:
        yield connection.channel()


@pytest.fixture
def rabbitmq() -> Iterator[RabbitMQ]:
    url = rabbitmq_url()
    bus = RabbitMQ(url, encode=lambda: body_of, topic=own_topic(), partitions=PARTITIONS)
    yield bus
    swept(url, bus, groups=[GROUP])


def _queues(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns what each queue of the group is declared with, by the queue's name."""
    said = described["channels"]["queue"]
    binding = said["bindings"]["amqp"]
    assert (binding["is"], binding["queue"]["name"]) == ("queue", said["address"])
    return {
        said["address"].replace("{group}", GROUP).replace("{partition}", partition): {
            "durable": binding["queue"]["durable"],
            "exclusive": binding["queue"]["exclusive"],
            "auto_delete": binding["queue"]["autoDelete"],
            "arguments": binding["x-arguments"],
        }
        for partition in said["parameters"]["partition"]["enum"]
    }


def _exchange(described: dict[str, Any]) -> dict[str, Any]:
    binding = described["channels"]["exchange"]["bindings"]["amqp"]
    assert binding["is"] == "routingKey"
    said = binding["exchange"]
    return {
        "exchange": said["name"],
        "exchange_type": said["type"],
        "durable": said["durable"],
        "auto_delete": said["autoDelete"],
    }


def test_rabbitmq_has_the_exchange_and_the_queues_that_are_described(
    rabbitmq: RabbitMQ, channel: BlockingChannel
) -> None:
    described = _described(rabbitmq.topic)
    with closing(rabbitmq.consumer(GROUP)) as consumer:
        consumer.receive(limit=1, wait=0)
    # A broker closes the channel of who declares what is there in another way.
    channel.exchange_declare(**{**_exchange(described), "passive": True})
    channel.exchange_declare(**_exchange(described))
    for queue, terms in _queues(described).items():
        channel.queue_declare(queue, passive=True)
        channel.queue_declare(queue, **terms)
    assert len(_queues(described)) == PARTITIONS
    with pytest.raises(ChannelClosedByBroker, match="PRECONDITION_FAILED"):
        channel.exchange_declare(**{**_exchange(described), "exchange_type": "topic"})


@pytest.mark.parametrize(
    ("operation", "group"), [("publishToRabbitMQ", None), ("publishToGroupOnRabbitMQ", GROUP)]
)
def test_rabbitmq_is_sent_what_is_described_and_nothing_else(
    rabbitmq: RabbitMQ, channel: BlockingChannel, operation: str, group: str | None
) -> None:
    described = _described(rabbitmq.topic)
    with closing(rabbitmq.consumer(GROUP)) as consumer:
        consumer.receive(limit=1, wait=0)
    with closing(rabbitmq.publisher(group)) as publisher:
        publisher.publish(_stored())
    said = described["operations"][operation]
    name = said["channel"]["$ref"].rpartition("/")[2]
    types = []
    for queue, method, properties, content in _received(channel, described):
        body = json.loads(content)
        message = _check_payload(described, name, body)
        partition = str(_partition_of(body))
        if group is None:
            assert method.exchange == _exchange(described)["exchange"]
            assert method.routing_key == partition
        else:
            assert (method.exchange, method.routing_key) == ("", queue)
        assert queue == rabbitmq.queue(GROUP, int(partition))
        assert {key: value for key, value in vars(properties).items() if value is not None} == {
            "content_type": message["contentType"],
            "message_id": body["id"],
            "delivery_mode": said["bindings"]["amqp"]["deliveryMode"],
        }
        assert message["bindings"]["amqp"]["x-properties"] == {
            "content_type": properties.content_type,
            "message_id": "$message.payload#/id",
        }
        types.append(body["type"])
    assert sorted(types) == sorted(event.event_type for event in EVENTS)


def _received(
    channel: BlockingChannel, described: dict[str, Any]
) -> Iterator[tuple[str, Any, Any, bytes]]:
    """Every message of every queue, which has to hold those of its partition and no more."""
    expected = Counter(_partition_of({"subject": str(one.stream_id)}) for one in _stored())
    for number, queue in enumerate(_queues(described)):
        assert channel.queue_declare(queue, passive=True).method.message_count == expected[number]
        came = channel.consume(queue, auto_ack=True, inactivity_timeout=20)
        for _, (method, properties, body) in zip(range(expected[number]), came, strict=False):
            assert body is not None
            yield queue, method, properties, body
        channel.cancel()


def test_rabbitmq_returns_what_no_queue_takes_as_is_described(rabbitmq: RabbitMQ) -> None:
    said = _described(rabbitmq.topic)["operations"]["publishToRabbitMQ"]["bindings"]["amqp"]
    assert said["mandatory"] is True
    with closing(rabbitmq.publisher()) as publisher, pytest.raises(NotPublished, match="no queue"):
        publisher.publish(_stored())


@pytest.mark.parametrize(
    ("operation", "group"), [("publishToKafka", None), ("publishToGroupOnKafka", GROUP)]
)
def test_kafka_is_sent_what_is_described_and_nothing_else(
    operation: str, group: str | None
) -> None:
    with cluster() as mock:
        require("kafka", reachable=bool(mock.servers))
        bus = Kafka(
            f"kafka://{mock.servers}",
            encode=lambda: body_of,
            topic=own_topic(),
            partitions=PARTITIONS,
        )
        described = _described(bus.topic)
        name = described["operations"][operation]["channel"]["$ref"].rpartition("/")[2]
        binding = described["channels"][name]["bindings"]["kafka"]
        assert binding["topic"] == described["channels"][name]["address"]
        topic = binding["topic"].replace("{group}", GROUP)
        mock.topic(topic, binding["partitions"])
        with closing(bus.publisher(group)) as publisher:
            publisher.publish(_stored())
        messages = _consumed(mock.servers, topic, len(EVENTS))
    for one in messages:
        body = json.loads(one.value())
        message = _check_payload(described, name, body)
        assert one.key().decode() == body["subject"] == body["partitionkey"]
        assert message["bindings"]["kafka"]["key"]["format"] == "uuid"
        assert one.partition() == _partition_of(body)
        headers = {key: value.decode() for key, value in one.headers()}
        assert headers == {"content-type": message["contentType"]}
        jsonschema.validate(headers, {**message["headers"], "additionalProperties": False})
    types = sorted(json.loads(one.value())["type"] for one in messages)
    assert types == sorted(event.event_type for event in EVENTS)


def _consumed(servers: str, topic: str, count: int) -> list[Any]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "any", "log_level": 0})
    with closing(consumer):
        consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
        messages = consumer.consume(count, timeout=20)
    assert [one.error() for one in messages] == [None] * count
    return messages


def test_the_groups_of_kafkas_consumers_are_named_as_is_described() -> None:
    bus = Kafka("kafka://localhost:1", encode=lambda: body_of, topic="a.b", partitions=PARTITIONS)
    said = _described(bus.topic)["operations"]["consumeFromKafka"]["bindings"]["kafka"]["groupId"]
    jsonschema.validate(bus.group(GROUP), said)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate("axb.readers", said)
