"""Append-only in the database itself: what no code of ours, and no SQL prompt, can get around."""

from dataclasses import dataclass

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.infrastructure.driver import TABLE, driver_of
from eventstore.models import EVENT_ID_CONSTRAINT, VERSION_CONSTRAINT

_REFUSAL = "eventstore: stored events are never changed or removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    name: str
    sql: str
    """As SQLite keeps it; on PostgreSQL the body of the trigger's function."""
    events: str = ""
    """What fires it, on PostgreSQL only."""


_SQLITE = [
    *(
        Trigger(
            name=f"eventstore_no_{verb.lower()}",
            sql=f"CREATE TRIGGER eventstore_no_{verb.lower()} BEFORE {verb} ON {TABLE} "
            f"BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END",
        )
        for verb in ("UPDATE", "DELETE")
    ),
    # INSERT OR REPLACE removes the row in its way without firing the trigger on DELETE. The
    # message names the constraint: an append must tell a repeat from a conflict.
    Trigger(
        name="eventstore_no_replace",
        sql=f"CREATE TRIGGER eventstore_no_replace BEFORE INSERT ON {TABLE} BEGIN SELECT CASE "
        f"WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE event_id = NEW.event_id) "
        f"THEN RAISE(ABORT, '{EVENT_ID_CONSTRAINT}: this event is stored already') "
        f"WHEN EXISTS (SELECT 1 FROM {TABLE} "
        "WHERE stream_id = NEW.stream_id AND version = NEW.version) "
        f"THEN RAISE(ABORT, '{VERSION_CONSTRAINT}: this version is stored already') "
        f"WHEN EXISTS (SELECT 1 FROM {TABLE} WHERE position = NEW.position) "
        f"THEN RAISE(ABORT, '{_REFUSAL}') END; END",
    ),
]
_POSTGRESQL = [
    # Once a statement, not once a row: so an upsert is refused before it meets its conflict.
    Trigger(
        name="eventstore_append_only",
        events="BEFORE UPDATE OR DELETE OR TRUNCATE",
        sql=f"BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; "
        "END",
    ),
]


def ensure_triggers(connection: BaseDatabaseWrapper) -> list[str]:
    """Make every trigger that is missing or different, and name those.

    Nothing is touched where all is in place. Raises ImproperlyConfigured for a database that is
    neither SQLite nor PostgreSQL.
    """
    driver_of(connection)
    if TABLE not in connection.introspection.table_names():
        return []
    triggers = _SQLITE if connection.vendor == "sqlite" else _POSTGRESQL
    with transaction.atomic(using=connection.alias):
        stored = _stored(connection)
        wanting = [trigger for trigger in triggers if stored.get(trigger.name) != trigger.sql]
        for trigger in wanting:
            _create(connection, trigger)
    return [trigger.name for trigger in wanting]


def drop_triggers(connection: BaseDatabaseWrapper) -> None:
    """For a test database that is to be emptied."""
    on_table = "" if connection.vendor == "sqlite" else f" ON {TABLE}"
    with connection.cursor() as cursor:
        for name in _stored(connection):
            cursor.execute(f"DROP TRIGGER {name}{on_table}")


def _stored(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """By name; one that does not fire always counts as missing."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
                [TABLE],
            )
        else:
            cursor.execute(
                "SELECT tgname, CASE tgenabled WHEN 'A' THEN prosrc ELSE '' END FROM pg_trigger "
                "JOIN pg_proc ON pg_proc.oid = tgfoid "
                "WHERE tgrelid = to_regclass(%s) AND NOT tgisinternal",
                [TABLE],
            )
        return dict(cursor.fetchall())


def _create(connection: BaseDatabaseWrapper, trigger: Trigger) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"DROP TRIGGER IF EXISTS {trigger.name}")
            cursor.execute(trigger.sql)
            return
        cursor.execute(
            f"CREATE OR REPLACE FUNCTION {trigger.name}() RETURNS trigger LANGUAGE plpgsql "
            f"AS $body${trigger.sql}$body$"
        )
        cursor.execute(
            f"CREATE OR REPLACE TRIGGER {trigger.name} {trigger.events} ON {TABLE} "
            f"FOR EACH STATEMENT EXECUTE FUNCTION {trigger.name}()"
        )
        # ALWAYS: also where a restore or a replica has switched ordinary triggers off.
        cursor.execute(f"ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER {trigger.name}")
