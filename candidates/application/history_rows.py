"""The rows of another system's log, whatever kind of file they stood in."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

ROWS_PER_CHUNK = 1000
MEMORY_PER_CHUNK = 8 << 20
_PER_CELL = 100
"""About the bytes that a cell takes beside its name and its text."""


class UnusableFile(ValueError):
    """The file as a whole cannot be read; the text says why and quotes none of its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row with a text for every column. Texts are as they stand in the file, never None."""

    line: int
    """The line of the file on which it begins, counted from 1."""
    cells: Mapping[str, str]
    """Column -> text. An empty cell is an empty text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRow:
    """A row that says nothing for certain, so nothing is done with it."""

    line: int
    code: str
    """Stable."""
    detail: str = ""
    """The reason in words that quote nothing of the file.

    There is no key, because the text in its place may be prose.
    """


def chunks(rows: Iterable[Row | UnreadableRow]) -> Iterator[list[Row | UnreadableRow]]:
    """Rows to be committed together: so many, or fewer where they take much memory."""
    chunk: list[Row | UnreadableRow] = []
    memory = 0
    for row in rows:
        chunk.append(row)
        # In bytes: a character takes from one to four.
        if isinstance(row, Row):
            memory += sum(
                sys.getsizeof(name) + sys.getsizeof(cell) + _PER_CELL
                for name, cell in row.cells.items()
            )
        if len(chunk) == ROWS_PER_CHUNK or memory >= MEMORY_PER_CHUNK:
            yield chunk
            chunk, memory = [], 0
    if chunk:
        yield chunk
