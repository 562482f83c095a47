"""The rules that can say no, each with a stable code and the values it compared."""

from dataclasses import dataclass
from typing import ClassVar

from candidates.domain.events import Status
from eventstore.domain.exceptions import DomainError


@dataclass(eq=False, kw_only=True)
class WrongStatus(DomainError):
    """The candidate's status does not allow this."""

    code: ClassVar[str] = "wrong_status"
    current_status: Status
    allowed_statuses: tuple[Status, ...]

    def __str__(self) -> str:
        allowed = " or ".join(status.capitalize() for status in self.allowed_statuses)
        return f"The candidate is {self.current_status.capitalize()}; this needs {allowed}."


@dataclass(eq=False, kw_only=True)
class ScoreBelowThreshold(DomainError):
    """Only who reaches the threshold can be invited."""

    code: ClassVar[str] = "score_below_threshold"
    score: float
    threshold: float

    def __str__(self) -> str:
        return f"The score {self.score} is below the threshold {self.threshold}."


@dataclass(eq=False, kw_only=True)
class NothingToUndo(DomainError):
    """No decision stands that could be taken back."""

    code: ClassVar[str] = "nothing_to_undo"


@dataclass(eq=False, kw_only=True)
class NotTheNewestDecision(DomainError):
    """Decisions are taken back one at a time, the newest first."""

    code: ClassVar[str] = "not_the_newest_decision"
    named_version: int
    newest_version: int

    def __str__(self) -> str:
        return (
            f"Version {self.named_version} is not the newest decision that stands; "
            f"that is version {self.newest_version}."
        )


@dataclass(eq=False, kw_only=True)
class DecisionStands(DomainError):
    """A candidate can be retracted only while no decision stands."""

    code: ClassVar[str] = "decision_stands"
    version: int

    def __str__(self) -> str:
        return f"The decision of version {self.version} stands: undo it first."


@dataclass(eq=False, kw_only=True)
class CandidateIsRetracted(DomainError):
    """The candidate was retracted: nothing more can be done with it."""

    code: ClassVar[str] = "candidate_retracted"


@dataclass(eq=False, kw_only=True)
class CandidateIsErased(DomainError):
    """The candidate's personal data was erased: nothing more can be done with it."""

    code: ClassVar[str] = "candidate_erased"


@dataclass(eq=False, kw_only=True)
class ExternalIdsNotHere(DomainError):
    """Messages feed the read model here: nobody can tell whether an external id is known by now."""

    code: ClassVar[str] = "external_ids_not_here"


@dataclass(eq=False, kw_only=True)
class AlreadyAdded(DomainError):
    """This candidate is there already."""

    code: ClassVar[str] = "already_added"
