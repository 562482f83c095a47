"""What older code stored comes out as today's on every way out of the log."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection

from candidates.application.commands import RejectCandidate
from candidates.application.service import CandidateService
from candidates.domain.candidate import Candidate
from candidates.domain.events import CandidateRejected, RejectionReason, Status
from candidates.models import CandidateProjection
from candidates.wiring import history
from eventstore.application.commands import CommandContext, digest_of
from eventstore.application.repository import AggregateRepository
from eventstore.domain.events import Metadata, event_id_of
from eventstore.infrastructure.messaging.local import LocalEventPublisher
from eventstore.models import StorageEvent
from eventstore.wiring import event_store, projections, repair, replay
from tests.factories import added

pytestmark = pytest.mark.django_db

STORED = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
TODAYS = CandidateRejected(
    reason=RejectionReason.OTHER, note="too far away", score=None, threshold=None
)


def inserted(**columns: Any) -> None:
    """A row that no code of today wrote."""
    meta: Any = StorageEvent._meta
    values = [
        meta.get_field(name).get_db_prep_save(value, connection) for name, value in columns.items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {meta.db_table} ({', '.join(columns)}) "
            f"VALUES ({', '.join(['%s'] * len(columns))})",
            values,
        )


@pytest.fixture
def command() -> RejectCandidate:
    return RejectCandidate(candidate_id=uuid4(), reason=RejectionReason.OTHER, note="too far away")


@pytest.fixture
def terms() -> CommandContext:
    return CommandContext(actor="rita", door="api", allows=lambda _: True, command_id=uuid4())


@pytest.fixture
def candidate_id(command: RejectCandidate, terms: CommandContext) -> UUID:
    """Added today and rejected by code that stored version 1."""
    assert terms.command_id is not None
    event_store().append(
        "candidate",
        command.candidate_id,
        [added()],
        expected=0,
        metadata=Metadata(actor="rita", door="api"),
        occurred_at=STORED,
    )
    inserted(
        event_id=event_id_of(terms.command_id, 0),
        stream_type="candidate",
        stream_id=command.candidate_id,
        version=2,
        event_type="candidate.rejected",
        schema_version=1,
        data='{"reason":"too far away"}',
        metadata=json.dumps(
            {
                "actor": "rita",
                "door": "api",
                "causation_id": str(terms.command_id),
                "command_digest": digest_of(command),
            }
        ),
        occurred_at=STORED,
        recorded_at=STORED,
        hash=b"",
    )
    return command.candidate_id


class Remembering:
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def handle(self, events: Any) -> None:
        self.seen += events


def test_reads_of_the_log_give_todays(candidate_id: UUID, terms: CommandContext) -> None:
    assert terms.command_id is not None
    store = event_store()
    for read in (
        store.read_stream(candidate_id),
        store.read_command(terms.command_id),
        history(candidate_id),
    ):
        assert (read[-1].event, read[-1].event.schema_version) == (TODAYS, 2)


def test_a_load_gives_todays(candidate_id: UUID) -> None:
    publisher = LocalEventPublisher()
    candidate = AggregateRepository(Candidate, store=event_store(), publisher=publisher).get(
        candidate_id
    )
    assert (candidate.status, candidate.version) == (Status.REJECTED, 2)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("way", ["replay", "repair"])
def test_read_models_show_todays(candidate_id: UUID, way: str) -> None:
    projection = projections()["candidates"]
    replay([projection.name]).run(lambda _: None) if way == "replay" else repair(projection.name)
    row = CandidateProjection.objects.get()
    assert (row.status, row.rejection_reason, row.rejection_note, row.rejected_at) == (
        "REJECTED",
        "other",
        "too far away",
        STORED,
    )


def test_a_repeated_command_publishes_and_answers_todays(
    candidate_id: UUID, command: RejectCandidate, terms: CommandContext
) -> None:
    remembering, publisher = Remembering(), LocalEventPublisher()
    publisher.subscribe(remembering)
    service = CandidateService(
        store=event_store(), publisher=publisher, threshold=75.0, new_id=uuid4
    )
    result = service.handle(command, terms)
    assert (result.repeated, result.status, result.version) == (True, Status.REJECTED, 2)
    assert list(result.events) == remembering.seen == event_store().read_stream(candidate_id)[1:]
    assert remembering.seen[0].event == TODAYS


def test_the_history_shows_todays(candidate_id: UUID, client_of: Any) -> None:
    reader = User.objects.create_superuser("root")
    answer = client_of(reader).get(f"/api/v1/candidates/{candidate_id}/history/").json()
    shown = answer["results"][-1]
    assert (shown["event_type"], shown["schema_version"]) == ("candidate.rejected", 2)
    assert shown["data"] == {
        "reason": "other",
        "note": "too far away",
        "score": None,
        "threshold": None,
    }


def test_what_this_process_writes_is_published_as_it_will_be_read(candidate_id: UUID) -> None:
    metadata = Metadata(actor="rita", door="api")
    appended = event_store().append(
        "candidate", candidate_id, [TODAYS], expected=2, metadata=metadata
    )
    assert appended == event_store().read_stream(candidate_id, after=2)
