"""Mistakes that keep a process from starting, each told in one line and not by a traceback.

Used by manage.py and by the modules that servers import. `recruitment.settings` says what is wrong
with a setting; what is wrong with the database is put into words here.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.core.management.base import CommandParser, handle_default_options
from django.db import Error, OperationalError, ProgrammingError, connection, connections
from django.db.migrations.executor import MigrationExecutor

from eventstore.domain.exceptions import KeyFault
from recruitment.demo import environment

OURS = ("candidates", "eventstore", "recruitment", "tests")
LAST_PORT = 65_535
FAILED = 1
PATIENCE = 10
"""Seconds that a web process waits at its start for the database to say what it holds."""
_INSUFFICIENT_PRIVILEGE = "42501"
NOT_BOOTED = 3
"""Tells gunicorn that a worker cannot start, and that starting it again would not help."""


def run_command(argv: Sequence[str]) -> None:
    """Runs a command of `manage.py`. `--traceback` shows what an error's line leaves out."""
    with told_in_one_line(traceback="--traceback" in argv):
        if argv[1:2] == ["demo"]:
            environment.prepare()
        if argv[1:2] == ["new_key"]:
            # There is no key yet that the settings could have.
            from recruitment.management.commands import new_key

            new_key.Command().run_from_argv(list(argv))
            return
        if argv[1:2] == ["runserver"]:
            _check_development_server(argv[2:])
        execute_from_command_line(list(argv))


@contextmanager
def told_in_one_line(*, code: int = FAILED, traceback: bool = False) -> Iterator[None]:
    """Ends the process with this exit code, and one line on stderr, where the block fails.

    Only for a setting that will not do, a key that may not write, and for what the database says;
    whatever else is raised is a mistake of the code, and passes through.
    """
    try:
        yield
    except (ImproperlyConfigured, Error, KeyFault, ModuleNotFoundError) as error:
        if traceback or (isinstance(error, ModuleNotFoundError) and _ours(error.name)):
            raise
        sys.stderr.write(f"Error: {_told(error)}\n")
        raise SystemExit(code) from error


def say_what_keys_lack() -> None:
    """For a web process that starts: in its log, and it serves all the same.

    In a thread, whose connection ends with it: a server may fork, or import this in a loop.
    """
    from eventstore import wiring

    def say() -> None:
        try:
            wiring.log_key_troubles()
        finally:
            connections.close_all()

    thread = Thread(target=say, daemon=True)
    thread.start()
    thread.join(PATIENCE)


def _told(error: Exception) -> str:
    match error:
        case Error():
            return _of_database(error)
        case ModuleNotFoundError(name=name) if name == _settings_module().partition(".")[0]:
            return f"{error}, which DJANGO_SETTINGS_MODULE or --settings names."
        case ModuleNotFoundError():
            return f"{error}: install what requirements.txt lists."
    return " ".join(str(error).split())


def _settings_module() -> str:
    return os.environ.get("DJANGO_SETTINGS_MODULE", "")


def _ours(module: str | None) -> bool:
    return module is None or module.partition(".")[0] in OURS


def _check_development_server(arguments: Sequence[str]) -> None:
    """Before its autoreloader, which shows a failure as a traceback and waits for other code."""
    parser = CommandParser(add_help=False, allow_abbrev=False)
    parser.add_argument("address", nargs="?", default="")
    parser.add_argument("--settings")
    parser.add_argument("--pythonpath")
    known, _ = parser.parse_known_args(arguments)
    handle_default_options(known)
    port = known.address.rpartition(":")[2]
    if port.isdecimal() and int(port) > LAST_PORT:
        raise ImproperlyConfigured(f"There is no port {port}: they end with {LAST_PORT}.")
    connection.ensure_connection()


def _of_database(error: Error) -> str:
    # Only the first line is used: the lines after it may quote personal data.
    reason = str(error).strip().partition("\n")[0].rstrip(".:, ")
    if isinstance(error, OperationalError | ProgrammingError) and (unapplied := _unapplied()):
        return (
            f"The database lacks {unapplied} migrations of this version ({reason}): "
            "run `manage.py migrate` first."
        )
    if getattr(error.__cause__, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE:
        return (
            f"The role that DATABASE_URL names may not do this ({reason}): the tables' owner may."
        )
    if connection.vendor == "sqlite":
        return f"The database {connection.settings_dict['NAME']} refused: {reason}."
    if isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", None) is None:
        return f"The database cannot be reached: {reason}."
    return f"The database refused: {reason}."


def _unapplied() -> int:
    """How many migrations the database lacks; 0 where it cannot be asked."""
    try:
        # The statement that failed may have left its transaction open.
        connection.close()
        executor = MigrationExecutor(connection)
        return len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except Error:
        return 0
