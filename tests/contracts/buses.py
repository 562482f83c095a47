"""The brokers that the contract is tried on, each with a switch that cuts it off."""

from typing import Protocol

from eventstore.application.ports import EventBus, Message
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.messaging.memory import MemoryBroker
from eventstore.infrastructure.messaging.message import decode, encode
from eventstore.wiring import mapper
from tests.eventstore.test_message import LOG


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
