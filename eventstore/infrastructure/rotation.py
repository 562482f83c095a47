"""Wraps every stream's key anew, so that an older wrapping key can be retired."""

from uuid import UUID

from django.db import transaction

from eventstore.infrastructure.keys import Keyring
from eventstore.models import StreamKey

BATCH = 1000


def rotate(keyring: Keyring) -> tuple[int, int]:
    """`(wrapped anew, already under the newest key)`. May be repeated, and killed at any time.

    Events are not touched. Raises KeyUnavailable for a key that no configured key unwraps; those
    before it stay rotated.
    """
    rotated = kept = 0
    last = UUID(int=0)
    while page := list(
        StreamKey.objects.filter(pk__gt=last, wrapped__isnull=False).order_by("pk")[:BATCH]
    ):
        last = page[-1].pk
        with transaction.atomic():
            for key in page:
                wrapped = bytes(key.wrapped or b"")
                if keyring.is_newest(wrapped):
                    kept += 1
                    continue
                anew = keyring.rewrap(key.pk, wrapped)
                # Only what was read is replaced: an erasure meanwhile stays an erasure.
                rotated += StreamKey.objects.filter(pk=key.pk, wrapped=wrapped).update(wrapped=anew)
    return rotated, kept
