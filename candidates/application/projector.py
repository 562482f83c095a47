"""Folds a candidate's events into the columns people search and read."""

from collections.abc import Mapping
from typing import Any, ClassVar, assert_never, cast

from candidates.application.addresses import kept_addresses
from candidates.application.compare import search_key
from candidates.application.contacts import EMAIL, kind_of, name_of, values
from candidates.application.phones import kept_numbers
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
from eventstore.application.folding import Occurrence
from eventstore.domain.events import DomainEvent

SCHEMA = 3
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
KEYS: Mapping[str, str] = {column: key for key, column in _LIFTED.items()}
"""Column -> profile key."""
REACHED: Mapping[type[DomainEvent], str] = {
    CandidateAdded: Status.ADDED.value,
    CandidateMovedToStandby: Status.STANDBY.value,
    CandidateInvited: Status.INVITED.value,
    CandidateRejected: Status.REJECTED.value,
    CandidateRetracted: Status.RETRACTED.value,
    CandidateErased: Status.ERASED.value,
}
"""The status that an event leads to, as text; an undone decision says itself to which."""
_NO_CONTACT = frozenset({"name", "tags", "first_name", "last_name"})
"""Usual keys that need no second look."""
_NOTHING_LIFTED: Mapping[str, object] = dict.fromkeys(_LIFTED.values(), "")
_CLEARED_BY_UNDO: Mapping[str, dict[str, object]] = {
    CandidateMovedToStandby.event_type: {"standby_at": None, "due_on": None},
    CandidateInvited.event_type: {"invited_at": None},
    CandidateRejected.event_type: {
        "rejected_at": None,
        "rejection_reason": "",
        "rejection_note": "",
    },
}
_NOTHING_DECIDED: Mapping[str, object] = {
    column: value for cleared in _CLEARED_BY_UNDO.values() for column, value in cleared.items()
}


class CandidateProjector:
    """Each kind of decision stands at most once, so undoing one clears exactly its columns."""

    name: ClassVar[str] = "candidates"
    stream_type: ClassVar[str] = "candidate"
    schema: ClassVar[int] = SCHEMA

    def changes(self, recorded: Occurrence) -> Mapping[str, object]:
        event = cast(CandidateEvent, recorded.event)
        at = recorded.occurred_at
        columns = _changed(recorded)
        status = REACHED.get(type(event))
        match event:
            case CandidateAdded(profile=profile, score=score):
                columns["score"] = score
                columns["added_at"] = at
                columns["added_position"] = recorded.position
                columns.update(_NOTHING_DECIDED)
                columns.update(profile_columns(profile))
            case CandidateMovedToStandby(until=until):
                columns["standby_at"] = at
                columns["due_on"] = until
            case CandidateInvited():
                columns["invited_at"] = at
            case CandidateRejected(reason=reason, note=note):
                columns["rejected_at"] = at
                columns["rejection_reason"] = reason.value
                columns["rejection_note"] = note
            case CandidateDecisionUndone(undone_type=undone_type):
                status = event.status.value
                columns.update(_CLEARED_BY_UNDO[undone_type])
            case CandidateRescored(score=score):
                columns["score"] = score
            case CandidateProfileChanged(profile=profile):
                columns.update(profile_columns(profile))
            case CandidateErased():
                columns.update(forgotten())
            case CandidateNoted() | CandidateRetracted():
                pass
            case _:
                assert_never(event)
        if status is not None:
            columns["status"] = status
            columns["status_since"] = at
        return columns

    def key_lost(self, recorded: Occurrence) -> Mapping[str, object]:
        """The candidate stays what it was, without what was personal."""
        return _changed(recorded) | forgotten()


def _changed(recorded: Occurrence) -> dict[str, object]:
    return {
        "position": recorded.position,
        "changed_at": recorded.occurred_at,
        "changed_by": recorded.metadata.actor[:LIFTED_LENGTH],
    }


def profile_columns(profile: Mapping[str, Any]) -> dict[str, object]:
    """The profile, the known values lifted out of it, and the texts that are searched."""
    columns: dict[str, Any] = {"profile": profile, "tags": [], **_NOTHING_LIFTED}
    contacts: list[tuple[str, str]] = []
    for key, value in profile.items():
        if column := _LIFTED.get(key):
            # The usual case without a call: this is done for everybody in every replay.
            text = value.strip()[:LIFTED_LENGTH] if type(value) is str else lifted(value)
            columns[column] = text
            if text or not (kind := kind_of(key)):
                continue
        elif key in _NO_CONTACT or not (kind := kind_of(key)):
            continue
        contacts.extend(values(kind, value))
    name = lifted(profile.get("name")) or " ".join(
        part for key in ("first_name", "last_name") if (part := lifted(profile.get(key)))
    )
    if not name:
        name = name_of(profile, lifted)
    columns["name"] = name[:LIFTED_LENGTH]
    whole_tags: list[str] = []
    tags = profile.get("tags")
    if isinstance(tags, (list, tuple)):
        whole_tags = [text for tag in tags if (text := uncut(tag))]
        columns["tags"] = [text[:LIFTED_LENGTH] for text in whole_tags]
    email, phone = columns["email"], columns["phone"]
    # Keys are made of the uncut value: a cut value could give somebody else's key.
    if len(email) == LIFTED_LENGTH:
        email = uncut(profile["email"])
    if len(phone) == LIFTED_LENGTH:
        phone = uncut(profile["phone"])
    words, email_keys = kept_addresses(email) if email else ([], [])
    numbers, phone_keys = kept_numbers(phone) if phone else ([], [])
    words += numbers
    if contacts:
        _add(contacts, columns, words, email_keys, phone_keys)
    if contacts or len(phone) > LIFTED_LENGTH:
        # An index takes no key of thousands of digits.
        phone_keys = [key for key in phone_keys if len(key) <= LIFTED_LENGTH]
    columns["email_keys"] = "\n".join(email_keys)
    columns["phone_keys"] = "\n".join(phone_keys)
    columns["search_key"] = search_key(
        (name, columns["applied_position"], columns["location"], columns["external_id"]),
        words,
        whole_tags,
    )
    return columns


def _add(
    contacts: list[tuple[str, str]],
    columns: dict[str, Any],
    words: list[str],
    email_keys: list[str],
    phone_keys: list[str],
) -> None:
    """Adds further addresses and numbers. The first of a kind fills its column if that is empty."""
    for kind, typed in contacts:
        text = typed.strip()
        columns[kind] = columns[kind] or text[:LIFTED_LENGTH]
        kept = kept_addresses if kind == EMAIL else kept_numbers
        all_keys = email_keys if kind == EMAIL else phone_keys
        found, keys = kept(text)
        words.extend(one for one in found if one not in words)
        all_keys.extend(key for key in keys if key not in all_keys)


def forgotten() -> dict[str, object]:
    """Every personal column, empty. `source` stays: statistics go on counting it."""
    empty = {name: value for name, value in profile_columns({}).items() if name != "source"}
    return {**empty, "rejection_note": ""}


def lifted(value: object) -> str:
    """Text and numbers as a column shows them; anything else stays in the profile alone."""
    if type(value) is str:
        return value.strip()[:LIFTED_LENGTH]
    return uncut(value)[:LIFTED_LENGTH]


def uncut(value: object) -> str:
    """All of a value of which a column shows the beginning."""
    if type(value) is str:
        return value.strip()
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return str(value).strip()


PERSONAL = frozenset(forgotten())
"""The columns that an erasure empties. They are kept out of reports too."""
