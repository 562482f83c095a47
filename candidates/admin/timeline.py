"""The events of a candidate in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never, cast

from django.utils.formats import date_format
from django.utils.safestring import SafeString

from candidates.admin.profile import shown
from candidates.domain.events import (
    CandidateAdded,
    CandidateDecisionUndone,
    CandidateErased,
    CandidateEvent,
    CandidateInvited,
    CandidateMovedToStandby,
    CandidateNoted,
    CandidateProfileChanged,
    CandidateRejected,
    CandidateRescored,
    CandidateRetracted,
)
from candidates.models import REASONS
from eventstore.domain.events import RecordedEvent
from eventstore.domain.lost_keys import KeyDeclaredLost

_NOUNS = {
    CandidateMovedToStandby.event_type: "move to standby",
    CandidateInvited.event_type: "invitation",
    CandidateRejected.event_type: "rejection",
}
_DOORS = {"api": "API"}

Fact = tuple[str, str | SafeString]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    recorded: RecordedEvent
    title: str
    facts: Sequence[Fact]
    undone_in: int | None
    """The version of the event that took this decision back."""

    @property
    def door(self) -> str:
        return _DOORS.get(self.recorded.metadata.door, self.recorded.metadata.door)

    @property
    def backdated(self) -> bool:
        return self.recorded.occurred_at != self.recorded.recorded_at


def timeline(history: Sequence[RecordedEvent]) -> list[Entry]:
    undone_in = {
        recorded.event.undone_version: recorded.version
        for recorded in history
        if isinstance(recorded.event, CandidateDecisionUndone)
    }
    entries = []
    profile: Mapping[str, Any] = {}
    for recorded in history:
        event = cast(CandidateEvent | KeyDeclaredLost, recorded.event)
        title, facts = _words(event, profile)
        entries.append(
            Entry(
                recorded=recorded,
                title=title,
                facts=facts,
                undone_in=undone_in.get(recorded.version),
            )
        )
        if isinstance(event, (CandidateAdded, CandidateProfileChanged)):
            profile = event.profile
    return entries


def _words(
    event: CandidateEvent | KeyDeclaredLost, profile: Mapping[str, Any]
) -> tuple[str, list[Fact]]:
    """`profile` is the one before the event."""
    match event:
        case CandidateAdded(score=score):
            return "Added", [("Score", str(score))]
        case CandidateMovedToStandby(until=until):
            return "Moved to standby", [("Due on", date_format(until))] if until else []
        case CandidateInvited(score=score, threshold=threshold):
            return "Invited", [_score_of_that_day(score, threshold)]
        case CandidateRejected(reason=reason, note=note, score=score, threshold=threshold):
            facts: list[Fact] = [("Reason", REASONS[reason])]
            if note:
                facts.append(("Note", note))
            if score is not None and threshold is not None:
                facts.append(_score_of_that_day(score, threshold))
            return "Rejected", facts
        case CandidateDecisionUndone(undone_version=version, undone_type=kind, status=status):
            title = "Reinstated" if kind == CandidateRejected.event_type else "Decision undone"
            taken_back = f"the {_NOUNS.get(kind, 'decision')} of version {version}"
            return title, [("Taken back", taken_back), ("Status again", status.capitalize())]
        case CandidateRescored(score=score, why=why):
            return "Rescored", [("Score", str(score)), ("Why", why)]
        case CandidateProfileChanged(profile=changed):
            return "Profile changed", list(_changes(profile, changed))
        case CandidateNoted(text=text):
            return "Note", [("Text", text)]
        case CandidateRetracted(why=why):
            return "Retracted", [("Why", why)]
        case CandidateErased(reason=reason):
            return "Personal data erased", [("Reason", reason.capitalize())]
        case KeyDeclaredLost(fingerprint=fingerprint, reason=reason):
            return "Personal data lost", [("Wrapping key", fingerprint), ("Reason", reason)]
        case _:
            assert_never(event)


def _score_of_that_day(score: float, threshold: float) -> Fact:
    return "Score", f"{score}, with a threshold of {threshold} on that day"


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Fact]:
    for key in _in_order(before, after):
        if key not in after:
            yield key, "removed"
        elif key not in before or before[key] != after[key]:
            yield key, shown(after[key])


def _in_order(*profiles: Mapping[str, Any]) -> Iterable[str]:
    return dict.fromkeys(key for profile in profiles for key in profile)
