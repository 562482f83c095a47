"""The database that the tests run on, as processes of their own and clean-ups need it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction

from eventstore.infrastructure.triggers import drop_triggers


def database_url(name: str | None = None) -> str:
    """Of the test database, or of another one beside it, for the environment of a process."""
    settings = connection.settings_dict
    database = quote(str(name or settings["NAME"]))
    if connection.vendor == "sqlite":
        return f"sqlite:///{database}"
    login = f"{settings['USER']}:{quote(settings['PASSWORD'])}"
    return f"postgres://{login}@{settings['HOST']}:{settings['PORT']}/{database}"


@contextmanager
def moved_to(path: Path) -> Iterator[Path]:
    """On SQLite this process works on a copy of the test database there, within the block.

    Its positions begin with 1, as long as the log is empty.
    """
    test_database = connection.settings_dict["NAME"]
    connection.ensure_connection()
    with closing(sqlite3.connect(path)) as copy:
        connection.connection.backup(copy)
        copy.execute("DELETE FROM sqlite_sequence")
        copy.commit()
    connection.close()
    connection.settings_dict["NAME"] = str(path)
    try:
        yield path
    finally:
        connection.close()
        connection.settings_dict["NAME"] = test_database


def empty_database(alias: str = DEFAULT_DB_ALIAS) -> None:
    """Django's flush, past the triggers that forbid it.

    The signal that the flush sends brings triggers, permissions and groups back.
    """
    with transaction.atomic(using=alias):
        drop_triggers(connections[alias])
        call_command("flush", verbosity=0, interactive=False, database=alias, reset_sequences=False)
