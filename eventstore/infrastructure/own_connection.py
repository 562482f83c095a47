"""Connections besides the one that this process uses, and to the same database."""

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper


@contextmanager
def own_connection() -> Iterator[BaseDatabaseWrapper]:
    """For long reads, and for writing what can be written again: no commit waits for the disk."""
    with closing(connection.copy()) as own:
        own.connect()
        with own.cursor() as cursor:
            if own.vendor == "postgresql":
                cursor.execute(f"SET application_name = 'replay, process {os.getpid()}'")
                cursor.execute("SET synchronous_commit = off")
            else:
                cursor.execute("PRAGMA synchronous=NORMAL")
        yield own
