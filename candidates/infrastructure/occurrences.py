"""Counts the equal rows of a file in a temporary database, so that memory stays flat."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from eventstore.infrastructure.trial import temporary_database


class SpooledOccurrences:
    """Digests alone are kept, in a file that SQLite deletes by itself."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute(
            "CREATE TABLE met (content BLOB PRIMARY KEY, times INTEGER NOT NULL) WITHOUT ROWID"
        )

    def met(self, contents: Sequence[UUID]) -> list[int]:
        count = (
            "INSERT INTO met VALUES (?, 1) "
            "ON CONFLICT (content) DO UPDATE SET times = times + 1 RETURNING times"
        )
        execute = self._connection.execute
        return [execute(count, [content.bytes]).fetchall()[0][0] for content in contents]


@contextmanager
def spooled_occurrences() -> Iterator[SpooledOccurrences]:
    with temporary_database() as connection:
        yield SpooledOccurrences(connection)
