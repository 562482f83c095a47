"""Replaying all of a log of short lives, beside a hand-written loop that does no more than it must.

The bare loop knows the one projection of candidates, whose events have one version each and one
kind of metadata: it decodes, decrypts, folds and writes, and checks, parks and serves nothing. What
both have built is compared.
"""

import gc
import sqlite3
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import uuid_utils.compat as uuid_utils
from django.db import connection

from candidates.application.projector import CandidateProjector
from candidates.domain.events import CandidateAdded
from candidates.models import CandidateProjection
from eventstore import wiring
from eventstore.application.folding import FoldedStream
from eventstore.infrastructure.driver import KEY_TABLE, TABLE, instant
from eventstore.infrastructure.own_connection import own_connection
from eventstore.infrastructure.streams import StreamedEvent
from eventstore.infrastructure.tables import ProjectionTable
from tests.benchmarks import events
from tests.benchmarks.timing import Figure, seconds

ROUNDS = 3
BARE = "replayed_bare"
PAGE = 2_000
COLUMNS = "{id}, version, position, event_type, data, personal, {at}, wrapped"
SOURCE = f"{TABLE} AS event LEFT JOIN {KEY_TABLE} AS key USING (stream_id)"


def run(stored: int) -> Iterator[Figure]:
    vendor = connection.vendor
    _fill(stored)
    bare = _bare_postgresql if vendor == "postgresql" else _bare_sqlite
    one, every = [CandidateProjector.name], list(wiring.projections())

    def rate(act: Callable[[], object]) -> float:
        return stored / seconds(act)

    _replay(one)
    bare()
    _compare()
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


def _compare() -> None:
    # By name: a migration adds a column behind the others, and a replay builds it in its place.
    names = ", ".join(f'"{field.column}"' for field in CandidateProjection._meta.concrete_fields)
    with connection.cursor() as cursor:
        served = CandidateProjection._meta.db_table
        for one, other in ((served, BARE), (BARE, served)):
            cursor.execute(
                f"SELECT count(*) FROM (SELECT {names} FROM {one} "
                f"EXCEPT SELECT {names} FROM {other}) AS it"
            )
            (missing,) = cursor.fetchone()
            if missing:
                raise RuntimeError(f"{missing} rows of {one} are not in {other}.")


def _folded(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, int, dict[str, Any]]]:
    """A stream's id, its version and its columns."""
    mapper, keyring, changes = wiring.mapper(), wiring.keyring(), CandidateProjector().changes
    decoders = {name: mapper.decoders[name, _NEWEST[name]] for name in _NEWEST}
    current: Any = None
    columns: dict[str, Any] = {}
    stream_id, shown = UUID(int=0), 0
    for id, version, position, event_type, data, personal, at, wrapped in rows:
        if id != current:
            if current is not None:
                yield stream_id, shown, columns
            current, columns = id, {}
            stream_id = UUID(bytes=id) if isinstance(id, bytes) else UUID(hex=id)
        if personal is None:
            event = decoders[event_type].decode(data)
        else:
            opened = keyring.unwrap(stream_id, wrapped).decrypt(personal, version=version)
            private, _ = msgspec.json.decode(opened)
            values = msgspec.json.decode(data)
            values["profile"] |= private["profile"]
            event = msgspec.convert(values, CandidateAdded)
        columns.update(changes(StreamedEvent(event, version, position, at, at, events.METADATA)))
        shown = version
    if current is not None:
        yield stream_id, shown, columns


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
            f"DECLARE bare NO SCROLL CURSOR FOR SELECT "
            f"{COLUMNS.format(id='uuid_send(stream_id)', at='occurred_at')} "
            f"FROM {SOURCE} ORDER BY stream_id, version"
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
        f"SELECT {COLUMNS.format(id='stream_id', at='CAST(occurred_at AS text)')} "
        f"FROM {SOURCE.replace(' AS event', ' AS event NOT INDEXED')} ORDER BY stream_id, version"
    )
    while page := cursor.fetchmany(PAGE):
        for *rest, at, wrapped in page:
            yield (*rest, instant(at), wrapped)


def _rows(
    table: ProjectionTable, streams: Iterator[tuple[UUID, int, dict[str, Any]]]
) -> Iterator[list[Any]]:
    for stream_id, version, columns in streams:
        yield from table.rows(stream_id, FoldedStream(version, [(1, columns)]))
