"""What can happen to a candidate. Each event carries the values that it sets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, ClassVar, TypeAlias

from eventstore.domain.events import DomainEvent
from eventstore.domain.personal import Personal

Words: TypeAlias = Annotated[str, Personal()]
"""What somebody wrote about a person; empty once it is erased."""
Profile: TypeAlias = Annotated[Mapping[str, Any], Personal(except_keys=("source",))]
"""Where candidates come from says nothing about one of them, and statistics go on counting it."""


class Status(StrEnum):
    ADDED = "ADDED"
    STANDBY = "STANDBY"
    INVITED = "INVITED"
    REJECTED = "REJECTED"
    RETRACTED = "RETRACTED"
    """Final: the candidate was added by mistake."""
    ERASED = "ERASED"
    """Final: nothing personal is left of the candidate."""


class RejectionReason(StrEnum):
    NOT_QUALIFIED = "not_qualified"
    POSITION_FILLED = "position_filled"
    WITHDREW = "withdrew"
    NO_RESPONSE = "no_response"
    DUPLICATE = "duplicate"
    OTHER = "other"


class ErasureReason(StrEnum):
    REQUEST = "request"
    RETENTION = "retention"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateAdded(DomainEvent):
    event_type: ClassVar[str] = "candidate.added"
    profile: Profile = field(default_factory=dict)
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateMovedToStandby(DomainEvent):
    event_type: ClassVar[str] = "candidate.moved_to_standby"
    until: date | None = None
    """When the decision falls due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateInvited(DomainEvent):
    """Score and threshold as they stood on the day of the decision."""

    event_type: ClassVar[str] = "candidate.invited"
    score: float
    threshold: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRejected(DomainEvent):
    """Score and threshold as they stood on the day; None where version 1 did not keep them."""

    event_type: ClassVar[str] = "candidate.rejected"
    schema_version: ClassVar[int] = 2
    reason: RejectionReason
    note: Words = ""
    score: float | None
    threshold: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateDecisionUndone(DomainEvent):
    event_type: ClassVar[str] = "candidate.decision_undone"
    undone_version: int
    undone_type: str
    status: Status
    """What the candidate returns to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRescored(DomainEvent):
    event_type: ClassVar[str] = "candidate.rescored"
    score: float
    why: Words = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateProfileChanged(DomainEvent):
    """The whole new profile."""

    event_type: ClassVar[str] = "candidate.profile_changed"
    profile: Profile = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateNoted(DomainEvent):
    event_type: ClassVar[str] = "candidate.noted"
    text: Words = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateRetracted(DomainEvent):
    """Takes back a mistaken add: the candidate leaves lists and statistics."""

    event_type: ClassVar[str] = "candidate.retracted"
    why: Words = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateErased(DomainEvent):
    """The personal data is gone: whoever shows it must forget it too."""

    event_type: ClassVar[str] = "candidate.erased"
    erases_personal_data: ClassVar[bool] = True
    reason: ErasureReason


CandidateEvent: TypeAlias = (
    CandidateAdded
    | CandidateMovedToStandby
    | CandidateInvited
    | CandidateRejected
    | CandidateDecisionUndone
    | CandidateRescored
    | CandidateProfileChanged
    | CandidateNoted
    | CandidateRetracted
    | CandidateErased
)
