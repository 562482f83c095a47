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

from eventstore.domain.events import Metadata
from eventstore.infrastructure.triggers import drop_triggers, ensure_triggers
from eventstore.management.commands import eventstore_status
from eventstore.wiring import event_store, projections, repair
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
        "schema": 1,
        "stored_schema": 1,
        "parked": 0,
        "lag": 0,
        "waiting_since": None,
        "seen_at": None,
        "followed": False,
    }
    assert status() == {
        "last_number": last,
        "settled_position": last,
        "missing_guards": [],
        "held_back_by": [],
        "projections": [{"name": name, **standing} for name in ("candidates", "status_spans")],
    }
    assert shown() == (
        f"last number       {last}\n"
        f"settled position  {last}\n"
        "missing guards    none\n"
        "held back         by nobody\n"
        f"candidates        checkpoint {last}, 0 streams behind\n"
        "                  parked 0, schema 1 of 1, follower seen never\n"
        f"status_spans      checkpoint {last}, 0 streams behind\n"
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


def test_without_tables_it_says_so() -> None:
    call_command("migrate", "candidates", "zero", verbosity=0)
    call_command("migrate", "eventstore", "zero", verbosity=0)
    try:
        with pytest.raises(CommandError, match="cannot be asked"):
            status()
    finally:
        call_command("migrate", verbosity=0)


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
