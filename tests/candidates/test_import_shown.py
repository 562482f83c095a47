"""When an import says that it is done, lists show what it has brought, or it says what to run."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import override_settings

from candidates import wiring
from candidates.application.commands import NoteOnCandidate
from candidates.application.projector import CandidateProjector
from candidates.models import CandidateProjection
from eventstore.application.commands import CommandContext
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.checkpoints import DjangoCheckpoints
from eventstore.models import ParkedStream, StorageEvent
from tests.candidates.test_import_again import ANN, BOB, HEADER, MAP
from tests.factories import add
from tests.given import given

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "log.csv").write_text(f"{HEADER}\n{ANN}\n{BOB}\n")
    (tmp_path / "map.json").write_text(json.dumps(MAP))
    return [str(tmp_path / "log.csv"), f"--map={tmp_path / 'map.json'}"]


def imported(files: list[str]) -> str:
    """What it says to a person besides its numbers."""
    err = io.StringIO()
    call_command("import_history", *files, stdout=io.StringIO(), stderr=err)
    return err.getvalue()


class Held:
    """The checkpoints, while another process has them for so many claims."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, claims: float) -> None:
        self.left = claims
        claimed = DjangoCheckpoints.claimed

        @contextmanager
        def taken(checkpoints: DjangoCheckpoints, projection: str) -> Iterator[Any]:
            self.left -= 1
            if self.left >= 0:
                yield None
                return
            with claimed(checkpoints, projection) as checkpoint:
                yield checkpoint

        monkeypatch.setattr(DjangoCheckpoints, "claimed", taken)


def shown() -> list[str]:
    return list(CandidateProjection.objects.order_by("name").values_list("name", flat=True))


def test_it_waits_for_who_has_the_checkpoint(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Held(monkeypatch, claims=5)
    imported(files)
    assert shown() == ["Ann", "Bob"]


def test_who_never_lets_go_of_it_is_said(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held(monkeypatch, claims=float("inf"))
    monkeypatch.setattr(wiring, "PATIENCE", 0.2)
    with pytest.raises(CommandError) as told:
        imported(files)
    assert told.value.returncode == 1
    assert "candidates: the rows do not show all of it" in str(told.value)
    assert "candidate_spans: the rows do not show all of it" in str(told.value)
    assert "`manage.py follow --once`" in str(told.value)
    assert (StorageEvent.objects.count(), shown()) == (2, [])
    held.left = 0
    call_command("follow", "--once")
    assert shown() == ["Ann", "Bob"]


def test_a_run_with_nothing_new_shows_what_the_one_before_left(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, claims=float("inf"))
    monkeypatch.setattr(wiring, "PATIENCE", 0.0)
    for _ in range(2):
        with pytest.raises(CommandError, match="do not show"):
            imported(files)
    held.left = 0
    imported(files)
    assert shown() == ["Ann", "Bob"]


def test_a_candidate_who_is_parked_is_said(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = CandidateProjector.changes

    def fail_on_some(projector: CandidateProjector, recorded: RecordedEvent) -> Any:
        if recorded.version == failing or getattr(recorded.event, "score", 0) == 90.0:
            raise ValueError("Zoë, zoe@example.org")
        return changes(projector, recorded)

    monkeypatch.setattr(CandidateProjector, "changes", fail_on_some)
    failing = 2
    other = given(add(candidate_id=uuid4())).candidate_id
    given(NoteOnCandidate(candidate_id=other, text="called"))
    assert ParkedStream.objects.count() == 1
    with pytest.raises(CommandError, match="candidates: 1 of these candidates are parked"):
        imported(files)
    assert "Ann" in shown()
    failing = 0
    monkeypatch.setattr(CandidateProjector, "changes", changes)
    # Retried by the next repair; of the other one nothing is said.
    imported(files)
    assert {"Ann", "Bob"} <= set(shown())


def test_others_who_are_parked_are_not_its_business(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = CandidateProjector.changes

    def fail_on_some(projector: CandidateProjector, recorded: RecordedEvent) -> Any:
        if recorded.version == 2:
            raise ValueError("Zoë, zoe@example.org")
        return changes(projector, recorded)

    monkeypatch.setattr(CandidateProjector, "changes", fail_on_some)
    other = given(add(candidate_id=uuid4())).candidate_id
    given(NoteOnCandidate(candidate_id=other, text="called"))
    imported(files)
    assert ParkedStream.objects.count() == 1


def test_a_transaction_in_flight_is_waited_for(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one writer at a time")
    monkeypatch.setattr(wiring, "PATIENCE", 0.2)
    appended, ended = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            wiring.candidate_service().handle(add(candidate_id=uuid4()), by_rita())
            appended.set()
            ended.wait(30)
        connection.close()

    slow = Thread(target=hold)
    slow.start()
    try:
        assert appended.wait(30)
        with pytest.raises(CommandError, match="do not show all of it yet"):
            imported(files)
        assert StorageEvent.objects.count() == 2
    finally:
        ended.set()
        slow.join()
    imported(files)
    assert {"Ann", "Bob"} <= set(shown())


def by_rita() -> CommandContext:
    return CommandContext(actor="rita", door="api", allows=lambda _: True)


@pytest.mark.parametrize("delivery", ["on_commit", "in_transaction", "follow"])
def test_rows_are_there_by_every_delivery_within_the_system(
    files: list[str], delivery: str
) -> None:
    with override_settings(EVENT_DELIVERY=delivery):
        assert "publish" not in imported(files)
    assert shown() == ["Ann", "Bob"]


def test_where_messages_bring_the_rows_it_says_so(files: list[str]) -> None:
    with override_settings(EVENT_DELIVERY="bus"):
        assert "`manage.py publish` and `manage.py consume`" in imported(files)
    assert (StorageEvent.objects.count(), shown()) == (2, [])
