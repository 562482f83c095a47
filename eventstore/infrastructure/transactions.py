"""Several appends as one."""

import hashlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from django.db import OperationalError, connection, transaction

T = TypeVar("T")

ATTEMPTS = 10
TURNS = 64
"""Locks that streams share: each takes room in a table of the server's that is not large."""
_DEADLOCK = "40P01"
_LOCK = int.from_bytes(b"turn", "big")
NAMED_TURNS = 256
"""Locks that names share."""
_NAMED_LOCK = int.from_bytes(b"name", "big")


@contextmanager
def in_turn(name: str) -> Iterator[None]:
    """Opens a transaction in which no other has the turn of this name, until the end of it.

    Inside another transaction that is until that one's end. What another has stored in its turn is
    seen by every statement from then on.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            _wait_for_turn(_NAMED_LOCK, [_turn_of(name)])
        # SQLite's transactions are IMMEDIATE: one writer at a time.
        yield


def in_one_transaction(
    work: Callable[[], T], *, streams: Collection[UUID] = (), names: Collection[str] = ()
) -> T:
    """What `work` appends is stored together or, if it raises, not at all.

    Two that append to the same streams in another order would wait for each other. Who names the
    streams waits for his turn instead, as far as others name theirs; likewise for the names that
    `in_turn` is called with in `work`. PostgreSQL refuses one of those who do not, whose work is
    done again: it may be called several times.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                if connection.vendor == "postgresql":
                    _wait_for_turn(_LOCK, {stream_id.int % TURNS for stream_id in streams})
                    _wait_for_turn(_NAMED_LOCK, {_turn_of(name) for name in names})
                return work()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != _DEADLOCK or attempt == ATTEMPTS:
                raise
    raise AssertionError  # the last attempt has raised


def _wait_for_turn(lock: int, turns: Collection[int]) -> None:
    """In one order for everybody, so that nobody waits for who waits for him."""
    if turns:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_advisory_xact_lock(%s, turn) FROM unnest(%s::int[]) AS turn",
                [lock, sorted(turns)],
            )


def _turn_of(name: str) -> int:
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).digest()
    return int.from_bytes(digest[:8], "big") % NAMED_TURNS
