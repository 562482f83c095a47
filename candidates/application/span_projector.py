"""Folds a candidate's events into spans: one row for each stay in a status."""

from typing import ClassVar, cast

from candidates.application.projector import REACHED, lifted
from candidates.domain.events import (
    CandidateAdded,
    CandidateDecisionUndone,
    CandidateEvent,
    CandidateInvited,
    CandidateMovedToStandby,
    CandidateProfileChanged,
    CandidateRejected,
    CandidateRetracted,
)
from eventstore.application.folding import Changes, NextRow, Occurrence


class StatusSpanProjector:
    """What statistics count. A stay that was undone is marked, not removed: it counts as of then.

    Undoing takes back the newest decision that stands, so every span since that decision rests on
    it, or on later ones that were undone before, which keep the time at which they were. A
    retraction takes back the add, and so all. An erasure opens and closes nothing: the candidate
    stays counted as it was. A new source is that of the whole stay in which it was stated.
    """

    name: ClassVar[str] = "candidate_spans"
    stream_type: ClassVar[str] = "candidate"
    schema: ClassVar[int] = 1

    def changes(self, recorded: Occurrence) -> Changes:
        event = cast(CandidateEvent, recorded.event)
        match event:
            case CandidateAdded(profile=profile):
                return {
                    **_opened(REACHED[CandidateAdded], recorded),
                    "source": lifted(profile.get("source")),
                    "until": None,
                    "recorded_until": None,
                    "undone_at": None,
                    "undone_recorded_at": None,
                }
            case CandidateMovedToStandby() | CandidateInvited():
                return NextRow(_opened(REACHED[type(event)], recorded), _closed(recorded))
            case CandidateRejected(reason=reason):
                opened = _opened(REACHED[CandidateRejected], recorded)
                opened["reason"] = reason.value
                return NextRow(opened, _closed(recorded))
            case CandidateDecisionUndone(undone_version=undone_version, status=status):
                opened = _opened(status.value, recorded)
                opened["by_undo"] = True
                return NextRow(opened, _closed(recorded), _undone(recorded), undone_version)
            case CandidateRetracted():
                opened = _opened(REACHED[CandidateRetracted], recorded)
                return NextRow(opened, _closed(recorded), _undone(recorded))
            case CandidateProfileChanged(profile=profile):
                return {"source": lifted(profile.get("source"))}
            case _:
                return {}


def _opened(status: str, recorded: Occurrence) -> dict[str, object]:
    return {
        "status": status,
        "reason": "",
        "by_undo": False,
        "since": recorded.occurred_at,
        "recorded_since": recorded.recorded_at,
    }


def _closed(recorded: Occurrence) -> dict[str, object]:
    return {"until": recorded.occurred_at, "recorded_until": recorded.recorded_at}


def _undone(recorded: Occurrence) -> dict[str, object]:
    return {"undone_at": recorded.occurred_at, "undone_recorded_at": recorded.recorded_at}
