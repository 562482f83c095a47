"""Wraps every stream's key, and every secret, anew, so that a wrapping key can be retired."""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from eventstore.infrastructure.driver import driver_of
from eventstore.infrastructure.keys import Keyring, KeyUnavailable
from eventstore.infrastructure.secrets import place_of
from eventstore.infrastructure.transactions import in_turn
from eventstore.models import StreamKey, WrappedSecret

BATCH = 1000
NAMED = 20
"""At most, of those that fail."""


class Rotated(NamedTuple):
    anew: int
    kept: int
    """Were under the newest key already."""
    failed: int
    named: Sequence[tuple[str, str]]
    """The first streams and secrets that no configured key unwraps, and why; all stay as they are.
    """


class _Rotation:
    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self.anew = self.kept = self.failed = 0
        self.named: list[tuple[str, str]] = []

    def rewrapped(self, place: UUID, wrapped: bytes, name: str) -> bytes | None:
        """None where it is to stay as it is."""
        if self._keyring.is_newest(wrapped):
            self.kept += 1
            return None
        try:
            return self._keyring.rewrap(place, wrapped)
        except KeyUnavailable as error:
            self.failed += 1
            if self.failed <= NAMED:
                self.named.append((name, str(error)))
            return None


def stored_keys() -> int:
    """How many there are to look at."""
    return StreamKey.objects.filter(wrapped__isnull=False).count()


def rotate(keyring: Keyring, *, progress: Callable[[int], object] = lambda _: None) -> Rotated:
    """May be repeated, and killed at any time: events are not touched, and either key unwraps.

    `progress` is called with the number of streams' keys that were looked at since the last call.
    Raises KeyNotAdopted.
    """
    keyring.require_admitted()
    rotation = _Rotation(keyring)
    for name, stored in WrappedSecret.objects.filter(wrapped__isnull=False).values_list():
        wrapped = bytes(stored or b"")
        if (anew := rotation.rewrapped(place_of(name), wrapped, f"secret {name}")) is not None:
            same_secret = WrappedSecret.objects.filter(pk=name, wrapped=wrapped)
            rotation.anew += same_secret.update(wrapped=anew)
    last: UUID | None = None
    keys = StreamKey.objects.filter(wrapped__isnull=False).order_by("pk").values_list()
    while page := list((keys.filter(pk__gt=last) if last else keys)[:BATCH]):
        last = page[-1][0]
        changes = []
        for stream_id, stored in page:
            wrapped = bytes(stored or b"")
            anew = rotation.rewrapped(stream_id, wrapped, f"stream {stream_id}")
            if anew is not None:
                changes.append((stream_id, wrapped, anew))
        if changes:
            # In turn, or two rotations could wait for one another.
            with in_turn("rotate keys"), connection.wrap_database_errors:
                # Only what was read is replaced: an erasure meanwhile stays an erasure.
                rotation.anew += driver_of(connection).replace_keys(connection.connection, changes)
        progress(len(page))
    return Rotated(rotation.anew, rotation.kept, rotation.failed, rotation.named)
