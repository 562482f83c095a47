"""Several appends as one."""

from collections.abc import Callable, Collection
from typing import TypeVar
from uuid import UUID

from django.db import OperationalError, connection, transaction

T = TypeVar("T")

ATTEMPTS = 10
TURNS = 64
"""Locks that streams share: each takes room in a table of the server's that is not large."""
_DEADLOCK = "40P01"
_LOCK = int.from_bytes(b"turn", "big")


def in_one_transaction(work: Callable[[], T], *, streams: Collection[UUID] = ()) -> T:
    """What `work` appends is stored together or, if it raises, not at all.

    Two that append to the same streams in another order would wait for each other. Who names the
    streams waits for his turn instead, as far as others name theirs. PostgreSQL refuses one of
    those who do not, whose work is done again: it may be called several times.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                if streams and connection.vendor == "postgresql":
                    _wait_for_turn(streams)
                return work()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != _DEADLOCK or attempt == ATTEMPTS:
                raise
    raise AssertionError  # the last attempt has raised


def _wait_for_turn(streams: Collection[UUID]) -> None:
    """In one order for everybody, so that nobody waits for who waits for him."""
    turns = sorted({stream_id.int % TURNS for stream_id in streams})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(%s, turn) FROM unnest(%s::int[]) AS turn", [_LOCK, turns]
        )
