"""The log's few statements on each driver's own cursor, below Django's: half the time a command.

The price is that Django's query log and execute wrappers do not see them.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import chain
from typing import Any, Protocol, TypeAlias
from uuid import UUID

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.domain.events import StreamHead
from eventstore.infrastructure.mapper import StorageRow
from eventstore.models import EVENT_ID_CONSTRAINT, VERSION_CONSTRAINT, StorageEvent, StreamKey

TABLE = StorageEvent._meta.db_table
KEY_TABLE = StreamKey._meta.db_table
REFUSING = (EVENT_ID_CONSTRAINT, VERSION_CONSTRAINT, KEY_TABLE)
"""Names in the error of a refused append: a constraint, or the table of stream keys."""
_COLUMNS = StorageRow._fields
_CASTS = {
    "event_id": "uuid",
    "stream_id": "uuid",
    "version": "integer",
    "schema_version": "smallint",
    "personal": "bytea",
    "correlation_id": "uuid",
    "occurred_at": "timestamptz",
    "recorded_at": "timestamptz",
    "hash": "bytea",
}
# In binary, which spares both ends the text.
_MARKS = {column: f"%b::{kind}" for column, kind in _CASTS.items()}
_LOAD = (
    "SELECT event_type, schema_version, data, stream_type, version, occurred_at, recorded_at, hash "
    f"FROM {TABLE} AS event"
)
# Past the converter that Django registers with SQLite's driver: `instant` takes a tenth of it.
_LOAD_AS_TEXT = _LOAD.replace(
    "occurred_at, recorded_at", "CAST(occurred_at AS text), CAST(recorded_at AS text)"
)
_SELECTED = ", ".join(f"event.{column}" for column in _COLUMNS)
_SELECTED_AS_TEXT = ", ".join(
    f"CAST(event.{column} AS text)"
    if column in ("occurred_at", "recorded_at")
    else f"event.{column}"
    for column in _COLUMNS
)
STATEMENTS_KEPT = 64
"""On SQLite an append has a statement for each number of rows, up to 70 KB long."""
_KEY = f"LEFT JOIN {KEY_TABLE} AS key ON key.stream_id = event.stream_id "
_ONE_BY_ONE = "OFFSET 0"
"""Ends a lateral subquery that PostgreSQL shall look up by its index for each row.

Without it the subquery is planned as a join. While a table grows faster than autovacuum analyzes
it, the planner expects a hundred events of each stream and reads the whole log to join them.
"""
_INSERT_KEY = f"INSERT INTO {KEY_TABLE} (stream_id, wrapped) VALUES (%s, %s)"


_tuple: Callable[..., Any] = tuple.__new__
"""Makes a named tuple in half the time that its own constructor takes."""
Stored: TypeAlias = tuple[StorageRow, int, bytes | None]
"""A row, its position, and its stream's wrapped key where that was asked for."""


class Driver(Protocol):
    """Statements mark parameters with `%s`. Raises the driver's own errors."""

    def insert(
        self, connection: Any, rows: Sequence[StorageRow], *, previous: bytes, key: bytes | None
    ) -> list[int]:
        """Store rows of one stream behind their predecessor, return their positions in order.

        `previous` is the predecessor's hash; `key` a new stream's wrapped key, stored with the
        rows. Empty, and nothing stored, where the predecessor is missing or another.
        """

    def insert_many(self, connection: Any, rows: Sequence[StorageRow]) -> list[int]:
        """Store rows of any streams by one statement, return their positions in order.

        In a transaction, in which `present` has found the predecessors of those that go on.
        """

    def insert_keys(self, connection: Any, keys: Sequence[tuple[UUID, bytes]]) -> None:
        """Store the wrapped keys of new streams by one statement."""

    def replace_keys(self, connection: Any, keys: Sequence[tuple[UUID, bytes, bytes]]) -> int:
        """Put for each of these streams the last in place of the key before, if it is still there.

        In a transaction. Returns of how many it was.
        """

    def present(self, connection: Any, heads: Mapping[UUID, StreamHead]) -> set[UUID]:
        """Those of these streams that have the event, by version and hash, that is named."""

    def transaction(self, connection: Any) -> AbstractContextManager[object]:
        """For an insert that takes several statements, outside of any transaction."""

    def select(
        self,
        connection: Any,
        where: str,
        parameters: Sequence[object],
        *,
        keys: bool,
        prepare: bool = True,
    ) -> Iterator[Stored]:
        """What `where` and all that may follow it asks for: fetched at once, made one by one.

        So what an envelope is made from is gone when the next is made, and the garbage collector
        has half as much to look at.

        `prepare` keeps the plan: right where an index fits at any size of the log.
        """

    def select_streams(
        self, connection: Any, after: Mapping[UUID, int], *, keys: bool
    ) -> Iterator[Stored]:
        """Yields the streams' events after these versions, as `select`, by stream and version."""

    def fetch(
        self, connection: Any, statement: str, parameters: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        """Rows as the driver gives them. The text of the statement is one of a few constants."""

    def load(
        self, connection: Any, where: str, parameters: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        """`(event_type, schema_version, data, stream_type, …)`, the rest for `head_of`."""

    def head_of(self, loaded: tuple[Any, ...]) -> StreamHead:
        """Where the stream stands at a row of `load`."""


class Cursors(threading.local):
    """A cursor for each statement, kept as long as this thread's connection is the same.

    A cursor that is given the text of its last statement again, the very object, also keeps how
    each type of parameter is sent.
    """

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._by_statement: dict[str, psycopg.Cursor[Any]] = {}

    def of(self, connection: psycopg.Connection[Any], statement: str) -> psycopg.Cursor[Any]:
        if connection is not self._connection:
            self._connection, self._by_statement = connection, {}
        if statement not in self._by_statement:
            self._by_statement[statement] = psycopg.Cursor(connection)
        return self._by_statement[statement]


class PostgreSQLDriver:
    """Binds on the server and keeps statements prepared."""

    def __init__(self) -> None:
        self._cursors = Cursors()

    _values = ", ".join(f"{_MARKS.get(column, '%s::text')}" for column in _COLUMNS)
    _arrays = "unnest(" + ", ".join(f"%b::{_CASTS.get(c, 'text')}[]" for c in _COLUMNS) + ")"

    def insert(
        self,
        connection: psycopg.Connection[Any],
        rows: Sequence[StorageRow],
        *,
        previous: bytes,
        key: bytes | None,
    ) -> list[int]:
        if len(rows) == 1:
            source, values = f"(VALUES ({self._values}))", list[object](rows[0])
        else:
            # One text for any number of rows, so one plan to keep.
            source, values = self._arrays, [list(column) for column in zip(*rows, strict=True)]
        statement = _insert(source, guarded=rows[0].version > 1, keyed=key is not None)
        values += _predecessor(rows[0], previous)
        if key is not None:
            values = [rows[0].stream_id, key, *values]
        cursor = self._cursors.of(connection, statement)
        cursor.execute(statement, values, prepare=True)
        return [position for (position,) in cursor.fetchall()]

    def insert_many(
        self, connection: psycopg.Connection[Any], rows: Sequence[StorageRow]
    ) -> list[int]:
        statement = _insert(self._arrays, guarded=False)
        cursor = self._cursors.of(connection, statement)
        cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])
        return [position for (position,) in cursor.fetchall()]

    def insert_keys(
        self, connection: psycopg.Connection[Any], keys: Sequence[tuple[UUID, bytes]]
    ) -> None:
        statement = (
            f"INSERT INTO {KEY_TABLE} (stream_id, wrapped) "
            "SELECT * FROM unnest(%b::uuid[], %b::bytea[])"
        )
        columns = [list(column) for column in zip(*keys, strict=True)]
        self._cursors.of(connection, statement).execute(statement, columns)

    def replace_keys(
        self, connection: psycopg.Connection[Any], keys: Sequence[tuple[UUID, bytes, bytes]]
    ) -> int:
        statement = (
            f"UPDATE {KEY_TABLE} AS key SET wrapped = changed.anew "
            "FROM unnest(%b::uuid[], %b::bytea[], %b::bytea[]) AS changed (id, before, anew) "
            "WHERE key.stream_id = changed.id AND key.wrapped = changed.before"
        )
        columns = [list(column) for column in zip(*keys, strict=True)]
        return self._cursors.of(connection, statement).execute(statement, columns).rowcount

    def present(
        self, connection: psycopg.Connection[Any], heads: Mapping[UUID, StreamHead]
    ) -> set[UUID]:
        versions = [head.version for head in heads.values()]
        hashes = [head.hash for head in heads.values()]
        found = psycopg.Cursor(connection).execute(
            "SELECT head.stream_id FROM unnest(%b::uuid[], %b::integer[], %b::bytea[]) "
            "AS head (stream_id, version, hash) CROSS JOIN LATERAL "
            f"(SELECT hash FROM {TABLE} WHERE stream_id = head.stream_id "
            f"AND version = head.version {_ONE_BY_ONE}) AS event WHERE event.hash = head.hash",
            [list(heads), versions, hashes],
        )
        return {stream_id for (stream_id,) in found.fetchall()}

    def transaction(
        self, connection: psycopg.Connection[Any]
    ) -> AbstractContextManager[psycopg.Transaction]:
        return connection.transaction()

    def select(
        self,
        connection: psycopg.Connection[Any],
        where: str,
        parameters: Sequence[object],
        *,
        keys: bool,
        prepare: bool = True,
    ) -> Iterator[Stored]:
        cursor = psycopg.Cursor(connection)
        statement = _select(_SELECTED, where, keys=keys)
        cursor.execute(statement, parameters, prepare=prepare, binary=True)
        return ((self._row(row[2:]), row[0], row[1]) for row in cursor.fetchall())

    def select_streams(
        self, connection: psycopg.Connection[Any], after: Mapping[UUID, int], *, keys: bool
    ) -> Iterator[Stored]:
        statement = (
            f"SELECT event.position, event.wrapped, {_SELECTED} "
            "FROM unnest(%b::uuid[], %b::integer[]) AS behind (stream_id, version) "
            f"CROSS JOIN LATERAL (SELECT event.*, {'key.wrapped' if keys else 'NULL AS wrapped'} "
            f"FROM {TABLE} AS event {_KEY if keys else ''}"
            "WHERE event.stream_id = behind.stream_id AND event.version > behind.version "
            f"{_ONE_BY_ONE}) AS event ORDER BY event.stream_id, event.version"
        )
        # Not prepared: a plan that was made for few streams, or a small log, would be kept.
        cursor = psycopg.Cursor(connection)
        cursor.execute(statement, [list(after), list(after.values())], prepare=False, binary=True)
        return ((self._row(row[2:]), row[0], row[1]) for row in cursor.fetchall())

    def load(
        self, connection: psycopg.Connection[Any], where: str, parameters: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        statement = _loading(_LOAD, where)
        cursor = self._cursors.of(connection, statement)
        cursor.execute(statement, parameters, prepare=True, binary=True)
        return cursor.fetchall()

    def head_of(self, loaded: tuple[Any, ...]) -> StreamHead:
        version, occurred_at, recorded_at, hash = loaded[4:]
        return StreamHead(
            version=version,
            occurred_at=occurred_at.astimezone(UTC),
            recorded_at=recorded_at.astimezone(UTC),
            hash=hash,
        )

    @staticmethod
    def _row(stored: tuple[Any, ...]) -> StorageRow:
        """Times come in the session's zone, and the hash is over their text in UTC."""
        row: StorageRow = _tuple(StorageRow, stored)
        if row.occurred_at.tzinfo is UTC:
            return row
        return row._replace(
            occurred_at=row.occurred_at.astimezone(UTC),
            recorded_at=row.recorded_at.astimezone(UTC),
        )

    def fetch(
        self, connection: psycopg.Connection[Any], statement: str, parameters: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        cursor = psycopg.Cursor(connection)
        return cursor.execute(statement, parameters, prepare=True, binary=True).fetchall()


class SQLiteDriver:
    """Stores values as Django's own fields do."""

    _values = f"({', '.join('%s' for _ in _COLUMNS)})"

    def insert(
        self,
        connection: sqlite3.Connection,
        rows: Sequence[StorageRow],
        *,
        previous: bytes,
        key: bytes | None,
    ) -> list[int]:
        if key is not None:
            self._execute(connection, _INSERT_KEY, [rows[0].stream_id, key])
        source = f"(VALUES {', '.join([self._values] * len(rows))})"
        statement = _insert(source, guarded=rows[0].version > 1)
        values = [*chain.from_iterable(rows), *_predecessor(rows[0], previous)]
        # A RETURNING statement commits only when it is stepped to its end.
        found = self._execute(connection, statement, values)
        return [position for (position,) in found]

    def insert_many(self, connection: sqlite3.Connection, rows: Sequence[StorageRow]) -> list[int]:
        statement = with_question_marks(
            f"INSERT INTO {TABLE} ({', '.join(_COLUMNS)}) VALUES {self._values}"
        )
        with closing(connection.cursor(sqlite3.Cursor)) as cursor:
            cursor.executemany(statement, ([*map(adapted, row)] for row in rows))
            # One transaction draws its numbers without a gap: AUTOINCREMENT goes on from the last.
            (last,) = cursor.execute("SELECT last_insert_rowid()").fetchone()
        return list(range(last - len(rows) + 1, last + 1))

    def insert_keys(
        self, connection: sqlite3.Connection, keys: Sequence[tuple[UUID, bytes]]
    ) -> None:
        with closing(connection.cursor(sqlite3.Cursor)) as cursor:
            cursor.executemany(
                with_question_marks(_INSERT_KEY), [(id.hex, wrapped) for id, wrapped in keys]
            )

    def replace_keys(
        self, connection: sqlite3.Connection, keys: Sequence[tuple[UUID, bytes, bytes]]
    ) -> int:
        statement = f"UPDATE {KEY_TABLE} SET wrapped = ? WHERE stream_id = ? AND wrapped = ?"
        with closing(connection.cursor(sqlite3.Cursor)) as cursor:
            cursor.executemany(statement, [(anew, id.hex, before) for id, before, anew in keys])
            return cursor.rowcount

    def present(
        self, connection: sqlite3.Connection, heads: Mapping[UUID, StreamHead]
    ) -> set[UUID]:
        named = [[id.hex, head.version, head.hash.hex().upper()] for id, head in heads.items()]
        found = self._execute(
            connection,
            f"SELECT event.stream_id FROM json_each(%s) AS head CROSS JOIN {TABLE} AS event "
            "ON event.stream_id = json_extract(head.value, '$[0]') "
            "AND event.version = json_extract(head.value, '$[1]') "
            "WHERE hex(event.hash) = json_extract(head.value, '$[2]')",
            [json.dumps(named)],
        )
        return {UUID(hex=stream_id) for (stream_id,) in found}

    @contextmanager
    def transaction(self, connection: sqlite3.Connection) -> Iterator[None]:
        connection.execute("BEGIN IMMEDIATE").close()
        try:
            yield
            connection.execute("COMMIT").close()
        except BaseException:
            # Some errors have rolled it back already.
            if connection.in_transaction:
                connection.execute("ROLLBACK").close()
            raise

    def select(
        self,
        connection: sqlite3.Connection,
        where: str,
        parameters: Sequence[object],
        *,
        keys: bool,
        prepare: bool = True,
    ) -> Iterator[Stored]:
        statement = _select(_SELECTED_AS_TEXT, where, keys=keys)
        found = self._execute(connection, statement, parameters)
        return ((self._row(row[2:]), row[0], row[1]) for row in found)

    def select_streams(
        self, connection: sqlite3.Connection, after: Mapping[UUID, int], *, keys: bool
    ) -> Iterator[Stored]:
        statement = (
            f"SELECT event.position, {'key.wrapped' if keys else 'NULL'}, {_SELECTED_AS_TEXT} "
            f"FROM json_each(%s) AS behind CROSS JOIN {TABLE} AS event "
            f"ON event.stream_id = behind.key AND event.version > behind.value "
            f"{_KEY if keys else ''}ORDER BY event.stream_id, event.version"
        )
        named = json.dumps({stream_id.hex: version for stream_id, version in after.items()})
        return (
            (self._row(row[2:]), row[0], row[1])
            for row in self._execute(connection, statement, [named])
        )

    def fetch(
        self, connection: sqlite3.Connection, statement: str, parameters: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        return self._execute(connection, statement, parameters)

    def load(
        self, connection: sqlite3.Connection, where: str, parameters: Sequence[object]
    ) -> list[tuple[Any, ...]]:
        return self._execute(connection, _loading(_LOAD_AS_TEXT, where), parameters)

    def head_of(self, loaded: tuple[Any, ...]) -> StreamHead:
        version, occurred_at, recorded_at, hash = loaded[4:]
        return StreamHead(
            version=version,
            occurred_at=instant(occurred_at),
            recorded_at=instant(recorded_at),
            hash=hash,
        )

    @staticmethod
    def _execute(
        connection: sqlite3.Connection, statement: str, parameters: Sequence[object]
    ) -> list[Any]:
        values = [adapted(parameter) for parameter in parameters]
        # Closed here and now: one that lives on in a traceback may be collected by another thread,
        # which then waits for this connection, perhaps holding the lock that this one waits for.
        with closing(connection.cursor(sqlite3.Cursor)) as cursor:
            return cursor.execute(with_question_marks(statement), values).fetchall()

    @staticmethod
    def _row(stored: tuple[Any, ...]) -> StorageRow:
        event_id, stream_type, stream_id, *rest, correlation_id, occurred, recorded, hash = stored
        occurred_at = instant(occurred)
        row: StorageRow = _tuple(
            StorageRow,
            (
                UUID(hex=event_id),
                stream_type,
                _stream_id(stream_id),
                *rest,
                UUID(hex=correlation_id) if correlation_id else None,
                occurred_at,
                occurred_at if recorded == occurred else instant(recorded),
                hash,
            ),
        )
        return row


_DRIVERS: dict[str, Driver] = {"postgresql": PostgreSQLDriver(), "sqlite": SQLiteDriver()}


def driver_of(connection: BaseDatabaseWrapper) -> Driver:
    """Raises ImproperlyConfigured for a database whose guarantees nobody has examined."""
    if driver := _DRIVERS.get(connection.vendor):
        return driver
    raise ImproperlyConfigured(
        f"The event store runs on PostgreSQL and SQLite, not on {connection.display_name}: "
        "set DATABASE_URL to one of them."
    )


def connected() -> tuple[BaseDatabaseWrapper, Driver]:
    """The connection that this thread uses, open, and what speaks to it."""
    # The connection itself: `django.db.connection` looks it up anew for every attribute.
    database = connections[DEFAULT_DB_ALIAS]
    driver = driver_of(database)
    database.ensure_connection()
    return database, driver


def in_transaction(database: BaseDatabaseWrapper, driver: Driver) -> AbstractContextManager[object]:
    """A transaction of the driver's, a savepoint inside another."""
    if not database.autocommit:
        return transaction.atomic()
    return driver.transaction(database.connection)


@lru_cache(maxsize=STATEMENTS_KEPT)
def _insert(source: str, *, guarded: bool, keyed: bool = False) -> str:
    """`WHERE EXISTS` refuses a gap and another predecessor; the unique index a taken version.

    `keyed` stores a key by the same statement, so that the two are one transaction without a BEGIN.
    """
    predecessor = f"SELECT 1 FROM {TABLE} WHERE stream_id = %s AND version = %s AND hash = %s"
    guard = f" WHERE EXISTS ({predecessor})" if guarded else ""
    key = f"WITH key AS ({_INSERT_KEY}) " if keyed else ""
    return (
        f"{key}INSERT INTO {TABLE} ({', '.join(_COLUMNS)}) "
        f"SELECT * FROM {source} AS appended{guard} RETURNING position"
    )


@cache
def _select(columns: str, where: str, *, keys: bool) -> str:
    if not keys:
        return f"SELECT position, NULL, {columns} FROM {TABLE} AS event WHERE {where}"
    return f"SELECT position, key.wrapped, {columns} FROM {TABLE} AS event {_KEY}WHERE {where}"


@cache
def _loading(selected: str, where: str) -> str:
    return f"{selected} WHERE {where}"


@lru_cache(maxsize=1024)
def _stream_id(text: str) -> UUID:
    """A page of the log holds several events of a stream, and a UUID takes long to make."""
    return UUID(hex=text)


def instant(text: str) -> datetime:
    """Of a time in UTC, as Django stores it."""
    return datetime.fromisoformat(f"{text}+00:00")


@lru_cache(maxsize=STATEMENTS_KEPT)
def with_question_marks(statement: str) -> str:
    return statement.replace("%s", "?")


def _predecessor(first: StorageRow, previous: bytes) -> list[object]:
    return [first.stream_id, first.version - 1, previous] if first.version > 1 else []


def adapted(value: object) -> object:
    """As SQLite takes it, and as Django's fields store it."""
    # By the very class, which is quicker than a pattern. Any other value goes in as it is.
    kind = type(value)
    if kind is UUID:
        return value.hex  # type: ignore[attr-defined]
    if kind is datetime:
        return _text(value)
    return value


@lru_cache(maxsize=16)
def _text(instant: datetime) -> str:
    """As Django stores it: in UTC, without saying so. Events of one append share theirs."""
    return str(instant.astimezone(UTC).replace(tzinfo=None))
