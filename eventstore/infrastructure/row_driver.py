"""The steps of a read model on each driver's own cursor, below Django's.

Outside a transaction each is one of its own, whose commit does not wait for the disk: what a crash
takes from a read model the log brings back. The log's own commits go on waiting.
"""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import Protocol, TypeAlias
from uuid import UUID

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.application.folding import Columns, NextRow, Step
from eventstore.infrastructure.driver import Cursors, with_question_marks
from eventstore.infrastructure.row_statements import Table

STATEMENTS_KEPT = 256
"""Texts: one for each set of columns that are written together."""


NewRow: TypeAlias = tuple[UUID, int, int | None, Columns]
"""Of a stream: the version that opened it, the one it shows, and its columns."""


class RowDriver(Protocol):
    """Raises the driver's own errors. Where it says whether it wrote, False is no error."""

    def insert(
        self, database: BaseDatabaseWrapper, stream_id: UUID, version: int, columns: Columns
    ) -> None:
        """The stream's first row, which shows `version`."""

    def versions(
        self, database: BaseDatabaseWrapper, stream_ids: Collection[UUID]
    ) -> dict[UUID, int]:
        """What the rows of these streams show."""

    def insert_many(self, database: BaseDatabaseWrapper, rows: Sequence[NewRow]) -> set[UUID]:
        """In a transaction. Returns the streams of which a row was there; that one stays."""

    def update(
        self, database: BaseDatabaseWrapper, stream_id: UUID, expected: int, columns: Columns
    ) -> bool:
        """The stream's newest row. False where that does not show `expected`."""

    def open_next(
        self,
        database: BaseDatabaseWrapper,
        stream_id: UUID,
        expected: int,
        version: int,
        changes: NextRow,
    ) -> bool:
        """Close the newest row and open another. False where that does not show `expected`."""

    def step_many(
        self, database: BaseDatabaseWrapper, steps: Sequence[tuple[UUID, Step]]
    ) -> set[UUID]:
        """`update` or `open_next` for each, in a transaction, each of another stream.

        Returns the streams whose newest row was not at the step's beginning.
        """


class PostgreSQLRows:
    """One prepared statement a call, which is its own transaction where there is none."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._cursors = Cursors()
        self._insert = lru_cache(STATEMENTS_KEPT)(table.insert)
        self._update = lru_cache(STATEMENTS_KEPT)(table.update)
        self._open_next = lru_cache(STATEMENTS_KEPT)(table.open_next)

    def insert(
        self, database: BaseDatabaseWrapper, stream_id: UUID, version: int, columns: Columns
    ) -> None:
        row = self._table.first_row(stream_id, version, columns)
        statement = self._insert(tuple(row), relaxed=database.autocommit)
        self._run(database, statement, self._table.stored(database, row))

    def versions(
        self, database: BaseDatabaseWrapper, stream_ids: Collection[UUID]
    ) -> dict[UUID, int]:
        statement = self._table.versions("= ANY(%s)")
        cursor = self._cursors.of(database.connection, statement)
        return dict(cursor.execute(statement, [list(stream_ids)], prepare=True).fetchall())

    def insert_many(self, database: BaseDatabaseWrapper, rows: Sequence[NewRow]) -> set[UUID]:
        if not rows:
            return set()
        statement = self._table.insert_missing_from_arrays()
        values = [self._table.stored(database, self._table.row(*row)) for row in rows]
        cursor = self._cursors.of(database.connection, statement)
        cursor.execute(statement, [list(column) for column in zip(*values, strict=True)])
        added = {stream_id for (stream_id,) in cursor.fetchall()}
        return {row[0] for row in rows} - added

    def update(
        self, database: BaseDatabaseWrapper, stream_id: UUID, expected: int, columns: Columns
    ) -> bool:
        statement = self._update(tuple(columns), relaxed=database.autocommit)
        values = [*self._table.stored(database, columns), stream_id, expected]
        return self._run(database, statement, values)

    def open_next(
        self,
        database: BaseDatabaseWrapper,
        stream_id: UUID,
        expected: int,
        version: int,
        changes: NextRow,
    ) -> bool:
        statement, values = self._next(database, stream_id, expected, version, changes)
        return self._run(database, statement, values)

    def step_many(
        self, database: BaseDatabaseWrapper, steps: Sequence[tuple[UUID, Step]]
    ) -> set[UUID]:
        by_statement: dict[str, list[tuple[UUID, list[object]]]] = {}
        for stream_id, (before, after, changes) in steps:
            if isinstance(changes, NextRow):
                statement, values = self._next(database, stream_id, before, after, changes)
            else:
                columns = {self._table.shown: after, **changes}
                statement = self._update(tuple(columns), relaxed=False)
                values = [*self._table.stored(database, columns), stream_id, before]
            by_statement.setdefault(statement, []).append((stream_id, values))
        refused: set[UUID] = set()
        for statement, calls in by_statement.items():
            refused |= self._run_many(database, statement, calls)
        return refused

    def _run_many(
        self,
        database: BaseDatabaseWrapper,
        statement: str,
        calls: Sequence[tuple[UUID, Sequence[object]]],
    ) -> set[UUID]:
        """Returns the streams for which nothing was written."""
        refused: set[UUID] = set()
        if calls:
            cursor = self._cursors.of(database.connection, statement)
            # Sent one behind the other, without waiting for the answers in between.
            cursor.executemany(statement, [values for _, values in calls], returning=True)
            for stream_id, _ in calls:
                if cursor.rowcount != 1:
                    refused.add(stream_id)
                cursor.nextset()
        return refused

    def _next(
        self,
        database: BaseDatabaseWrapper,
        stream_id: UUID,
        expected: int,
        version: int,
        changes: NextRow,
    ) -> tuple[str, list[object]]:
        row = self._table.next_row(stream_id, version, changes.columns)
        names = tuple(row), tuple(changes.closing), tuple(changes.marking)
        statement = self._open_next(*names, relaxed=database.autocommit)
        marks = self._table.stored(database, changes.marking)
        values = self._table.stored(database, changes.closing)
        for mark in marks:
            values += [changes.marked_from, mark]
        values += [stream_id, expected]
        if marks:
            values += [*marks, stream_id, changes.marked_from]
        values += [*self._table.stored(database, row), stream_id, expected]
        return statement, values

    def _run(self, database: BaseDatabaseWrapper, statement: str, values: Sequence[object]) -> bool:
        cursor = self._cursors.of(database.connection, statement)
        return cursor.execute(statement, values, prepare=True).rowcount == 1


class SQLiteRows:
    """Opening a row takes several statements, which are one transaction."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._insert = lru_cache(STATEMENTS_KEPT)(
            lambda names: with_question_marks(table.insert(names))
        )
        self._update = lru_cache(STATEMENTS_KEPT)(
            lambda names: with_question_marks(table.update(names))
        )
        self._open_next = lru_cache(STATEMENTS_KEPT)(
            lambda *names: tuple(map(with_question_marks, table.open_next_in_steps(*names)))
        )

    def insert(
        self, database: BaseDatabaseWrapper, stream_id: UUID, version: int, columns: Columns
    ) -> None:
        row = self._table.first_row(stream_id, version, columns)
        values = self._table.stored(database, row)
        with _relaxed(database) as cursor:
            _run(cursor, self._insert(tuple(row)), values)

    def versions(
        self, database: BaseDatabaseWrapper, stream_ids: Collection[UUID]
    ) -> dict[UUID, int]:
        statement = self._table.versions("IN (SELECT value FROM json_each(?))")
        ids = json.dumps([stream_id.hex for stream_id in stream_ids])
        with closing(database.connection.cursor(sqlite3.Cursor)) as cursor:
            found = cursor.execute(statement, [ids]).fetchall()
        return {UUID(hex=stream_id): shown for stream_id, shown in found}

    def insert_many(self, database: BaseDatabaseWrapper, rows: Sequence[NewRow]) -> set[UUID]:
        statement = with_question_marks(self._table.insert_missing())
        with closing(database.connection.cursor(sqlite3.Cursor)) as cursor:
            return {
                row[0]
                for row in rows
                if not _run(cursor, statement, self._table.stored(database, self._table.row(*row)))
            }

    def update(
        self, database: BaseDatabaseWrapper, stream_id: UUID, expected: int, columns: Columns
    ) -> bool:
        values = [*self._table.stored(database, columns), stream_id.hex, expected]
        with _relaxed(database) as cursor:
            return _run(cursor, self._update(tuple(columns)), values)

    def open_next(
        self,
        database: BaseDatabaseWrapper,
        stream_id: UUID,
        expected: int,
        version: int,
        changes: NextRow,
    ) -> bool:
        row = self._table.next_row(stream_id, version, changes.columns)
        newest = (stream_id.hex, expected)
        insert, close, mark = self._open_next(
            tuple(row), tuple(changes.closing), tuple(changes.marking)
        )
        columns, closing, marking = (
            self._table.stored(database, part) for part in (row, changes.closing, changes.marking)
        )
        with _relaxed(database) as cursor, _together(database, cursor):
            if not _run(cursor, insert, [*columns, *newest]):
                return False
            _run(cursor, close, [*closing, *newest])
            if marking:
                _run(cursor, mark, [*marking, stream_id.hex, changes.marked_from, version])
            return True

    def step_many(
        self, database: BaseDatabaseWrapper, steps: Sequence[tuple[UUID, Step]]
    ) -> set[UUID]:
        refused: set[UUID] = set()
        for stream_id, (before, after, changes) in steps:
            if isinstance(changes, NextRow):
                moved = self.open_next(database, stream_id, before, after, changes)
            else:
                columns = {self._table.shown: after, **changes}
                moved = self.update(database, stream_id, before, columns)
            if not moved:
                refused.add(stream_id)
        return refused


def row_driver(model: type[models.Model], database: BaseDatabaseWrapper) -> RowDriver:
    table = Table(model, database)
    return SQLiteRows(table) if database.vendor == "sqlite" else PostgreSQLRows(table)


@contextmanager
def _relaxed(database: BaseDatabaseWrapper) -> Iterator[sqlite3.Cursor]:
    """A cursor; no commit on it waits for the disk, unless that is the caller's."""
    with closing(database.connection.cursor(sqlite3.Cursor)) as cursor:
        if not database.autocommit:
            yield cursor
            return
        cursor.execute("PRAGMA synchronous=NORMAL")
        try:
            yield cursor
        finally:
            cursor.execute("PRAGMA synchronous=FULL")


@contextmanager
def _together(database: BaseDatabaseWrapper, cursor: sqlite3.Cursor) -> Iterator[None]:
    if not database.autocommit:
        yield
        return
    cursor.execute("BEGIN IMMEDIATE")
    try:
        yield
        cursor.execute("COMMIT")
    except BaseException:
        # Some errors have rolled it back already.
        if database.connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise


def _run(cursor: sqlite3.Cursor, statement: str, values: Sequence[object]) -> bool:
    return cursor.execute(statement, values).rowcount == 1
