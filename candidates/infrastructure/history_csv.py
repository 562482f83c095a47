"""Reads the rows of a CSV."""

import csv
from collections.abc import Collection, Iterator, Mapping
from typing import IO

from candidates.application.history_rows import Row, UnreadableRow, UnusableFile


def csv_rows(file: IO[str], *, columns: Collection[str]) -> Iterator[Row | UnreadableRow]:
    """Yields each row of a file that was opened with `newline=""`.

    Bytes that could not be decoded must come as lone surrogates: they make their row unreadable.
    A line with nothing at all is no row. Raises UnusableFile for a header that lacks one of
    `columns` or has it twice.
    """
    reader = csv.reader(file)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise UnusableFile(f"The log cannot be read: {error}") from error
    if missing := sorted(set(columns) - set(header)):
        raise UnusableFile(f"The log has no column {', '.join(missing)}; it has {header}.")
    if twice := sorted(name for name in columns if header.count(name) > 1):
        raise UnusableFile(f"The log has more than one column {', '.join(twice)}.")

    def numbered() -> Iterator[Row | UnreadableRow]:
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield UnreadableRow(line=line, code="unreadable_row")
                continue
            if cells:
                yield _row(line, header, cells)

    return numbered()


def _row(line: int, header: list[str], cells: list[str]) -> Row | UnreadableRow:
    named: Mapping[str, str] = dict(zip(header, cells, strict=False))
    if len(cells) > len(header):
        return UnreadableRow(line=line, code="surplus_column", cells=named)
    if len(cells) < len(header):
        return UnreadableRow(line=line, code="missing_column", cells=named)
    if any(not cell.isascii() and not _encodable(cell) for cell in cells):
        return UnreadableRow(line=line, code="not_utf8", cells=named)
    return Row(line=line, cells=named)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
