"""What a database itself refuses, as something that can be looked for and brought about."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """One thing about a table that protects the log."""

    name: str
    table: str
    definition: str
    """As the database's catalogue shows it where all is well."""
    make: Sequence[str]
    """Statements that bring it about, whatever is there."""


def sqlite_trigger(table: str, name: str, moment: str, body: str) -> Guard:
    """`moment` goes before the table's name; `body` may begin behind WHEN, with BEGIN."""
    body = body if body.startswith("WHEN ") else f"BEGIN {body}; END"
    sql = f"CREATE TRIGGER {name} {moment} ON {table} {body}"
    return Guard(
        name=name, table=table, definition=sql, make=[f"DROP TRIGGER IF EXISTS {name}", sql]
    )


def postgresql_trigger(
    table: str, name: str, events: str, body: str, *, each: str = "STATEMENT"
) -> Guard:
    """Once a statement, if not told else: so an upsert is refused before it meets its conflict."""
    # Written as pg_get_triggerdef() writes it.
    trigger = f"TRIGGER {name} BEFORE {events} ON {table} FOR EACH {each} EXECUTE FUNCTION {name}()"
    return Guard(
        name=name,
        table=table,
        definition=f"CREATE {trigger} ALWAYS {body}",
        make=[
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $${body}$$",
            f"CREATE OR REPLACE {trigger}",
            # Also where a restore or a replica has switched ordinary triggers off. Replacing a
            # trigger takes this back.
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}",
        ],
    )


def refusal(message: str) -> str:
    """The body of a trigger on PostgreSQL."""
    return (
        f"BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END"
    )
