"""New rows beside the old on PostgreSQL: in tables of their own schema, which then change places.

Names of tables, constraints and indexes are unique within a schema only. So the new table has the
final ones from the start, and whatever a killed run left behind goes with the schema.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any
from uuid import UUID

import psycopg
from django.db import Error, OperationalError, connection, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.application.folding import FoldedStream, Projector
from eventstore.application.replay import Add, Blocked, Loaded, Rebuild, WorkerDied, build
from eventstore.domain.exceptions import ReplayRunning
from eventstore.infrastructure import log
from eventstore.infrastructure.driver import TABLE
from eventstore.infrastructure.indexes_postgresql import identify, make_alike
from eventstore.infrastructure.own_connection import own_connection
from eventstore.infrastructure.streams import EVERY_ID, IdRange, StreamReader, UnreadableStream
from eventstore.infrastructure.tables import ProjectionTable

SCHEMA = "replay"
LOCK_TIMEOUT = "1200ms"
"""Longer than deadlock_timeout, at which an autovacuum makes way for who waits."""
CHECKPOINT_TIMEOUT = "10s"
"""For a follower's batch to end. Nobody who reads or gives commands waits for that."""
_LOCK = int.from_bytes(b"evreplay", "big") >> 1
_BLOCKED = {"55P03", "40P01"}  # lock_not_available, deadlock_detected
_GRANTS = """
    SELECT format('GRANT %%s ON {new} TO %%s%%s', privilege_type,
        CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
        CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
    FROM pg_class, aclexplode(relacl) WHERE oid = %s::regclass AND grantee <> relowner
    UNION ALL SELECT format('ALTER TABLE {new} OWNER TO %%s', relowner::regrole)
    FROM pg_class WHERE oid = %s::regclass AND relowner <> current_user::regrole"""


class PostgreSQLRebuilds:
    """`load` folds one range of ids in each of `workers` processes."""

    def __init__(
        self,
        tables: Mapping[str, type[models.Model]],
        *,
        reader: StreamReader,
        workers: int = 1,
    ) -> None:
        self._tables = tables
        self._reader = reader
        self._workers = workers

    @contextmanager
    def begun(self, projectors: Sequence[Projector]) -> Iterator[Rebuild]:
        with own_connection() as guard, guard.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
            if not cursor.fetchone()[0]:
                raise ReplayRunning(holder=_holder(cursor))
            tables = {p.name: ProjectionTable(self._tables[p.name], guard) for p in projectors}
            try:
                cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
                cursor.execute(f"CREATE SCHEMA {SCHEMA}")
                for table in tables.values():
                    cursor.execute(
                        f'CREATE TABLE {SCHEMA}."{table.name}" '
                        f'(LIKE "{table.name}" INCLUDING ALL EXCLUDING INDEXES)'
                    )
                    identify(table, guard, schema=SCHEMA)
                yield _Rebuild(projectors, tables, self._reader, self._workers)
            finally:
                cursor.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
                # By itself too: a pool would keep the session, and the lock with it.
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


class _Rebuild:
    def __init__(
        self,
        projectors: Sequence[Projector],
        tables: Mapping[str, ProjectionTable],
        reader: StreamReader,
        workers: int,
    ) -> None:
        self._projectors = projectors
        self._tables = tables
        self._reader = reader
        self._workers = workers
        self.end = log.settled_cursor(connection)
        self.until = self.end.position

    def load(self, progress: Callable[[int], object]) -> Loaded:
        try:
            if self._workers > 1 and (between := _bounds(self._workers)):
                loaded = self._together([None, *between, None], progress)
            else:
                loaded = self._range(EVERY_ID, progress)
        except UnreadableStream as error:
            raise error.named() from None
        make_alike(self._tables.values(), schema=SCHEMA)
        return loaded

    def _range(self, ids: IdRange, progress: Callable[[int], object]) -> Loaded:
        """Fold the streams of these ids. Raises UnreadableStream."""
        total = Loaded(0, 0, [])
        for stream_type in {projector.stream_type for projector in self._projectors}:
            group = [p for p in self._projectors if p.stream_type == stream_type]
            with connection.wrap_database_errors, ExitStack() as stack:
                adders = {
                    p.name: stack.enter_context(_copying(self._tables[p.name])) for p in group
                }
                source = stack.enter_context(own_connection())
                reading = self._reader.read(source, stream_type, until=self.until, ids=ids)
                streams = stack.enter_context(closing(reading))
                total += build(group, streams, adders, progress=progress)
        return total

    def _together(self, bounds: Sequence[UUID | None], progress: Callable[[int], object]) -> Loaded:
        """Each range in a process of its own, which inherits everything and connects anew."""
        fork = get_context("fork")
        workers: dict[object, tuple[Connection, BaseProcess]] = {}
        total = Loaded(0, 0, [])
        try:
            for ids in map(IdRange, bounds, bounds[1:]):
                receiving, sending = fork.Pipe(duplex=False)
                worker: BaseProcess = fork.Process(
                    target=self._work, args=(ids, sending), daemon=True
                )
                worker.start()
                # The worker has its own end: with this one closed, its death is an end of file.
                sending.close()
                workers[receiving] = receiving, worker
            while workers:
                for ready in wait([receiving for receiving, _ in workers.values()]):
                    receiving, worker = workers[ready]
                    try:
                        said = receiving.recv()
                    except EOFError:
                        raise WorkerDied from None
                    match said:
                        case int():
                            progress(said)
                        case Loaded():
                            total += said
                            del workers[ready]
                            worker.join()
                        case _:
                            raise said
        finally:
            for _, worker in workers.values():
                worker.kill()
                worker.join()
        return total

    def _work(self, ids: IdRange, sending: Connection) -> None:
        try:
            sending.send(self._range(ids, sending.send))
        except (Error, UnreadableStream) as error:
            sending.send(error)

    def behind(self, projector: Projector) -> list[UUID]:
        table = self._tables[projector.name]
        stream, shown = table.stream.column, table.shown.column
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT stream_id FROM {TABLE} AS event "
                "WHERE stream_type = %s AND position > %s GROUP BY stream_id "
                f'HAVING max(version) > coalesce((SELECT max("{shown}") '
                f'FROM {SCHEMA}."{table.name}" WHERE "{stream}" = event.stream_id), 0)',
                [projector.stream_type, self.until],
            )
            return [stream_id for (stream_id,) in cursor.fetchall()]

    def put(self, projector: Projector, streams: Iterable[tuple[UUID, FoldedStream]]) -> None:
        table = self._tables[projector.name]
        marks = ", ".join(["%s"] * len(table.columns))
        with transaction.atomic(), connection.cursor() as cursor:
            for stream_id, stream in streams:
                cursor.execute(
                    f'DELETE FROM {SCHEMA}."{table.name}" WHERE "{table.stream.column}" = %s',
                    [stream_id],
                )
                cursor.executemany(
                    f'INSERT INTO {SCHEMA}."{table.name}" ({_listed(table)}) VALUES ({marks})',
                    list(table.rows(stream_id, stream)),
                )

    @contextmanager
    def swapped(self) -> Iterator[None]:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                # First that no follower begins another batch: it passes by who has a checkpoint,
                # and never holds the table while it waits for one.
                cursor.execute(f"SET LOCAL lock_timeout = '{CHECKPOINT_TIMEOUT}'")
                cursor.execute(
                    "SELECT FROM eventstore_checkpoint WHERE projection = ANY(%s) "
                    "ORDER BY projection FOR UPDATE",
                    [list(self._tables)],
                )
                # Whoever waits behind us waits no longer than this either.
                cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
                served = ", ".join(f'"{table.name}"' for table in self._tables.values())
                # Readers go on until the tables change places.
                cursor.execute(f"LOCK TABLE {served} IN EXCLUSIVE MODE")
                yield
                for table in self._tables.values():
                    _exchange(cursor, table)
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) in _BLOCKED:
                raise Blocked from error
            raise


def _bounds(workers: int) -> list[UUID]:
    """Ids that part the log into so many ranges of about as many events; from a sample of it."""
    shares = [number / workers for number in range(1, workers)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 100 * 20000 / greatest(reltuples, 20000) FROM pg_class "
            f"WHERE oid = '{TABLE}'::regclass"
        )
        (percent,) = cursor.fetchone()
        cursor.execute(
            "SELECT percentile_disc(%s::float8[]) WITHIN GROUP (ORDER BY stream_id) "
            f"FROM {TABLE} TABLESAMPLE SYSTEM (%s)",
            [shares, percent],
        )
        (bounds,) = cursor.fetchone()
    return sorted(set(bounds or ()))


@contextmanager
def _copying(table: ProjectionTable) -> Iterator[Add]:
    """Rows into a new table, by COPY in binary; all of them or, where the block raises, none."""
    with own_connection() as own:
        driver: psycopg.Connection[Any] = own.connection
        with (
            driver.transaction(),
            psycopg.Cursor(driver) as cursor,
            cursor.copy(
                f'COPY {SCHEMA}."{table.name}" ({_listed(table)}) FROM STDIN (FORMAT binary)'
            ) as copy,
        ):
            copy.set_types([_kind(field, own) for field in table.fields])
            write_row, rows_of = copy.write_row, table.rows

            def add(stream_id: UUID, stream: FoldedStream) -> int:
                for row in rows_of(stream_id, stream):
                    write_row(row)
                return len(stream.rows)

            yield add


def _kind(field: "models.Field[Any, Any]", own: BaseDatabaseWrapper) -> str:
    """The column's type as the driver knows it, without its length."""
    return str(field.db_type(own)).split("(")[0]


def _listed(table: ProjectionTable) -> str:
    return ", ".join(f'"{column}"' for column in table.columns)


def _exchange(cursor: Any, table: ProjectionTable) -> None:
    new = f'{SCHEMA}."{table.name}"'
    cursor.execute(_GRANTS.format(new=new), [table.name, table.name])
    for (statement,) in cursor.fetchall():
        cursor.execute(statement)
    cursor.execute(
        "SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = %s::regclass",
        [table.name],
    )
    (schema,) = cursor.fetchone()
    cursor.execute(f'DROP TABLE "{table.name}"')
    cursor.execute(f"ALTER TABLE {new} SET SCHEMA {schema}")


def _holder(cursor: Any) -> str:
    cursor.execute(
        "SELECT pid, application_name, backend_start FROM pg_locks JOIN pg_stat_activity "
        "USING (pid) WHERE locktype = 'advisory' AND objsubid = 1 AND granted "
        "AND classid::bigint << 32 | objid::bigint = %s",
        [_LOCK],
    )
    found = cursor.fetchone()
    if found is None:
        return "it has just ended, so try again"
    pid, name, since = found
    return f"{name}, server pid {pid}, since {since:%Y-%m-%d %H:%M:%S %Z}"
