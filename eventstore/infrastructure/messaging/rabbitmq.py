"""RabbitMQ: topology, publisher and consumer.

A direct exchange, `<topic>.of-<N>`, takes every message under the number of its partition. Each
group has N quorum queues, `<topic>.<group>.<partition>-of-<N>`, bound to it by these numbers, and
of each queue one consumer receives while the others wait to take over. So a stream's messages are
in one queue, and in order. N is in the names: with another N everything is beside the old.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, NamedTuple

from pika import BasicProperties
from pika.channel import Channel
from pika.exchange_type import ExchangeType
from pika.frame import Method
from pika.spec import Basic

from eventstore.application.ports import NotPublished, NotReceived
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.messaging.amqp_link import Link, LinkLost, parameters
from eventstore.infrastructure.messaging.message import MEDIA_TYPE
from eventstore.infrastructure.messaging.partitions import partition_of

HALF = 250
"""Messages that are sent at a time, when no more than so many wait for their confirm."""
CONFIRMED_WITHIN = 8.0
ANSWERED_WITHIN = 8.0
"""Seconds that the broker has for a window of messages, and for a question."""
PREFETCH = 500
"""Messages of one partition that a consumer may hold without having acknowledged them."""

ANNOUNCED = "log_restored"
"""With the partition's number it takes the place of an event's id."""
_PERSISTENT = 2
"""AMQP's word for a message that survives the broker's end."""


class RabbitMQ:
    """`encode` makes the encoder of a batch.

    Raises ValueError for a URL that pika does not understand.
    """

    def __init__(
        self,
        url: str,
        *,
        encode: Callable[[], Callable[[RecordedEvent], bytes]],
        topic: str,
        partitions: int,
    ) -> None:
        self.parameters = parameters(url)
        self._encode = encode
        self.topic = topic
        self.partitions = partitions
        self.exchange = f"{topic}.of-{partitions}"

    def publisher(self, group: str | None = None) -> "RabbitMQEventPublisher":
        return RabbitMQEventPublisher(self, self._encode, group)

    def consumer(
        self, group: str, partitions: Collection[int] | None = None
    ) -> "RabbitMQEventConsumer":
        return RabbitMQEventConsumer(self, group, partitions)

    def queue(self, group: str, partition: int) -> str:
        return f"{self.topic}.{group}.{partition}-of-{self.partitions}"

    def declare(self, channel: Channel, group: str | None) -> None:
        """The exchange, and the group's queues. Whatever is there already stays as it is."""
        channel.exchange_declare(self.exchange, ExchangeType("direct"), durable=True)
        if group is None:
            return
        for partition in range(self.partitions):
            queue = self.queue(group, partition)
            arguments = {"x-queue-type": "quorum", "x-single-active-consumer": True}
            channel.queue_declare(queue, durable=True, arguments=arguments)
            channel.queue_bind(queue, self.exchange, str(partition))


class _Outgoing(NamedTuple):
    exchange: str
    key: str
    event_id: str
    body: bytes


class _Sending:
    """What has become of the messages that were sent since `first_tag`. `lock` guards it."""

    def __init__(self, first_tag: int, lock: AbstractContextManager[object]) -> None:
        self._first_tag = first_tag
        self._lock = lock
        self._sent: dict[str, int] = {}
        self._waiting: set[int] = set()
        self._lowest = 0
        self._refused: dict[int, str] = {}

    @property
    def waiting(self) -> int:
        """How many are neither confirmed nor refused."""
        return len(self._waiting)

    @property
    def refused(self) -> bool:
        return bool(self._refused)

    def outcome(self) -> tuple[int, str]:
        """How many are confirmed, from the first on and without a hole, and what ends that."""
        with self._lock:
            confirmed = min((*self._waiting, *self._refused), default=len(self._sent))
            return confirmed, self._refused.get(confirmed, "")

    def extend(self, event_ids: Iterable[str]) -> None:
        with self._lock:
            for event_id in event_ids:
                self._waiting.add(len(self._sent))
                self._sent[event_id] = len(self._sent)

    def answered(self, tag: int, *, multiple: bool, refused: str) -> None:
        last = tag - self._first_tag
        for index in range(self._lowest if multiple else last, last + 1):
            if refused and index in self._waiting:
                self._refused.setdefault(index, refused)
            self._waiting.discard(index)
        if multiple:
            self._lowest = last + 1

    def returned(self, event_id: str, reason: str) -> None:
        """It is confirmed after that nevertheless: taken, and thrown away."""
        self._refused[self._sent[event_id]] = reason


class _Publishing(Link):
    def __init__(self, bus: RabbitMQ, group: str | None) -> None:
        super().__init__(bus.parameters)
        self._bus = bus
        self._group = group
        self._next_tag = 1
        self._sending = _Sending(1, self.changed)

    def prepare(self, channel: Channel, ready: Callable[[Any], None]) -> None:
        self._bus.declare(channel, self._group)
        channel.add_on_return_callback(self._returned)
        channel.confirm_delivery(self._answered, callback=ready)

    def begin(self) -> _Sending:
        """For messages whose fate is looked at together: all before them is settled."""
        with self.changed:
            self._sending = _Sending(self._next_tag, self.changed)
        return self._sending

    def send(self, messages: Sequence[_Outgoing]) -> None:
        """Returns at once. Raises LinkLost."""
        self._sending.extend(message.event_id for message in messages)
        self._next_tag += len(messages)
        self.call(lambda channel: _publish(channel, messages))

    def settle(self, *, down_to: int) -> None:
        """Until only so many messages wait for their confirm. Raises LinkLost."""
        if not self.wait(lambda: self._sending.waiting <= down_to, CONFIRMED_WITHIN):
            raise LinkLost("the broker does not confirm it")

    def _returned(
        self, channel: Channel, method: Basic.Return, properties: BasicProperties, body: bytes
    ) -> None:
        with self.changed:
            reason = f"no queue takes {method.routing_key} ({method.reply_text})"
            advice = "`manage.py consume` makes those of its group"
            self._sending.returned(str(properties.message_id), f"{reason}: {advice}")

    def _answered(self, frame: "Method[Any]") -> None:
        answer, sending = frame.method, self._sending
        refused = "" if isinstance(answer, Basic.Ack) else "the broker refused it"
        with self.changed:
            before = sending.waiting
            sending.answered(answer.delivery_tag, multiple=answer.multiple, refused=refused)
            # Whoever waits is woken twice in a window and not for every answer.
            if before > HALF >= sending.waiting or not sending.waiting:
                self.changed.notify_all()


def _publish(channel: Channel, messages: Sequence[_Outgoing]) -> None:
    for message in messages:
        properties = BasicProperties(
            content_type=MEDIA_TYPE,
            message_id=message.event_id,
            delivery_mode=_PERSISTENT,
        )
        channel.basic_publish(
            message.exchange, message.key, message.body, properties, mandatory=True
        )


class RabbitMQEventPublisher:
    """Waits until the broker has every message on its disks, with windows of 500 on their way.

    Confirms of different queues overtake one another, so what counts is the prefix without a hole.
    """

    def __init__(
        self,
        bus: RabbitMQ,
        encode: Callable[[], Callable[[RecordedEvent], bytes]],
        group: str | None,
    ) -> None:
        self._bus = bus
        self._make_encoder = encode
        self._group = group
        self._link: _Publishing | None = None

    def publish(self, events: Sequence[RecordedEvent]) -> None:
        if events:
            # Anew for each batch: the log's epoch may be another.
            encode = self._make_encoder()
            self._send(len(events), lambda part: self._messages(events[part], encode))

    def announce(self, body: bytes) -> None:
        messages = [
            _Outgoing(self._bus.exchange, str(partition), f"{ANNOUNCED}-{partition}", body)
            for partition in range(self._bus.partitions)
        ]
        self._send(len(messages), lambda part: messages[part])

    def _send(self, count: int, made: Callable[[slice], Sequence[_Outgoing]]) -> None:
        sending, lost = _Sending(0, nullcontext()), ""
        try:
            link = self._open_link()
            sending = link.begin()
            for start in range(0, count, HALF):
                # While those before are on their way.
                messages = made(slice(start, start + HALF))
                link.settle(down_to=HALF)
                if sending.refused:
                    break
                link.send(messages)
            link.settle(down_to=0)
        except LinkLost as error:
            lost = str(error)
            self.close()
        confirmed, reason = sending.outcome()
        if confirmed < count:
            raise NotPublished(confirmed=confirmed, reason=reason or lost)

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def _messages(
        self, events: Sequence[RecordedEvent], encode: Callable[[RecordedEvent], bytes]
    ) -> list[_Outgoing]:
        messages = []
        for event in events:
            partition = partition_of(event.stream_id, self._bus.partitions)
            # The nameless exchange brings a message to the queue that is named by its key.
            exchange, key = (
                (self._bus.exchange, str(partition))
                if self._group is None
                else ("", self._bus.queue(self._group, partition))
            )
            messages.append(_Outgoing(exchange, key, str(event.event_id), encode(event)))
        return messages

    def _open_link(self) -> _Publishing:
        if self._link is None or self._link.lost:
            self.close()
            link = _Publishing(self._bus, self._group)
            link.open()
            self._link = link
        return self._link


class _Consuming(Link):
    def __init__(self, bus: RabbitMQ, group: str, queues: Sequence[str]) -> None:
        super().__init__(bus.parameters)
        self._bus = bus
        self._group = group
        self._queues = queues
        self.held: deque[tuple[int, bytes]] = deque()
        """Numbers and bodies of what has come and was not handed out."""

    def prepare(self, channel: Channel, ready: Callable[[Any], None]) -> None:
        self._bus.declare(channel, self._group)
        channel.basic_qos(prefetch_count=PREFETCH)
        for queue in self._queues:
            last = queue == self._queues[-1]
            channel.basic_consume(queue, self._came, callback=ready if last else None)

    def waiting(self) -> int:
        """How many messages the broker has not sent to anybody. Raises LinkLost."""
        counts: list[int] = []

        def ask(channel: Channel) -> None:
            for queue in self._queues:
                channel.queue_declare(queue, passive=True, callback=answered)

        def answered(frame: "Method[Any]") -> None:
            with self.changed:
                counts.append(frame.method.message_count)
                self.changed.notify_all()

        self.call(ask)
        if not self.wait(lambda: len(counts) == len(self._queues), ANSWERED_WITHIN):
            raise LinkLost("the broker does not answer")
        return sum(counts)

    def _came(
        self, channel: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes
    ) -> None:
        with self.changed:
            self.held.append((int(method.delivery_tag or 0), body))
            self.changed.notify_all()


class RabbitMQEventConsumer:
    """Acknowledges by number, never hands back: what is handed back comes behind what follows."""

    def __init__(self, bus: RabbitMQ, group: str, partitions: Collection[int] | None) -> None:
        self._bus = bus
        self._group = group
        chosen = range(bus.partitions) if partitions is None else sorted(partitions)
        self._queues = [bus.queue(group, partition) for partition in chosen]
        self._link: _Consuming | None = None
        self._received = 0
        """The number of the last message handed out; 0 where all are acknowledged."""

    def receive(self, *, limit: int, wait: float) -> Sequence[bytes]:
        bodies: list[bytes] = []
        with self._linked() as link:
            link.wait(lambda: link.held, wait)
            while link.held and len(bodies) < limit:
                self._received, body = link.held.popleft()
                bodies.append(body)
        return bodies

    def acknowledge(self) -> None:
        received = self._received
        if received:
            with self._linked() as link:
                # Numbers count over all queues, in the order of arrival: all up to this one.
                link.call(lambda channel: channel.basic_ack(received, multiple=True))
                self._received = 0

    def drained(self) -> bool:
        with self._linked() as link:
            return not link.waiting() and not link.held

    def close(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None
        self._received = 0

    @contextmanager
    def _linked(self) -> Iterator[_Consuming]:
        """A lost connection is told once, and with it all that it had brought; then a new one."""
        try:
            if self._link is None:
                link = _Consuming(self._bus, self._group, self._queues)
                link.open()
                self._link = link
            elif self._link.lost:
                raise LinkLost(self._link.lost)
            yield self._link
        except LinkLost as error:
            self.close()
            raise NotReceived(reason=str(error)) from error
