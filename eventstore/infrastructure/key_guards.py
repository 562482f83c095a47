"""Triggers on the tables of keys: a key that is gone, or exchanged, is somebody's data gone.

A stream's key may be wrapped anew under another wrapping key that was adopted, and it may become a
tombstone; so may a secret, in whose place another may come then. A check value stays as it is.
"""

from eventstore.infrastructure.driver import KEY_TABLE
from eventstore.infrastructure.guards import Guard, postgresql_trigger, refusal, sqlite_trigger
from eventstore.models import KeyCheck, WrappedSecret

CHECK_TABLE = KeyCheck._meta.db_table
SECRET_TABLE = WrappedSecret._meta.db_table
TABLES = (KEY_TABLE, SECRET_TABLE, CHECK_TABLE)
_CHANGED = "eventstore: a wrapped key is only wrapped anew, under a key that was adopted, or erased"
_REMOVED = "eventstore: keys are never removed"
_FIXED = "eventstore: check values are never changed or removed"


def _sqlite(table: str, short: str, identity: str, *, mended: bool) -> list[Guard]:
    adopted = (
        f"EXISTS (SELECT 1 FROM {CHECK_TABLE} "
        "WHERE fingerprint = lower(hex(substr(NEW.wrapped, 1, 4))))"
    )
    rewrapped = (
        "typeof(NEW.wrapped) = 'blob' AND length(NEW.wrapped) = length(OLD.wrapped) "
        f"AND substr(NEW.wrapped, 1, 4) <> substr(OLD.wrapped, 1, 4) AND {adopted}"
    )
    anew = f" OR OLD.wrapped IS NULL AND typeof(NEW.wrapped) = 'blob' AND {adopted}"
    return [
        sqlite_trigger(
            table,
            f"eventstore_{short}_changes",
            "BEFORE UPDATE",
            f"WHEN NOT (NEW.{identity} = OLD.{identity} AND NEW.rowid = OLD.rowid AND ("
            f"OLD.wrapped IS NOT NULL AND (NEW.wrapped IS NULL OR {rewrapped})"
            f"{anew if mended else ''})) "
            f"BEGIN SELECT RAISE(ABORT, '{_CHANGED}'); END",
        ),
        sqlite_trigger(
            table,
            f"eventstore_{short}_kept",
            "BEFORE DELETE",
            f"SELECT RAISE(ABORT, '{_REMOVED}')",
        ),
        _sqlite_no_replace(table, short, identity),
    ]


def _sqlite_no_replace(table: str, short: str, identity: str) -> Guard:
    """INSERT OR REPLACE removes the row in its way without firing the trigger on DELETE."""
    return sqlite_trigger(
        table,
        f"eventstore_{short}_no_replace",
        "BEFORE INSERT",
        f"SELECT RAISE(ABORT, '{table}: there is one already') "
        f"WHERE EXISTS (SELECT 1 FROM {table} WHERE {identity} = NEW.{identity}) "
        f"OR EXISTS (SELECT 1 FROM {table} WHERE rowid = NEW.rowid)",
    )


SQLITE = [
    *_sqlite(KEY_TABLE, "key", "stream_id", mended=False),
    *_sqlite(SECRET_TABLE, "secret", "name", mended=True),
    *(
        sqlite_trigger(
            CHECK_TABLE,
            f"eventstore_check_no_{verb.lower()}",
            f"BEFORE {verb}",
            f"SELECT RAISE(ABORT, '{_FIXED}')",
        )
        for verb in ("UPDATE", "DELETE")
    ),
    _sqlite_no_replace(CHECK_TABLE, "check", "fingerprint"),
]


def postgresql(check_table: str) -> list[Guard]:
    """`check_table` with its schema: a session may look for tables elsewhere, as a restore does."""
    return [
        *_postgresql(KEY_TABLE, "key", "stream_id", check_table, mended=False),
        *_postgresql(SECRET_TABLE, "secret", "name", check_table, mended=True),
        postgresql_trigger(
            CHECK_TABLE, "eventstore_check_fixed", "DELETE OR UPDATE OR TRUNCATE", refusal(_FIXED)
        ),
    ]


def _postgresql(
    table: str, short: str, identity: str, check_table: str, *, mended: bool
) -> list[Guard]:
    adopted = (
        f"EXISTS (SELECT 1 FROM {check_table} "
        "WHERE fingerprint = encode(substring(NEW.wrapped, 1, 4), 'hex'))"
    )
    rewrapped = (
        "length(NEW.wrapped) = length(OLD.wrapped) "
        f"AND substring(NEW.wrapped, 1, 4) <> substring(OLD.wrapped, 1, 4) AND {adopted}"
    )
    anew = f" OR OLD.wrapped IS NULL AND NEW.wrapped IS NOT NULL AND {adopted}"
    return [
        postgresql_trigger(
            table,
            f"eventstore_{short}_changes",
            "UPDATE",
            f"BEGIN IF NEW.{identity} = OLD.{identity} AND ("
            f"OLD.wrapped IS NOT NULL AND (NEW.wrapped IS NULL OR {rewrapped})"
            f"{anew if mended else ''}) THEN RETURN NEW; END IF; "
            f"RAISE EXCEPTION '{_CHANGED}' USING ERRCODE = 'integrity_constraint_violation'; END",
            each="ROW",
        ),
        postgresql_trigger(
            table, f"eventstore_{short}_kept", "DELETE OR TRUNCATE", refusal(_REMOVED)
        ),
    ]
