"""A snapshot that this system did not take decides nothing, whoever wrote it into the database."""

import hashlib
import hmac
import io
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Concat

from candidates.application import commands
from candidates.domain.candidate import Candidate
from candidates.domain.exceptions import ScoreBelowThreshold
from candidates.wiring import candidate_service
from eventstore import wiring
from eventstore.application.commands import CommandContext
from eventstore.domain.exceptions import SnapshotNotAuthentic
from eventstore.infrastructure import snapshots
from eventstore.infrastructure.snapshot_macs import SnapshotMacs
from eventstore.infrastructure.snapshots import DjangoSnapshotStore
from eventstore.models import Snapshot, StorageEvent
from tests.factories import add
from tests.wrapping_keys import key, wrapping_keys

pytestmark = pytest.mark.django_db(transaction=True)
RITA = CommandContext(actor="rita", door="api", allows=lambda _: True)
OLD, NEW = 1, 2
FORGED = '{"decisions":[],"score":99.0,"status":"ADDED"}'


@pytest.fixture(autouse=True)
def _kept_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Candidate, "snapshot_every", 1)


def note(candidate_id: UUID) -> int:
    command = commands.NoteOnCandidate(candidate_id=candidate_id, text="called")
    return candidate_service().handle(command, RITA).version


def candidate(*, notes: int = 1) -> UUID:
    """Below the threshold, with a snapshot of its newest version."""
    command = add(candidate_id=None, score=60.0)
    candidate_id = candidate_service().handle(command, RITA).candidate_id
    for _ in range(notes):
        note(candidate_id)
    return candidate_id


def row(candidate_id: UUID) -> Any:
    return Snapshot.objects.filter(pk=candidate_id)


def store() -> DjangoSnapshotStore:
    return wiring._snapshot_store


def verified() -> list[str]:
    """The lines about what was tampered with."""
    out = io.StringIO()
    with suppress(CommandError):
        call_command("verify_log", stdout=out, stderr=io.StringIO())
    return [line for line in out.getvalue().splitlines() if line.startswith("tampered with: ")]


def test_a_forged_score_does_not_let_a_refused_invitation_pass(
    caplog: pytest.LogCaptureFixture,
) -> None:
    candidate_id = candidate()
    before = wiring.snapshots().failures.copy()
    row(candidate_id).update(state=FORGED)
    with pytest.raises(ScoreBelowThreshold):
        candidate_service().handle(commands.InviteCandidate(candidate_id=candidate_id), RITA)
    assert wiring.snapshots().failures - before == {"authenticate": 1}
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert f"stream {candidate_id} at version 2" in record.getMessage()
    assert "score" not in caplog.text

    position = StorageEvent.objects.get(stream_id=candidate_id, version=2).position
    (line,) = verified()
    assert line == (
        f"tampered with: position {position}, stream {candidate_id}, version 2: "
        "its snapshot is not what its MAC was made of, and is ignored"
    )

    assert note(candidate_id) == 3
    assert json.loads(row(candidate_id).get().state)["score"] == 60.0
    assert verified() == []


def mac(candidate_id: UUID, *, by: bytes) -> bytes:
    """Of the snapshot as it stands there, under another key."""
    snapshot = store().load(candidate_id)
    assert snapshot is not None
    return SnapshotMacs([by]).of(snapshot)


def mac_of(candidate_id: UUID) -> bytes:
    return bytes(row(candidate_id).get().mac)


def moved() -> dict[str, Any]:
    """What another stream's snapshot holds."""
    columns = ("state", "hash", "mac", "schema", "stream_type", "version")
    return dict(row(candidate()).values(*columns)[0])


FORGERIES: dict[str, Callable[[UUID], dict[str, Any]]] = {
    "another state": lambda _: {"state": FORGED},
    "a later version": lambda _: {"version": 3},
    "another hash": lambda _: {"hash": b"h" * 32},
    "another schema": lambda _: {"schema": 2},
    "another type": lambda _: {"stream_type": "vacancy"},
    "moved from another stream": lambda _: moved(),
    "a longer state": lambda _: {"state": Concat(Value("\n"), F("state"))},
    "no MAC": lambda _: {"mac": None},
    "an empty MAC": lambda _: {"mac": b""},
    "a key's id alone": lambda of: {"mac": mac_of(of)[:4]},
    "a shortened MAC": lambda of: {"mac": mac_of(of)[:-1]},
    "a MAC under an invented key": lambda of: {"mac": mac(of, by=key(NEW))},
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_nothing_of_a_snapshot_can_be_changed_or_moved(
    forge: Callable[[UUID], dict[str, Any]],
) -> None:
    candidate_id = candidate()
    note(candidate_id)
    take_at_version_2(candidate_id)
    assert store().load(candidate_id) is not None
    row(candidate_id).update(**forge(candidate_id))
    with pytest.raises(SnapshotNotAuthentic):
        store().load(candidate_id)
    (line,) = verified()
    assert f"stream {candidate_id}" in line
    # The next one that is due takes its place.
    note(candidate_id)
    found = store().load(candidate_id)
    assert found is not None
    assert found.head.version == 4


def take_at_version_2(candidate_id: UUID) -> None:
    """As an earlier command left it."""
    aggregate = Candidate(candidate_id)
    loaded = wiring.event_store().load_stream(candidate_id, until=2)
    assert loaded is not None
    aggregate.replay(loaded.events, head=loaded.head)
    row(candidate_id).delete()
    wiring.snapshots().take(aggregate)


@pytest.mark.parametrize("version", [3, 2_000_000_000])
def test_one_that_claims_a_higher_version_is_replaced(version: int) -> None:
    candidate_id = candidate()
    row(candidate_id).update(version=version, state=FORGED)
    assert note(candidate_id) == 3
    assert row(candidate_id).get().version == 3
    assert store().load(candidate_id) is not None


def test_one_for_a_stream_that_has_none_is_no_way_in() -> None:
    candidate_id = candidate()
    forged = row(candidate_id).values()[0]
    other = candidate(notes=0)
    row(other).delete()
    Snapshot.objects.create(**{**forged, "stream_id": other, "version": 1, "state": FORGED})
    with pytest.raises(ScoreBelowThreshold):
        candidate_service().handle(commands.InviteCandidate(candidate_id=other), RITA)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps to column types")
@pytest.mark.parametrize(
    "column", ["stream_type", "version", "schema", "state", "hash", "mac", "occurred_at"]
)
@pytest.mark.parametrize("value", ["'x'", "x'ff'", "1.5", "CAST(x'ff' AS TEXT)"])
def test_a_column_that_holds_what_it_cannot_is_found_and_ignored(column: str, value: str) -> None:
    candidate_id = candidate()
    other = candidate()
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {Snapshot._meta.db_table} SET {column} = {value} WHERE stream_id = %s",
            [candidate_id.hex],
        )
    (line,) = verified()
    assert f"stream {candidate_id}" in line
    call_command("rotate_keys", stdout=io.StringIO())
    with pytest.raises(ScoreBelowThreshold):
        candidate_service().handle(commands.InviteCandidate(candidate_id=candidate_id), RITA)
    assert store().load(other) is not None


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL keeps to column types")
def test_rows_of_no_stream_are_passed_over() -> None:
    candidate_id = candidate()
    with connection.cursor() as cursor:
        for id in ("'zz'", "''", "x'ff'"):
            cursor.execute(
                f"INSERT INTO {Snapshot._meta.db_table} SELECT {id}, stream_type, version, schema, "
                "state, occurred_at, recorded_at, hash, taken_at, mac "
                f"FROM {Snapshot._meta.db_table} WHERE stream_id = %s",
                [candidate_id.hex],
            )
    assert verified() == []
    call_command("rotate_keys", stdout=io.StringIO())


def test_the_code_can_be_worked_out_from_the_configured_key() -> None:
    with wrapping_keys(OLD):
        candidate_id = candidate()
    kept = row(candidate_id).get()
    extracted = hmac.digest(bytes(32), key(OLD), "sha256")
    derived = hmac.digest(extracted, b"eventstore snapshot mac\x01", "sha256")
    place = ["candidate", candidate_id.hex, 2, bytes(kept.hash).hex(), 1]
    text = json.dumps(place, separators=(",", ":")) + "\n" + kept.state
    code = hmac.digest(derived, text.encode(), "sha256")
    assert bytes(kept.mac) == hashlib.sha256(derived).digest()[:4] + code


def test_keys_are_rotated_and_no_snapshot_is_lost() -> None:
    with wrapping_keys(OLD):
        ids = [candidate(), candidate()]
    with wrapping_keys(OLD, NEW):
        assert all(store().load(id) for id in ids)
    with wrapping_keys(NEW, OLD):
        note(ids[0])
        with wrapping_keys(OLD, NEW):
            assert all(store().load(id) for id in ids)
        call_command("rotate_keys", stdout=io.StringIO())
    with wrapping_keys(NEW):
        assert all(store().load(id) for id in ids)
        assert verified() == []


def test_a_forged_one_is_not_made_good_by_a_rotation() -> None:
    with wrapping_keys(OLD):
        candidate_id = candidate()
        row(candidate_id).update(state=FORGED)
    with wrapping_keys(NEW, OLD):
        call_command("rotate_keys", stdout=io.StringIO())
        with pytest.raises(SnapshotNotAuthentic):
            store().load(candidate_id)
        assert len(verified()) == 1


def test_a_key_that_may_not_write_to_the_log_writes_no_mac_and_removes_none() -> None:
    with wrapping_keys(OLD):
        ids = [candidate(), candidate()]
        row(ids[0]).update(mac=mac(ids[0], by=b"?" * 32))
    before = {id: mac_of(id) for id in ids}
    with wrapping_keys(NEW, OLD, adopted=False), pytest.raises(CommandError, match="adopt"):
        call_command("rotate_keys", stdout=io.StringIO(), stderr=io.StringIO())
    assert {id: mac_of(id) for id in ids} == before


def test_one_of_a_key_that_is_gone_is_named_until_a_rotation_removes_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    candidate_id = candidate()
    row(candidate_id).update(mac=mac(candidate_id, by=key(NEW)))
    (line,) = verified()
    assert "has a MAC under a wrapping key that is not configured" in line
    call_command("rotate_keys", stdout=io.StringIO())
    assert not row(candidate_id).exists()
    assert "1 snapshots of keys that are not configured were removed" in caplog.text
    assert verified() == []


def test_one_stream_is_verified_with_its_snapshot() -> None:
    candidate_id, other = candidate(), candidate()
    row(candidate_id).update(state=FORGED)
    call_command("verify_log", "--stream", str(other), stdout=io.StringIO())
    with pytest.raises(CommandError, match="its snapshot is not what its MAC was made of"):
        call_command("verify_log", "--stream", str(candidate_id), stdout=io.StringIO())


def test_streams_are_looked_at_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    statement = snapshots._IDS.replace(f"LIMIT {snapshots.PAGE}", "LIMIT 2")
    monkeypatch.setattr(snapshots, "_IDS", statement)
    ids = {candidate(notes=0) for _ in range(5)}
    assert list(store().stream_ids()) == sorted(ids)
