"""How whoever follows the log takes it in."""

from collections.abc import Collection

from eventstore.application.ports import EventStore
from eventstore.domain.events import Cursor, RecordedEvent
from eventstore.domain.exceptions import UndecodableEvent

BATCH = 500
SHORTEST_PAUSE = 0.04
LONGEST_PAUSE = 0.1
"""Seconds between two looks at a log in which nothing happens: readers see it within twice that."""
HEARTBEAT = 5.0
"""Seconds between two heartbeats."""
WAITING = 1.0
"""Seconds between two looks at what only another process can read: it may have done so."""


def readable(
    store: EventStore,
    *,
    after: Cursor | int,
    limit: int = BATCH,
    stream_types: Collection[str] = (),
    event_types: Collection[str] = (),
) -> list[RecordedEvent]:
    """The next events, up to one that cannot be decoded, which is raised when it is the first."""
    try:
        return store.read_all(
            after=after, limit=limit, stream_types=stream_types, event_types=event_types
        )
    except UndecodableEvent:
        if limit == 1:
            raise
        return readable(
            store,
            after=after,
            limit=limit // 2,
            stream_types=stream_types,
            event_types=event_types,
        )
