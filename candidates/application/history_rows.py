"""The rows of another system's log, whatever kind of file they stood in."""

from collections.abc import Mapping
from dataclasses import dataclass, field


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
    """What is wrong, in words that quote nothing of the file."""
    cells: Mapping[str, str] = field(default_factory=dict)
    """Those that could be read, so that a report can name the row's key."""
