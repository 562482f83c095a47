"""Puts a backup in the place of an SQLite database: in one transaction, while nobody else uses it.

The file stays the same one, with its inode and its mode. Killed at any moment, it holds what it
held before, or the backup.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from eventstore.infrastructure.private_files import PrivateConnection
from recruitment.backups.inspection import (
    BESIDE,
    LogEnd,
    Refused,
    at_rest,
    check_not_newer,
    check_ours,
    check_whole,
    copied,
    has_tables,
    interruptible,
    log_end,
    mark_as_copy,
    told,
)

PATIENCE = 2
"""Seconds to wait for somebody who is just leaving."""


@dataclass(frozen=True, slots=True)
class Restored:
    end: LogEnd
    replaced: str
    """What the database held before, in words; empty where it held nothing."""


def restore(
    file: Path, database: Path, *, replace: bool, stopped: Callable[[], bool] = lambda: False
) -> Restored:
    """Raises Refused; the database is then as it was.

    Refused are a file that is not a whole backup of this project, a database that anybody else has
    open, and one that holds anything and is not to be replaced.
    """
    with told(f"Reading {file}"):
        if database.exists() and file.exists() and file.samefile(database):
            raise Refused(f"{file} is the database itself.")
    with closing(at_rest(file)) as backup:
        interruptible(backup, stopped)
        check_ours(backup, str(file))
        check_not_newer(backup, str(file))
        check_whole(backup, str(file))
        end = log_end(backup)
        if not database.parent.is_dir():
            raise Refused(f"There is no folder {database.parent}, where DATABASE_URL has it.")
        with _taken(database) as target:
            before = _held(target)
            if before and not replace:
                raise Refused(
                    f"{database} holds {before}; {file} has {end}. Back up what is there, if it "
                    "can be read, and say --replace."
                )
            with told(f"Writing {database}"):
                _check_pages(backup, target, file, database)
                copied(backup, target, stopped)
                mark_as_copy(target)
                target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            check_whole(target, str(database))
            if (found := log_end(target)) != end:
                raise Refused(f"{database} has {found} now, and {file} has {end}.")
    return Restored(end, before)


@contextmanager
def _taken(database: Path) -> Iterator[sqlite3.Connection]:
    """The database, which nobody else can open meanwhile. Made where there is none."""
    made = not os.path.lexists(database)
    with told(f"Opening {database}"):
        target = sqlite3.connect(
            database, timeout=PATIENCE, isolation_level=None, factory=PrivateConnection
        )
    with _gone_if_failed(database) if made else nullcontext(), closing(target):
        try:
            # Whoever has it open keeps a shared lock on it, also while idle.
            target.execute("PRAGMA locking_mode=EXCLUSIVE")
            target.execute("BEGIN EXCLUSIVE")
            target.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise Refused(f"Opening {database} failed: {error}.") from error
            raise Refused(
                f"{database} is in use{_users(database)}: stop every process that works on it."
            ) from error
        except sqlite3.DatabaseError as error:
            raise Refused(
                f"{database} is damaged, or no database ({error}). Move it away, with what stands "
                "beside it (-wal, -shm), and restore again."
            ) from error
        yield target


@contextmanager
def _gone_if_failed(database: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for suffix in ("", *BESIDE):
            with suppress(FileNotFoundError):
                os.unlink(f"{database}{suffix}")
        raise


def _held(target: sqlite3.Connection) -> str:
    """In words; empty where it holds nothing."""
    try:
        return str(log_end(target)) if has_tables(target) else ""
    except (Refused, sqlite3.DatabaseError):
        return "what cannot be read"


def _check_pages(
    backup: sqlite3.Connection, target: sqlite3.Connection, file: Path, database: Path
) -> None:
    theirs, ours = (one.execute("PRAGMA page_size").fetchone()[0] for one in (backup, target))
    # Of a database that is new it may still be chosen.
    if theirs != ours and target.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        raise Refused(
            f"{file} has pages of {theirs} bytes, and {database} of {ours}: move the database "
            "away, with what stands beside it, and restore again."
        )


def _users(database: Path) -> str:
    """Processes that have it open, where the system says so; those of others it shows to root."""
    path, found = os.path.realpath(database), []
    for folder in sorted(Path("/proc").glob("[0-9]*")):
        try:
            if folder.name != str(os.getpid()) and any(
                os.path.realpath(one) == path for one in (folder / "fd").iterdir()
            ):
                words = (folder / "cmdline").read_text(errors="replace").replace("\0", " ").split()
                found.append(f"{folder.name} ({' '.join(words)[:60]})")
        except OSError:
            # It has ended meanwhile, or is somebody else's.
            continue
    return f" by process {', '.join(found)}" if found else ""
