"""How stored events reach those who subscribed, and what happens when one of them fails."""

import logging
from collections.abc import Sequence
from queue import Queue
from threading import Thread, current_thread
from uuid import uuid4

import pytest
from django.db import OperationalError, transaction
from django.test import override_settings

from candidates.application.commands import NoteOnCandidate
from candidates.models import CandidateProjection, StatusSpan
from candidates.wiring import candidate_service
from eventstore import wiring
from eventstore.application.commands import CommandContext
from eventstore.domain.events import Metadata, RecordedEvent
from eventstore.infrastructure.background import OnceInBackground
from eventstore.infrastructure.messaging.local import LocalEventPublisher, OnCommitPublisher
from eventstore.infrastructure.parked import DjangoParkedStreams
from eventstore.infrastructure.rows import DjangoProjectionRows
from eventstore.models import Checkpoint
from eventstore.wiring import (
    checkpoints,
    deliveries,
    event_store,
    follower,
    parked_streams,
    repair,
    repair_all,
    repair_once,
    replay,
)
from tests.factories import add, added

RITA = CommandContext(actor="rita", door="api", allows=lambda _: True)


class Remembering:
    def __init__(self) -> None:
        self.seen: list[int] = []

    def handle(self, events: Sequence[RecordedEvent]) -> None:
        self.seen += [event.version for event in events]


class Failing:
    def handle(self, events: Sequence[RecordedEvent]) -> None:
        raise RuntimeError("no room")


def recorded() -> list[RecordedEvent]:
    metadata = Metadata(actor="rita", door="api")
    return event_store().append("candidate", uuid4(), [added()], expected=0, metadata=metadata)


@pytest.mark.django_db(transaction=True)
def test_events_are_published_after_the_commit_and_not_after_a_rollback() -> None:
    remembering, local = Remembering(), LocalEventPublisher()
    local.subscribe(remembering)
    publisher = OnCommitPublisher(local, then=lambda: None)
    with transaction.atomic():
        publisher.publish(recorded())
        assert remembering.seen == []
    assert remembering.seen == [1]
    with transaction.atomic():
        publisher.publish(recorded())
        transaction.set_rollback(True)
    assert remembering.seen == [1]
    publisher.publish(recorded())
    assert remembering.seen == [1, 1]


@pytest.mark.django_db
def test_one_handler_that_fails_is_seen_and_does_not_stop_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    remembering, local = Remembering(), LocalEventPublisher()
    local.subscribe(Failing())
    local.subscribe(remembering)
    events = recorded()
    local.publish(events)
    assert remembering.seen == [1]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert str(events[0].stream_id) in record.getMessage()
    assert f"position {events[0].position}: RuntimeError at {__name__}" in record.getMessage()
    assert "no room" not in caplog.text


@pytest.fixture
def broken_projection(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The read model refuses every write until it is mended by `undo()`."""

    def refuse(*_: object, **__: object) -> bool:
        raise RuntimeError("no room")

    monkeypatch.setattr(DjangoProjectionRows, "advance", refuse)
    return monkeypatch


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mend", ["retry", "repair", "follower", "replay", "repeat"])
def test_a_row_that_was_missed_is_mended(
    broken_projection: pytest.MonkeyPatch, mend: str, caplog: pytest.LogCaptureFixture
) -> None:
    keyed = CommandContext(actor="rita", door="api", allows=lambda _: True, command_id=uuid4())
    result = candidate_service().handle(add(candidate_id=None), keyed)
    assert result.version == 1
    assert f"<Projection candidates> failed on stream {result.candidate_id}" in caplog.text
    assert "no room" not in caplog.text
    assert not CandidateProjection.objects.exists()

    broken_projection.undo()
    match mend:
        case "retry":
            assert deliveries()["candidates"].retry(result.candidate_id) is None
        case "repair":
            assert repair("candidates").streams == 1
        case "follower":
            follower(["candidates"]).run(once=True)
        case "replay":
            replay(["candidates"]).run(lambda _: None)
        case "repeat":
            assert candidate_service().handle(add(candidate_id=None), keyed).repeated

    row = CandidateProjection.objects.get()
    assert (row.id, row.score, row.version) == (result.candidate_id, 80.0, 1)


@pytest.mark.django_db(transaction=True)
def test_what_comes_behind_a_parked_event_waits_and_is_not_tried(
    broken_projection: pytest.MonkeyPatch,
) -> None:
    result = candidate_service().handle(add(candidate_id=None), RITA)
    broken_projection.undo()
    note = NoteOnCandidate(candidate_id=result.candidate_id, text="called")
    candidate_service().handle(note, RITA)
    parked = parked_streams().find("candidates", result.candidate_id)
    assert parked is not None
    assert (parked.version, parked.attempts) == (1, 1)
    assert not CandidateProjection.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_where_parking_fails_too_a_repair_still_finds_the_stream(
    broken_projection: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no room for that either")

    broken_projection.setattr(DjangoProjectionRows, "add_missing", refuse)
    broken_projection.setattr(DjangoParkedStreams, "park", refuse)
    result = candidate_service().handle(add(candidate_id=None), RITA)
    assert f"failed on stream {result.candidate_id}" in caplog.text
    with pytest.raises(RuntimeError, match="either"):
        repair("candidates")
    assert checkpoints().all()["candidates"].position == 0

    broken_projection.undo()
    assert repair("candidates").complete
    assert CandidateProjection.objects.get().id == result.candidate_id


def test_what_a_process_does_on_the_side_it_does_once(caplog: pytest.LogCaptureFixture) -> None:
    done: list[Thread] = []

    def act() -> None:
        done.append(current_thread())
        raise RuntimeError("somebody's data")

    once = OnceInBackground(act)
    once.start()
    once.start()
    done[0].join(timeout=30)
    assert done == [done[0]]
    assert done[0] is not current_thread()
    (record,) = caplog.records
    assert record.getMessage().startswith(
        f"act failed in the background: RuntimeError at {__name__}"
    )


def test_it_does_it_again_where_the_database_was_away_or_there_is_more_to_do() -> None:
    runs: Queue[Thread] = Queue()
    failures = [OperationalError("the database is locked")]

    def act() -> None:
        runs.put(current_thread())
        if failures:
            raise failures.pop()

    once = OnceInBackground(act)
    for _ in range(2):
        once.start()
        runs.get(timeout=30).join(timeout=30)
    once.start()
    assert once.begun
    assert runs.empty()
    once.again()
    once.start()
    runs.get(timeout=30).join(timeout=30)


@pytest.mark.django_db(transaction=True)
def test_a_delivery_that_met_a_locked_database_has_what_was_lost_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def locked(*_: object, **__: object) -> None:
        raise OperationalError("the database is locked")

    looked: list[bool] = []
    monkeypatch.setattr(repair_once, "begun", True)
    monkeypatch.setattr(repair_once, "start", lambda: looked.append(not repair_once.begun))
    candidate_service().handle(add(candidate_id=None), RITA)
    with monkeypatch.context() as patched:
        patched.setattr(DjangoProjectionRows, "advance", locked)
        result = candidate_service().handle(add(candidate_id=None), RITA)
    assert looked == [False, True]
    repair_all()
    assert CandidateProjection.objects.filter(pk=result.candidate_id).exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("delivery", ["on_commit", "in_transaction"])
def test_the_first_command_of_a_process_has_it_look_for_what_was_lost(
    monkeypatch: pytest.MonkeyPatch, delivery: str
) -> None:
    started: list[str] = []
    monkeypatch.setattr(repair_once, "start", lambda: started.append("started"))
    with override_settings(EVENT_DELIVERY=delivery):
        with transaction.atomic():
            candidate_service().handle(add(candidate_id=None), RITA)
            assert started == []
        assert started == ["started"]


@pytest.mark.django_db(transaction=True)
def test_what_was_lost_is_found_within_bounds_and_the_rest_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "REPAIRED_ON_THE_SIDE", 2)
    for _ in range(3):
        recorded()
    repair_all()
    assert CandidateProjection.objects.count() == 2
    assert "candidates lags by 3 streams: run manage.py follow --once" in caplog.text
    caplog.clear()
    repair_all()
    assert CandidateProjection.objects.count() == 3
    assert "candidates lags" not in caplog.text
    assert repair("candidates").streams == 0


@pytest.mark.django_db(transaction=True)
def test_a_read_model_that_cannot_be_repaired_keeps_no_other_from_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    beyond = recorded()[0].position + 1
    Checkpoint.objects.create(projection="candidates", schema=1, position=beyond)
    repair_all()
    assert StatusSpan.objects.count() == 1
    assert f"candidates stays behind: Position {beyond} lies beyond the log" in caplog.text
