"""What is particular to one broker: how it refuses, falls silent and is set up by others."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from urllib.parse import urlsplit

import pika
import pytest

from eventstore.application.ports import BusPublisher, EventConsumer, NotPublished, NotReceived
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.messaging.kafka import Kafka, configuration
from eventstore.infrastructure.messaging.rabbitmq import RabbitMQ
from tests.backends import rabbitmq_url
from tests.contracts.buses import (
    KafkaBus,
    RabbitMQBus,
    body_of,
    kafka_bus,
    own_topic,
    rabbitmq_bus,
    swept,
)
from tests.contracts.test_event_bus import by_stream, joined, received, stored
from tests.processes import until


def refused(publisher: BusPublisher, events: Sequence[RecordedEvent]) -> NotPublished:
    with closing(publisher), pytest.raises(NotPublished) as caught:
        publisher.publish(events)
    return caught.value


def not_received(consumer: EventConsumer) -> NotReceived:
    with closing(consumer), pytest.raises(NotReceived) as caught:
        consumer.receive(limit=1, wait=1)
    return caught.value


@pytest.fixture
def rabbitmq() -> Iterator[RabbitMQBus]:
    with rabbitmq_bus() as bus:
        yield bus


@pytest.fixture
def kafka() -> Iterator[KafkaBus]:
    with kafka_bus() as bus:
        yield bus


@pytest.fixture
def channel() -> Iterator["pika.adapters.blocking_connection.BlockingChannel"]:
    """Of somebody who sets the broker up in another way."""
    with closing(pika.BlockingConnection(pika.URLParameters(rabbitmq_url()))) as connection:
        yield connection.channel()


def test_a_queue_that_is_full_refuses_and_what_is_before_that_is_confirmed(
    rabbitmq: RabbitMQBus, channel: "pika.adapters.blocking_connection.BlockingChannel"
) -> None:
    with closing(rabbitmq.consumer("readers")) as consumer:
        joined(consumer)
    full = rabbitmq.queue("others", 0)
    arguments = {"x-max-length": 1, "x-overflow": "reject-publish"}
    channel.queue_declare(full, arguments=arguments)
    for partition in range(rabbitmq.partitions):
        channel.queue_bind(full, rabbitmq.exchange, str(partition))
    error = refused(rabbitmq.publisher(), stored(versions=1))
    assert 1 <= error.confirmed < 40
    assert error.reason == "the broker refused it"


def test_a_queue_that_others_made_in_another_way_is_told_by_the_brokers_code(
    rabbitmq: RabbitMQBus, channel: "pika.adapters.blocking_connection.BlockingChannel"
) -> None:
    channel.queue_declare(rabbitmq.queue("readers", 0))
    told = not_received(rabbitmq.consumer("readers")).reason
    assert told == "the broker ended it: 406 PRECONDITION_FAILED"


def test_a_connection_that_we_end_is_none_that_is_lost(
    rabbitmq: RabbitMQBus, caplog: pytest.LogCaptureFixture
) -> None:
    events = stored(versions=1)
    with closing(rabbitmq.consumer("readers")) as consumer, closing(rabbitmq.publisher()) as sender:
        joined(consumer)
        sender.publish(events)
        received(rabbitmq, consumer, len(events))
    assert caplog.text == ""


def test_who_may_not_log_in_is_told_so_without_a_name(caplog: pytest.LogCaptureFixture) -> None:
    parts = urlsplit(rabbitmq_url())
    stranger = parts._replace(netloc=f"mallory:s3cret@{parts.hostname}:{parts.port or 5672}")
    bus = RabbitMQ(stranger.geturl(), encode=lambda: body_of, topic=own_topic(), partitions=1)
    told = refused(bus.publisher(), stored(versions=1)).reason
    assert told.startswith(("the broker ended it: 403", "the broker is out of reach"))
    assert "mallory" not in told
    assert "s3cret" not in caplog.text


def test_a_rabbitmq_that_takes_the_call_and_says_nothing_is_not_waited_for(
    rabbitmq: RabbitMQBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.infrastructure.messaging.amqp_link.CONNECTED_WITHIN", 0.5)
    rabbitmq.cut()
    error = refused(rabbitmq.publisher(), stored(versions=1))
    assert (error.confirmed, error.reason) == (0, "the broker does not answer")
    assert not_received(rabbitmq.consumer("readers")).reason == "the broker does not answer"


def test_without_heartbeats_a_silent_rabbitmq_is_noticed_by_what_it_owes(
    rabbitmq: RabbitMQBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CONFIRMED_WITHIN", "ANSWERED_WITHIN"):
        monkeypatch.setattr(f"eventstore.infrastructure.messaging.rabbitmq.{name}", 0.5)
    monkeypatch.setattr("eventstore.infrastructure.messaging.amqp_link.CLOSED_WITHIN", 0.1)
    rabbitmq.parameters.heartbeat = 0
    with (
        closing(rabbitmq.consumer("readers")) as consumer,
        closing(rabbitmq.publisher()) as publisher,
    ):
        joined(consumer)
        publisher.publish(stored(versions=1))
        rabbitmq.cut()
        assert refused(publisher, stored(versions=1)).reason == "the broker does not confirm it"
        with pytest.raises(NotReceived, match="does not answer"):
            until(consumer.drained)


def test_a_consumer_that_lost_its_connection_acknowledges_nothing(rabbitmq: RabbitMQBus) -> None:
    with (
        closing(rabbitmq.consumer("readers")) as consumer,
        closing(rabbitmq.publisher()) as publisher,
    ):
        joined(consumer)
        publisher.publish(stored(versions=1))
        received(rabbitmq, consumer, 40)
        # Every connection there is ends.
        rabbitmq.mend()

        def acknowledged_again_and_again() -> bool:
            consumer.acknowledge()
            consumer.drained()
            return False

        with pytest.raises(NotReceived):
            until(acknowledged_again_and_again)
        # Nothing of it is handed out by now, so there is nothing to acknowledge either.
        consumer.acknowledge()
        assert len(received(rabbitmq, consumer, 40)) == 40


def test_the_names_of_another_number_of_partitions_stand_beside_the_old(
    rabbitmq: RabbitMQBus,
) -> None:
    more = RabbitMQ(rabbitmq.url, encode=lambda: body_of, topic=rabbitmq.topic, partitions=6)
    events = stored(versions=1)
    try:
        with (
            closing(rabbitmq.consumer("readers")) as old,
            closing(more.consumer("readers")) as new,
            closing(more.publisher()) as publisher,
        ):
            joined(old, new)
            publisher.publish(events)
            assert by_stream(received(rabbitmq, new, 40)) == by_stream(events)
            assert old.drained()
    finally:
        swept(rabbitmq_url(), more, ["readers"])


def test_a_topic_that_we_may_not_make_is_left_to_the_cluster(kafka: KafkaBus) -> None:
    """As librdkafka's own cluster does, which refuses and makes it when something is sent."""
    bus = Kafka(kafka.url, encode=lambda: body_of, topic=own_topic(), partitions=4)
    events = stored(versions=1)
    with closing(bus.publisher()) as publisher, closing(bus.consumer("readers")) as consumer:
        publisher.publish(events)
        assert by_stream(received(kafka, consumer, 40)) == by_stream(events)


def test_more_than_the_clients_queue_holds_is_sent_bit_by_bit(kafka: KafkaBus) -> None:
    url = f"{kafka.url}&queue.buffering.max.messages=7"
    bus = Kafka(url, encode=lambda: body_of, topic=kafka.topic, partitions=4)
    with closing(bus.publisher()) as publisher, closing(kafka.consumer("readers")) as consumer:
        publisher.publish(stored(versions=1))
        assert len(received(kafka, consumer, 40)) == 40


def test_a_cluster_that_does_not_answer_is_told_of_whatever_was_asked(
    kafka: KafkaBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.infrastructure.messaging.kafka.ANSWERED_WITHIN", 0.5)
    with (
        closing(kafka.consumer("readers")) as consumer,
        closing(kafka.publisher()) as publisher,
    ):
        joined(consumer)
        publisher.publish(stored(versions=1))
        received(kafka, consumer, 40)
        kafka.cut()
        error = refused(kafka.publisher(), stored(versions=1))
        assert error.confirmed == 0
        assert error.reason.startswith("the cluster does not do it: ")
        with pytest.raises(NotReceived, match="the cluster does not do it: "):
            until(consumer.drained)
        kafka.mend()


def test_offsets_that_cannot_be_committed_come_again(kafka: KafkaBus) -> None:
    with (
        closing(kafka.consumer("readers")) as consumer,
        closing(kafka.publisher()) as publisher,
    ):
        joined(consumer)
        publisher.publish(stored(versions=1))
        received(kafka, consumer, 40)
        kafka.cut()
        consumer.acknowledge()
        with pytest.raises(NotReceived):
            until(lambda: consumer.receive(limit=1, wait=0.5), seconds=60)
        kafka.mend()
        assert len(received(kafka, consumer, 40)) == 40


def test_credentials_and_options_of_the_url_are_the_clients() -> None:
    found = configuration(
        "kafka://us%40er:p%3Ass@one:9092,two:9092?security.protocol=SASL_SSL&socket.timeout.ms=9"
    )
    assert found["bootstrap.servers"] == "one:9092,two:9092"
    assert (found["sasl.username"], found["sasl.password"]) == ("us@er", "p:ss")
    assert (found["security.protocol"], found["socket.timeout.ms"]) == ("SASL_SSL", "9")
    assert "sasl.username" not in configuration("kafka://one:9092")
