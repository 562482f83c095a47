"""Writes that are worth no wait: what is noted on the side while somebody only reads."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection, transaction

logger = logging.getLogger(__name__)


def written_briefly(what: str, write: Callable[[], object]) -> bool:
    """Whether it was written, in a transaction that waits for no other writer.

    A database that is locked, full or read-only is no reason to refuse a read: that is logged, and
    no more.
    """
    try:
        with _waiting_for_nobody(), transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL lock_timeout = '100ms'")
            write()
    except DatabaseError as error:
        reason = str(error).partition("\n")[0]
        logger.warning("%s is not written: %s", what, reason)
        return False
    return True


@contextmanager
def _waiting_for_nobody() -> Iterator[None]:
    """SQLite lets a writer wait for the one before it, by default for 20 seconds."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        (kept,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {kept:d}")
