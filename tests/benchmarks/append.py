"""Appending: one event a commit, a hundred in one call, and what the log's guarantees cost."""

import multiprocessing
import os
from collections.abc import Callable, Iterator

from django.db import connection

from eventstore.models import StorageEvent
from tests.benchmarks import events
from tests.benchmarks.raw import raw
from tests.benchmarks.timing import Figure, at_least, seconds

COMMITS = 400
"""In one reading, or as many as are stored where that is fewer."""
WRITERS = 4
CALLS = 20


def run(stored: int) -> Iterator[Figure]:
    vendor = connection.vendor
    events.fill(stored)
    limit = raw()
    limit.insert_many(stored)
    commits = min(COMMITS, stored)
    yield at_least(
        f"append/{vendor}/1-writer",
        lambda: _ours(commits),
        lambda: _raw(commits),
        ratio=0.70 if vendor == "postgresql" else 0.60,
        unit="events/s",
    )
    yield at_least(
        f"append/{vendor}/100-in-one-call",
        lambda: CALLS * 100 / seconds(lambda: events.append_many(100), times=CALLS),
        lambda: CALLS * 100 / seconds(lambda: limit.insert_many(100), times=CALLS),
        ratio=0.50 if vendor == "postgresql" else 0.35,
        unit="events/s",
    )
    if vendor == "postgresql":
        yield at_least(
            "append/postgresql/4-writers",
            lambda: _together(lambda: _ours(commits)),
            lambda: _together(lambda: _raw(commits)),
            ratio=0.70,
            unit="events/s",
        )
        yield at_least(
            "settled/postgresql/1-writer",
            lambda: _guarded(lambda: _ours(commits), by=True),
            lambda: _guarded(lambda: _ours(commits), by=False),
            ratio=0.90,
            unit="events/s",
        )
        yield at_least(
            "settled/postgresql/4-writers",
            lambda: _guarded(lambda: _together(lambda: _ours(commits)), by=True),
            lambda: _guarded(lambda: _together(lambda: _ours(commits)), by=False),
            ratio=0.85,
            unit="events/s",
        )
    yield _storage(vendor)


def _ours(commits: int) -> float:
    lives = events.lives()
    # One life, so that a new connection has been made and its statements are prepared, as the
    # limit's are.
    for _ in events.LIFE:
        next(lives)
    return commits / seconds(lambda: next(lives), times=commits)


def _raw(commits: int) -> float:
    limit = raw()
    for _ in events.LIFE:
        limit.insert()
    return commits / seconds(limit.insert, times=commits)


def _together(write: Callable[[], float]) -> float:
    """The sum of what so many processes reach at once, each with a connection of its own."""
    connection.close()
    fork = multiprocessing.get_context("fork")
    barrier, rates = fork.Barrier(WRITERS), fork.Queue()

    def work() -> None:
        barrier.wait()
        rates.put(write())
        rates.close()
        rates.join_thread()
        # Past Django's and the driver's ends: the parent has its own.
        os._exit(0)

    writers = [fork.Process(target=work) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    total: float = sum(rates.get() for _ in writers)
    for writer in writers:
        writer.join()
    return total


def _guarded(write: Callable[[], float], *, by: bool) -> float:
    """With the trigger that settled reading needs, or without it."""
    table, state = StorageEvent._meta.db_table, "ENABLE ALWAYS" if by else "DISABLE"
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} {state} TRIGGER eventstore_settled")
    rate = write()
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER eventstore_settled")
    return rate


def _storage(vendor: str) -> Figure:
    """Bytes an event beyond data, metadata and ciphertext, indexes included."""
    table = StorageEvent._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), sum(length(data) + length(metadata) + "
            f"coalesce(length(personal), 0)) FROM {table}"
        )
        count, content = cursor.fetchone()
        if vendor == "postgresql":
            cursor.execute("SELECT pg_total_relation_size(%s)", [table])
            (size,) = cursor.fetchone()
        else:
            cursor.execute(
                "SELECT sum(pgsize) FROM dbstat WHERE name IN "
                f"(SELECT name FROM sqlite_master WHERE tbl_name = '{table}')"
            )
            (size,) = cursor.fetchone()
    beyond = (int(size) - int(content)) / int(count)
    return Figure(
        name=f"storage/{vendor}",
        ours=round(beyond, 1),
        limit=None,
        ratio=None,
        unit="bytes",
        target="<= 350",
        met=beyond <= 350,
    )
