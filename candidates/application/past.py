"""A candidate as it was, by the same fold that feeds the read model."""

from collections.abc import Sequence
from datetime import datetime

from candidates.application.projector import CandidateProjector, forgotten
from eventstore.application.folding import Columns
from eventstore.application.parking import described, fold_as_far
from eventstore.application.past import Moment, past_of
from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import UndecodableEvent


def past_columns(
    history: Sequence[RecordedEvent], moment: Moment, *, now: datetime
) -> tuple[int, Columns]:
    """The version at that moment, and the columns that the read model had. See `past_of`.

    What was erased or lost since is gone from the past too, even while its key is still there.
    Raises UndecodableEvent, too, for an event that can be read and not folded.
    """
    past = past_of(history, moment, now=now)
    (version, rows), failure = fold_as_far(CandidateProjector(), past)
    if failure is not None:
        failing = past[failure.version - 1]
        raise UndecodableEvent(
            stream_id=failing.stream_id,
            version=failing.version,
            event_type=failure.event_type,
            schema_version=failing.event.schema_version,
            event_id=failing.event_id,
            position=failing.position,
            reason=f"it cannot be folded: {described(failure.error)}",
        )
    ((_, columns),) = rows
    if any(recorded.event.erases_personal_data for recorded in history):
        columns |= forgotten()
    return version, columns
