"""Indexes, constraints and statistics of new tables, as the served ones have them.

A table is filled without indexes, which is quicker, and the server makes several of them at a time
where several sessions ask for one each.
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.infrastructure.own_connection import own_connection
from eventstore.infrastructure.tables import ProjectionTable

MOST_SESSIONS = 8
"""The server has a hundred for everybody, unless it was told otherwise."""
_CONSTRAINTS = """
    SELECT format('ALTER TABLE {new} ADD CONSTRAINT %%I %%s', conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE conrelid = %s::regclass AND contype IN ({kinds})"""
_INDEXES = """
    SELECT pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = %s::regclass
        AND NOT EXISTS (SELECT FROM pg_constraint
            WHERE conindid = indexrelid AND conrelid = indrelid AND contype IN ('p', 'u', 'x'))
    ORDER BY indexrelid"""
_STATISTICS = """
    SELECT format('ALTER TABLE {new} ALTER COLUMN %%I SET STATISTICS %%s', attname, attstattarget)
    FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND attstattarget >= 0 AND NOT attisdropped"""


def identify(table: ProjectionTable, connection: BaseDatabaseWrapper, *, schema: str) -> None:
    """Give the empty table of this schema the primary key of the served one.

    Rows come in its order, so each is put behind the last, which takes less time than a sort.
    """
    _take_over(table, connection, _CONSTRAINTS.replace("{kinds}", "'p'"), schema)


def make_alike(tables: Iterable[ProjectionTable], *, schema: str) -> None:
    """Give the tables of this schema what else the served ones have: also what was made by hand."""
    with ExitStack() as stack:
        count = min(os.cpu_count() or 1, MOST_SESSIONS)
        sessions = [stack.enter_context(own_connection()) for _ in range(count)]
        indexes: list[str] = []
        statistics: tuple[list[str], list[str]] = [], []
        for table in tables:
            made = _prepared(table, sessions[0], schema)
            indexes += made
            # They and an index of the same table wait for each other.
            statistics[bool(made)].append(f"ANALYZE {_new(table, schema)}")
        # A tree takes the least time, so it is not begun last.
        indexes.sort(key=lambda statement: " USING btree " in statement)
        _execute([*statistics[False], *indexes], sessions)
        _execute(statistics[True], sessions)


def _prepared(table: ProjectionTable, connection: BaseDatabaseWrapper, schema: str) -> list[str]:
    """With its constraints. Returns what makes the indexes that are no constraint's."""
    _take_over(table, connection, _CONSTRAINTS.replace("{kinds}", "'u', 'x'"), schema)
    _take_over(table, connection, _STATISTICS, schema)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = %s::regclass",
            [table.name],
        )
        (served,) = cursor.fetchone()
        cursor.execute(_INDEXES, [table.name])
        indexes = []
        for (definition,) in cursor.fetchall():
            head, _, tail = definition.partition(" USING ")
            made = head.rpartition(f" ON {served}.")[0]
            indexes.append(f"{made} ON {_new(table, schema)} USING {tail}")
    return indexes


def _take_over(
    table: ProjectionTable, connection: BaseDatabaseWrapper, statements: str, schema: str
) -> None:
    """Execute what this query of the served table makes for the new one."""
    with connection.cursor() as cursor:
        cursor.execute(statements.replace("{new}", _new(table, schema)), [table.name])
        for (statement,) in cursor.fetchall():
            cursor.execute(statement, None)


def _execute(statements: Iterable[str], sessions: Sequence[BaseDatabaseWrapper]) -> None:
    """In this order, each by the next session that is free."""
    waiting = iter(statements)

    def work(session: BaseDatabaseWrapper) -> None:
        # Past Django, which binds a connection to the thread that made it.
        with session.wrap_database_errors:
            session.connection.execute("SET max_parallel_maintenance_workers = 0")
            for statement in waiting:
                session.connection.execute(statement)

    with ThreadPoolExecutor(len(sessions)) as threads:
        list(threads.map(work, sessions))


def _new(table: ProjectionTable, schema: str) -> str:
    return f'{schema}."{table.name}"'
