"""The composition root of candidates: the service for the doors, the projector for the log."""

from typing import Any, get_args
from uuid import UUID

import uuid_utils.compat as uuid_utils
from django.conf import settings

from candidates.application.projector import CandidateProjector
from candidates.application.service import CandidateService
from candidates.domain.candidate import Candidate
from candidates.domain.events import CandidateEvent
from candidates.infrastructure.upcasters import UPCASTERS
from candidates.models import CandidateProjection
from eventstore import wiring as eventstore
from eventstore.domain.events import DomainEvent, RecordedEvent
from eventstore.domain.exceptions import AggregateNotFound


def register() -> None:
    """Once, when the app is ready."""
    eventstore.register_events(get_args(CandidateEvent), upcasters=UPCASTERS)
    eventstore.register_projection(CandidateProjector(), CandidateProjection)


def candidate_service() -> CandidateService:
    return CandidateService(
        store=eventstore.event_store(),
        publisher=eventstore.publisher(),
        threshold=settings.SCORE_THRESHOLD,
        new_id=uuid_utils.uuid7,
    )


def trial_service() -> CandidateService:
    """Decides as the real one does and keeps nothing."""
    return CandidateService(
        store=eventstore.trial_store(),
        publisher=eventstore.trial_publisher(),
        threshold=settings.SCORE_THRESHOLD,
        new_id=uuid_utils.uuid7,
    )


def history(candidate_id: UUID) -> list[RecordedEvent]:
    """Every event of the candidate, oldest first. Raises AggregateNotFound."""
    recorded = eventstore.event_store().read_stream(candidate_id)
    if not recorded or recorded[0].stream_type != Candidate.stream_type:
        raise AggregateNotFound(stream_type=Candidate.stream_type, stream_id=candidate_id)
    return recorded


def event_data(event: DomainEvent) -> dict[str, Any]:
    return eventstore.mapper().data_of(event)
