"""Wraps every stream's key, and every secret, anew, so that a wrapping key can be retired."""

from typing import NamedTuple
from uuid import UUID

from django.db import transaction

from eventstore.infrastructure.keys import Keyring, KeyUnavailable
from eventstore.infrastructure.secrets import place_of
from eventstore.models import StreamKey, WrappedSecret

BATCH = 1000


class Rotated(NamedTuple):
    anew: int
    kept: int
    """Were under the newest key already."""
    failed: list[tuple[str, str]]
    """The streams and secrets that no configured key unwraps, and why; they stay as they are."""


def rotate(keyring: Keyring) -> Rotated:
    """May be repeated, and killed at any time: events are not touched, and either key unwraps."""
    anew = kept = 0
    failed: list[tuple[str, str]] = []
    for stored in WrappedSecret.objects.order_by("pk"):
        wrapped = bytes(stored.wrapped)
        if keyring.is_newest(wrapped):
            kept += 1
            continue
        try:
            rewrapped = keyring.rewrap(place_of(stored.name), wrapped)
        except KeyUnavailable as error:
            failed.append((f"secret {stored.name}", str(error)))
            continue
        same_secret = WrappedSecret.objects.filter(pk=stored.name, wrapped=wrapped)
        anew += same_secret.update(wrapped=rewrapped)
    last: UUID | None = None
    keys = StreamKey.objects.filter(wrapped__isnull=False).order_by("pk")
    while page := list((keys.filter(pk__gt=last) if last else keys)[:BATCH]):
        last = page[-1].pk
        with transaction.atomic():
            for key in page:
                wrapped = bytes(key.wrapped or b"")
                if keyring.is_newest(wrapped):
                    kept += 1
                    continue
                try:
                    rewrapped = keyring.rewrap(key.pk, wrapped)
                except KeyUnavailable as error:
                    failed.append((f"stream {key.pk}", str(error)))
                    continue
                # Only what was read is replaced: an erasure meanwhile stays an erasure.
                same = StreamKey.objects.filter(pk=key.pk, wrapped=wrapped)
                anew += same.update(wrapped=rewrapped)
    return Rotated(anew, kept, failed)
