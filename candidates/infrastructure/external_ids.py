"""Finds candidates by external id in the read model and, where that lags, in the log."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from uuid import UUID

from candidates.application.external_ids import external_id_of, turn_of
from candidates.application.profile import profile_of
from candidates.domain.candidate import Candidate
from candidates.domain.events import Status
from candidates.models import CandidateProjection
from eventstore.application.ports import StreamSource
from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import UndecodableEvent

logger = logging.getLogger(__name__)

MOST = 100
"""Candidates with one external id that are looked at, so that nobody's placeholder is read whole.
"""
_ENDED = (Status.RETRACTED, Status.ERASED)


class ProjectedExternalIds:
    """Brings the rows up to the log before the lock, and reads from the log itself under it.

    Under the lock no row is written but that of who is added, whom nobody else knows yet: two
    callers that wrote others' rows in another order would wait for each other.
    """

    def __init__(
        self,
        *,
        source: StreamSource,
        lock: Callable[[str], AbstractContextManager[object]],
        catch_up: Callable[[], object],
        lacking: Callable[[], Iterable[UUID]],
        show: Callable[[Sequence[RecordedEvent]], object],
    ) -> None:
        self._source = source
        self._lock = lock
        self._catch_up = catch_up
        self._lacking = lacking
        self._show = show

    @contextmanager
    def lock(self, external_id: str) -> Iterator[None]:
        self._catch_up()
        with self._lock(turn_of(external_id)):
            yield

    def candidates(self, external_id: str) -> list[UUID]:
        read = {stream_id: self._read(stream_id) for stream_id in self._lacking()}
        rows = (
            CandidateProjection.objects.with_value("external_id", external_id)
            .exclude(status__in=_ENDED)
            .order_by("added_position")
            .values_list("added_position", "pk")[: MOST + len(read)]
        )
        # If a stream cannot be read, its row is used.
        found = [(position, id) for position, id in rows if read.get(id) is None]
        found += [(place[0], id) for id, place in read.items() if place and place[1] == external_id]
        return [id for _, id in sorted(found)]

    def added(self, events: Sequence[RecordedEvent]) -> None:
        # A batch that adds many in one transaction would else read each of them for each.
        self._show(events)

    def _read(self, stream_id: UUID) -> tuple[int, str] | None:
        """The position of the stream's first event and the newest external id, if it has any."""
        try:
            recorded = self._source.read_stream(stream_id)
        except UndecodableEvent as error:
            logger.error("It cannot be told which external id stream %s has: %s", stream_id, error)
            return None
        if not recorded or recorded[0].stream_type != Candidate.stream_type:
            return None
        return recorded[0].position, external_id_of(profile_of(recorded) or {})
