"""The one statement that appends, for each database that can be trusted with the log."""

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Protocol
from uuid import UUID

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.infrastructure.mapper import StorageRow
from eventstore.models import StorageEvent

_TABLE = StorageEvent._meta.db_table
_COLUMNS = StorageRow._fields
_CASTS = {
    "event_id": "uuid",
    "stream_id": "uuid",
    "version": "integer",
    "schema_version": "smallint",
    "correlation_id": "uuid",
    "occurred_at": "timestamptz",
    "recorded_at": "timestamptz",
}


class Dialect(Protocol):
    def insert(self, connection: Any, rows: Sequence[StorageRow]) -> list[int]:
        """Store rows of one stream behind their predecessor, return their positions in order.

        Empty, and nothing stored, where the predecessor is missing.
        """


class PostgreSQLDialect:
    """The driver's own cursor: it binds on the server and keeps the statement prepared."""

    def insert(self, connection: psycopg.Connection[Any], rows: Sequence[StorageRow]) -> list[int]:
        cursor = psycopg.Cursor(connection)
        cursor.execute(
            _statement(len(rows), guarded=rows[0].version > 1, row=self._placeholders),
            [*(value for row in rows for value in row), *_predecessor(rows[0])],
            prepare=True,
        )
        return [position for (position,) in cursor.fetchall()]

    _placeholders = ", ".join(f"%s::{_CASTS.get(column, 'text')}" for column in _COLUMNS)


class SQLiteDialect:
    def insert(self, connection: sqlite3.Connection, rows: Sequence[StorageRow]) -> list[int]:
        cursor = connection.cursor(sqlite3.Cursor)
        cursor.execute(
            _statement(len(rows), guarded=rows[0].version > 1, row=self._placeholders),
            [
                self._adapt(value)
                for value in [*(value for row in rows for value in row), *_predecessor(rows[0])]
            ],
        )
        # A RETURNING statement commits only when it is stepped to its end.
        return [position for (position,) in cursor.fetchall()]

    _placeholders = ", ".join("?" for _ in _COLUMNS)

    @staticmethod
    def _adapt(value: object) -> object:
        """As Django's own fields store them."""
        match value:
            case UUID():
                return value.hex
            case datetime():
                return str(value.astimezone(UTC).replace(tzinfo=None))
        return value


def dialect_of(connection: BaseDatabaseWrapper) -> Dialect:
    """Raises ImproperlyConfigured for a database whose guarantees nobody has examined."""
    match connection.vendor:
        case "postgresql":
            return PostgreSQLDialect()
        case "sqlite":
            return SQLiteDialect()
    raise ImproperlyConfigured(
        f"The event store runs on PostgreSQL and SQLite, not on {connection.display_name}: "
        "set DATABASE_URL to one of them."
    )


@cache
def _statement(count: int, *, guarded: bool, row: str) -> str:
    """`WHERE EXISTS` refuses a gap; the unique index refuses a version that is taken."""
    mark = "?" if row.startswith("?") else "%s"
    guard = (
        f" WHERE EXISTS (SELECT 1 FROM {_TABLE} WHERE stream_id = {mark} AND version = {mark})"
        if guarded
        else ""
    )
    values = ", ".join([f"({row})"] * count)
    return (
        f"INSERT INTO {_TABLE} ({', '.join(_COLUMNS)}) "
        f"SELECT * FROM (VALUES {values}) AS appended{guard} RETURNING position"
    )


def _predecessor(first: StorageRow) -> tuple[object, ...]:
    return (first.stream_id, first.version - 1) if first.version > 1 else ()
