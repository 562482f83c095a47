"""New rows beside the old on SQLite: in tables with another name, which then change names.

SQLite has one writer at a time, so nothing here holds its lock for long: rows go in and out in few
at a time, with a pause after each, since a waiting command has no turn of its own. A table that
is dropped is overwritten page by page, which takes long; the old one is emptied bit by bit first.
An index cannot be renamed: it is made under a passing name for the swap, and under its own after.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.files import locks
from django.db import OperationalError, connection, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from eventstore.application.folding import FoldedStream, Projector
from eventstore.application.replay import Loaded, Rebuild, build
from eventstore.domain.exceptions import ReplayRunning
from eventstore.infrastructure import log
from eventstore.infrastructure.driver import TABLE
from eventstore.infrastructure.own_connection import own_connection
from eventstore.infrastructure.private_files import close_to_others
from eventstore.infrastructure.streams import BATCH_SIZE, StreamReader, UnreadableStream
from eventstore.infrastructure.tables import ProjectionTable

NEW, OLD = "__replay", "__replaced"
PAUSE = 0.5
"""Of the time for which the lock was held. Who waits for it looks ten times a second or more often,
so one look in three finds it free."""
_NAME = r"""(?:"(?:[^"]|"")+"|`[^`]+`|\[[^\]]+\]|[^\s"`\[(]+)"""
_INDEX = re.compile(rf"(CREATE (?:UNIQUE )?INDEX )\s*{_NAME}\s*ON\s*{_NAME}", re.IGNORECASE)
"""As SQLite keeps the statement: from the name on as somebody wrote it, quoted or not."""


class SQLiteRebuilds:
    """`batch_size` rows go in or out in one transaction; 2,000 take some 20 ms."""

    def __init__(
        self,
        tables: Mapping[str, type[models.Model]],
        *,
        reader: StreamReader,
        batch_size: int = BATCH_SIZE,
    ) -> None:
        self._tables = tables
        self._reader = reader
        self._batch_size = batch_size

    @contextmanager
    def begun(self, projectors: Sequence[Projector]) -> Iterator[Rebuild]:
        with _alone(), own_connection() as own:
            every = {name: ProjectionTable(model, own) for name, model in self._tables.items()}
            tables = {projector.name: every[projector.name] for projector in projectors}
            for table in every.values():
                _clear(own, table, self._batch_size)
            try:
                for table in tables.values():
                    _create(own, table)
                yield _Rebuild(projectors, tables, self._reader, own, self._batch_size)
            finally:
                for table in tables.values():
                    _clear(own, table, self._batch_size)


class _Rebuild:
    def __init__(
        self,
        projectors: Sequence[Projector],
        tables: Mapping[str, ProjectionTable],
        reader: StreamReader,
        own: BaseDatabaseWrapper,
        batch_size: int,
    ) -> None:
        self._projectors = projectors
        self._tables = tables
        self._reader = reader
        self._own = own
        self._batch_size = batch_size
        self.end = log.settled_cursor(connection)
        self.until = self.end.position

    def load(self, progress: Callable[[int], object]) -> Loaded:
        total = Loaded(0, 0, [])
        for stream_type in {projector.stream_type for projector in self._projectors}:
            group = [p for p in self._projectors if p.stream_type == stream_type]
            inserts = {
                p.name: _Insert(self._own, self._tables[p.name], self._batch_size) for p in group
            }
            with (
                own_connection() as source,
                closing(self._reader.read(source, stream_type, until=self.until)) as streams,
            ):
                adders = {name: insert.add for name, insert in inserts.items()}
                try:
                    total += build(group, streams, adders, progress=progress)
                except UnreadableStream as error:
                    raise error.named() from None
            for insert in inserts.values():
                insert.flush()
        for table in self._tables.values():
            for name, statement in _indexes(self._own, table.name):
                _execute(self._own, _index(statement, f"{name}{NEW}", f"{table.name}{NEW}"))
        return total

    def behind(self, projector: Projector) -> list[UUID]:
        table = self._tables[projector.name]
        stream, shown = table.stream.column, table.shown.column
        with connection.cursor() as cursor:
            cursor.execute(
                # By position: the planner would group by an index, and so read all of it.
                f"SELECT stream_id FROM {TABLE} AS event NOT INDEXED "
                "WHERE stream_type = %s AND position > %s GROUP BY stream_id "
                f'HAVING max(version) > coalesce((SELECT max("{shown}") '
                f'FROM "{table.name}{NEW}" WHERE "{stream}" = event.stream_id), 0)',
                [projector.stream_type, self.until],
            )
            return [UUID(hex=stream_id) for (stream_id,) in cursor.fetchall()]

    def put(self, projector: Projector, streams: Iterable[tuple[UUID, FoldedStream]]) -> None:
        table = self._tables[projector.name]
        delete = f'DELETE FROM "{table.name}{NEW}" WHERE "{table.stream.column}" = %s'
        marks = ", ".join(["%s"] * len(table.columns))
        insert = f'INSERT INTO "{table.name}{NEW}" ({_listed(table)}) VALUES ({marks})'
        inside = connection.in_atomic_block
        for batch in _batches(streams, max(self._batch_size // 4, 1)):
            began = time.monotonic()
            with transaction.atomic(), connection.cursor() as cursor:
                for stream_id, stream in batch:
                    cursor.execute(delete, [stream_id.hex])
                    cursor.executemany(insert, list(table.rows(stream_id, stream)))
            if not inside:
                _make_way(since=began)

    @contextmanager
    def swapped(self) -> Iterator[None]:
        # Otherwise a rename also rewrites whatever mentions the table's name elsewhere.
        with _legacy_alter_table(), transaction.atomic(), connection.cursor() as cursor:
            yield
            for table in self._tables.values():
                cursor.execute(f'ALTER TABLE "{table.name}" RENAME TO "{table.name}{OLD}"')
                cursor.execute(f'ALTER TABLE "{table.name}{NEW}" RENAME TO "{table.name}"')


class _Insert:
    """Rows into a new table, many in each transaction."""

    def __init__(self, own: BaseDatabaseWrapper, table: ProjectionTable, batch_size: int) -> None:
        self._own = own
        self._batch_size = batch_size
        self._rows_of = table.rows
        marks = ", ".join("?" * len(table.columns))
        self._statement = f'INSERT INTO "{table.name}{NEW}" ({_listed(table)}) VALUES ({marks})'
        self._pending: list[list[Any]] = []

    def add(self, stream_id: UUID, stream: FoldedStream) -> int:
        self._pending.extend(self._rows_of(stream_id, stream))
        if len(self._pending) >= self._batch_size:
            self.flush()
        return len(stream.rows)

    def flush(self) -> None:
        driver = self._own.connection
        with driver:
            driver.execute("BEGIN IMMEDIATE")
            driver.executemany(self._statement, self._pending)
        # Others have their turn while the next ones are folded.
        self._pending.clear()


@contextmanager
def _alone() -> Iterator[None]:
    """The lock goes with the process, however that ends; the file stays, and means nothing."""
    path = Path(f"{connection.settings_dict['NAME']}.replay")
    close_to_others(path)
    with path.open("a+") as file:
        if not locks.lock(file, locks.LOCK_EX | locks.LOCK_NB):
            file.seek(0)
            raise ReplayRunning(holder=file.read().strip() or "it has just begun")
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {timezone.now():%Y-%m-%d %H:%M:%S %Z}")
        file.flush()
        yield


@contextmanager
def _legacy_alter_table() -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA legacy_alter_table=ON")
        try:
            yield
        finally:
            cursor.execute("PRAGMA legacy_alter_table=OFF")


def _create(own: BaseDatabaseWrapper, table: ProjectionTable) -> None:
    found = own.connection.execute(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", [table.name]
    ).fetchone()
    if found is None:
        raise OperationalError(f"no such table: {table.name}")
    (statement,) = found
    _execute(own, statement.replace(f'"{table.name}"', f'"{table.name}{NEW}"', 1))


def _clear(own: BaseDatabaseWrapper, table: ProjectionTable, batch_size: int) -> None:
    """Finish what a swap left to do, and remove what was never swapped in."""
    _remove(own, f"{table.name}{OLD}", batch_size)
    _remove(own, f"{table.name}{NEW}", batch_size)
    for name, statement in _indexes(own, table.name):
        if name.endswith(NEW):
            _execute(own, _index(statement, name.removesuffix(NEW), table.name))
            _execute(own, f'DROP INDEX "{name}"')


def _remove(own: BaseDatabaseWrapper, name: str, batch_size: int) -> None:
    found = own.connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [name]).fetchone()
    if not found:
        return
    # Its indexes first: each row would be taken out of every one of them.
    for index, _ in _indexes(own, name):
        _execute(own, f'DROP INDEX "{index}"')
    while _execute(
        own, f'DELETE FROM "{name}" WHERE rowid IN (SELECT rowid FROM "{name}" LIMIT {batch_size})'
    ):
        pass
    _execute(own, f'DROP TABLE "{name}"')


def _indexes(own: BaseDatabaseWrapper, table: str) -> list[tuple[str, str]]:
    """Name and statement of each that a statement made, not a constraint."""
    return list(
        own.connection.execute(
            "SELECT name, sql FROM sqlite_master "
            "WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL ORDER BY name",
            [table],
        )
    )


def _index(statement: str, name: str, table: str) -> str:
    """The same index under another name, or on another table."""
    return _INDEX.sub(lambda found: f'{found[1]}"{name}" ON "{table}"', statement, count=1)


def _execute(own: BaseDatabaseWrapper, statement: str) -> int:
    """As one transaction, behind which others have their turn. Returns how many rows it changed."""
    driver = own.connection
    with driver:
        driver.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        changed = driver.execute(statement).rowcount
    _make_way(since=began)
    return max(int(changed), 0)


def _make_way(*, since: float) -> None:
    """Leave the lock, held since then, to others for a while."""
    time.sleep(PAUSE * (time.monotonic() - since))


def _listed(table: ProjectionTable) -> str:
    return ", ".join(f'"{column}"' for column in table.columns)


def _batches(
    streams: Iterable[tuple[UUID, FoldedStream]], size: int
) -> Iterator[list[tuple[UUID, FoldedStream]]]:
    batch: list[tuple[UUID, FoldedStream]] = []
    for one in streams:
        batch.append(one)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
