"""Ports of an import: the rows taken before, and the count of equal rows in a file."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol
from uuid import UUID


class TakenRow(NamedTuple):
    """See `RowIdentity` for the digests."""

    place: UUID
    digest: UUID
    candidate_id: UUID


class TakenRows(Protocol):
    """The rows of one system that imports have taken, this one and earlier ones."""

    def at(self, places: Collection[UUID]) -> Mapping[UUID, Mapping[UUID, UUID]]:
        """Place -> digest -> the file that brought the row in. No entry where there is no row."""

    def add(self, rows: Sequence[TakenRow], *, file: UUID) -> None:
        """As part of the caller's transaction. One that is there stays as it is."""


class Occurrences(Protocol):
    """Counts equal rows of one file."""

    def met(self, contents: Sequence[UUID]) -> list[int]:
        """The number of each of the next rows among its equals, counted from 1."""
