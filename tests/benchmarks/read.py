"""Reading the whole settled log, decoded and decrypted."""

from collections.abc import Iterator
from statistics import median

from django.db import connection

from eventstore.models import StorageEvent
from eventstore.wiring import event_store
from tests.benchmarks import events
from tests.benchmarks.timing import ROUNDS, Figure, seconds

PAGE = 1_000


def run(stored: int) -> Iterator[Figure]:
    events.fill(stored)
    count = StorageEvent.objects.count()
    rate = median(count / seconds(_read) for _ in range(ROUNDS))
    yield Figure(
        name=f"read/{connection.vendor}",
        ours=round(rate, 1),
        limit=None,
        ratio=None,
        unit="events/s",
        target=">= 100000",
        met=rate >= 100_000,
    )


def _read() -> None:
    after = 0
    while page := event_store().read_all(after=after, limit=PAGE):
        after = page[-1].position
