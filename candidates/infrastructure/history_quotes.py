"""Finds the quote that keeps a record of a CSV from being read."""

import re
from dataclasses import dataclass

# Possessive: a quote that was taken as the first of two is not tried as a closing one.
_QUOTED = re.compile(r'"(?:[^"]++|"")*+"')


@dataclass(frozen=True, slots=True)
class Quote:
    """The opening quote that a strict reader stumbles over."""

    at: int
    """Which character of the record it is."""
    closed: bool
    """Whether one closes it, with more text behind."""


def unreadable_quote(text: str, delimiter: str) -> Quote | None:
    """The first one in a record that began where `text` does; None: something else is wrong."""
    behind = re.compile(f"[{re.escape(delimiter)}\r\n]")
    cell = 0
    while cell < len(text):
        end = cell
        if text[cell] == '"':
            quoted = _QUOTED.match(text, cell)
            if quoted is None:
                return Quote(cell, closed=False)
            end = quoted.end()
            if end < len(text) and not behind.match(text, end):
                return Quote(cell, closed=True)
        found = behind.search(text, end)
        if found is None or found.group() != delimiter:
            return None
        cell = found.end()
    return None
