"""The database that the tests run on, as processes of their own and clean-ups need it."""

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


def empty_database(alias: str = DEFAULT_DB_ALIAS) -> None:
    """Django's flush, past the triggers that forbid it.

    The signal that the flush sends brings triggers, permissions and groups back.
    """
    with transaction.atomic(using=alias):
        drop_triggers(connections[alias])
        call_command("flush", verbosity=0, interactive=False, database=alias, reset_sequences=False)
