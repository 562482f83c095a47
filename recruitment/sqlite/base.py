"""Notices that the database file was replaced: a kept connection would go on with the old one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from django.core.files import locks
from django.db.backends.sqlite3 import base

FileId: TypeAlias = tuple[int, int]
"""Device and inode: what stays while a file is moved, and differs when another takes its name."""
LOG, INDEX = "-wal", "-shm"


class DatabaseWrapper(base.DatabaseWrapper):
    """With CONN_HEALTH_CHECKS the first use in a request asks whether the file is still the same.

    Where it is not, the next connection opens the new file. SQLite takes any log that it finds
    beside a database for that database's own, so the replaced one's is removed first.
    """

    _opened: dict[str, FileId | None]

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        opened = super().get_new_connection(conn_params)
        self._opened = {suffix: _file_id(self._path(suffix)) for suffix in ("", LOG, INDEX)}
        return opened

    def is_usable(self) -> bool:
        if self.is_in_memory_db() or _file_id(self._path()) == self._opened[""]:
            return True
        self._remove_log_of_replaced()
        return False

    def _path(self, suffix: str = "") -> Path:
        return Path(f"{self.settings_dict['NAME']}{suffix}")

    def _remove_log_of_replaced(self) -> None:
        """Not a log that came with the new file, or that another process has begun for it."""
        with _alone_in(self._path().parent):
            for suffix in (LOG, INDEX):
                path, opened = self._path(suffix), self._opened[suffix]
                if opened is not None and _file_id(path) == opened:
                    path.unlink()


def _file_id(path: Path) -> FileId | None:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Not by a lock on the database: closing a file of it would end SQLite's own locks on it."""
    opened = os.open(folder, os.O_RDONLY)
    try:
        locks.lock(opened, locks.LOCK_EX)
        yield
    finally:
        os.close(opened)
