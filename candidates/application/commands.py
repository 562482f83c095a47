"""What can be asked of the service. Each command names the permission that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

from candidates.domain.events import RejectionReason

ADD = "candidates.add_candidate"
DECIDE = "candidates.decide"
EDIT = "candidates.edit"
BACKDATE = "candidates.backdate"
ACT_ON_BEHALF = "candidates.act_on_behalf"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCandidate:
    permission: ClassVar[str] = ADD
    profile: Mapping[str, Any]
    score: float
    candidate_id: UUID | None = None
    """Given where another system names the candidate; otherwise the service makes one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddUnlessKnown:
    """Adds a candidate, unless one is there with the external id in the profile.

    Found is the oldest that is neither retracted nor erased.
    """

    permission: ClassVar[str] = ADD
    profile: Mapping[str, Any]
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveCandidateToStandby:
    permission: ClassVar[str] = DECIDE
    candidate_id: UUID
    until: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteCandidate:
    permission: ClassVar[str] = DECIDE
    candidate_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectCandidate:
    permission: ClassVar[str] = DECIDE
    candidate_id: UUID
    reason: RejectionReason
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoDecision:
    permission: ClassVar[str] = DECIDE
    candidate_id: UUID
    version: int
    """Of the decision to take back, which must be the newest that stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RescoreCandidate:
    permission: ClassVar[str] = EDIT
    candidate_id: UUID
    score: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeProfile:
    permission: ClassVar[str] = EDIT
    candidate_id: UUID
    profile: Mapping[str, Any]
    """The whole new profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AmendProfile:
    """Merges into the profile as the stream has it; what is not named stays as it is."""

    permission: ClassVar[str] = EDIT
    candidate_id: UUID
    profile: Mapping[str, Any]
    """A JSON Merge Patch (RFC 7396): the keys that change, None for one that goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteOnCandidate:
    permission: ClassVar[str] = EDIT
    candidate_id: UUID
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetractCandidate:
    permission: ClassVar[str] = EDIT
    candidate_id: UUID
    why: str


OnOneCandidate: TypeAlias = (
    MoveCandidateToStandby
    | InviteCandidate
    | RejectCandidate
    | UndoDecision
    | RescoreCandidate
    | ChangeProfile
    | AmendProfile
    | NoteOnCandidate
    | RetractCandidate
)
CandidateCommand: TypeAlias = AddCandidate | AddUnlessKnown | OnOneCandidate
