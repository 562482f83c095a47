"""Events and commands with believable content; a test states only what it is about."""

from collections.abc import Callable
from typing import TypeVar, cast

from factory.declarations import LazyFunction
from factory.helpers import make_factory

from candidates.application.commands import AddCandidate
from candidates.domain.events import (
    CandidateAdded,
    CandidateDecisionUndone,
    CandidateErased,
    CandidateInvited,
    CandidateMovedToStandby,
    CandidateNoted,
    CandidateProfileChanged,
    CandidateRejected,
    CandidateRescored,
    CandidateRetracted,
    ErasureReason,
    RejectionReason,
    Status,
)
from tests.scenario import CANDIDATE_ID

T = TypeVar("T")


def _factory(model: type[T], **defaults: object) -> Callable[..., T]:
    return cast(Callable[..., T], make_factory(model, **defaults))


def _profile() -> dict[str, str]:
    return {"name": "Ann O’Brien", "email": "ann@example.org"}


added = _factory(CandidateAdded, profile=LazyFunction(_profile), score=80.0)
moved_to_standby = _factory(CandidateMovedToStandby, until=None)
invited = _factory(CandidateInvited, score=80.0, threshold=75.0)
rejected = _factory(
    CandidateRejected,
    reason=RejectionReason.NOT_QUALIFIED,
    note="",
    score=80.0,
    threshold=75.0,
)
decision_undone = _factory(
    CandidateDecisionUndone,
    undone_version=2,
    undone_type=CandidateInvited.event_type,
    status=Status.ADDED,
)
rescored = _factory(CandidateRescored, score=90.0, why="second interview")
profile_changed = _factory(CandidateProfileChanged, profile=LazyFunction(lambda: {"name": "Ann"}))
noted = _factory(CandidateNoted, text="called back")
retracted = _factory(CandidateRetracted, why="added twice")
erased = _factory(CandidateErased, reason=ErasureReason.REQUEST)

add = _factory(AddCandidate, profile=LazyFunction(_profile), score=80.0, candidate_id=CANDIDATE_ID)
