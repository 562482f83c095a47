"""A sequence that was left behind numbers no event below those that readers have passed."""

import re
import subprocess
from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError, connection, transaction

from eventstore.checks import check_log_guards
from eventstore.domain.events import Metadata
from eventstore.infrastructure.triggers import missing_guards
from eventstore.models import StorageEvent, StreamKey
from eventstore.wiring import event_store
from tests import processes
from tests.databases import database_url, empty_database
from tests.factories import added
from tests.postgresql_cluster import cluster

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor == "sqlite", reason="SQLite numbers behind the newest row by itself"
    ),
]
TABLE = StorageEvent._meta.db_table
SEQUENCE = f"pg_get_serial_sequence('{TABLE}', 'position')"
BEHIND = "sequence past the newest position"


def append() -> int:
    metadata = Metadata(actor="rita", door="api")
    (recorded,) = event_store().append("cart", uuid4(), [added()], expected=0, metadata=metadata)
    return recorded.position


def run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def positions() -> list[int]:
    return list(StorageEvent.objects.order_by("position").values_list("position", flat=True))


@pytest.fixture
def behind() -> Iterator[int]:
    """The newest position of a log whose sequence is two numbers behind."""
    newest = [append() for _ in range(4)][-1]
    run(f"SELECT setval({SEQUENCE}, {newest - 2})")
    yield newest
    call_command("migrate", verbosity=0)


def test_an_append_behind_the_newest_event_is_refused(behind: int) -> None:
    before = positions()
    with pytest.raises(DatabaseError, match="sequence of positions is behind the newest event"):
        append()
    assert positions() == before


def test_a_sequence_set_back_in_the_middle_of_a_transaction_is_noticed(behind: int) -> None:
    call_command("migrate", verbosity=0)
    with transaction.atomic():
        newest = append()
        run(f"SELECT setval({SEQUENCE}, {behind - 2})")
        with pytest.raises(DatabaseError, match="is behind the newest event"):
            append()
    assert positions()[-1] == newest


def test_check_readyz_status_and_verify_log_name_it(behind: int, client: object) -> None:
    (warning,) = check_log_guards(["default"])
    assert BEHIND in warning.msg
    assert BEHIND in client.get("/readyz").json()["problems"][0]  # type: ignore[attr-defined]
    with pytest.raises(CommandError, match=BEHIND):
        call_command("eventstore_status")
    with pytest.raises(CommandError, match=r"`manage\.py migrate` puts that right"):
        call_command("verify_log")


def test_migrate_puts_it_right(behind: int) -> None:
    call_command("migrate", verbosity=0)
    assert missing_guards(connection) == []
    assert append() == behind + 1
    call_command("verify_log", verbosity=0)


def test_gaps_are_none_of_its_business() -> None:
    newest = append()
    run(f"SELECT setval({SEQUENCE}, {newest + 1000})")
    assert missing_guards(connection) == []
    assert append() == newest + 1001


def test_a_restore_of_the_rows_alone_is_noticed() -> None:
    """As by `pg_restore --data-only --table`, which leaves the sequence where it was."""
    newest = [append() for _ in range(3)][-1]
    tables = (f"--table={TABLE}", f"--table={StreamKey._meta.db_table}")
    dump = ["pg_dump", database_url(), "--data-only", *tables]
    dumped = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
    rows = re.sub(r"^.*setval.*$", "", dumped, flags=re.MULTILINE)
    empty_database()
    run(f"ALTER TABLE {TABLE} ALTER COLUMN position RESTART")
    restore = ["psql", database_url(), "-q", "-v", "ON_ERROR_STOP=1"]
    subprocess.run(restore, input=rows, check=True, capture_output=True, text=True)
    assert positions()[-1] == newest
    assert [guard.name for guard in missing_guards(connection)] == [BEHIND]
    with pytest.raises(DatabaseError, match="is behind the newest event"):
        append()
    call_command("migrate", verbosity=0)
    assert append() == newest + 1


LOG = """
from uuid import uuid4
from eventstore.domain.events import Metadata
from eventstore.wiring import event_store
from tests.factories import added

def append():
    (recorded,) = event_store().append(
        "cart", uuid4(), [added()], expected=0, metadata=Metadata(actor="rita", door="api"))
    return recorded.position
"""
MIGRATE = "from django.core.management import call_command; call_command('migrate', verbosity=0)"


def test_a_logical_replica_that_takes_over_is_noticed() -> None:
    """Its rows came with their positions, and by none of its own triggers."""
    tables = f"{TABLE}, {StreamKey._meta.db_table}"
    with cluster("wal_level = logical") as server:
        server.sql("postgres", "CREATE DATABASE first", "CREATE DATABASE second")
        first, second = server.url("first"), server.url("second")
        for url in (first, second):
            processes.run(MIGRATE, DATABASE_URL=url)
        server.sql(
            "first",
            f"CREATE PUBLICATION log FOR TABLE {tables}",
            "SELECT pg_create_logical_replication_slot('log', 'pgoutput')",
        )
        server.sql(
            "second",
            f"CREATE SUBSCRIPTION log CONNECTION '{first}' PUBLICATION log "
            "WITH (create_slot = false, slot_name = 'log', copy_data = false)",
        )
        processes.run(LOG + "for _ in range(5): append()", DATABASE_URL=first)
        count = f"SELECT count(*) FROM {TABLE}"
        processes.until(lambda: server.sql("second", count) == ["5"])
        server.sql(
            "second",
            "ALTER SUBSCRIPTION log DISABLE",
            "ALTER SUBSCRIPTION log SET (slot_name = NONE)",
            "DROP SUBSCRIPTION log",
        )
        refused = """
from django.db import DatabaseError
try:
    append()
except DatabaseError as error:
    print(error)
"""
        said = processes.run(LOG + refused, DATABASE_URL=second)
        assert "sequence of positions is behind the newest event" in said
        processes.run(MIGRATE, DATABASE_URL=second)
        newest = server.sql("second", f"SELECT max(position) FROM {TABLE}")
        position = processes.run(LOG + "print(append())", DATABASE_URL=second)
        assert int(position) == int(newest[0]) + 1
