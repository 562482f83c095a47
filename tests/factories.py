"""Events and commands with believable content; a test states only what it is about."""

from datetime import date

import factory

from candidates.application import commands
from candidates.domain import events
from candidates.domain.events import RejectionReason, Status
from tests.scenario import CANDIDATE_ID


class added(factory.Factory[events.CandidateAdded]):  # noqa: N801
    class Meta:
        model = events.CandidateAdded

    profile = factory.LazyFunction(lambda: {"name": "Ann O’Brien", "email": "ann@example.org"})
    score = 80.0


class moved_to_standby(factory.Factory[events.CandidateMovedToStandby]):  # noqa: N801
    class Meta:
        model = events.CandidateMovedToStandby

    until: date | None = None


class invited(factory.Factory[events.CandidateInvited]):  # noqa: N801
    class Meta:
        model = events.CandidateInvited

    score = 80.0
    threshold = 75.0


class rejected(factory.Factory[events.CandidateRejected]):  # noqa: N801
    class Meta:
        model = events.CandidateRejected

    reason = RejectionReason.NOT_QUALIFIED
    note = ""
    score = 80.0
    threshold = 75.0


class decision_undone(factory.Factory[events.CandidateDecisionUndone]):  # noqa: N801
    class Meta:
        model = events.CandidateDecisionUndone

    undone_version = 2
    undone_type = events.CandidateInvited.event_type
    status = Status.ADDED


class rescored(factory.Factory[events.CandidateRescored]):  # noqa: N801
    class Meta:
        model = events.CandidateRescored

    score = 90.0
    why = "second interview"


class profile_changed(factory.Factory[events.CandidateProfileChanged]):  # noqa: N801
    class Meta:
        model = events.CandidateProfileChanged

    profile = factory.LazyFunction(lambda: {"name": "Ann Muñoz"})


class noted(factory.Factory[events.CandidateNoted]):  # noqa: N801
    class Meta:
        model = events.CandidateNoted

    text = "called back"


class retracted(factory.Factory[events.CandidateRetracted]):  # noqa: N801
    class Meta:
        model = events.CandidateRetracted

    why = "added twice"


class add(factory.Factory[commands.AddCandidate]):  # noqa: N801
    class Meta:
        model = commands.AddCandidate

    profile = factory.LazyFunction(lambda: {"name": "Ann O’Brien", "email": "ann@example.org"})
    score = 80.0
    candidate_id = CANDIDATE_ID
