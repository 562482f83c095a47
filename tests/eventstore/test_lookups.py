"""Many streams are looked up by an index on PostgreSQL, whatever it expects of a join.

Its statistics lag behind while an import fills the tables, and joins looked better to it by then.
Here they look better from the beginning, in tables that are small.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest
from django.db import connection

from candidates.infrastructure.imported_rows import DjangoTakenRows
from eventstore.domain.events import StreamHead
from eventstore.infrastructure.driver import TABLE, connected
from eventstore.wiring import event_store

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite always takes the index here"
    ),
]
MANY = [uuid4() for _ in range(900)]
_EVENTS = f"""
    INSERT INTO {TABLE} (event_id, stream_type, stream_id, version, event_type, schema_version,
        data, metadata, occurred_at, recorded_at, hash)
    SELECT gen_random_uuid(), 'candidate', gen_random_uuid(), 1, 'candidate.invited', 1,
        repeat('x', 500), '{{}}', now(), now(), sha256(number::text::bytea)
    FROM generate_series(1, 5000) AS number"""
_TAKEN = """
    INSERT INTO candidates_importedrow (place, digest, candidate, system, file)
    SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'ats', gen_random_uuid()
    FROM generate_series(1, 5000)"""


def filled(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        cursor.execute("SET LOCAL enable_nestloop = off")


@contextmanager
def reading_no_other_rows_of(table: str) -> Iterator[None]:
    def read() -> int:
        with connection.cursor() as cursor:
            # What this transaction has done; for others it is counted later.
            cursor.execute(
                "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables "
                "WHERE relname = %s",
                [table],
            )
            (rows,) = cursor.fetchone()
        return int(rows)

    before = read()
    yield
    assert read() == before


def test_the_events_of_many_streams_are_looked_up() -> None:
    filled(_EVENTS)
    with reading_no_other_rows_of(TABLE):
        assert event_store().read_streams(dict.fromkeys(MANY, 0)) == {}


def test_the_streams_of_a_batch_are_looked_up() -> None:
    filled(_EVENTS)
    with reading_no_other_rows_of(TABLE):
        event_store().batch().fetch(MANY)


def test_the_heads_of_many_streams_are_looked_up() -> None:
    filled(_EVENTS)
    database, driver = connected()
    with reading_no_other_rows_of(TABLE):
        heads: dict[UUID, StreamHead] = {id: StreamHead(version=1, hash=b"?") for id in MANY}
        assert driver.present(database.connection, heads) == set()


def test_rows_that_imports_have_taken_are_looked_up() -> None:
    filled(_TAKEN)
    with reading_no_other_rows_of("candidates_importedrow"):
        assert DjangoTakenRows("ats").at(MANY) == {}
