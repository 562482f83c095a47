"""The database itself refuses to change the log, whoever asks."""

from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from eventstore.domain.events import Metadata
from eventstore.infrastructure.mapper import StorageRow
from eventstore.infrastructure.triggers import drop_triggers, ensure_triggers
from eventstore.models import StorageEvent
from eventstore.wiring import event_store
from tests.factories import added, noted

TABLE = StorageEvent._meta.db_table
COLUMNS = ", ".join(StorageRow._fields)
COPY = f"INSERT INTO {TABLE} ({COLUMNS}) SELECT {COLUMNS} FROM {TABLE} WHERE true"
STATEMENTS = [
    f"UPDATE {TABLE} SET data = 'forged'",
    f"UPDATE {TABLE} SET data = 'forged' WHERE version = 2",
    f"DELETE FROM {TABLE}",
    f"DELETE FROM {TABLE} WHERE version = 2",
    f"{COPY} ON CONFLICT (event_id) DO UPDATE SET data = 'forged'",
    f"{COPY} ON CONFLICT (stream_id, version) DO UPDATE SET data = excluded.data",
]
if connection.vendor == "sqlite":
    FRESH = COLUMNS.replace("event_id", "hex(randomblob(16))").replace(" version", " version + 9")
    STATEMENTS += [
        *(
            f"INSERT OR REPLACE INTO {TABLE} ({name}, {COLUMNS}) "
            f"SELECT {value}, {FRESH} FROM {TABLE}"
            for name, value in [
                ("position", "position"),
                ("rowid", "position"),
                ("oid", "CAST(position AS text)"),
                ("position", "position + 0.0"),
            ]
        ),
        (
            f"REPLACE INTO {TABLE} ({COLUMNS}) "
            f"SELECT {COLUMNS.replace(' version', ' version + 0.0')} FROM {TABLE}"
        ),
        (
            f"INSERT INTO {TABLE} ({COLUMNS}) SELECT {COLUMNS} FROM {TABLE} WHERE true "
            "ON CONFLICT DO UPDATE SET data = 'forged'"
        ),
        f"INSERT OR REPLACE INTO {TABLE} SELECT * FROM {TABLE}",
        f"REPLACE INTO {TABLE} ({COLUMNS}) SELECT {COLUMNS} FROM {TABLE}",
        f"UPDATE OR REPLACE {TABLE} SET version = 1",
    ]
else:
    STATEMENTS += [
        f"TRUNCATE {TABLE}",
        f"TRUNCATE {TABLE} CASCADE",
        (
            f"MERGE INTO {TABLE} USING (VALUES (1)) AS one ON true "
            "WHEN MATCHED THEN UPDATE SET data = 'forged'"
        ),
        f"MERGE INTO {TABLE} USING (VALUES (1)) AS one ON true WHEN MATCHED THEN DELETE",
        f"WITH gone AS (DELETE FROM {TABLE} RETURNING 1) SELECT count(*) FROM gone",
        f"SET LOCAL session_replication_role = replica; UPDATE {TABLE} SET data = 'forged'",
        f"SET LOCAL session_replication_role = replica; TRUNCATE {TABLE}",
        f"ALTER TABLE {TABLE} RENAME TO elsewhere; DELETE FROM elsewhere",
        (
            f"CREATE TABLE one (id) AS SELECT 1; ALTER TABLE one ADD PRIMARY KEY (id); "
            f"ALTER TABLE {TABLE} ADD one integer DEFAULT 1 REFERENCES one ON DELETE CASCADE; "
            "DELETE FROM one"
        ),
    ]


@pytest.fixture
def log(db: None) -> list[tuple[object, ...]]:
    metadata = Metadata(actor="rita", door="api")
    event_store().append("candidate", uuid4(), [added(), noted()], expected=0, metadata=metadata)
    return list(StorageEvent.objects.order_by("position").values_list())


@pytest.mark.parametrize("statement", STATEMENTS)
def test_no_statement_changes_the_log(log: list[tuple[object, ...]], statement: str) -> None:
    with (
        pytest.raises(DatabaseError, match=r"never changed|stored already"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert list(StorageEvent.objects.order_by("position").values_list()) == log


def test_the_orm_cannot_either(log: list[tuple[object, ...]]) -> None:
    newest = StorageEvent.objects.latest("position")
    newest.data = "forged"
    for change in (newest.save, newest.delete, StorageEvent.objects.all().delete):
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            change()
    assert list(StorageEvent.objects.order_by("position").values_list()) == log


def test_nobody_puts_an_event_at_a_position_of_his_choice(log: list[tuple[object, ...]]) -> None:
    """On PostgreSQL at none, on SQLite at none that is taken."""
    forged = StorageEvent.objects.latest("position")
    forged.event_id, forged.version = uuid4(), 3
    with (
        pytest.raises(DatabaseError, match=r"non-DEFAULT value|never changed"),
        transaction.atomic(),
    ):
        forged.save(force_insert=True)
    assert list(StorageEvent.objects.order_by("position").values_list()) == log


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL refuses every position")
@pytest.mark.parametrize("position", [-7, -1, 0, "last - 1"])
def test_nobody_puts_an_event_where_readers_have_passed(
    log: list[tuple[object, ...]], position: int | str
) -> None:
    """A number may be free since somebody has named a higher one."""
    last = StorageEvent.objects.latest("position")
    last.event_id, last.version, last.position = uuid4(), 3, last.position + 10
    last.save(force_insert=True)
    place = last.position - 1 if position == "last - 1" else position
    last.event_id, last.version, last.position = uuid4(), 4, place
    with pytest.raises(DatabaseError, match="behind the last one"), transaction.atomic():
        last.save(force_insert=True)
    assert StorageEvent.objects.count() == len(log) + 1


def test_triggers_are_made_once(db: None) -> None:
    assert ensure_triggers(connection) == []


def test_migrate_brings_back_what_is_missing(db: None) -> None:
    drop_triggers(connection)
    call_command("migrate", verbosity=0)
    assert ensure_triggers(connection) == []


def test_a_trigger_that_was_weakened_is_made_anew(db: None) -> None:
    if connection.vendor == "sqlite":
        weakened = [
            "DROP TRIGGER eventstore_no_delete",
            f"CREATE TRIGGER eventstore_no_delete BEFORE DELETE ON {TABLE} BEGIN SELECT 1; END",
        ]
    else:
        weakened = [f"ALTER TABLE {TABLE} DISABLE TRIGGER eventstore_append_only"]
    with connection.cursor() as cursor:
        for statement in weakened:
            cursor.execute(statement)
    assert len(ensure_triggers(connection)) == 1
    assert ensure_triggers(connection) == []


@pytest.mark.django_db(transaction=True)
def test_migrations_can_be_taken_back_and_applied_again() -> None:
    """Both apps to nothing and forth: tables, triggers and permissions are there again."""
    call_command("migrate", "candidates", "zero", verbosity=0)
    call_command("migrate", "eventstore", "zero", verbosity=0)
    assert TABLE not in connection.introspection.table_names()
    call_command("migrate", verbosity=0)
    assert ensure_triggers(connection) == []
    metadata = Metadata(actor="rita", door="api")
    event_store().append("candidate", uuid4(), [added()], expected=0, metadata=metadata)
