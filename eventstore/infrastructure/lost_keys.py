"""What one wrapping key wraps in the database, and what was declared lost with one."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from eventstore.domain.lost_keys import KeyDeclaredLost
from eventstore.infrastructure.portions import portions
from eventstore.models import Fingerprint, StorageEvent, StreamKey, WrappedSecret

NAMED = 20
"""At most, of the streams that cannot be read."""


class DjangoWrappedKeys:
    def __init__(self, fingerprint: str) -> None:
        self._prefix = bytes.fromhex(fingerprint)

    def count(self) -> tuple[int, int]:
        """Streams, and secrets."""
        return self._of_streams().count(), len(self._secrets())

    def some(self, *, limit: int) -> Mapping[UUID, str]:
        first = StorageEvent.objects.filter(stream_id=OuterRef("pk"), version=1)
        found = self._of_streams().annotate(type=Subquery(first.values("stream_type")))
        return dict(found.filter(type__isnull=False).values_list("pk", "type")[:limit])

    def bury(self, stream_ids: Mapping[UUID, str]) -> set[UUID]:
        found: set[UUID] = set()
        for portion in portions(stream_ids):
            keys = self._of_streams().filter(pk__in=portion).select_for_update()
            found |= set(keys.values_list("pk", flat=True))
        for portion in portions(found):
            StreamKey.objects.filter(pk__in=portion).update(wrapped=None)
        return found

    def bury_secrets(self) -> int:
        return WrappedSecret.objects.filter(pk__in=self._secrets()).update(wrapped=None)

    def _of_streams(self) -> QuerySet[Any]:
        keys = StreamKey.objects.annotate(fingerprint=Fingerprint("wrapped"))
        return keys.filter(fingerprint=self._prefix)

    def _secrets(self) -> list[str]:
        secrets = WrappedSecret.objects.annotate(fingerprint=Fingerprint("wrapped"))
        return list(secrets.filter(fingerprint=self._prefix).values_list("pk", flat=True))


def unreadable_streams(stream_id: UUID | None = None) -> tuple[int, list[str]]:
    """How many streams' personal data was declared lost, and the first of them in words.

    Reads through the whole log, unless it is asked of one stream.
    """
    declared = StorageEvent.objects.filter(event_type=KeyDeclaredLost.event_type)
    if stream_id is not None:
        declared = declared.filter(stream_id=stream_id)
    count = declared.values("stream_id").distinct().count()
    first = declared.order_by("position").values_list("stream_id", "version")
    return count, [
        f"the personal data of stream {id}: its key was declared lost in version {version}"
        for id, version in (first[:NAMED] if count else ())
    ]
