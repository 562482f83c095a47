"""The candidate: what may be decided, and what a decision changes."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar, assert_never
from uuid import UUID

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
    RejectionReason,
    Status,
)
from candidates.domain.exceptions import (
    CandidateIsErased,
    CandidateIsRetracted,
    DecisionStands,
    NothingToUndo,
    NotTheNewestDecision,
    ScoreBelowThreshold,
    WrongStatus,
)
from candidates.domain.values import (
    checked_profile,
    checked_score,
    checked_text,
    merged_profile,
    same_json,
)
from eventstore.domain.aggregate import Aggregate


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A standby, an invitation or a rejection that stands."""

    version: int
    event_type: str
    status_before: Status


class Candidate(Aggregate):
    """Holds no personal data: the profile lives in the events and the read model."""

    stream_type: ClassVar[str] = "candidate"
    snapshot_every: ClassVar[int | None] = 100
    snapshot_schema: ClassVar[int] = 1

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.status = Status.ADDED
        self.score = 0.0
        self.decisions: tuple[Decision, ...] = ()
        """Those that stand, the newest last."""

    @property
    def ended(self) -> bool:
        """Whether it was retracted or erased, so that nothing more can be done with it."""
        return self.status in (Status.RETRACTED, Status.ERASED)

    @classmethod
    def add(cls, id: UUID, *, profile: Mapping[str, Any], score: float) -> "Candidate":
        candidate = cls(id)
        candidate._record(
            CandidateAdded(profile=checked_profile(profile), score=checked_score(score))
        )
        return candidate

    def move_to_standby(self, *, until: date | None = None) -> None:
        self._require(Status.ADDED)
        self._record(CandidateMovedToStandby(until=until))

    def invite(self, *, threshold: float) -> None:
        self._require(Status.ADDED, Status.STANDBY)
        if self.score < threshold:
            raise ScoreBelowThreshold(score=self.score, threshold=threshold)
        self._record(CandidateInvited(score=self.score, threshold=threshold))

    def reject(self, *, reason: RejectionReason, note: str = "", threshold: float) -> None:
        self._require(Status.ADDED, Status.STANDBY, Status.INVITED)
        self._record(
            CandidateRejected(
                reason=reason,
                note=checked_text(note, field="note", optional=True),
                score=self.score,
                threshold=threshold,
            )
        )

    def undo(self, *, version: int) -> None:
        """Take back the newest decision that stands, which must be that of `version`."""
        self._require_not_ended()
        if not self.decisions:
            raise NothingToUndo
        newest = self.decisions[-1]
        if newest.version != version:
            raise NotTheNewestDecision(named_version=version, newest_version=newest.version)
        self._record(
            CandidateDecisionUndone(
                undone_version=version,
                undone_type=newest.event_type,
                status=newest.status_before,
            )
        )

    def rescore(self, *, score: float, why: str) -> None:
        self._require(Status.ADDED, Status.STANDBY)
        self._record(
            CandidateRescored(score=checked_score(score), why=checked_text(why, field="why"))
        )

    def change_profile(self, *, profile: Mapping[str, Any]) -> None:
        self._require_not_ended()
        self._record(CandidateProfileChanged(profile=checked_profile(profile)))

    def amend_profile(self, *, profile: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        """Merge changes into `profile`, which is the stream's; record nothing if nothing changes.

        See `merged_profile`.
        """
        self._require_not_ended()
        amended = merged_profile(profile, changes)
        if not same_json(amended, profile):
            self._record(CandidateProfileChanged(profile=amended))

    def note(self, *, text: str) -> None:
        self._require_not_ended()
        self._record(CandidateNoted(text=checked_text(text, field="text")))

    def retract(self, *, why: str) -> None:
        self._require_not_ended()
        if self.decisions:
            raise DecisionStands(version=self.decisions[-1].version)
        self._record(CandidateRetracted(why=checked_text(why, field="why")))

    def apply(self, event: CandidateEvent) -> None:
        match event:
            case CandidateAdded(score=score) | CandidateRescored(score=score):
                self.score = score
            case CandidateMovedToStandby():
                self._decided(event, Status.STANDBY)
            case CandidateInvited():
                self._decided(event, Status.INVITED)
            case CandidateRejected():
                self._decided(event, Status.REJECTED)
            case CandidateDecisionUndone(undone_version=undone, status=status):
                self.decisions = tuple(d for d in self.decisions if d.version != undone)
                self.status = status
            case CandidateRetracted():
                self.status = Status.RETRACTED
            case CandidateErased():
                self.status = Status.ERASED
            case CandidateProfileChanged() | CandidateNoted():
                pass
            case _:
                assert_never(event)

    def dump_state(self) -> Mapping[str, Any]:
        return {
            "status": self.status.value,
            "score": self.score,
            "decisions": [
                [decision.version, decision.event_type, decision.status_before.value]
                for decision in self.decisions
            ],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        match state:
            case {"status": str(status), "score": float(score), "decisions": [*decisions]} if (
                math.isfinite(score)
            ):
                self.status = Status(status)
                self.score = score
                self.decisions = tuple(_decision(decision) for decision in decisions)
            case _:
                raise ValueError("This is not the state of a candidate.")

    def _decided(self, event: CandidateEvent, status: Status) -> None:
        decision = Decision(
            version=self.version, event_type=event.event_type, status_before=self.status
        )
        self.decisions = (*self.decisions, decision)
        self.status = status

    def _require(self, *allowed: Status) -> None:
        self._require_not_ended()
        if self.status not in allowed:
            raise WrongStatus(current_status=self.status, allowed_statuses=allowed)

    def _require_not_ended(self) -> None:
        if self.status is Status.RETRACTED:
            raise CandidateIsRetracted
        if self.status is Status.ERASED:
            raise CandidateIsErased


def _decision(state: Any) -> Decision:
    match state:
        case [int(version), str(event_type), str(status_before)]:
            return Decision(
                version=version, event_type=event_type, status_before=Status(status_before)
            )
    raise ValueError("This is not the state of a decision.")
