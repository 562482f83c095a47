from uuid import uuid4

from candidates.application import commands
from candidates.application.history import newest_standing_decision
from candidates.domain.candidate import Candidate
from candidates.domain.events import RejectionReason
from candidates.wiring import history
from eventstore.domain.events import StreamHead
from tests import factories
from tests.given import given


def test_the_newest_standing_decision_is_the_one_that_an_undo_must_name(db: None) -> None:
    id = given(factories.add(candidate_id=uuid4())).candidate_id
    reject = commands.RejectCandidate(candidate_id=id, reason=RejectionReason.OTHER)
    for command in (
        commands.MoveCandidateToStandby(candidate_id=id),
        commands.InviteCandidate(candidate_id=id),
        commands.UndoDecision(candidate_id=id, version=3),
        reject,
        commands.NoteOnCandidate(candidate_id=id, text="called back"),
        commands.UndoDecision(candidate_id=id, version=5),
        reject,
        commands.UndoDecision(candidate_id=id, version=8),
        commands.UndoDecision(candidate_id=id, version=2),
    ):
        given(command)
    recorded = history(id)
    named = []
    for version in range(1, len(recorded) + 1):
        candidate = Candidate(id)
        candidate.replay([r.event for r in recorded[:version]], head=StreamHead(version=version))
        newest = newest_standing_decision(recorded[:version])
        named.append(newest.version if newest else None)
        assert named[-1] == (candidate.decisions[-1].version if candidate.decisions else None)
    assert named == [None, 2, 3, 2, 5, 5, 2, 8, 2, None]
