"""Files that nobody but their owner can read, whatever the umask."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OWNER_ONLY = 0o600
_BESIDE = ("", "-wal", "-shm", "-journal")


class PrivateConnection(sqlite3.Connection):
    """The `factory` of a connection that makes its file with mode 600, if there is none.

    SQLite gives -wal, -shm and -journal the mode of the database. A file that is there keeps its
    mode: somebody may have meant it.
    """

    def __init__(self, database: Any, *args: Any, **kwargs: Any) -> None:
        name = os.fsdecode(database)
        if name and not name.startswith((":", "file:")):
            try:
                make(name)
            except OSError as error:
                told = sqlite3.OperationalError(f"unable to open database file: {error.strerror}")
                told.sqlite_errorcode = sqlite3.SQLITE_CANTOPEN
                raise told from error
        super().__init__(database, *args, **kwargs)


def make(path: str | Path) -> None:
    """Makes an empty file that its owner can read and write. Leaves one that is there alone."""
    # A link may lead to where nothing is yet.
    path = os.path.realpath(path)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
    except FileExistsError:
        return
    # The umask has taken bits away.
    os.chmod(path, OWNER_ONLY)


def close_to_others(path: str | Path) -> None:
    """Makes the file, or takes everybody else's rights to it and to what SQLite puts beside it."""
    make(path)
    for found, _ in open_to_others(path):
        os.chmod(found, OWNER_ONLY)


def open_to_others(path: str | Path) -> Iterator[tuple[Path, int]]:
    """Yields which files of this database others than their owner have rights to, and the mode."""
    if os.name == "nt":
        return
    for suffix in _BESIDE:
        file = Path(f"{path}{suffix}")
        if file.is_file() and (mode := stat.S_IMODE(file.stat().st_mode)) & 0o077:
            yield file, mode
