"""Brings the generated history into the log, through the service like everything else."""

from datetime import date
from uuid import UUID

from django.conf import settings
from django.db import transaction
from tqdm import tqdm

from candidates.wiring import candidate_service, history
from eventstore.domain.events import stream_id_of
from eventstore.domain.exceptions import AggregateNotFound
from recruitment.demo.history import command_id_of, first_day, planned

BATCH = 100
"""Commands in one transaction."""


def load(*, today: date, count: int = 500) -> int:
    """Carry out what is missing of the planned history. Returns how many events were stored.

    A load that was killed is completed by the plan that it began with.
    """
    start = _begun_on(stream_id_of(command_id_of(0, version=1))) or first_day(today)
    steps = planned(start, count=count, threshold=settings.SCORE_THRESHOLD)
    service = candidate_service()
    stored = 0
    with tqdm(
        total=len(steps), desc=f"Loading {count} candidates", unit=" events", disable=None
    ) as progress:
        for i in range(0, len(steps), BATCH):
            with transaction.atomic():
                for step in steps[i : i + BATCH]:
                    stored += not service.handle(step.command, step.context).repeated
                    progress.update()
    return stored


def _begun_on(first_candidate: UUID) -> date | None:
    """The plan's first day, on which its first candidate is added; None for an empty log."""
    try:
        return history(first_candidate)[0].occurred_at.date()
    except AggregateNotFound:
        return None
