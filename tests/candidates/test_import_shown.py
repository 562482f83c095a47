"""When an import says that it is done, lists show what it has brought, or it says what to run."""

import io
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import DataError, InterfaceError, OperationalError, connection, transaction
from django.test import override_settings

from candidates import wiring
from candidates.application import history_rows
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
    """Runs the import. Returns its messages on stderr, which are those without its counts."""
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


class Locked:
    """The database, while another process has its one write lock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        if connection.vendor != "sqlite":
            pytest.skip("PostgreSQL has no lock for all writers")
        self._other = sqlite3.connect(
            connection.settings_dict["NAME"], isolation_level=None, uri=True
        )
        monkeypatch.setattr(wiring, "PATIENCE", 0.5)
        # Instead of 20 seconds.
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 50")

    def begin(self) -> None:
        self._other.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        self._other.close()
        connection.close()


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Locked]:
    lock = Locked(monkeypatch)
    yield lock
    lock.end()


def refused(files: list[str]) -> tuple[list[str], CommandError]:
    """The lines on standard output of a run that fails, and how it does."""
    out = io.StringIO()
    with pytest.raises(CommandError) as told:
        call_command("import_history", *files, stdout=out, stderr=io.StringIO())
    return out.getvalue().splitlines(), told.value


def test_a_lock_behind_the_last_row_leaves_the_counts_and_what_to_run(
    files: list[str], monkeypatch: pytest.MonkeyPatch, locked: Locked
) -> None:
    bring_rows = wiring.bring_rows

    def too_late(**terms: Any) -> list[str]:
        locked.begin()
        return bring_rows(**terms)

    monkeypatch.setattr(wiring, "bring_rows", too_late)
    said, problem = refused(files)
    assert said[0] == "2 rows, 2 events stored"
    assert problem.returncode == 1
    assert "database is locked" in str(problem)
    assert "`manage.py follow --once`" in str(problem)
    assert (StorageEvent.objects.count(), shown()) == (2, [])
    locked.end()
    call_command("follow", "--once")
    assert shown() == ["Ann", "Bob"]


def test_a_lock_between_two_chunks_leaves_the_counts_and_what_to_run(
    files: list[str], monkeypatch: pytest.MonkeyPatch, locked: Locked
) -> None:
    monkeypatch.setattr(history_rows, "ROWS_PER_CHUNK", 1)
    keep, calls = wiring.in_one_transaction, iter((False, True))

    def kept(work: Any, **terms: Any) -> Any:
        if next(calls):
            locked.begin()
        return keep(work, **terms)

    monkeypatch.setattr(wiring, "in_one_transaction", kept)
    said, problem = refused(files)
    assert said[0] == "1 row, 1 event stored"
    assert problem.returncode == 1
    assert "broke off after 1 rows (database is locked)" in str(problem)
    assert "Run again" in str(problem)
    assert "`manage.py follow --once`" in str(problem)
    locked.end()
    monkeypatch.setattr(wiring, "in_one_transaction", keep)
    imported(files)
    assert shown() == ["Ann", "Bob"]


def test_a_database_that_is_away_for_a_moment_is_waited_for(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    claimed, left = DjangoCheckpoints.claimed, [True] * 3

    @contextmanager
    def away(checkpoints: DjangoCheckpoints, projection: str) -> Iterator[Any]:
        if left:
            left.pop()
            raise OperationalError("server closed the connection unexpectedly\nDETAIL: Zoë")
        with claimed(checkpoints, projection) as checkpoint:
            yield checkpoint

    monkeypatch.setattr(DjangoCheckpoints, "claimed", away)
    imported(files)
    assert (left, shown()) == ([], ["Ann", "Bob"])


@pytest.mark.parametrize("error", [OperationalError, InterfaceError, DataError])
def test_a_database_that_goes_away_leaves_the_counts_and_quotes_nobody(
    files: list[str], monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def away(checkpoints: DjangoCheckpoints, projection: str) -> Any:
        raise error("the server is gone.\nDETAIL: Zoë")

    monkeypatch.setattr(DjangoCheckpoints, "claimed", away)
    monkeypatch.setattr(wiring, "PATIENCE", 0.1)
    said, problem = refused(files)
    assert said[0] == "2 rows, 2 events stored"
    assert "(the server is gone)" in str(problem)
    assert "`manage.py follow --once`" in str(problem)
    assert "Zoë" not in str(problem)


def test_a_position_that_was_rolled_back_is_not_waited_for(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_rows, "ROWS_PER_CHUNK", 1)
    keep, calls = wiring.in_one_transaction, iter((False, True))

    def kept(work: Any, **terms: Any) -> Any:
        def then_fail() -> None:
            work()
            raise OperationalError("gone")

        return keep(then_fail if next(calls) else work, **terms)

    monkeypatch.setattr(wiring, "in_one_transaction", kept)
    said, problem = refused(files)
    assert said[0] == "1 row, 1 event stored"
    assert "do not show" not in str(problem)
    assert shown() == ["Ann"]


@pytest.mark.parametrize("where", ["rows", "read models"])
def test_ctrl_c_leaves_the_counts_and_that_it_can_be_repeated(
    files: list[str], monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(history_rows, "ROWS_PER_CHUNK", 1)
    keep, calls = wiring.in_one_transaction, iter((False, where == "rows"))

    def interrupt(*_: Any, **terms: Any) -> Any:
        raise KeyboardInterrupt

    def kept(work: Any, **terms: Any) -> Any:
        return interrupt() if next(calls) else keep(work, **terms)

    with monkeypatch.context() as patched:
        patched.setattr(wiring, "in_one_transaction", kept)
        if where == "read models":
            patched.setattr(wiring, "bring_rows", interrupt)
        said, problem = refused(files)
    assert problem.returncode == 130
    if where == "rows":
        assert said[0] == "1 row, 1 event stored"
        assert "Stopped after 1 rows. Those are imported. Run again" in str(problem)
        assert shown() == ["Ann"]
    else:
        assert said[0] == "2 rows, 2 events stored"
        assert "`manage.py follow --once`" in str(problem)
    imported(files)
    assert shown() == ["Ann", "Bob"]


def test_ctrl_c_before_the_first_row_is_one_line(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(wiring, "history_rows", interrupt)
    with pytest.raises(CommandError, match=r"^Stopped\.$") as told:
        imported(files)
    assert told.value.returncode == 130
