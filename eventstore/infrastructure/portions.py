"""Divides what one query would ask for at once, since a database binds only so many values."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")

PORTION = 900
"""SQLite may be built to bind no more than 999 values, and a query has others beside these."""


def portions(values: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(values)
    while portion := list(islice(rest, PORTION)):
        yield portion
