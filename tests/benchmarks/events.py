"""What is stored by our side: candidates' short lives, with everything on.

One event in four carries personal data, about 230 bytes of it, as in the life of a candidate: the
one that starts the stream and brings its key.
"""

from collections.abc import Iterator
from uuid import UUID

import uuid_utils.compat as uuid_utils
from django.db import connection

from candidates.domain.events import RejectionReason
from eventstore.domain.events import DomainEvent, Metadata, StreamHead
from eventstore.wiring import event_store
from tests.factories import added, decision_undone, invited, moved_to_standby, rejected

METADATA = Metadata(actor="rita", door="api")
PROFILE = {"name": "Ada O’Neill", "email": "ada@example.org", "note": "x" * 170, "source": "fair"}
ADDED = added(profile=PROFILE)
LIFE: tuple[DomainEvent, ...] = (
    ADDED,
    moved_to_standby(),
    invited(),
    rejected(reason=RejectionReason.WITHDREW),
)


def of_a_long_life(version: int) -> DomainEvent:
    """Added, then put on standby and taken back again and again."""
    if version == 1:
        return ADDED
    if version % 2 == 0:
        return moved_to_standby()
    return decision_undone(undone_version=version - 1, undone_type=moved_to_standby().event_type)


def lives() -> Iterator[None]:
    """Each step stores one event: four to a stream, each on the head that the last one left."""
    while True:
        stream_id, head = uuid_utils.uuid7(), StreamHead()
        for event in LIFE:
            (recorded,) = event_store().append(
                "candidate", stream_id, [event], expected=head, metadata=METADATA
            )
            head = StreamHead.at(recorded)
            yield


def append_many(count: int, *, stream_id: UUID | None = None) -> UUID:
    """A new stream of `count` events in one call."""
    stream_id = stream_id or uuid_utils.uuid7()
    events = [LIFE[i % 4] for i in range(count)]
    event_store().append("candidate", stream_id, events, expected=0, metadata=METADATA)
    return stream_id


def lengths(count: int) -> Iterator[int]:
    """Of the streams of at most 500 that so many events are stored in."""
    for start in range(0, count, 500):
        yield min(500, count - start)


def fill(count: int) -> None:
    """So many stored events, in a table whose statistics are as autovacuum keeps them."""
    for length in lengths(count):
        append_many(length)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
