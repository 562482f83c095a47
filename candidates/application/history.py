"""Questions that the events of one candidate answer."""

from collections.abc import Iterable

from candidates.domain.events import (
    CandidateDecisionUndone,
    CandidateInvited,
    CandidateMovedToStandby,
    CandidateRejected,
)
from eventstore.domain.events import RecordedEvent


def newest_standing_decision(history: Iterable[RecordedEvent]) -> RecordedEvent | None:
    """The decision that an undo would take back; None where none stands.

    Read from the history because no column of the read model could follow: an undo says which
    decision it takes back, and not which one is then the newest.
    """
    standing: dict[int, RecordedEvent] = {}
    for recorded in history:
        match recorded.event:
            case CandidateMovedToStandby() | CandidateInvited() | CandidateRejected():
                standing[recorded.version] = recorded
            case CandidateDecisionUndone(undone_version=version):
                standing.pop(version, None)
    return standing[max(standing)] if standing else None
