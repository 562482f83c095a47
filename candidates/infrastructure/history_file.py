"""Opens another system's log, plain or gzip, and reads its rows."""

import gzip
import hashlib
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from candidates.application.history_rows import Row, UnreadableRow, UnusableFile
from candidates.infrastructure.history_csv import csv_rows

BREAKS_OFF = (EOFError, OSError, zlib.error)
"""What reading a file raises, also one that is packed."""


def content_digest(path: Path) -> str:
    """SHA-256 of the file as it lies on the disk, in hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def history_rows(
    path: Path, *, columns: Collection[str]
) -> Iterator[Iterator[Row | UnreadableRow]]:
    """The rows of a file that is closed at the end.

    Raises UnusableFile on the way in; the rows raise UnusableFile where the file breaks off.
    """
    try:
        with path.open("rb") as probe:
            opener: Any = gzip.open if probe.read(2) == b"\x1f\x8b" else open
        file = opener(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline="")
    except OSError as error:
        raise UnusableFile(f"The log cannot be read: {error}") from error
    with file:
        try:
            rows = csv_rows(file, columns=columns)
        except BREAKS_OFF as error:
            raise UnusableFile(f"The log cannot be read: {error}") from error
        yield _whole(rows)


def _whole(rows: Iterator[Row | UnreadableRow]) -> Iterator[Row | UnreadableRow]:
    try:
        yield from rows
    except BREAKS_OFF as error:
        raise UnusableFile(str(error)) from error
