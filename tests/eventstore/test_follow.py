"""`manage.py follow` as a supervisor runs it."""

import io
import signal
import subprocess
from contextlib import ExitStack
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from candidates.models import CandidateProjection, StatusSpan
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.models import Checkpoint, StorageEvent
from eventstore.wiring import checkpoints, event_store, parked_streams, projections
from tests.deliveries import replayed, rows
from tests.eventstore.test_old_versions import inserted
from tests.factories import add
from tests.processes import running, until
from tests.threads import in_flight

pytestmark = pytest.mark.django_db(transaction=True)
RITA = CommandContext(actor="rita", door="api", allows=lambda _: True)


def append(count: int = 1) -> None:
    with override_settings(EVENT_DELIVERY="follow"):
        for _ in range(count):
            candidate_service().handle(add(candidate_id=None), RITA)


def follow(*arguments: str) -> str:
    out = io.StringIO()
    call_command("follow", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def stop(process: "subprocess.Popen[str]", number: signal.Signals) -> str:
    """Its last line, once it has ended well."""
    process.send_signal(number)
    out, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    return out.splitlines()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_shows_what_is_appended_until_it_is_told_to_stop(number: signal.Signals) -> None:
    append(3)
    with running("manage.py", "follow") as process:
        until(lambda: StatusSpan.objects.count() == 3)
        append()
        until(lambda: StatusSpan.objects.count() == 4 == CandidateProjection.objects.count())
        last = StorageEvent.objects.latest("position").position
        until(lambda: {kept.position for kept in checkpoints().all().values()} == {last})
        told = stop(process, number)
    assert told == f"stopped: candidates at {last}, candidate_spans at {last}"
    assert all(kept.seen_at for kept in checkpoints().all().values())
    assert rows() == replayed()


def test_several_may_run_on_one_log() -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(running("manage.py", "follow")) for _ in range(2)]
        for process in processes:
            assert process.stderr is not None
            assert process.stderr.readline() == "Following the log: candidates, candidate_spans\n"
        append(30)
        until(lambda: StatusSpan.objects.count() == 30 == CandidateProjection.objects.count())
        for process in processes:
            stop(process, signal.SIGTERM)
    assert rows() == replayed()


def test_once_goes_as_far_as_the_log_is_settled() -> None:
    append(2)
    last = StorageEvent.objects.latest("position").position
    assert follow("--once") == f"done: candidates at {last}, candidate_spans at {last}\n"
    assert rows() == replayed()


def test_one_projection_alone_may_be_followed() -> None:
    append()
    follow("--once", "--projection", "candidate_spans")
    assert (CandidateProjection.objects.count(), StatusSpan.objects.count()) == (0, 1)
    follow("--once", "--projection", "candidate_spans", "--projection", "candidates")
    assert CandidateProjection.objects.count() == 1


def test_a_projection_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(
        CommandError, match="no projection spams; there are candidates, candidate_sp"
    ):
        follow("--once", "--projection", "spams")


def test_an_event_of_newer_code_ends_it_with_once_and_is_waited_for_otherwise() -> None:
    append()
    event_id, now = uuid4(), StorageEvent.objects.get().recorded_at
    inserted(
        event_id=event_id,
        stream_type="candidate",
        stream_id=uuid4(),
        version=1,
        event_type="candidate.promoted",
        schema_version=1,
        data="{}",
        metadata="{}",
        occurred_at=now,
        recorded_at=now,
        hash=b"",
    )
    position = StorageEvent.objects.latest("position").position
    append()
    named = f"{event_id} at position {position}, candidate.promoted version 1"
    with pytest.raises(CommandError, match=named):
        follow("--once")
    append()
    with running("manage.py", "follow") as process:
        # Other streams go on, and nothing passes it by.
        until(lambda: StatusSpan.objects.count() == 3 == CandidateProjection.objects.count())
        stop(process, signal.SIGTERM)
    for kept in Checkpoint.objects.all():
        assert kept.position == StorageEvent.objects.order_by("position")[0].position
        assert named in kept.waits_for
    assert parked_streams().listed() == []


def test_a_checkpoint_of_another_log_ends_it_with_advice() -> None:
    append()
    checkpoints().replace("candidates", position=10**9, schema=1)
    with pytest.raises(CommandError, match="older backup"):
        follow("--once")


def test_other_databases_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "oracle")
    with pytest.raises(CommandError, match="runs on PostgreSQL and SQLite"):
        follow("--once")


def test_it_leaves_the_signals_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    follow("--once")
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_a_held_transaction_is_waited_for_and_not_passed_by() -> None:
    with in_flight(append):
        append()
        follow("--once")
        assert CandidateProjection.objects.count() == 0
    follow("--once")
    assert CandidateProjection.objects.count() == 2
    assert len(event_store().read_all(limit=9)) == 2
    assert set(checkpoints().all()) == set(projections())
