"""Replaying all of a log of short lives, beside a hand-written loop that does no more than it must.

The bare loop knows the one projection of candidates: it decodes, folds and writes the same columns,
decrypts nothing, and checks, parks and serves nothing.
"""

import gc
import sqlite3
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any
from uuid import UUID

import psycopg
import uuid_utils.compat as uuid_utils
from django.db import connection

from candidates.application.projector import CandidateProjector
from candidates.models import CandidateProjection
from eventstore import wiring
from eventstore.application.folding import FoldedStream
from eventstore.domain.events import Metadata
from eventstore.infrastructure.driver import TABLE, instant
from eventstore.infrastructure.own_connection import own_connection
from eventstore.infrastructure.streams import StreamedEvent
from eventstore.infrastructure.tables import ProjectionTable
from tests.benchmarks import events
from tests.benchmarks.timing import Figure, seconds

ROUNDS = 3
BARE = "replayed_bare"
PAGE = 2_000
COLUMNS = "stream_id, version, position, event_type, data, {at}"
METADATA = Metadata(actor="rita", door="api")


def run(stored: int) -> Iterator[Figure]:
    vendor = connection.vendor
    _fill(stored)
    bare = _bare_postgresql if vendor == "postgresql" else _bare_sqlite
    one, every = [CandidateProjector.name], list(wiring.projections())

    def rate(act: Callable[[], object]) -> float:
        return stored / seconds(act)

    _replay(one)
    bare()
    pairs = [(rate(lambda: _replay(one)), rate(bare)) for _ in range(ROUNDS)]
    ratio = median(ours / theirs for ours, theirs in pairs)
    yield Figure(
        name=f"replay/{vendor}/{one[0]}",
        ours=round(median(ours for ours, _ in pairs), 1),
        limit=round(median(theirs for _, theirs in pairs), 1),
        ratio=round(ratio, 3),
        unit="events/s",
        target=">= 0.70",
        met=ratio >= 0.70,
    )
    measured = [("every-projection", every, 1, 100_000)]
    measured += [(name, [name], 1, 100_000) for name in every if name not in one]
    if vendor == "postgresql":
        measured.append(("2-workers", every, 2, 160_000))
    for label, names, workers, target in measured:
        reached = median(rate(lambda: _replay(names, workers=workers)) for _ in range(ROUNDS))
        yield Figure(
            name=f"replay/{vendor}/{label}",
            ours=round(reached, 1),
            limit=None,
            ratio=None,
            unit="events/s",
            target=f">= {target}",
            met=reached >= target,
        )


def _fill(count: int) -> None:
    """So many events in streams of four."""
    life = events.LIFE
    for start in range(0, count, len(life)):
        wiring.event_store().append(
            "candidate",
            uuid_utils.uuid7(),
            life[: count - start],
            expected=0,
            metadata=events.METADATA,
        )
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _replay(names: list[str], *, workers: int = 1) -> None:
    wiring.replay(names, workers=workers).run(lambda count: None)


def _folded(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, int, dict[str, Any]]]:
    """A stream's id, its version and its columns."""
    decoders, changes = wiring.mapper().decoders, CandidateProjector().changes
    current: Any = None
    columns: dict[str, Any] = {}
    shown = 0
    for id, version, position, event_type, data, at in rows:
        if id != current:
            if current is not None:
                yield current, shown, columns
            current, columns = id, {}
        event = decoders[event_type, _NEWEST[event_type]].decode(data)
        columns.update(changes(StreamedEvent(event, version, position, at, at, METADATA)))
        shown = version
    if current is not None:
        yield current, shown, columns


_NEWEST = {event.event_type: event.schema_version for event in events.LIFE}


def _bare_postgresql() -> None:
    with own_connection() as reading, own_connection() as writing:
        driver: psycopg.Connection[Any] = writing.connection
        table = ProjectionTable(CandidateProjection, writing)
        driver.execute(f"DROP TABLE IF EXISTS {BARE}")
        driver.execute(f'CREATE TABLE {BARE} (LIKE "{table.name}" INCLUDING DEFAULTS)')
        columns = ", ".join(f'"{column}"' for column in table.columns)
        kinds = [str(field.db_type(writing)).split("(")[0] for field in table.fields]
        gc.disable()
        with (
            driver.transaction(),
            psycopg.Cursor(driver) as cursor,
            cursor.copy(f"COPY {BARE} ({columns}) FROM STDIN (FORMAT binary)") as copy,
        ):
            copy.set_types(kinds)
            for row in _rows(table, _folded(_read_postgresql(reading.connection))):
                copy.write_row(row)
        gc.enable()
        # Those of the served table, the one for searches included.
        definitions = driver.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s", [table.name]
        ).fetchall()
        for index, definition in definitions:
            statement = definition.replace(f" {index} ", f" {BARE}_{index} ", 1)
            driver.execute(statement.replace(f".{table.name} ", f".{BARE} ", 1))


def _read_postgresql(driver: psycopg.Connection[Any]) -> Iterator[tuple[Any, ...]]:
    with driver.transaction(), psycopg.Cursor(driver) as cursor:
        cursor.execute("SET LOCAL TimeZone = 'UTC'")
        cursor.execute(
            f"DECLARE bare NO SCROLL CURSOR FOR SELECT {COLUMNS.format(at='occurred_at')} "
            f"FROM {TABLE} ORDER BY stream_id, version"
        )
        while page := cursor.execute(f"FETCH {PAGE} FROM bare", binary=True).fetchall():
            yield from page


def _bare_sqlite() -> None:
    with own_connection() as reading, own_connection() as writing:
        driver: sqlite3.Connection = writing.connection
        table = ProjectionTable(CandidateProjection, writing)
        columns = ", ".join(f'"{column}"' for column in table.columns)
        marks = ", ".join("?" * len(table.columns))
        driver.execute(f"DROP TABLE IF EXISTS {BARE}")
        driver.execute(f"CREATE TABLE {BARE} ({columns})")
        gc.disable()
        with driver:
            driver.execute("BEGIN IMMEDIATE")
            driver.executemany(
                f"INSERT INTO {BARE} VALUES ({marks})",
                _rows(table, _folded(_read_sqlite(reading.connection))),
            )
        gc.enable()
        for index in CandidateProjection._meta.indexes:
            fields = ", ".join(index.fields)
            driver.execute(f"CREATE INDEX {BARE}_{index.name} ON {BARE} ({fields})")
        driver.execute(f"CREATE UNIQUE INDEX {BARE}_id ON {BARE} (id)")


def _read_sqlite(driver: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    cursor = driver.cursor(sqlite3.Cursor)
    cursor.execute(
        f"SELECT {COLUMNS.format(at='CAST(occurred_at AS text)')} FROM {TABLE} NOT INDEXED "
        "ORDER BY stream_id, version"
    )
    while page := cursor.fetchmany(PAGE):
        for *rest, at in page:
            yield (*rest, instant(at))


def _rows(
    table: ProjectionTable, streams: Iterator[tuple[Any, int, dict[str, Any]]]
) -> Iterator[list[Any]]:
    for id, version, columns in streams:
        stream_id = id if isinstance(id, UUID) else UUID(hex=id)
        yield from table.rows(stream_id, FoldedStream(version, [(1, columns)]))
