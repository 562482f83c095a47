"""Copies an SQLite database while others write to it, and looks at the copy before it is one."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from recruitment.backups.inspection import (
    BESIDE,
    LogEnd,
    Refused,
    check_ours,
    check_whole,
    copied,
    interruptible,
    log_end,
    mark_as_copy,
    told,
)

PATIENCE = 20
"""Seconds to wait for a lock."""


def back_up(
    database: Path, file: Path, *, replace: bool, stopped: Callable[[], bool] = lambda: False
) -> LogEnd:
    """Put a copy of the database, as it is at this moment, at `file`; only its owner may read it.

    It appears whole, or not at all: a run that is killed leaves nothing but a file `.part`. Raises
    Refused, also where `file` is there and is not to be replaced.
    """
    with told(f"Writing {file}"):
        _check_place(database, file, replace=replace)
    with told(f"Writing {file}"), _part_of(file) as part:
        end = _copy(database, part, stopped)
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            # One file, which needs nothing beside it and nobody's leave to write there.
            copy.execute("PRAGMA journal_mode=DELETE")
            mark_as_copy(copy)
            interruptible(copy, stopped)
            check_whole(copy, f"The copy of {database}")
            if (found := log_end(copy)) != end:
                raise Refused(f"The copy has {found}, and {database} has {end}.")
        _sync(part)
        _put(part, file, replace=replace)
        _sync(file.parent)
    return end


def _check_place(database: Path, file: Path, *, replace: bool) -> None:
    folder = file.parent
    if not folder.is_dir():
        raise Refused(f"There is no folder {folder}.")
    if file.is_dir():
        raise Refused(f"{file} is a folder: name a file in it.")
    if not database.exists():
        raise Refused(f"There is no database {database}, which DATABASE_URL names.")
    if file.exists() and file.samefile(database):
        raise Refused(f"{file} is the database itself.")
    if os.path.lexists(file):
        if not replace:
            raise Refused(f"{file} is there already: name another file, or say --replace.")
        if not file.is_file():
            raise Refused(f"{file} is no file, and is not replaced.")
    for suffix in BESIDE:
        if os.path.lexists(f"{file}{suffix}"):
            raise Refused(f"{file}{suffix} is there: SQLite would take it for part of the backup.")


def _copy(database: Path, part: Path, stopped: Callable[[], bool]) -> LogEnd:
    with (
        closing(_opened(database)) as source,
        closing(sqlite3.connect(part, isolation_level=None)) as target,
    ):
        # Of a copy that is not finished nothing is kept.
        target.execute("PRAGMA journal_mode=OFF")
        target.execute("PRAGMA synchronous=OFF")
        # What others commit from here on is not seen, so the copying never begins anew.
        with told(f"Reading {database}"):
            source.execute("BEGIN")
            check_ours(source, str(database))
            end = log_end(source)
            (needed,) = source.execute(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            ).fetchone()
        free = shutil.disk_usage(part.parent).free
        if free < needed:
            raise Refused(f"The backup takes {needed} bytes, and {part.parent} has {free} left.")
        copied(source, target, stopped)
    return end


def _opened(database: Path) -> sqlite3.Connection:
    # Never made where there is none.
    address = f"file:{quote(os.fsencode(database.absolute()))}?mode=rw"
    return sqlite3.connect(address, uri=True, timeout=PATIENCE, isolation_level=None)


@contextmanager
def _part_of(file: Path) -> Iterator[Path]:
    """A file of its owner's beside the one that it is to become. It is gone at the end."""
    descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".part", dir=file.parent)
    os.close(descriptor)
    try:
        # The umask may have taken bits away.
        os.chmod(name, 0o600)
        yield Path(name)
    finally:
        for suffix in ("", *BESIDE):
            with suppress(FileNotFoundError):
                os.unlink(f"{name}{suffix}")


def _put(part: Path, file: Path, *, replace: bool) -> None:
    if replace:
        os.replace(part, file)
        return
    try:
        # Unlike a renaming it refuses where somebody was faster.
        os.link(part, file)
    except FileExistsError:
        raise Refused(f"{file} has appeared meanwhile: name another file.") from None
    except OSError:
        # A file system without links.
        if os.path.lexists(file):
            raise Refused(f"{file} has appeared meanwhile: name another file.") from None
        os.rename(part, file)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
