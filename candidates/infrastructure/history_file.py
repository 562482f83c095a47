"""Opens another system's log, plain or gzip, and reads its rows with flat memory."""

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

from candidates.application.history_map import HistoryMap
from candidates.application.history_rows import Row, UnreadableRow, UnusableFile
from candidates.application.history_shape import FileFormat
from candidates.infrastructure.history_csv import CsvRows
from candidates.infrastructure.history_json import json_rows
from candidates.infrastructure.history_lines import Lines
from candidates.infrastructure.history_signature import SIGNATURE_BYTES, foreign_kind
from candidates.infrastructure.history_text import text_of
from candidates.infrastructure.history_xes import xes_rows

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20


def content_digest(path: Path) -> str:
    """SHA-256 of what stands in the file, in hexadecimal. Raises OSError.

    Packed or not, and with whatever line ends and empty lines, it is the same file.
    """
    digest = hashlib.sha256()
    with _opened(path) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk.translate(None, b"\r\n"))
    return digest.hexdigest()


@contextmanager
def history_rows(path: Path, history_map: HistoryMap) -> Iterator[Iterator[Row | UnreadableRow]]:
    """The rows of a file that is closed at the end.

    On the way in, a file that is packed, and one of a kind without a header, is read to its end,
    so that no row is taken from one that is damaged, or that never has a column of the map.
    Raises UnusableFile, then and also later, where the file breaks off nevertheless.
    """
    with _told_apart():
        if path.exists() and not path.is_file():
            raise UnusableFile(f"The log cannot be read: {path} is no regular file.")
        with _opened(path) as file:
            if kind := foreign_kind(file.read(SIGNATURE_BYTES), history_map.shape):
                raise UnusableFile(f"The log {path} {kind}.")
            while isinstance(file, gzip.GzipFile) and file.read(_CHUNK):
                pass
        if history_map.shape.format is not FileFormat.CSV:
            _require_columns(path, history_map)
    with ExitStack() as stack:
        with _told_apart():
            rows = stack.enter_context(_rows(path, history_map))
        yield _filled(rows, history_map)


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as probe:
        packed = probe.read(len(_GZIP)) == _GZIP
    return cast(IO[bytes], gzip.open(path, "rb") if packed else path.open("rb"))


@contextmanager
def _rows(path: Path, history_map: HistoryMap) -> Iterator[Iterator[Row | UnreadableRow]]:
    shape, columns = history_map.shape, history_map.columns
    with _opened(path) as file:
        if shape.format is FileFormat.XES:
            yield xes_rows(file, columns=columns)
            return
        with text_of(file, shape.encoding) as text:
            if shape.format is FileFormat.JSON_LINES:
                yield json_rows(Lines(text), columns=columns)
                return
            rows = CsvRows(
                Lines(text),
                delimiter=shape.delimiter,
                columns=columns,
                looks_like_a_row=history_map.looks_like_a_row,
            )
            yield iter(rows)


def _require_columns(path: Path, history_map: HistoryMap) -> None:
    """Raises UnusableFile where no row has one of the map's columns, or there is none at all."""
    missing, any_row = set(history_map.columns), False
    with _rows(path, history_map) as rows:
        for row in rows:
            any_row = True
            if isinstance(row, Row):
                missing -= {column for column in missing if column in row.cells}
    if not any_row:
        raise UnusableFile("The log is empty.")
    if missing:
        raise UnusableFile(f"The log has no column {', '.join(sorted(missing))} in any row.")


def _filled(
    rows: Iterator[Row | UnreadableRow], history_map: HistoryMap
) -> Iterator[Row | UnreadableRow]:
    """Gives an empty text for each column that a row of a file without a header lacks."""
    empty = dict.fromkeys(history_map.columns, "")
    with _told_apart():
        for row in rows:
            if isinstance(row, Row) and not empty.keys() <= row.cells.keys():
                yield Row(line=row.line, cells={**empty, **row.cells})
            else:
                yield row


@contextmanager
def _told_apart() -> Iterator[None]:
    """Raises UnusableFile for whatever keeps a file from being read."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise UnusableFile(
            "The log cannot be read: its gzip is cut off or damaged, or more follows its end."
        ) from None
    except OSError as error:
        raise UnusableFile(f"The log cannot be read: {error}.") from error
    except UnicodeError as error:
        raise UnusableFile(
            "The log cannot be read: it is not in the `encoding` that the map says."
        ) from error
