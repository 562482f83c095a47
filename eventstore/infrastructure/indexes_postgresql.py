"""Indexes, constraints and statistics of new tables, as the served ones have them.

A table is filled without them, which is quicker, and the server makes several indexes of one table
at a time where several sessions ask for one each.
"""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from eventstore.infrastructure.own_connection import own_connection
from eventstore.infrastructure.tables import ProjectionTable

_INDEXES = """
    SELECT pg_get_indexdef(indexrelid), quote_ident(conname), pg_get_constraintdef(con.oid)
    FROM pg_index LEFT JOIN pg_constraint AS con
        ON con.conindid = indexrelid AND con.conrelid = indrelid AND con.contype IN ('p', 'u', 'x')
    WHERE indrelid = %s::regclass ORDER BY con.contype = 'p' DESC NULLS LAST, indexrelid"""
_STATISTICS = """
    SELECT format('ALTER TABLE {new} ALTER COLUMN %%I SET STATISTICS %%s', attname, attstattarget)
    FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND attstattarget >= 0 AND NOT attisdropped"""


def make_alike(tables: Iterable[ProjectionTable], *, schema: str) -> None:
    """Give the tables of this schema what the served ones have: also what somebody made by hand."""
    tables = list(tables)
    with ThreadPoolExecutor(os.cpu_count()) as sessions:
        # Constraints first: they lock the table for themselves.
        indexes = chain.from_iterable(sessions.map(lambda one: _constrain(one, schema), tables))
        # A tree takes the least time, so it is not begun last.
        longest_first = sorted(indexes, key=lambda statement: " USING btree " in statement)
        list(sessions.map(_execute, longest_first))
        list(sessions.map(_execute, [f"ANALYZE {_new(table, schema)}" for table in tables]))


def _constrain(table: ProjectionTable, schema: str) -> list[str]:
    """Returns what makes the indexes that are no constraint's."""
    new = _new(table, schema)
    with own_connection() as own, own.cursor() as cursor:
        cursor.execute(
            "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = %s::regclass",
            [table.name],
        )
        (served,) = cursor.fetchone()
        cursor.execute(_INDEXES, [table.name])
        indexes = []
        for definition, constraint, rule in cursor.fetchall():
            if constraint is not None:
                cursor.execute(f"ALTER TABLE {new} ADD CONSTRAINT {constraint} {rule}")
                continue
            head, _, tail = definition.partition(" USING ")
            indexes.append(f"{head.rpartition(f' ON {served}.')[0]} ON {new} USING {tail}")
        cursor.execute(_STATISTICS.format(new=new), [table.name])
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
    return indexes


def _execute(statement: str) -> None:
    with own_connection() as own, own.cursor() as cursor:
        # Without parameters: what stands in an index may have a per cent sign.
        cursor.execute(statement, None)


def _new(table: ProjectionTable, schema: str) -> str:
    return f'{schema}."{table.name}"'
