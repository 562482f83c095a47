"""What a role that serves may do on PostgreSQL: all that serving takes, and nothing to the log.

A web server that somebody has broken into then adds events, which stay and show, but changes and
removes none, and has no way around the triggers, which only the tables' owner can switch off.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models, transaction
from psycopg import sql

from candidates.models import ImportedRow
from eventstore.models import (
    Checkpoint,
    KeyCheck,
    LogIdentity,
    LogSeal,
    StorageEvent,
    StreamKey,
    WrappedSecret,
)

READ, ADD, CHANGE = "SELECT", "SELECT, INSERT", "SELECT, INSERT, UPDATE"
ALL = "SELECT, INSERT, UPDATE, DELETE"
# The other tables have what is built anew from the log, or what people administer.
_NARROW: Mapping[type[models.Model], str] = {
    StorageEvent: ADD,
    # To begin an epoch, and to say where the log belongs, is the owner's: everybody else rereads.
    LogIdentity: ADD,
    LogSeal: ADD,
    # An import remembers what it took; only after a restore is that forgotten.
    ImportedRow: ADD,
    Checkpoint: CHANGE,
    # Which keys may write is for the owner to say.
    KeyCheck: READ,
    # An erasure empties a key, and both are wrapped anew.
    StreamKey: CHANGE,
    WrappedSecret: CHANGE,
    ContentType: READ,
    Permission: READ,
}
_LOG = StorageEvent._meta.db_table
_FORBIDDEN = ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER")


class RoleUnfit(Exception):
    """The role is not there, or may change the log whatever it is granted here."""


class _Place(NamedTuple):
    """Where the log's table is. Names are quoted where SQL needs it."""

    owner: str
    schema: str
    database: str
    sequence: str


def statements(role: str) -> list[str]:
    """SQL that gives the role these rights, and takes all others on the tables from it.

    To be run again after each migration that makes a table. Raises RoleUnfit.
    """
    place = _place()
    _check(role, place)
    name = _quoted(role)
    return [
        f"REVOKE ALL ON ALL TABLES IN SCHEMA {place.schema} FROM {name}",
        f"REVOKE ALL ON ALL SEQUENCES IN SCHEMA {place.schema} FROM {name}",
        f"REVOKE CREATE ON SCHEMA {place.schema} FROM {name}",
        f"GRANT CONNECT ON DATABASE {place.database} TO {name}",
        f"GRANT USAGE ON SCHEMA {place.schema} TO {name}",
        *(
            f"GRANT {rights} ON {place.schema}.{_quoted(table)} TO {name}"
            for table, rights in sorted(_tables())
        ),
        # Every append and every reader looks at it. To draw numbers needs no right to it.
        f"GRANT SELECT ON SEQUENCE {place.sequence} TO {name}",
    ]


def apply(role: str) -> int:
    """Runs the statements in one transaction; returns how many tables the role has rights on.

    Raises RoleUnfit, and leaves all as it was, also where the role may change the log even so: as
    a member of another role, or as everybody may.
    """
    schema = _place().schema
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in statements(role):
            cursor.execute(statement)
        for right in _FORBIDDEN:
            cursor.execute("SELECT has_table_privilege(%s, %s, %s)", [role, _LOG, right])
            if cursor.fetchone()[0]:
                raise RoleUnfit(
                    f"{role} has {right} on {_LOG} also from elsewhere, such as PUBLIC or a role "
                    "that it is a member of. Revoke it there first."
                )
        cursor.execute(
            f"SELECT has_schema_privilege(%s, '{schema}'::regnamespace, 'CREATE')", [role]
        )
        if cursor.fetchone()[0]:
            raise RoleUnfit(
                f"{role} may make tables in the schema {schema} as everybody may. Run `REVOKE "
                f"CREATE ON SCHEMA {schema} FROM PUBLIC` as the schema's owner first."
            )
    return len(list(_tables()))


def _place() -> _Place:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relowner::regrole::text, relnamespace::regnamespace::text, "
            "quote_ident(current_database()), pg_get_serial_sequence(%s, 'position') "
            "FROM pg_class WHERE oid = %s::regclass",
            [_LOG, _LOG],
        )
        return _Place(*cursor.fetchone())


def _check(role: str, place: _Place) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_has_role(oid, %s::regrole, 'MEMBER') FROM pg_roles WHERE rolname = %s",
            [place.owner, role],
        )
        found = cursor.fetchone()
    if found is None:
        raise RoleUnfit(
            f"There is no role {role!r}: make it first, by CREATE ROLE … LOGIN PASSWORD '…'."
        )
    if found[0]:
        raise RoleUnfit(
            f"{role} may do all that {place.owner} may, who owns the tables: whatever is granted, "
            "it could change the log. Name a role of its own."
        )


def _tables() -> Iterator[tuple[str, str]]:
    """Those of this code that are there, with the rights on each."""
    there = set(connection.introspection.table_names())
    yield "django_migrations", READ
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table in there and not model._meta.proxy:
            yield model._meta.db_table, _NARROW.get(model, ALL)


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string()
