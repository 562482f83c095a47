"""Loading an aggregate, beside a bare read of as many events with the standard library's JSON."""

from collections.abc import Iterator
from itertools import pairwise
from statistics import median
from uuid import UUID

import uuid_utils.compat as uuid_utils
from django.db import connection

from candidates.domain.candidate import Candidate
from eventstore import wiring
from eventstore.application.repository import AggregateRepository
from eventstore.domain.events import StreamHead
from tests.benchmarks import events
from tests.benchmarks.raw import raw
from tests.benchmarks.timing import Figure, at_most, seconds

LENGTHS = ((10, 200), (1_000, 10), (10_000, 3))
"""Events in the stream, and how often it is loaded for one reading."""


def run(stored: int) -> Iterator[Figure]:
    vendor = connection.vendor
    events.fill(stored)
    plain = AggregateRepository(
        Candidate, store=wiring.event_store(), publisher=wiring.silent_publisher()
    )
    snapshotted = AggregateRepository(
        Candidate,
        store=wiring.event_store(),
        publisher=wiring.silent_publisher(),
        snapshots=wiring.snapshots(),
    )
    limit = raw()
    for length, times in LENGTHS:
        ours, theirs = _stream(length), uuid_utils.uuid7()
        limit.insert_stream(theirs, length)
        yield at_most(
            f"rehydrate/{vendor}/{length}",
            lambda: 1000 / times * seconds(lambda: plain.get(ours), times=times),
            lambda: 1000 / times * seconds(lambda: limit.read(theirs), times=times),
            ratio=1.5,
            unit="ms",
        )
    longest = _stream(LENGTHS[-1][0])
    wiring.snapshots().take(plain.get(longest))
    loaded = 1000 * median(seconds(lambda: snapshotted.get(longest)) for _ in range(51))
    yield Figure(
        name=f"rehydrate/{vendor}/{LENGTHS[-1][0]}-with-snapshot",
        ours=round(loaded, 3),
        limit=None,
        ratio=None,
        unit="ms",
        target="<= 1",
        met=loaded <= 1,
    )


def _stream(length: int) -> UUID:
    """One that was written as commands do, a hundred events at a time."""
    stream_id, head = uuid_utils.uuid7(), StreamHead()
    for start, end in pairwise([*range(0, length, 100), length]):
        batch = [events.of_a_long_life(version) for version in range(start + 1, end + 1)]
        recorded = wiring.event_store().append(
            "candidate", stream_id, batch, expected=head, metadata=events.METADATA
        )
        head = StreamHead.at(recorded[-1])
    return stream_id
