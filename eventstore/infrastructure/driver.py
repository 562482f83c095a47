"""The log's few statements on each driver's own cursor, below Django's: half the time a command.

The price is that Django's query log and execute wrappers do not see them.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from typing import Any, Protocol
from uuid import UUID

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.infrastructure.mapper import StorageRow
from eventstore.models import StorageEvent

TABLE = StorageEvent._meta.db_table
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


class Driver(Protocol):
    """Statements mark parameters with `%s`. Raises the driver's own errors."""

    def insert(self, connection: Any, rows: Sequence[StorageRow]) -> list[int]:
        """Store rows of one stream behind their predecessor, return their positions in order.

        Empty, and nothing stored, where the predecessor is missing.
        """

    def select(
        self, connection: Any, where: str, parameters: Sequence[object]
    ) -> list[tuple[StorageRow, int]]:
        """Rows with their positions, by version."""

    def fetch(
        self, connection: Any, statement: str, parameters: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        """Rows as the driver gives them. The text of the statement is one of a few constants."""


class PostgreSQLDriver:
    """Binds on the server and keeps statements prepared."""

    _placeholders = ", ".join(f"%s::{_CASTS.get(column, 'text')}" for column in _COLUMNS)

    def insert(self, connection: psycopg.Connection[Any], rows: Sequence[StorageRow]) -> list[int]:
        statement = _insert(len(rows), guarded=rows[0].version > 1, row=self._placeholders)
        cursor = psycopg.Cursor(connection)
        cursor.execute(statement, _values(rows), prepare=True)
        return [position for (position,) in cursor.fetchall()]

    def select(
        self, connection: psycopg.Connection[Any], where: str, parameters: Sequence[object]
    ) -> list[tuple[StorageRow, int]]:
        cursor = psycopg.Cursor(connection)
        cursor.execute(_select(where), parameters, prepare=True, binary=True)
        return [(StorageRow._make(row), position) for position, *row in cursor.fetchall()]

    def fetch(
        self, connection: psycopg.Connection[Any], statement: str, parameters: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        cursor = psycopg.Cursor(connection)
        return cursor.execute(statement, parameters, prepare=True, binary=True).fetchall()


class SQLiteDriver:
    """Stores values as Django's own fields do."""

    _placeholders = ", ".join("%s" for _ in _COLUMNS)

    def insert(self, connection: sqlite3.Connection, rows: Sequence[StorageRow]) -> list[int]:
        statement = _insert(len(rows), guarded=rows[0].version > 1, row=self._placeholders)
        # A RETURNING statement commits only when it is stepped to its end.
        return [position for (position,) in self._execute(connection, statement, _values(rows))]

    def select(
        self, connection: sqlite3.Connection, where: str, parameters: Sequence[object]
    ) -> list[tuple[StorageRow, int]]:
        return [
            (self._row(StorageRow._make(row)), position)
            for position, *row in self._execute(connection, _select(where), parameters)
        ]

    def fetch(
        self, connection: sqlite3.Connection, statement: str, parameters: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        return self._execute(connection, statement, parameters)

    @staticmethod
    def _execute(
        connection: sqlite3.Connection, statement: str, parameters: Sequence[object]
    ) -> list[Any]:
        adapted = [_adapted(parameter) for parameter in parameters]
        # Closed here and now: one that lives on in a traceback may be collected by another thread,
        # which then waits for this connection, perhaps holding the lock that this one waits for.
        with closing(connection.cursor(sqlite3.Cursor)) as cursor:
            return cursor.execute(statement.replace("%s", "?"), adapted).fetchall()

    @staticmethod
    def _row(stored: Any) -> StorageRow:
        correlation_id = stored.correlation_id
        return StorageRow(
            UUID(hex=stored.event_id),
            stored.stream_type,
            UUID(hex=stored.stream_id),
            stored.version,
            stored.event_type,
            stored.schema_version,
            stored.data,
            stored.metadata,
            UUID(hex=correlation_id) if correlation_id else None,
            stored.occurred_at.replace(tzinfo=UTC),
            stored.recorded_at.replace(tzinfo=UTC),
        )


def driver_of(connection: BaseDatabaseWrapper) -> Driver:
    """Raises ImproperlyConfigured for a database whose guarantees nobody has examined."""
    match connection.vendor:
        case "postgresql":
            return PostgreSQLDriver()
        case "sqlite":
            return SQLiteDriver()
    raise ImproperlyConfigured(
        f"The event store runs on PostgreSQL and SQLite, not on {connection.display_name}: "
        "set DATABASE_URL to one of them."
    )


@cache
def _insert(count: int, *, guarded: bool, row: str) -> str:
    """`WHERE EXISTS` refuses a gap; the unique index refuses a version that is taken."""
    predecessor = f"SELECT 1 FROM {TABLE} WHERE stream_id = %s AND version = %s"
    guard = f" WHERE EXISTS ({predecessor})" if guarded else ""
    values = ", ".join([f"({row})"] * count)
    return (
        f"INSERT INTO {TABLE} ({', '.join(_COLUMNS)}) "
        f"SELECT * FROM (VALUES {values}) AS appended{guard} RETURNING position"
    )


@cache
def _select(where: str) -> str:
    return f"SELECT position, {', '.join(_COLUMNS)} FROM {TABLE} WHERE {where} ORDER BY version"


def _values(rows: Sequence[StorageRow]) -> list[object]:
    values: list[object] = [value for row in rows for value in row]
    if rows[0].version > 1:
        values += [rows[0].stream_id, rows[0].version - 1]
    return values


def _adapted(value: object) -> object:
    match value:
        case UUID():
            return value.hex
        case datetime():
            return str(value.astimezone(UTC).replace(tzinfo=None))
    return value
