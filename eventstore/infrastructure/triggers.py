"""Append-only in the database itself: what no code of ours, and no SQL prompt, can get around.

The triggers, and on PostgreSQL how positions are drawn, which reading the log rests on.
"""

from collections.abc import Sequence

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.infrastructure import key_guards
from eventstore.infrastructure.driver import TABLE, driver_of
from eventstore.infrastructure.guards import (
    Guard,
    postgresql_trigger,
    refusal,
    sqlite_trigger,
)
from eventstore.infrastructure.log import lock_body
from eventstore.models import EVENT_ID_CONSTRAINT, VERSION_CONSTRAINT

_REFUSAL = "eventstore: stored events are never changed or removed"


_SQLITE = [
    *(
        sqlite_trigger(
            TABLE,
            f"eventstore_no_{verb.lower()}",
            f"BEFORE {verb}",
            f"SELECT RAISE(ABORT, '{_REFUSAL}')",
        )
        for verb in ("UPDATE", "DELETE")
    ),
    # INSERT OR REPLACE removes the row in its way without firing the trigger on DELETE. The
    # message names the constraint: an append must tell a repeat from a conflict.
    sqlite_trigger(
        TABLE,
        "eventstore_no_replace",
        "BEFORE INSERT",
        f"SELECT CASE WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE event_id = NEW.event_id) "
        f"THEN RAISE(ABORT, '{EVENT_ID_CONSTRAINT}: this event is stored already') "
        f"WHEN EXISTS (SELECT 1 FROM {TABLE} "
        "WHERE stream_id = NEW.stream_id AND version = NEW.version) "
        f"THEN RAISE(ABORT, '{VERSION_CONSTRAINT}: this version is stored already') "
        f"WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE position = NEW.position) "
        f"THEN RAISE(ABORT, '{_REFUSAL}') END",
    ),
    # One that names its position comes behind the last, or readers have passed it. Only here is
    # the number known that was drawn for one that does not.
    sqlite_trigger(
        TABLE,
        "eventstore_in_order",
        "AFTER INSERT",
        "SELECT RAISE(ABORT, 'eventstore: events are stored behind the last one') "
        f"WHERE NEW.position < max(1, (SELECT max(position) FROM {TABLE}))",
    ),
]
_APPEND_ONLY = postgresql_trigger(
    TABLE, "eventstore_append_only", "DELETE OR UPDATE OR TRUNCATE", refusal(_REFUSAL)
)
_SEQUENCE = f"pg_get_serial_sequence('{TABLE}', 'position')"
_POSITIONS = [
    # Django makes it BY DEFAULT, which lets an INSERT bring a number that readers have passed.
    Guard(
        table=TABLE,
        name="identity of position",
        definition="ALWAYS",
        make=[f"ALTER TABLE {TABLE} ALTER COLUMN position SET GENERATED ALWAYS"],
    ),
    # A session that keeps numbers in store uses them when readers have passed them.
    Guard(
        table=TABLE,
        name="cache of position",
        definition="1",
        make=[f"ALTER TABLE {TABLE} ALTER COLUMN position SET CACHE 1"],
    ),
    # Readers have passed whatever is lower than the last.
    Guard(
        table=TABLE,
        name="order of position",
        definition="1, no cycle",
        make=[f"ALTER TABLE {TABLE} ALTER COLUMN position SET INCREMENT 1 SET NO CYCLE"],
    ),
    # Behind it after a restore of rows alone, on what was a logical replica, and after `setval`.
    Guard(
        table=TABLE,
        name="sequence past the newest position",
        definition="past",
        make=[
            # Waits for transactions whose numbers cannot be seen yet.
            f"LOCK TABLE {TABLE} IN SHARE ROW EXCLUSIVE MODE",
            (
                f"SELECT setval({_SEQUENCE}, greatest((SELECT max(position) FROM {TABLE}), "
                f"pg_sequence_last_value({_SEQUENCE})))"
            ),
        ],
    ),
]
_TABLES = (TABLE, *key_guards.TABLES)
_CATALOGUE = {
    "sqlite": f"""
        SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name IN {_TABLES}""",
    "postgresql": f"""
        SELECT tgname, concat_ws(' ', pg_get_triggerdef(pg_trigger.oid, true),
            CASE tgenabled WHEN 'A' THEN 'ALWAYS' END, prosrc)
        FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE tgrelid IN ({", ".join(f"to_regclass('{table}')" for table in _TABLES)})
            AND NOT tgisinternal
        UNION ALL
        SELECT 'identity of position', CASE attidentity WHEN 'a' THEN 'ALWAYS' ELSE '' END
        FROM pg_attribute WHERE attrelid = to_regclass('{TABLE}') AND attname = 'position'
        UNION ALL
        SELECT 'cache of position', seqcache::text FROM pg_sequence
        WHERE seqrelid = {_SEQUENCE}::regclass
        UNION ALL
        SELECT 'order of position', seqincrement || CASE WHEN seqcycle THEN ', cycle'
            ELSE ', no cycle' END FROM pg_sequence
        WHERE seqrelid = {_SEQUENCE}::regclass
        UNION ALL
        SELECT 'sequence past the newest position', CASE
            WHEN (SELECT max(position) FROM {TABLE}) > coalesce(pg_sequence_last_value(seqrelid), 0)
            THEN 'behind' ELSE 'past' END
        FROM pg_sequence
        WHERE seqrelid = {_SEQUENCE}::regclass""",
}


def ensure_triggers(connection: BaseDatabaseWrapper) -> list[str]:
    """Make every guard that is missing or different, and name those.

    Nothing is touched where all is in place. Raises ImproperlyConfigured for a database that is
    neither SQLite nor PostgreSQL.
    """
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        missing = missing_guards(connection)
        for guard in missing:
            for statement in guard.make:
                cursor.execute(statement)
    return [guard.name for guard in missing]


def missing_guards(connection: BaseDatabaseWrapper) -> list[Guard]:
    """What is missing or different, one that does not always fire included.

    Empty where there is no table yet. Raises as `ensure_triggers` does.
    """
    driver_of(connection)
    tables = connection.introspection.table_names()
    if TABLE not in tables:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_CATALOGUE[connection.vendor])
        found = dict(cursor.fetchall())
    guards = _triggers(connection)
    if connection.vendor == "postgresql":
        guards = [*guards, *_POSITIONS]
    if not set(key_guards.TABLES) <= set(tables):
        # An older migration was asked for.
        guards = [guard for guard in guards if guard.table == TABLE]
    return [guard for guard in guards if found.get(guard.name) != guard.definition]


def drop_triggers(connection: BaseDatabaseWrapper) -> None:
    """For a test database that is to be emptied."""
    _drop(connection, _triggers(connection))


def drop_key_triggers(connection: BaseDatabaseWrapper) -> None:
    """For a migration that takes away what they look into."""
    _drop(connection, [guard for guard in _triggers(connection) if guard.table != TABLE])


def _drop(connection: BaseDatabaseWrapper, guards: Sequence[Guard]) -> None:
    with connection.cursor() as cursor:
        for guard in guards:
            on_table = "" if connection.vendor == "sqlite" else f" ON {guard.table}"
            cursor.execute(f"DROP TRIGGER IF EXISTS {guard.name}{on_table}")


def _triggers(connection: BaseDatabaseWrapper) -> list[Guard]:
    if connection.vendor == "sqlite":
        return [*_SQLITE, *key_guards.SQLITE]
    with connection.cursor() as cursor:
        # With its schema: a session may look for tables elsewhere, as a restore does.
        cursor.execute(
            f"SELECT format('%I.%I', relnamespace::regnamespace, relname), {_SEQUENCE}, "
            f"format('%I.%I', relnamespace::regnamespace, '{key_guards.CHECK_TABLE}') "
            f"FROM pg_class WHERE oid = to_regclass('{TABLE}')"
        )
        table, sequence, check_table = cursor.fetchone()
    return [
        _APPEND_ONLY,
        postgresql_trigger(TABLE, "eventstore_settled", "INSERT", lock_body(table, sequence)),
        *key_guards.postgresql(check_table),
    ]
