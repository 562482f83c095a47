"""`manage.py eventstore_status` as an operator and a supervisor see it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.test import Client, override_settings
from django.utils import timezone

from candidates.application.projector import SCHEMA as CANDIDATES
from eventstore.application import status as status_of_projections
from eventstore.domain.events import Metadata
from eventstore.infrastructure.triggers import drop_triggers, ensure_triggers
from eventstore.management.commands import eventstore_status
from eventstore.models import Checkpoint, StorageEvent
from eventstore.wiring import checkpoints, event_store, parked_streams, projections, repair
from tests.factories import added, noted
from tests.threads import in_flight

pytestmark = pytest.mark.django_db(transaction=True)
with_several_writers = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer at a time"
)


def append() -> int:
    metadata = Metadata(actor="rita", door="api")
    events = [added(), noted(text="Ann’s secret")]
    recorded = event_store().append("candidate", uuid4(), events, expected=0, metadata=metadata)
    return recorded[-1].position


def slow_append() -> None:
    append()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'it''s personal', 1 AS harmless")


def status() -> dict[str, Any]:
    out = StringIO()
    call_command("eventstore_status", "--json", stdout=out)
    (line,) = out.getvalue().splitlines()
    answer: dict[str, Any] = json.loads(line)
    return answer


def shown() -> str:
    out = StringIO()
    call_command("eventstore_status", stdout=out)
    return out.getvalue()


def test_a_quiet_log_is_settled_to_its_end() -> None:
    last = append()
    for name in projections():
        repair(name)
    standing = {
        "position": last,
        "parked": 0,
        "lag": 0,
        "waiting_since": None,
        "seen_at": None,
        "followed": False,
        "waits_for": "",
    }
    assert status() == {
        "last_number": last,
        "settled_position": last,
        "missing_guards": [],
        "key_troubles": [],
        "held_back_by": [],
        "projections": [
            {"name": name, "schema": schema, "stored_schema": schema, **standing}
            for name, schema in (("candidates", CANDIDATES), ("candidate_spans", 1))
        ],
        "publisher": None,
        "consumer": None,
        "paused": [],
        "warnings": [],
    }
    assert shown() == (
        f"last number       {last}\n"
        f"settled position  {last}\n"
        "missing guards    none\n"
        "wrapping keys     all that are needed\n"
        "held back         by nobody\n"
        f"candidates        checkpoint {last}, 0 streams behind\n"
        f"                  parked 0, schema {CANDIDATES} of {CANDIDATES}, follower seen never\n"
        f"candidate_spans   checkpoint {last}, 0 streams behind\n"
        "                  parked 0, schema 1 of 1, follower seen never\n"
    )


@with_several_writers
def test_who_holds_the_readers_back_is_named_without_what_is_personal() -> None:
    settled = append()
    with in_flight(slow_append):
        last = append()
        answer = status()
        (holder,) = answer["held_back_by"]
        assert (answer["settled_position"], answer["last_number"]) == (settled, last)
        assert holder["after"] == settled
        assert holder["pid"] in sessions()
        assert 0 <= holder["seconds"] < 60
        assert holder["query"] == "SELECT '…', 1 AS harmless"
        text = shown()
        assert f"held back         behind {settled} by pid {holder['pid']}, since " in text
        assert "\n                  SELECT '…', 1 AS harmless\n" in text
    assert status()["held_back_by"] == []


@with_several_writers
def test_a_holder_of_long_standing_needs_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventstore_status, "PATIENCE", timedelta(0))
    settled = append()
    with in_flight(append), pytest.raises(CommandError, match=f"no further than {settled}") as told:
        status()
    assert told.value.returncode == 1


@with_several_writers
def test_a_prepared_transaction_is_named_by_its_own_name() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW max_prepared_transactions")
        if cursor.fetchone() == ("0",):
            pytest.skip("This server prepares no transactions.")
    settled = append()
    with prepared("half done"):
        (holder,) = status()["held_back_by"]
        assert (holder["after"], holder["pid"]) == (settled, None)
        assert 0 <= holder["seconds"] < 60
        assert holder["query"] == "PREPARE TRANSACTION 'half done'"
        assert f"behind {settled} by a prepared transaction, since " in shown()
        assert event_store().read_all(after=settled, limit=10) == []
    assert status()["held_back_by"] == []
    assert len(event_store().read_all(after=settled, limit=10)) == 2


def test_missing_triggers_need_a_person() -> None:
    append()
    with transaction.atomic():
        drop_triggers(connection)
    out = StringIO()
    try:
        with pytest.raises(CommandError, match="migrate") as told:
            call_command("eventstore_status", "--json", stdout=out)
    finally:
        missing = ensure_triggers(connection)
    assert told.value.returncode == 1
    assert json.loads(out.getvalue())["missing_guards"] == missing
    assert all(name in str(told.value) for name in missing)


@pytest.fixture
def quiet() -> None:
    """A log whose projections are all up to it, followed a moment ago."""
    append()
    for name in projections():
        repair(name)
        checkpoints().seen(name)


@pytest.fixture
def followed(quiet: None) -> Iterator[None]:
    with override_settings(EVENT_DELIVERY="follow"):
        yield


def troubles() -> str:
    out = StringIO()
    with pytest.raises(CommandError) as told:
        call_command("eventstore_status", "--json", stdout=out)
    assert told.value.returncode == 1
    assert len(json.loads(out.getvalue())["projections"]) == 2
    # What a supervisor is told in the end is what a load balancer is told.
    answer = Client().get("/readyz?projections=1")
    assert (answer.status_code, "\n".join(answer.json()["problems"])) == (503, str(told.value))
    assert Client().get("/readyz").status_code == 200
    return str(told.value)


@pytest.mark.usefixtures("quiet")
def test_all_is_well_where_nobody_has_to_follow() -> None:
    Checkpoint.objects.update(seen_at=None)
    assert all(one["lag"] == 0 for one in status()["projections"])
    assert Client().get("/readyz?projections=1").status_code == 200


@pytest.mark.usefixtures("followed")
def test_all_is_well_where_a_follower_is_up_to_the_log() -> None:
    assert all(one["followed"] and one["seen_at"] for one in status()["projections"])
    assert Client().get("/readyz?projections=1").json()["problems"] == []


@pytest.mark.usefixtures("followed")
def test_a_dead_follower_needs_a_person_though_nothing_lags() -> None:
    silent = status_of_projections.PATIENCE + timedelta(seconds=1)
    Checkpoint.objects.update(seen_at=timezone.now() - silent)
    told = troubles()
    assert told.count("no follower has been seen since") == 2
    assert all(one["lag"] == 0 for one in json.loads(shown_json())["projections"])
    Checkpoint.objects.update(seen_at=None)
    assert troubles().count("no follower has ever been seen") == 2


@pytest.mark.usefixtures("quiet")
def test_a_parked_stream_needs_a_person() -> None:
    parked_streams().park(
        "candidates", uuid4(), version=1, event_type="candidate.added", error=ValueError()
    )
    assert troubles().startswith("candidates: 1 stream is parked.")
    assert "parked 1, " in text_of_status()


@pytest.mark.usefixtures("quiet")
def test_rows_of_another_schema_need_a_replay() -> None:
    Checkpoint.objects.filter(pk="candidates").update(schema=0)
    assert troubles() == (
        f"candidates: rows are of schema 0, the code is of {CANDIDATES}. Run `manage.py replay`."
    )
    call_command("follow", "--once", stdout=StringIO(), stderr=StringIO())
    assert "schema 0" in troubles()
    checkpoints().replace("candidates", position=0, schema=CANDIDATES)
    repair("candidates")
    assert Client().get("/readyz?projections=1").status_code == 200


@pytest.mark.usefixtures("followed")
def test_what_waits_for_newer_code_is_a_warning_and_needs_nobody() -> None:
    position = status()["projections"][0]["position"]
    append()
    checkpoints().wait("candidates", at=position, what="Event 1 at position 2: too new")
    checkpoints().start("publisher", schema=1)
    checkpoints().wait("publisher", at=0, what="Event 1 at position 2: too new")
    checkpoints().replace("candidate_spans", position=status()["last_number"], schema=2)
    with old_events():
        told = status()["warnings"]
        assert [one.partition(":")[0] for one in told] == [
            *("candidate_spans", "candidates", "publisher")
        ]
        assert "rows are of schema 2, and this code is of 1" in told[0]
        assert "too new" in told[1]
        for query in ("", "?projections=1"):
            answer = Client().get(f"/readyz{query}")
            assert (answer.status_code, answer.json()["warnings"]) == (200, told)
    assert f"warning           {told[0]}" in shown()


@pytest.mark.usefixtures("quiet")
def test_without_a_follower_streams_lag_whose_rows_lack_an_event() -> None:
    append()
    first = status()["projections"][0]
    assert (first["lag"], first["waiting_since"] is not None) == (1, True)
    with old_events():
        assert troubles().count("an event waits since") == 2
        # What is parked is not counted a second time.
        for name in projections():
            for (stream_id,) in StorageEvent.objects.values_list("stream_id").distinct():
                parked_streams().park(
                    name, stream_id, version=1, event_type="candidate.added", error=ValueError()
                )
        assert "waits" not in troubles()
    assert all(one["lag"] == 0 for one in json.loads(shown_json())["projections"])


@pytest.mark.usefixtures("followed")
def test_with_a_follower_events_lag_that_lie_behind_the_checkpoint() -> None:
    append()
    assert [one["lag"] for one in status()["projections"]] == [2, 2]
    assert "2 events behind, since " in shown()
    with old_events():
        assert troubles().count("an event waits since") == 2


@pytest.mark.usefixtures("quiet")
def test_a_checkpoint_of_another_log_needs_a_person() -> None:
    checkpoints().replace("candidates", position=10**9, schema=CANDIDATES)
    with pytest.raises(CommandError, match="older backup"):
        status()
    answer = Client().get("/readyz?projections=1")
    assert answer.status_code == 503
    assert "older backup" in answer.json()["problems"][0]


@contextmanager
def old_events() -> Iterator[None]:
    """Seen by somebody who has no patience at all."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(status_of_projections, "PATIENCE", timedelta(0))
        Checkpoint.objects.update(seen_at=timezone.now() + timedelta(minutes=1))
        yield


def shown_json() -> str:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("eventstore_status", "--json", stdout=out)
    return out.getvalue()


def text_of_status() -> str:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("eventstore_status", stdout=out)
    return out.getvalue()


def test_other_databases_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "oracle")
    with pytest.raises(CommandError, match="runs on PostgreSQL and SQLite"):
        status()


@contextmanager
def prepared(name: str) -> Iterator[None]:
    """An append that is prepared to be committed, and is so after the block."""
    connection.set_autocommit(False)
    append()
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE TRANSACTION '{name}'")
        connection.set_autocommit(True)
        try:
            yield
        finally:
            cursor.execute(f"COMMIT PREPARED '{name}'")


def sessions() -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return {pid for (pid,) in cursor.fetchall()}
