"""One candidate's way through the process, as the commands that a team would give."""

from datetime import date, timedelta
from random import Random
from uuid import UUID

from candidates.application.commands import (
    AddCandidate,
    CandidateCommand,
    ChangeProfile,
    InviteCandidate,
    MoveCandidateToStandby,
    NoteOnCandidate,
    RejectCandidate,
    RescoreCandidate,
    RetractCandidate,
    UndoDecision,
)
from candidates.domain.events import RejectionReason
from recruitment.demo import phrases
from recruitment.demo.people import TEAM, applicant, moved

_WAYS = {
    "": 14,
    "note": 6,
    "profile note": 3,
    "rescore": 3,
    "standby": 8,
    "standby note": 4,
    "note standby rescore": 3,
    "standby undo": 2,
    "invite": 12,
    "note invite": 6,
    "standby invite": 7,
    "standby note invite note": 4,
    "rescore invite": 5,
    "standby rescore invite profile": 3,
    "invite undo standby": 2,
    "invite undo": 1,
    "invite reject": 5,
    "invite note reject note": 4,
    "reject": 16,
    "note reject": 7,
    "standby reject": 5,
    "standby reject undo note": 2,
    "reject undo": 2,
    "reject undo note invite": 3,
    "reject note undo standby undo reject": 1,
    "retract": 2,
    "standby undo retract": 1,
}
"""What follows upon adding -> how often."""


class Journey:
    """Every command of it is one event, and no rule will refuse it."""

    def __init__(self, rng: Random, number: int, *, candidate_id: UUID, threshold: float) -> None:
        (way,) = rng.choices(list(_WAYS), weights=list(_WAYS.values()))
        self.tasks = ("add", *way.split())
        self._rng = rng
        self._id = candidate_id
        self._threshold = threshold
        self._profile = applicant(rng, number)
        self._score = self._first_score()
        self._standing: list[int] = []

    def command(self, version: int, on: date) -> CandidateCommand:
        """What brings the candidate to this version. To be called for each in turn."""
        rng, id = self._rng, self._id
        match self.tasks[version - 1]:
            case "add":
                return AddCandidate(profile=self._profile, score=self._score)
            case "standby":
                self._standing.append(version)
                weeks = rng.choice([0, 1, 2, 4, 8])
                until = on + timedelta(weeks=weeks) if weeks else None
                return MoveCandidateToStandby(candidate_id=id, until=until)
            case "invite":
                self._standing.append(version)
                return InviteCandidate(candidate_id=id)
            case "reject":
                self._standing.append(version)
                reason = self._reason(version)
                note = rng.choice(phrases.REJECTIONS[reason])
                return RejectCandidate(candidate_id=id, reason=reason, note=note)
            case "undo":
                return UndoDecision(candidate_id=id, version=self._standing.pop())
            case "rescore":
                self._score = self._next_score(version)
                why = rng.choice(phrases.RESCORES)
                return RescoreCandidate(candidate_id=id, score=self._score, why=why)
            case "profile":
                self._profile = moved(rng, self._profile)
                return ChangeProfile(candidate_id=id, profile=self._profile)
            case "note":
                return NoteOnCandidate(candidate_id=id, text=rng.choice(phrases.NOTES))
            case "retract":
                return RetractCandidate(candidate_id=id, why=rng.choice(phrases.RETRACTIONS))
            case task:
                raise ValueError(f"Nobody knows how to {task}.")

    def actor(self, version: int) -> str:
        """The owner more often than not; what comes in by itself is added by a machine's user."""
        if version == 1 and self._profile["source"] in ("careers_site", "job_board"):
            return "careers-site"
        owner: str = self._profile.get("owner", TEAM[0])
        return owner if self._rng.random() < 0.7 else self._rng.choice(TEAM)

    def on_behalf_of(self, version: int) -> str | None:
        if self.tasks[version - 1] not in ("invite", "reject") or self._rng.random() < 0.75:
            return None
        return self._rng.choice(phrases.MANAGERS)

    def _first_score(self) -> float:
        if "invite" not in self.tasks:
            return self._any_score()
        if "rescore" in self.tasks:
            return round(self._threshold * self._rng.uniform(0.8, 0.99), 1)
        return self._passing_score()

    def _next_score(self, version: int) -> float:
        return self._passing_score() if "invite" in self.tasks[version:] else self._any_score()

    def _passing_score(self) -> float:
        if self._rng.random() < 0.05:
            return self._threshold
        drawn = self._rng.triangular(self._threshold, 100, self._threshold)
        return min(100.0, max(self._threshold, round(drawn, 1)))

    def _any_score(self) -> float:
        return min(100.0, max(0.0, round(self._rng.gauss(66, 14), 1)))

    def _reason(self, version: int) -> RejectionReason:
        if "invite" in self.tasks[:version]:
            reasons = [RejectionReason.WITHDREW, RejectionReason.NO_RESPONSE]
        elif self._score < self._threshold:
            reasons = [RejectionReason.NOT_QUALIFIED]
        else:
            reasons = [RejectionReason.DUPLICATE, RejectionReason.OTHER]
        return self._rng.choice([*reasons, *reasons, RejectionReason.POSITION_FILLED])
