"""The embedded event bus: committed events go to handlers in this process."""

import logging
from collections.abc import Callable, Sequence

from django.db import transaction

from eventstore.application.parking import described
from eventstore.application.ports import EventHandler, EventPublisher
from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import UndecodableEvent

logger = logging.getLogger(__name__)


class LocalEventPublisher:
    """Calls every subscriber in turn. One that fails is logged and does not stop the next.

    The events are stored by then, so a failure is never the command's: a projection that missed
    them mends itself from the log. `missed` hears of it.
    """

    def __init__(self, *, missed: Callable[[], object] = lambda: None) -> None:
        self._handlers: list[EventHandler] = []
        self._missed = missed

    def subscribe(self, handler: EventHandler) -> None:
        self._handlers.append(handler)

    def publish(self, events: Sequence[RecordedEvent]) -> None:
        for handler in self._handlers:
            try:
                handler.handle(events)
            except UndecodableEvent as error:
                logger.error("%r stays behind: %s", handler, error)
            except Exception as error:  # noqa: BLE001  # its text may quote somebody's data
                logger.error(
                    "%r failed on stream %s at position %d: %s",
                    handler,
                    events[0].stream_id,
                    events[0].position,
                    described(error),
                )
                self._missed()


class OnCommitPublisher:
    """Publishes once the events are committed; at once where no transaction is open."""

    def __init__(self, publisher: EventPublisher, *, then: Callable[[], object]) -> None:
        self._publisher = publisher
        self._then = then

    def publish(self, events: Sequence[RecordedEvent]) -> None:
        # Lambdas, since Django 5.2 cannot name a partial when it logs a robust callback's failure.
        transaction.on_commit(lambda: self._publisher.publish(events), robust=True)
        transaction.on_commit(lambda: self._then(), robust=True)


class InTransactionPublisher:
    """Calls every subscriber in turn, as part of the command: what one raises, the command does.

    So what the command appended is rolled back with it.
    """

    def __init__(self, *, then: Callable[[], object]) -> None:
        self._handlers: list[EventHandler] = []
        self._then = then

    def subscribe(self, handler: EventHandler) -> None:
        self._handlers.append(handler)

    def publish(self, events: Sequence[RecordedEvent]) -> None:
        for handler in self._handlers:
            handler.handle(events)
        transaction.on_commit(lambda: self._then(), robust=True)
