"""How far a read model shows the log with nothing missing before."""

from uuid import UUID

from django.db import connection

from eventstore.application.ports import Checkpoints, ParkedStreams
from eventstore.application.projection import Projection
from eventstore.domain.events import Cursor
from eventstore.infrastructure.log import cursor_at, newest_until, settled_position
from eventstore.infrastructure.portions import portions
from eventstore.models import StorageEvent


class ShownEnd:
    """For who reads rows in the order of their positions, and goes on from the last one read.

    Settled is not enough: an event's row is written after its commit, beside those of others. What
    is found to be shown stays so, and is not looked at again by this process. A parked stream
    holds nobody back; what it lacks appears in its place when the stream is retried.
    """

    def __init__(
        self, projection: Projection, *, checkpoints: Checkpoints, parked: ParkedStreams
    ) -> None:
        self._projection = projection
        self._checkpoints = checkpoints
        self._parked = parked
        self._known = 0
        self._newest = Cursor()
        """At the last event up to there, by which a log that was restored since is told."""

    def position(self, *, after: int = 0) -> int:
        """Every event up to it is in the rows that are read from now on.

        Raises CursorBeyondLog where the log does not reach `after`, UnsafeLogRead as settled reads
        do.
        """
        settled = settled_position(connection, after=after)
        known = min(self._complete(), settled)
        first = self._first_missing(known, settled)
        self._known = settled if first is None else first - 1
        self._newest = newest_until(connection, self._known)
        return self._known

    def lacking(self) -> list[UUID]:
        """Streams with a committed event that their rows lack, parked ones and unsettled ones too.

        Of those in the caller's own transaction also what is not committed.
        """
        newest = StorageEvent.objects.order_by("-position").values_list("position", flat=True)
        last = newest.first() or 0
        known = self._complete()
        after = known if known <= last else 0
        behind = [id for id, _ in self._projection.behind(after=after, until=last)]
        parked = [one.stream_id for one in self._parked.listed(self._projection.name)]
        return list(dict.fromkeys([*behind, *parked]))

    def _complete(self) -> int:
        """Up to where the rows are known to lack nothing. A log that was restored knows less."""
        checkpoint = self._checkpoints.all().get(self._projection.name)
        known = self._known if self._held(self._newest) else 0
        if checkpoint is not None and self._held(checkpoint.cursor):
            known = max(known, checkpoint.position)
        return known

    @staticmethod
    def _held(cursor: Cursor) -> bool:
        # A checkpoint of before hashes were kept says nothing else than where it is.
        there = cursor_at(connection, cursor.position)
        return cursor.hash is None or cursor.hash == there.hash

    def _first_missing(self, after: int, until: int) -> int | None:
        behind = dict(self._projection.behind(after=after, until=until))
        for parked in self._parked.among(self._projection.name, behind.keys()):
            del behind[parked]
        events = StorageEvent.objects.filter(position__gt=after, position__lte=until)
        positions = []
        for portion in portions(behind):
            those = events.filter(stream_id__in=portion)
            stored = those.values_list("stream_id", "version", "position")
            positions += [place for id, version, place in stored if version > behind[id]]
        return min(positions, default=None)
