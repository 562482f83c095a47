"""A broker in this process: the twin of those that run elsewhere, for tests."""

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from threading import Condition

from eventstore.application.ports import NotPublished, NotReceived
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.messaging.partitions import partition_of


@dataclass(eq=False)
class _Queue:
    """Of one group and partition."""

    bodies: deque[bytes] = field(default_factory=deque)
    holder: "MemoryEventConsumer | None" = None
    """Who receives from it; the others of its group wait for their turn."""
    received: int = 0
    """How many from the left its holder has, and has not acknowledged."""


class MemoryBroker:
    """Keeps the messages of each group by partition, until they are acknowledged."""

    def __init__(self, *, encode: Callable[[RecordedEvent], bytes], partitions: int = 8) -> None:
        self.encode = encode
        self.partitions = partitions
        self.groups: dict[str, list[_Queue]] = {}
        self.changed = Condition()
        self.outage = ""
        """Why nobody reaches the broker; empty while everybody does."""

    def publisher(self, group: str | None = None) -> "MemoryEventPublisher":
        if group is not None:
            self._declare(group)
        return MemoryEventPublisher(self, self.encode, group)

    def consumer(
        self, group: str, partitions: Collection[int] | None = None
    ) -> "MemoryEventConsumer":
        self._declare(group)
        return MemoryEventConsumer(self, group, partitions)

    def _declare(self, group: str) -> None:
        with self.changed:
            if group not in self.groups:
                self.groups[group] = [_Queue() for _ in range(self.partitions)]

    def put(self, group: str, partition: int, body: bytes) -> None:
        """Any body into any place, as a broker takes it from anybody."""
        with self.changed:
            self.groups[group][partition].bodies.append(body)
            self.changed.notify_all()


class MemoryEventPublisher:
    def __init__(
        self,
        broker: MemoryBroker,
        encode: Callable[[RecordedEvent], bytes],
        group: str | None,
    ) -> None:
        self._broker = broker
        self._encode = encode
        self._group = group

    def publish(self, events: Sequence[RecordedEvent]) -> None:
        for confirmed, recorded in enumerate(events):
            if self._broker.outage:
                raise NotPublished(confirmed=confirmed, reason=self._broker.outage)
            groups = [
                name for name in self._broker.groups if self._group is None or name == self._group
            ]
            if not groups:
                raise NotPublished(confirmed=confirmed, reason="no queue takes it")
            partition = partition_of(recorded.stream_id, self._broker.partitions)
            body = self._encode(recorded)
            for name in groups:
                self._broker.put(name, partition, body)

    def announce(self, body: bytes) -> None:
        if self._broker.outage:
            raise NotPublished(confirmed=0, reason=self._broker.outage)
        for name in self._broker.groups:
            for partition in range(self._broker.partitions):
                self._broker.put(name, partition, body)

    def close(self) -> None:
        """It holds nothing."""


class MemoryEventConsumer:
    def __init__(
        self, broker: MemoryBroker, group: str, partitions: Collection[int] | None
    ) -> None:
        self._broker = broker
        queues = broker.groups[group]
        self._queues = queues if partitions is None else [queues[n] for n in sorted(partitions)]

    def receive(self, *, limit: int, wait: float) -> Sequence[bytes]:
        deadline = time.monotonic() + wait
        with self._broker.changed:
            while True:
                self._reach()
                if bodies := self._received(limit):
                    return bodies
                left = deadline - time.monotonic()
                if left <= 0:
                    return []
                self._broker.changed.wait(left)

    def acknowledge(self) -> None:
        with self._broker.changed:
            self._reach()
            for queue in self._held():
                for _ in range(queue.received):
                    queue.bodies.popleft()
                queue.received = 0

    def drained(self) -> bool:
        with self._broker.changed:
            self._reach()
            return all(queue.received == len(queue.bodies) for queue in self._held())

    def close(self) -> None:
        with self._broker.changed:
            for queue in self._queues:
                if queue.holder is self:
                    queue.holder, queue.received = None, 0
            self._broker.changed.notify_all()

    def _reach(self) -> None:
        """Whoever cannot reach it has lost what it held."""
        if self._broker.outage:
            self.close()
            raise NotReceived(reason=self._broker.outage)

    def _held(self) -> list[_Queue]:
        for queue in self._queues:
            if queue.holder is None:
                queue.holder = self
        return [queue for queue in self._queues if queue.holder is self]

    def _received(self, limit: int) -> list[bytes]:
        bodies: list[bytes] = []
        for queue in self._held():
            last = min(len(queue.bodies), queue.received + limit - len(bodies))
            bodies += [queue.bodies[n] for n in range(queue.received, last)]
            queue.received = last
        return bodies
