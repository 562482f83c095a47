"""By what a row of another system's log is known again, wherever in whichever file it stands.

Digests are HMAC-SHA-256 under a secret, cut to 128 bits: nobody who lacks the secret can try out
whether somebody's data gives them.
"""

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

_NUMBERS = 0xFFFF_FFFF
"""The part of a row's digest that its number changes; 96 bits are left of its content."""


class RowIdentity:
    """Computes the digests that identify the rows of one system."""

    def __init__(self, secret: bytes, *, system: str) -> None:
        self._secret = secret
        self._system = system

    def place(self, candidate_id: UUID, kind: str, activity: str, at: datetime | None) -> UUID:
        """Returns the digest shared by all rows that report this for the candidate at this time.

        If `at` is None, the time does not count.
        """
        when = instant(at) if at else None
        return self._digest(["place", str(candidate_id), kind, activity, when])

    def content(self, place: UUID, cells: Mapping[str, str]) -> UUID:
        """Returns the digest of a row's content at this place, without white space around cells."""
        return self._digest(
            ["content", str(place), sorted((name, text.strip()) for name, text in cells.items())]
        )

    def digest(self, content: UUID, number: int) -> UUID:
        """Returns the digest of the row with this number, from 1, among its file's equal rows.

        Digests of equal rows differ only in the last four bytes, so `says` recognises them without
        the number.
        """
        first = self._of(b"row" + content.bytes + (1).to_bytes(8, "big")).int
        last = (first + number - 1) & _NUMBERS
        return UUID(int=first & ~_NUMBERS | last)

    def _digest(self, said: list[object]) -> UUID:
        # Escaped, so that half a surrogate pair can be said too.
        return self._of(json.dumps([self._system, *said]).encode())

    def _of(self, said: bytes) -> UUID:
        return UUID(bytes=hmac.digest(self._secret, said, "sha256")[:16])


def says(digest: UUID, other: UUID) -> bool:
    """Whether the rows of these digests say the same, whatever their numbers are."""
    return digest.int | _NUMBERS == other.int | _NUMBERS


def instant(time: datetime) -> str:
    """One text for one instant, whatever offset it was written with."""
    try:
        return time.astimezone(UTC).isoformat()
    except OverflowError:
        # At the calendar's edges, where it will be refused.
        return time.isoformat()
