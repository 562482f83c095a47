"""Wrapping keys anew: `manage.py rotate_keys` on as many streams as are stored."""

import time
from collections.abc import Iterator
from uuid import uuid4

from django.db import connection, transaction
from django.utils import timezone

from eventstore.infrastructure.driver import driver_of
from eventstore.infrastructure.key_checks import KeyChecks
from eventstore.infrastructure.keys import Keyring
from eventstore.infrastructure.rotation import rotate
from tests.benchmarks.timing import Figure

TARGET = 2_000


def run(stored: int) -> Iterator[Figure]:
    old, new = (bytes([value]) * 32 for value in (1, 2))
    checks = KeyChecks(clock=timezone.now)
    checks.adopt(Keyring([new, old]))
    ring = Keyring([old], admit=checks.require)
    with transaction.atomic():
        for start in range(0, stored, 1000):
            ids = [uuid4() for _ in range(start, min(start + 1000, stored))]
            keys = [(id, ring.new_key(id)[1]) for id in ids]
            driver_of(connection).insert_keys(connection.connection, keys)
    took, spent = time.perf_counter(), time.process_time()
    rotated = rotate(Keyring([new, old], admit=checks.require))
    took, spent = time.perf_counter() - took, time.process_time() - spent
    assert rotated.anew == stored
    for name, seconds in (("by processor time", spent), ("by the clock", took)):
        rate = stored / seconds
        yield Figure(
            name=f"rotate/{connection.vendor}: {name}",
            ours=round(rate, 1),
            limit=None,
            ratio=None,
            unit="keys/s",
            target=f">= {TARGET:,}",
            met=rate >= TARGET,
        )
