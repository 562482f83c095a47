"""Tells the demo's own database from any other by marks in the SQLite file's header."""

import sqlite3
from contextlib import closing
from pathlib import Path

from eventstore.infrastructure.private_files import close_to_others

APPLICATION_ID = int.from_bytes(b"demo", "big")


class ForeignDatabase(Exception):
    """A file that the demo did not make is where its database belongs."""


def claim(path: Path) -> None:
    """Make the database, or make sure that the demo made it; only its owner can read it then.

    Raises ForeignDatabase; the file is then as it was.
    """
    new = not path.exists() or not path.stat().st_size
    if new:
        close_to_others(path)
        _set(path, "application_id", APPLICATION_ID)
        return
    try:
        marked = _get(path, "application_id") == APPLICATION_ID
    except sqlite3.DatabaseError as error:
        raise ForeignDatabase(f"{path} cannot be read as a database: {error}.") from error
    if not marked:
        raise ForeignDatabase(f"{path} was not made by the demo, which does not write into it.")
    close_to_others(path)


def is_loaded(path: Path) -> bool:
    """Whether the whole history is in: from then on what is there is kept as it is."""
    return bool(_get(path, "user_version"))


def mark_loaded(path: Path) -> None:
    _set(path, "user_version", 1)


def _get(path: Path, pragma: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (value,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(value)


def _set(path: Path, pragma: str, value: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA {pragma} = {value}")
