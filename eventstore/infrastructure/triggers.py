"""Append-only in the database itself: what no code of ours, and no SQL prompt, can get around.

The triggers, and on PostgreSQL how positions are drawn, which reading the log rests on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.infrastructure.driver import TABLE, driver_of
from eventstore.infrastructure.log import lock_body
from eventstore.models import EVENT_ID_CONSTRAINT, VERSION_CONSTRAINT

_REFUSAL = "eventstore: stored events are never changed or removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One thing about the table that protects the log."""

    name: str
    definition: str
    """As the database's catalogue shows it where all is well."""
    make: Sequence[str]
    """Statements that bring it about, whatever is there."""


def _sqlite_trigger(name: str, moment: str, body: str) -> Guard:
    sql = f"CREATE TRIGGER {name} {moment} ON {TABLE} BEGIN {body}; END"
    return Guard(name=name, definition=sql, make=[f"DROP TRIGGER IF EXISTS {name}", sql])


def _postgresql_trigger(name: str, events: str, body: str) -> Guard:
    """Once a statement, not once a row: so an upsert is refused before it meets its conflict."""
    # Written as pg_get_triggerdef() writes it.
    trigger = (
        f"TRIGGER {name} BEFORE {events} ON {TABLE} FOR EACH STATEMENT EXECUTE FUNCTION {name}()"
    )
    return Guard(
        name=name,
        definition=f"CREATE {trigger} ALWAYS {body}",
        make=[
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
            f"CREATE OR REPLACE {trigger}",
            # Also where a restore or a replica has switched ordinary triggers off. Replacing a
            # trigger takes this back.
            f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER {name}",
        ],
    )


_SQLITE = [
    *(
        _sqlite_trigger(
            f"eventstore_no_{verb.lower()}", f"BEFORE {verb}", f"SELECT RAISE(ABORT, '{_REFUSAL}')"
        )
        for verb in ("UPDATE", "DELETE")
    ),
    # INSERT OR REPLACE removes the row in its way without firing the trigger on DELETE. The
    # message names the constraint: an append must tell a repeat from a conflict.
    _sqlite_trigger(
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
    _sqlite_trigger(
        "eventstore_in_order",
        "AFTER INSERT",
        "SELECT RAISE(ABORT, 'eventstore: events are stored behind the last one') "
        f"WHERE NEW.position < max(1, (SELECT max(position) FROM {TABLE}))",
    ),
]
_APPEND_ONLY = _postgresql_trigger(
    "eventstore_append_only",
    "DELETE OR UPDATE OR TRUNCATE",
    f"BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END",
)
_SEQUENCE = f"pg_get_serial_sequence('{TABLE}', 'position')"
_POSITIONS = [
    # Django makes it BY DEFAULT, which lets an INSERT bring a number that readers have passed.
    Guard(
        name="identity of position",
        definition="ALWAYS",
        make=[f"ALTER TABLE {TABLE} ALTER COLUMN position SET GENERATED ALWAYS"],
    ),
    # A session that keeps numbers in store uses them when readers have passed them.
    Guard(
        name="cache of position",
        definition="1",
        make=[f"ALTER TABLE {TABLE} ALTER COLUMN position SET CACHE 1"],
    ),
    # Readers have passed whatever is lower than the last.
    Guard(
        name="order of position",
        definition="1, no cycle",
        make=[f"ALTER TABLE {TABLE} ALTER COLUMN position SET INCREMENT 1 SET NO CYCLE"],
    ),
    # Behind it after a restore of rows alone, on what was a logical replica, and after `setval`.
    Guard(
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
_CATALOGUE = {
    "sqlite": f"""
        SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = '{TABLE}'""",
    "postgresql": f"""
        SELECT tgname, concat_ws(' ', pg_get_triggerdef(pg_trigger.oid, true),
            CASE tgenabled WHEN 'A' THEN 'ALWAYS' END, prosrc)
        FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE tgrelid = to_regclass('{TABLE}') AND NOT tgisinternal
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
    if TABLE not in connection.introspection.table_names():
        return []
    with connection.cursor() as cursor:
        cursor.execute(_CATALOGUE[connection.vendor])
        found = dict(cursor.fetchall())
    guards = _triggers(connection)
    if connection.vendor == "postgresql":
        guards = [*guards, *_POSITIONS]
    return [guard for guard in guards if found.get(guard.name) != guard.definition]


def drop_triggers(connection: BaseDatabaseWrapper) -> None:
    """For a test database that is to be emptied."""
    on_table = "" if connection.vendor == "sqlite" else f" ON {TABLE}"
    with connection.cursor() as cursor:
        for guard in _triggers(connection):
            cursor.execute(f"DROP TRIGGER IF EXISTS {guard.name}{on_table}")


def _triggers(connection: BaseDatabaseWrapper) -> list[Guard]:
    if connection.vendor == "sqlite":
        return _SQLITE
    with connection.cursor() as cursor:
        # With its schema: a session may look for tables elsewhere, as a restore does.
        cursor.execute(
            f"SELECT format('%I.%I', relnamespace::regnamespace, relname), {_SEQUENCE} "
            f"FROM pg_class WHERE oid = to_regclass('{TABLE}')"
        )
        table, sequence = cursor.fetchone()
    return [
        _APPEND_ONLY,
        _postgresql_trigger("eventstore_settled", "INSERT", lock_body(table, sequence)),
    ]
