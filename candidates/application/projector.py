"""Folds a candidate's events into the columns people search and read."""

from collections.abc import Mapping
from typing import Any, ClassVar, assert_never, cast

from candidates.application.compare import email_key, folded, phone_key
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
    Status,
)
from eventstore.domain.events import RecordedEvent

SCHEMA = 1
"""Of the projection, as the API shows it beside a version."""
LIFTED_LENGTH = 200
"""Characters of a profile value that a column shows; the profile keeps all of it."""

_LIFTED = {
    "email": "email",
    "phone": "phone",
    "position": "applied_position",
    "source": "source",
    "location": "location",
    "owner": "owner",
    "external_id": "external_id",
    "resume_url": "resume_url",
}
"""Profile key -> column. `position` alone is the event's place in the log."""
_CLEARED_BY_UNDO: Mapping[str, dict[str, object]] = {
    CandidateMovedToStandby.event_type: {"standby_at": None, "due_on": None},
    CandidateInvited.event_type: {"invited_at": None},
    CandidateRejected.event_type: {
        "rejected_at": None,
        "rejection_reason": "",
        "rejection_note": "",
    },
}


class CandidateProjector:
    """Each kind of decision stands at most once, so undoing one clears exactly its columns."""

    name: ClassVar[str] = "candidates"
    stream_type: ClassVar[str] = "candidate"
    schema: ClassVar[int] = SCHEMA

    def changes(self, recorded: RecordedEvent) -> Mapping[str, object]:
        event = cast(CandidateEvent, recorded.event)
        at = recorded.occurred_at
        columns: dict[str, object] = {
            "position": recorded.position,
            "changed_at": at,
            "changed_by": recorded.metadata.actor[:LIFTED_LENGTH],
        }
        match event:
            case CandidateAdded(profile=profile, score=score):
                columns |= {"score": score, "added_at": at, "added_position": recorded.position}
                columns |= _status(Status.ADDED, recorded) | profile_columns(profile)
            case CandidateMovedToStandby(until=until):
                columns |= {"standby_at": at, "due_on": until}
                columns |= _status(Status.STANDBY, recorded)
            case CandidateInvited():
                columns |= {"invited_at": at} | _status(Status.INVITED, recorded)
            case CandidateRejected(reason=reason, note=note):
                columns |= {
                    "rejected_at": at,
                    "rejection_reason": reason.value,
                    "rejection_note": note,
                }
                columns |= _status(Status.REJECTED, recorded)
            case CandidateDecisionUndone(undone_type=undone_type, status=status):
                columns |= _CLEARED_BY_UNDO[undone_type] | _status(status, recorded)
            case CandidateRescored(score=score):
                columns["score"] = score
            case CandidateProfileChanged(profile=profile):
                columns |= profile_columns(profile)
            case CandidateRetracted():
                columns |= _status(Status.RETRACTED, recorded)
            case CandidateErased():
                columns |= forgotten() | _status(Status.ERASED, recorded)
            case CandidateNoted():
                pass
            case _:
                assert_never(event)
        return columns


def profile_columns(profile: Mapping[str, Any]) -> dict[str, object]:
    """The profile, the known values lifted out of it, and the keys they are compared by."""
    texts = {column: lifted(profile.get(key)) for key, column in _LIFTED.items()}
    name = lifted(profile.get("name")) or " ".join(
        part for key in ("first_name", "last_name") if (part := lifted(profile.get(key)))
    )
    tags = profile.get("tags")
    searchable = (name, texts["email"], texts["applied_position"], texts["location"])
    return {
        "profile": profile,
        "name": name[:LIFTED_LENGTH],
        **texts,
        "tags": [lifted(tag) for tag in tags if lifted(tag)]
        if isinstance(tags, (list, tuple))
        else [],
        "email_key": email_key(texts["email"])[:LIFTED_LENGTH],
        "phone_key": phone_key(texts["phone"])[:LIFTED_LENGTH],
        "search_key": folded(" ".join(part for part in searchable if part)),
    }


def forgotten() -> dict[str, object]:
    """Every personal column, empty. `source` stays: statistics go on counting it."""
    empty = {name: value for name, value in profile_columns({}).items() if name != "source"}
    return {**empty, "rejection_note": ""}


def _status(status: Status, recorded: RecordedEvent) -> dict[str, object]:
    return {"status": status.value, "status_since": recorded.occurred_at}


def lifted(value: object) -> str:
    """Text and numbers as a column shows them; anything else stays in the profile alone."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return str(value).strip()[:LIFTED_LENGTH]
