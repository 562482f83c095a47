"""Kafka: topology, publisher and consumer.

The topic takes every message, keyed by its stream, so a stream's messages are in one partition and
in order; librdkafka's `consistent` partitioner puts the key where `partition_of` says. Each group
is a consumer group, `<topic>.<group>`, and reads besides the topic one of the same name, which
takes what is sent to this group alone. A topic that is not there is made with N partitions where
the cluster lets us.

Partitions that are added later move keys, so that a stream's messages are in two of them and may
come out of order: whoever applies them has to notice gaps.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not said to be exported
    AdminClient,
    NewTopic,
    OffsetSpec,
)

from eventstore.application.ports import NotPublished, NotReceived
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.messaging.message import MEDIA_TYPE

CONFIRMED_WITHIN = 8.0
ANSWERED_WITHIN = 5.0
"""Seconds that the cluster has for a batch of messages, and for a question."""
CLOSED_WITHIN = 5.0
"""Seconds for the last commits and the farewell."""
_EARLIEST, _LATEST = OffsetSpec.earliest(), OffsetSpec.latest()
_HEADERS: list[tuple[str, str | bytes | None]] = [("content-type", MEDIA_TYPE.encode())]
_CLIENT: dict[str, Any] = {
    # What the library would print is told by the errors that it raises and reports.
    "log_level": 0,
    "socket.timeout.ms": 8_000,
    "reconnect.backoff.max.ms": 2_000,
}
_PRODUCER: dict[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    "partitioner": "consistent",
    "message.timeout.ms": int(1000 * CONFIRMED_WITHIN),
}
_CONSUMER: dict[str, Any] = {
    "enable.auto.commit": False,
    "auto.offset.reset": "earliest",
    # Of two topics a consumer is given the same partitions.
    "partition.assignment.strategy": "range",
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 2_000,
}


def configuration(url: str) -> dict[str, Any]:
    """Of a client, from `kafka://[user:password@]host:port,host:port[?option=value]`.

    Options are librdkafka's, and go before ours.
    """
    parts = urlsplit(url)
    login, _, servers = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    credentials = {"sasl.username": unquote(user), "sasl.password": unquote(password)}
    return {
        **_CLIENT,
        "bootstrap.servers": servers,
        **(credentials if login else {}),
        **dict(parse_qsl(parts.query)),
    }


class Kafka:
    """`encode` makes the encoder of a batch.

    Raises ValueError for options that librdkafka does not understand.
    """

    def __init__(
        self,
        url: str,
        *,
        encode: Callable[[], Callable[[RecordedEvent], bytes]],
        topic: str,
        partitions: int,
    ) -> None:
        self._encode = encode
        self.configuration = configuration(url)
        try:
            # Without a server it connects to none; else each client would fail on its own.
            Producer({**_PRODUCER, **self.configuration, "bootstrap.servers": ""})
        except KafkaException as error:
            raise ValueError(error.args[0].str().strip()) from None
        self.topic = topic
        self.partitions = partitions

    def publisher(self, group: str | None = None) -> "KafkaEventPublisher":
        topic = self.topic if group is None else self.group(group)
        return KafkaEventPublisher(self, self._encode, topic)

    def consumer(
        self, group: str, partitions: Collection[int] | None = None
    ) -> "KafkaEventConsumer":
        """Kafka shares the partitions among the consumers of a group by itself.

        To consumers that name theirs it gives them without asking who else has them: nobody takes
        over from these, and two of one partition receive everything twice.
        """
        return KafkaEventConsumer(self, self.group(group), partitions)

    def group(self, name: str) -> str:
        """The consumer group, and the topic that is its own."""
        return f"{self.topic}.{name}"

    @cached_property
    def _admin(self) -> AdminClient:
        return AdminClient(self.configuration)

    def ensure(self, *topics: str) -> None:
        """They are there after this, or the cluster makes them itself, or only others may.

        Raises KafkaException where the cluster does not answer.
        """
        # All of them: to ask for one makes it, with as many partitions as the cluster likes.
        there = self._admin.list_topics(timeout=ANSWERED_WITHIN).topics
        missing = [
            NewTopic(topic, num_partitions=self.partitions)
            for topic in topics
            if topic not in there
        ]
        if missing:
            made = self._admin.create_topics(missing, request_timeout=ANSWERED_WITHIN)
            for made_now in made.values():
                # Somebody else was faster, or we may not: what the topic says next decides.
                with suppress(KafkaException):
                    made_now.result()

    def partitions_of(self, topic: str) -> list[int]:
        """The numbers of those that it has, which may be more than were made here.

        Raises KafkaException.
        """
        self.ensure(topic)
        found = self._admin.list_topics(topic, timeout=ANSWERED_WITHIN).topics[topic]
        return sorted(found.partitions)

    def offsets(
        self, partitions: Sequence[TopicPartition], which: OffsetSpec
    ) -> dict[tuple[str, int], int]:
        """By a client of its own: a consumer's questions queue behind what it fetches.

        Raises KafkaException.
        """
        answers = self._admin.list_offsets(
            {TopicPartition(one.topic, one.partition): which for one in partitions},
            request_timeout=ANSWERED_WITHIN,
        )
        return {
            (one.topic, one.partition): answer.result().offset for one, answer in answers.items()
        }


class _Batch:
    """Messages on their way: what has become of each."""

    def __init__(self, size: int) -> None:
        self._open = set(range(size))
        self._size = size
        self.refused: dict[int, str] = {}

    def answered(self, index: int, error: KafkaError | None, message: Message) -> None:
        self._open.discard(index)
        if error is not None:
            self.refused[index] = _described(error)

    @property
    def confirmed(self) -> int:
        """How many from the first on, without a hole."""
        return min((*self._open, *self.refused), default=self._size)

    @property
    def complete(self) -> bool:
        return self.confirmed == self._size


class KafkaEventPublisher:
    """Waits until all replicas in sync have each message.

    Partitions confirm each for itself, so what counts is the prefix without a hole.
    """

    def __init__(
        self,
        bus: Kafka,
        encode: Callable[[], Callable[[RecordedEvent], bytes]],
        topic: str,
    ) -> None:
        self._bus = bus
        self._make_encoder = encode
        self._topic = topic
        self._producer: Producer | None = None

    def publish(self, events: Sequence[RecordedEvent]) -> None:
        if events:
            # Anew for each batch: the log's epoch may be another.
            encode = self._make_encoder()
            self._send([(encode(event), {"key": str(event.stream_id)}) for event in events])

    def announce(self, body: bytes) -> None:
        try:
            partitions = self._bus.partitions_of(self._topic)
        except KafkaException as error:
            raise NotPublished(confirmed=0, reason=_described(error.args[0])) from error
        self._send([(body, {"partition": number}) for number in partitions])

    def _send(self, messages: Sequence[tuple[bytes, dict[str, Any]]]) -> None:
        batch = _Batch(len(messages))
        try:
            producer = self._connected()
            for index, (body, place) in enumerate(messages):
                self._produce(producer, body, place, partial(batch.answered, index))
            producer.flush(CONFIRMED_WITHIN)
        except KafkaException as error:
            batch.refused.setdefault(batch.confirmed, _described(error.args[0]))
        if not batch.complete:
            # An idempotent producer that has lost one message may refuse all that follow.
            self.close()
            reason = batch.refused.get(batch.confirmed, "the cluster does not confirm it")
            raise NotPublished(confirmed=batch.confirmed, reason=reason)

    def close(self) -> None:
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(0)
            self._producer = None

    def _connected(self) -> Producer:
        if self._producer is None:
            self._bus.ensure(self._topic)
            self._producer = Producer({**_PRODUCER, **self._bus.configuration})
        return self._producer

    def _produce(
        self,
        producer: Producer,
        body: bytes,
        place: dict[str, Any],
        answered: Callable[[KafkaError | None, Message], None],
    ) -> None:
        while True:
            try:
                producer.produce(
                    self._topic,
                    body,
                    **place,
                    headers=_HEADERS,
                    on_delivery=answered,
                )
            except BufferError:
                producer.poll(0.1)
            else:
                producer.poll(0)
                return


class _Session:
    """One membership of the group, and what its callbacks have told. What is lost stays lost."""

    def __init__(self, bus: Kafka, group: str, partitions: Sequence[int] | None) -> None:
        topics = [bus.topic, group]
        bus.ensure(*topics)
        self.received: dict[tuple[str, int], int] = {}
        """Of each partition the offset behind the last message handed out, until it is said."""
        self.assigned = partitions is not None
        self.lost = ""
        self.consumer = Consumer(
            {
                **_CONSUMER,
                **bus.configuration,
                "group.id": group,
                "error_cb": self._failed,
                "on_commit": self._committed,
            }
        )
        if partitions is None:
            self.consumer.subscribe(topics, on_assign=self._given, on_revoke=self._taken)
        else:
            self.consumer.assign([TopicPartition(topic, n) for topic in topics for n in partitions])

    def body(self, message: Message) -> bytes | None:
        """None for what is no message: a topic may be missing that only others may make."""
        if (error := message.error()) is not None:
            if error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                self._lose(error)
            return None
        place = str(message.topic()), int(message.partition() or 0)
        self.received[place] = int(message.offset() or 0) + 1
        return message.value() or b""

    def commit(self) -> None:
        """Not waited for: a cluster that has fallen silent would be waited for without end.

        What fails is told by and by, and comes again. Raises KafkaException.
        """
        offsets = [TopicPartition(*place, offset) for place, offset in self.received.items()]
        self.received.clear()
        self.consumer.commit(offsets=offsets, asynchronous=True)

    def close(self) -> None:
        """What was said before is sent before; who cannot by then is left to the library."""
        thread = Thread(target=self.consumer.close, name="kafka", daemon=True)
        thread.start()
        thread.join(CLOSED_WITHIN)

    def _given(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self.assigned = True

    def _taken(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """What was handed out of them is somebody else's now, who receives it again."""
        for one in partitions:
            self.received.pop((one.topic, one.partition), None)

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        if error is not None:
            self._lose(error)

    def _failed(self, error: KafkaError) -> None:
        """What the library cannot put right by itself, or will not for a while."""
        if error.fatal() or error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._lose(error)

    def _lose(self, error: KafkaError) -> None:
        self.lost = self.lost or _described(error)


class KafkaEventConsumer:
    def __init__(self, bus: Kafka, group: str, partitions: Collection[int] | None) -> None:
        self._bus = bus
        self._group = group
        self._partitions = None if partitions is None else sorted(partitions)
        self._session: _Session | None = None

    def receive(self, *, limit: int, wait: float) -> Sequence[bytes]:
        with self._joined() as session:
            first = session.consumer.poll(wait)
            more = first is not None and limit > 1
            rest = session.consumer.consume(limit - 1, timeout=0) if more else []
            messages = [] if first is None else [first, *rest]
            return [body for one in messages if (body := session.body(one)) is not None]

    def acknowledge(self) -> None:
        if self._session is not None and self._session.received:
            with self._joined() as session:
                session.commit()

    def drained(self) -> bool:
        with self._joined() as session:
            return session.assigned and self._at_end(session.consumer)

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()

    @contextmanager
    def _joined(self) -> Iterator[_Session]:
        """A membership that is lost is told once; then there is a new one."""
        try:
            if self._session is None:
                self._session = _Session(self._bus, self._group, self._partitions)
            session = self._session
            yield session
        except KafkaException as error:
            self.close()
            raise NotReceived(reason=_described(error.args[0])) from error
        if session.lost:
            self.close()
            raise NotReceived(reason=session.lost)

    def _at_end(self, consumer: Consumer) -> bool:
        assigned = consumer.assignment()
        if not assigned:
            return True
        first, end = (self._bus.offsets(assigned, spec) for spec in (_EARLIEST, _LATEST))
        committed = consumer.committed(assigned, timeout=ANSWERED_WITHIN)
        return all(
            # Before anything was received: from where it will be.
            max(position.offset, kept.offset, first[place]) >= end[place]
            for position, kept in zip(consumer.position(assigned), committed, strict=True)
            for place in [(kept.topic, kept.partition)]
        )


def _described(error: KafkaError) -> str:
    """By its name: the library's words may name hosts."""
    return f"the cluster does not do it: {error.name()}"
