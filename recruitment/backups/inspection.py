"""Looks into an SQLite file: whether it is whole, whose it is, and where its log ends."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

from django.db.migrations.loader import MigrationLoader

from eventstore.models import LogIdentity, StorageEvent

OURS = ("eventstore", "candidates", "recruitment")
"""Apps that have left migrations in every database of this project."""
BESIDE = ("-wal", "-shm", "-journal")
"""What SQLite puts beside a database that somebody has open, or had when the power went."""
PAGES = 2_000
"""Copied before it is asked again whether to go on: 8 MB."""
STEPS = 1_000_000
"""Of SQLite's machine, a fraction of a second, before it is asked again."""
_LOG = StorageEvent._meta.db_table
_IDENTITY = LogIdentity._meta.db_table
_REASONS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_NOTADB": "it is not a database",
    "SQLITE_BUSY": "another process has it locked",
    "SQLITE_READONLY": "it cannot be written",
    "SQLITE_CANTOPEN": "it cannot be opened",
    "SQLITE_CORRUPT": "it is damaged",
    "SQLITE_INTERRUPT": "it was stopped",
}


class Refused(Exception):
    """Nothing was written, or what was written is gone again. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class LogEnd:
    """The newest event that a database holds, and how many there are."""

    events: int = 0
    position: int = 0
    hash: str = ""
    log_id: str = ""
    """Empty where none was minted yet."""

    def __str__(self) -> str:
        if not self.events:
            return "no events"
        of = f" of log {self.log_id}" if self.log_id else ""
        return f"{self.events} events up to position {self.position}{of}"


@contextmanager
def told(doing: str) -> Iterator[None]:
    """Raises Refused for what SQLite or the file system refuses."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", None) or ""
        reason = _REASONS.get("_".join(code.split("_")[:2]), str(error))
        raise Refused(f"{doing} failed: {reason}.") from error
    except OSError as error:
        raise Refused(f"{doing} failed: {error.strerror or error}.") from error


def file_of(name: object) -> Path:
    """Where a database is whose name Django has. Raises Refused for one that is in memory."""
    text = os.fspath(name) if isinstance(name, str | os.PathLike) else ""
    if not text or text.startswith((":", "file:")):
        raise Refused("DATABASE_URL names a database in memory, which is in no file.")
    return Path(text)


def printed(name: str) -> str:
    """A file's name whose bytes are no UTF-8 as well."""
    return os.fsencode(name).decode(errors="backslashreplace")


def interruptible(connection: sqlite3.Connection, stopped: Callable[[], bool]) -> None:
    """Have its statements end where somebody has stopped the command."""
    connection.set_progress_handler(stopped, STEPS)


def copied(
    source: sqlite3.Connection, target: sqlite3.Connection, stopped: Callable[[], bool]
) -> None:
    """Copy every page in one transaction of the target. Raises Refused where it was stopped."""

    def go_on(_: int, remaining: int, __: int) -> None:
        # With the last page it was committed.
        if remaining and stopped():
            raise Refused("It was stopped, and nothing is left of it.")

    source.backup(target, pages=PAGES, progress=go_on)


def at_rest(path: Path) -> sqlite3.Connection:
    """A file that nobody has open: it is read and nothing is put beside it.

    Raises Refused for one that somebody has open, or that was copied from under somebody.
    """
    with told(f"Reading {path}"):
        if not path.exists():
            raise Refused(f"There is no {path}.")
        if not path.is_file():
            raise Refused(f"{path} is no file.")
    for suffix in BESIDE:
        if os.path.lexists(f"{path}{suffix}"):
            raise Refused(
                f"{path}{suffix} stands beside {path}: that is a database in use, or a bare copy "
                f'of one. `sqlite3 {path} ".backup COPY"` makes a whole file of the two.'
            )
    with told(f"Reading {path}"):
        connection = sqlite3.connect(
            f"file:{quote(os.fsencode(path.absolute()))}?immutable=1",
            uri=True,
            isolation_level=None,
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.Error:
            connection.close()
            raise
    return connection


def check_whole(connection: sqlite3.Connection, name: str) -> None:
    """Raises Refused where a page, an index or a constraint is not as SQLite left it."""
    with told(f"Reading {name}"):
        found = [text for (text,) in connection.execute("PRAGMA integrity_check(3)")]
    if found != ["ok"]:
        raise Refused(f"{name} is damaged: {'; '.join(' '.join(text.split()) for text in found)}.")


def check_ours(connection: sqlite3.Connection, name: str) -> None:
    """Raises Refused for a database of another project."""
    migrated = {app for app, _ in _migrations(connection)}
    if missing := [app for app in OURS if app not in migrated]:
        raise Refused(
            f"{name} is no database of this project: it has nothing of {', '.join(missing)}."
        )


def check_not_newer(connection: sqlite3.Connection, name: str) -> None:
    """Raises Refused for one with migrations that this code does not have."""
    known = MigrationLoader(None).disk_migrations
    newer = sorted(one for one in _migrations(connection) if one[0] in OURS and one not in known)
    if newer:
        named = ", ".join(".".join(one) for one in newer)
        raise Refused(f"{name} was made by newer code, with {named}: install that code first.")


def log_end(connection: sqlite3.Connection) -> LogEnd:
    """Raises Refused where it cannot be read. Without the log's table there are no events."""
    with told("Reading the log"):
        if not _has(connection, _LOG):
            return LogEnd()
        identity = None
        if _has(connection, _IDENTITY):
            identity = connection.execute(f"SELECT log_id FROM {_IDENTITY}").fetchone()  # noqa: S608
        newest = connection.execute(
            f"SELECT position, lower(hex(hash)) FROM {_LOG} ORDER BY position DESC LIMIT 1"  # noqa: S608
        ).fetchone()
        (events,) = connection.execute(f"SELECT count(*) FROM {_LOG}").fetchone()  # noqa: S608
    log_id = str(UUID(hex=identity[0])) if identity else ""
    position, hash = newest or (0, "")
    return LogEnd(events, position, hash, log_id)


def mark_as_copy(connection: sqlite3.Connection) -> None:
    """Have it belong nowhere: in the file that it was made of, nobody would tell it from that."""
    columns = connection.execute(f"SELECT name FROM pragma_table_info('{_IDENTITY}')")  # noqa: S608
    if ("place",) in columns.fetchall():
        connection.execute(f"UPDATE {_IDENTITY} SET place = 'a backup'")  # noqa: S608


def has_tables(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])


def _migrations(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    if not _has(connection, "django_migrations"):
        return set()
    return set(connection.execute("SELECT app, name FROM django_migrations"))


def _has(connection: sqlite3.Connection, table: str) -> bool:
    named = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(named, [table]).fetchone() is not None
