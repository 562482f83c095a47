"""A candidate as it was, by the same fold that feeds the read model."""

from collections.abc import Sequence
from datetime import datetime

from candidates.application.projector import CandidateProjector, forgotten
from candidates.domain.events import CandidateErased
from eventstore.application.folding import Columns, fold
from eventstore.application.past import Moment, past_of
from eventstore.domain.events import RecordedEvent


def past_columns(
    history: Sequence[RecordedEvent], moment: Moment, *, now: datetime
) -> tuple[int, Columns]:
    """The version at that moment, and the columns that the read model had. See `past_of`.

    What was erased since is gone from the past too, even while its key is still there.
    """
    version, ((_, columns),) = fold(CandidateProjector(), past_of(history, moment, now=now))
    if any(isinstance(recorded.event, CandidateErased) for recorded in history):
        columns |= forgotten()
    return version, columns
