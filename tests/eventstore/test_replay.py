"""`manage.py replay`: read models are built anew from the log and take the place of the old."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, DataError, connection

from candidates.application.projector import CandidateProjector
from candidates.application.span_projector import StatusSpanProjector
from candidates.domain.events import CandidateNoted
from candidates.models import CandidateProjection, StatusSpan
from eventstore.application.folding import Changes, Occurrence
from eventstore.models import StorageEvent
from eventstore.wiring import checkpoints, parked_streams
from tests.factories import added, invited, noted
from tests.read_models import (
    LIVES,
    appended,
    definitions,
    failed,
    rebuilt,
    replay,
    replay_process,
    rows,
    traces,
)

# Committed, since a replay reads over connections of its own.
pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL has it")
on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite")
TABLE = StorageEvent._meta.db_table


@pytest.fixture
def streams() -> list[UUID]:
    """Ten events in three streams, which no read model shows."""
    return [appended(*life) for life in LIVES]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Positions of events that the candidates' projector fails on."""
    positions: set[int] = set()
    changes = CandidateProjector.changes

    def failing(self: CandidateProjector, recorded: Occurrence) -> Changes:
        if recorded.position in positions:
            raise RuntimeError("no room")
        return changes(self, recorded)

    monkeypatch.setattr(CandidateProjector, "changes", failing)
    return positions


def position(stream_id: UUID, version: int) -> int:
    return StorageEvent.objects.get(stream_id=stream_id, version=version).position


def test_it_builds_what_deliveries_would_have_built(streams: list[UUID]) -> None:
    delivered = rebuilt()
    CandidateProjection.objects.update(score=1.0, name="somebody else")
    StatusSpan.objects.filter(candidate=streams[0]).delete()
    CandidateProjection.objects.create(
        **{**delivered["candidates"][0], "id": uuid4(), "name": "of no stream"}
    )

    replay()

    assert rows() == delivered


def test_the_last_line_counts_each_event_once_for_all_projections(streams: list[UUID]) -> None:
    *_, last = replay()
    assert re.fullmatch(r"replayed 10 events into 11 rows in \d+\.\d s \(\d+ events/s\)", last), (
        last
    )


def test_rows_are_those_of_the_chosen_projections(streams: list[UUID]) -> None:
    *_, last = replay("--projection", "candidates")
    assert last.startswith("replayed 10 events into 3 rows in ")


def test_without_events_nothing_is_left_of_the_rows() -> None:
    assert replay()[-1].startswith("replayed 0 events into 0 rows in ")
    assert rows() == {"candidates": [], "candidate_spans": []}
    assert not traces()


def test_one_projection_alone_leaves_the_others_as_they_are(streams: list[UUID]) -> None:
    *_, last = replay("--projection", "candidate_spans")
    assert last.startswith("replayed 10 events into 8 rows in ")
    assert rows("candidates") == {"candidates": []}
    assert list(checkpoints().all()) == ["candidate_spans"]
    assert len(rows("candidate_spans")["candidate_spans"]) == 8


def test_one_stream_is_mended_in_place_and_no_other(streams: list[UUID]) -> None:
    delivered = rebuilt()
    CandidateProjection.objects.update(score=1.0)
    StatusSpan.objects.all().delete()

    *_, last = replay("--stream", str(streams[0]), "--stream", str(streams[0]))

    assert last.startswith("replayed 3 events into 3 rows in ")
    scores = dict(CandidateProjection.objects.values_list("id", "score"))
    assert scores == {streams[0]: 80.0, streams[1]: 1.0, streams[2]: 1.0}
    assert rows("candidate_spans")["candidate_spans"] == [
        row for row in delivered["candidate_spans"] if row["candidate"] == streams[0]
    ]


def test_a_stream_of_one_projection_leaves_the_other_projections_rows(
    streams: list[UUID],
) -> None:
    replay("--stream", str(streams[0]), "--projection", "candidates")
    assert [row["id"] for row in rows()["candidates"]] == [streams[0]]
    assert rows()["candidate_spans"] == []


def test_unknown_names_and_ids_are_refused_and_change_nothing(streams: list[UUID]) -> None:
    delivered, unknown = rebuilt(), uuid4()
    for arguments, said in {
        ("--projection", "kandidates"): "invalid choice: 'kandidates'",
        ("--stream", "seven"): "invalid UUID value: 'seven'",
        ("--stream", str(unknown)): str(unknown),
        ("--workers", "two"): "a whole number from 1 to 64 is needed",
    }.items():
        with pytest.raises(CommandError, match=re.escape(said)):
            call_command("replay", *arguments)
    assert rows() == delivered


@on_sqlite
def test_sqlite_has_one_worker(streams: list[UUID]) -> None:
    assert failed("--workers", "2")[0] == (
        "--workers is for PostgreSQL: SQLite has one writer at a time."
    )


def test_several_workers_go_with_neither_streams_nor_check(streams: list[UUID]) -> None:
    if connection.vendor == "postgresql":
        for option in (["--check"], ["--stream", str(streams[0])]):
            complaint, _ = failed("--workers", "2", *option)
            assert complaint == "--workers goes with neither --stream nor --check."


@pytest.mark.parametrize("value", ["0", "-1", "100001", "9" * 5000, "٣"])
def test_batches_have_a_largest_size(value: str) -> None:
    with pytest.raises(CommandError, match="--batch-size: a whole number from 1 to 100000 is need"):
        call_command("replay", "--batch-size", value)


@pytest.mark.parametrize("check", [False, True], ids=["replay", "check"])
def test_a_projection_without_a_table_is_said_to_have_none(check: bool) -> None:
    with connection.schema_editor() as editor:
        editor.delete_model(StatusSpan)
    try:
        with pytest.raises(DatabaseError, match="candidates_statusspan"):
            call_command("replay", *(["--check"] if check else []))
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(StatusSpan)
    assert not traces()


@on_postgresql
def test_a_value_that_the_table_refuses_ends_it_and_the_old_rows_stay(
    streams: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered = rebuilt()
    changes = CandidateProjector.changes

    def too_long(self: CandidateProjector, recorded: Occurrence) -> Changes:
        return {**changes(self, recorded), "name": "Zoë " * 100}

    monkeypatch.setattr(CandidateProjector, "changes", too_long)
    for workers in ("1", "2"):
        with pytest.raises(DataError, match="value too long for type character varying"):
            call_command("replay", "--workers", workers)
    assert rows() == delivered
    assert not traces()


@on_postgresql
def test_a_worker_that_dies_ends_it_and_the_old_rows_stay(
    streams: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered = rebuilt()

    def die(self: CandidateProjector, recorded: Occurrence) -> Changes:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    monkeypatch.setattr(CandidateProjector, "changes", die)
    complaint, _ = failed("--workers", "2")
    assert complaint == "A worker has died, perhaps for lack of memory. The old rows are served."
    assert rows() == delivered
    assert not traces()


@on_postgresql
def test_two_workers_build_what_one_does() -> None:
    for _ in range(20):
        for life in LIVES:
            appended(*life)
    replay()
    by_one = rows()
    CandidateProjection.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {TABLE}")

    # In a process of its own: it forks, which a process with threads had better not.
    out, complaint = replay_process("--workers", "2").communicate(timeout=120)

    assert not complaint
    assert out.splitlines()[-1].startswith("replayed 200 events into 220 rows in ")
    assert rows() == by_one
    assert not traces()


@on_postgresql
def test_what_fails_in_a_worker_is_said_as_by_one(streams: list[UUID]) -> None:
    delivered = rebuilt()
    where = undecodable()
    process = replay_process("--workers", "2")
    _, complaint = process.communicate(timeout=120)
    assert process.returncode == 1
    assert f"at position {where}, candidate.unheard version 1" in complaint
    assert rows() == delivered
    assert not traces()


@pytest.mark.parametrize("size", ["1", "3", "5000"])
def test_the_size_of_batches_changes_no_row(streams: list[UUID], size: str) -> None:
    delivered = rebuilt()
    CandidateProjection.objects.update(score=1.0)
    assert replay("--batch-size", size)[-1].startswith("replayed 10 events into 11 rows in ")
    assert rows() == delivered


def test_a_stream_that_fails_is_parked_and_the_rest_is_done(
    streams: list[UUID], broken: set[int]
) -> None:
    broken.add(position(streams[2], 3))

    complaint, printed = failed()

    assert complaint == "1 streams were parked: `manage.py parked list` says why."
    assert printed[-1].startswith("replayed 10 events into ")
    shown = dict(CandidateProjection.objects.values_list("id", "version"))
    assert shown == {streams[0]: 3, streams[1]: 3, streams[2]: 2}
    assert CandidateProjection.objects.get(id=streams[2]).status == "INVITED"
    assert len(rows()["candidate_spans"]) == 8
    (parked,) = parked_streams().listed()
    assert (parked.projection, parked.stream_id, parked.version, parked.event_type) == (
        "candidates",
        streams[2],
        3,
        "candidate.decision_undone",
    )
    assert parked.error.startswith("RuntimeError at ")


def test_a_stream_that_fails_at_its_first_event_has_no_row(
    streams: list[UUID], broken: set[int]
) -> None:
    broken.add(position(streams[0], 1))
    failed()
    assert sorted(row["id"] for row in rows()["candidates"]) == sorted(streams[1:])
    assert [one.version for one in parked_streams().listed()] == [1]


def test_what_was_parked_and_is_fine_now_is_released(streams: list[UUID], broken: set[int]) -> None:
    broken.add(position(streams[0], 2))
    failed()
    broken.clear()
    replay()
    assert parked_streams().listed() == []
    assert {row["version"] for row in rows()["candidates"]} == {3, 4}


def test_a_stream_that_is_mended_alone_is_released_alone(
    streams: list[UUID], broken: set[int]
) -> None:
    broken |= {position(stream_id, 2) for stream_id in streams[:2]}
    failed()
    broken.clear()
    replay("--stream", str(streams[0]))
    assert [one.stream_id for one in parked_streams().listed()] == [streams[1]]


def test_a_stream_that_fails_alone_is_parked_too_and_the_next_is_done(
    streams: list[UUID], broken: set[int]
) -> None:
    rebuilt()
    broken.add(position(streams[2], 3))
    CandidateProjection.objects.update(score=1.0)

    complaint, printed = failed("--stream", str(streams[2]), "--stream", str(streams[0]))

    assert complaint == "1 streams were parked: `manage.py parked list` says why."
    assert printed[-1].startswith("replayed 7 events into 7 rows in ")
    shown = dict(CandidateProjection.objects.values_list("id", "score"))
    assert shown == {streams[0]: 80.0, streams[1]: 1.0, streams[2]: 80.0}
    assert CandidateProjection.objects.get(id=streams[2]).version == 2
    assert [(one.stream_id, one.version) for one in parked_streams().listed()] == [(streams[2], 3)]
    broken.clear()
    replay("--stream", str(streams[2]))
    assert CandidateProjection.objects.get(id=streams[2]).version == 4
    assert parked_streams().listed() == []


def test_a_stream_that_fails_alone_at_its_first_event_has_no_row(
    streams: list[UUID], broken: set[int]
) -> None:
    rebuilt()
    broken.add(position(streams[0], 1))
    failed("--projection", "candidates", "--stream", str(streams[0]))
    assert not CandidateProjection.objects.filter(id=streams[0]).exists()
    assert [one.version for one in parked_streams().listed()] == [1]


@pytest.mark.parametrize("alone", [False, True], ids=["all", "one stream"])
def test_a_projector_that_says_nothing_at_all_is_parked_where_it_does(
    streams: list[UUID], monkeypatch: pytest.MonkeyPatch, alone: bool
) -> None:
    """As one does whose last `case` forgets to return."""
    changes = CandidateProjector.changes

    def forgetful(self: CandidateProjector, recorded: Occurrence) -> Any:
        return None if isinstance(recorded.event, CandidateNoted) else changes(self, recorded)

    monkeypatch.setattr(CandidateProjector, "changes", forgetful)
    failed(*(["--stream", str(streams[0])] if alone else []))
    assert CandidateProjection.objects.get(id=streams[0]).version == 1
    assert (streams[0], 2) in [(one.stream_id, one.version) for one in parked_streams().listed()]


def undecodable() -> int:
    """An event that no code of today can read, in a stream of its own. Returns its position."""
    columns = "stream_type, version, schema_version, data, metadata, occurred_at, recorded_at, hash"
    ids = [uuid4(), uuid4()]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} (event_id, stream_id, event_type, {columns}) "
            f"SELECT %s, %s, 'candidate.unheard', {columns} FROM {TABLE} "
            "WHERE version = 1 ORDER BY position LIMIT 1",
            [one.hex if connection.vendor == "sqlite" else one for one in ids],
        )
    return StorageEvent.objects.get(event_id=ids[0]).position


def test_what_cannot_be_decoded_stops_it_by_name_and_the_old_rows_stay(
    streams: list[UUID],
) -> None:
    delivered = rebuilt()
    before = definitions()
    where = undecodable()

    for check in ([], ["--check"]):
        complaint, _ = failed(*check)
        assert str(StorageEvent.objects.get(position=where).event_id) in complaint
        assert f"at position {where}, candidate.unheard version 1" in complaint

    assert rows() == delivered
    assert definitions() == before
    assert not traces()


def test_the_checkpoint_stands_at_the_last_settled_event(streams: list[UUID]) -> None:
    replay()
    kept = {name: (one.position, one.schema) for name, one in checkpoints().all().items()}
    newest = position(streams[2], 4)
    assert kept == {
        "candidates": (newest, CandidateProjector.schema),
        "candidate_spans": (newest, StatusSpanProjector.schema),
    }


def test_a_replay_makes_a_stale_projection_current(
    streams: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    replay()
    monkeypatch.setattr(CandidateProjector, "schema", 2)
    replay("--projection", "candidates")
    kept = {name: one.schema for name, one in checkpoints().all().items()}
    assert kept == {"candidates": 2, "candidate_spans": 1}


@contextmanager
def granted() -> Iterator[None]:
    """To a role that may only look, and may let others look."""
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS replay_looks")
        cursor.execute("CREATE ROLE replay_looks")
        table = CandidateProjection._meta.db_table
        cursor.execute(f"GRANT SELECT ON {table} TO replay_looks WITH GRANT OPTION")
        cursor.execute(f"GRANT SELECT ON {table} TO PUBLIC")
        try:
            yield
        finally:
            cursor.execute(f"REVOKE SELECT ON {table} FROM PUBLIC")
            cursor.execute("DROP OWNED BY replay_looks")
            cursor.execute("DROP ROLE replay_looks")


def test_tables_indexes_and_constraints_are_the_migrations_again_and_again(
    streams: list[UUID],
) -> None:
    before = definitions()
    for _ in range(2):
        replay()
        assert definitions() == before
        assert not traces()


@on_postgresql
def test_grants_are_given_again(streams: list[UUID]) -> None:
    with granted():
        before = definitions()
        assert any("replay_looks" in row and "YES" in row for row in before)
        replay()
        assert definitions() == before


def test_an_index_that_somebody_added_is_there_afterwards(streams: list[UUID]) -> None:
    table = CandidateProjection._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f'CREATE INDEX by_hand ON "{table}" ("owner") WHERE score > 50')
        try:
            before = definitions()
            replay()
            assert definitions() == before
        finally:
            cursor.execute("DROP INDEX by_hand")


def test_rows_go_on_being_delivered_after_a_replay(streams: list[UUID]) -> None:
    replay()
    appended(noted(), stream_id=streams[0], expected=3)
    appended(added(), invited())
    delivered = rebuilt()
    replay()
    assert rows() == delivered


@on_postgresql
def test_the_indexes_for_searches_outlive_a_replay(streams: list[UUID]) -> None:
    replay()

    (index,) = [row for row in definitions() if row[2:3] == ("candidates_search",)]
    assert "USING gin (search_key gin_trgm_ops, status)" in index[3]
    (index,) = [row for row in definitions() if row[2:3] == ("candidates_keys",)]
    assert "string_to_array(email_keys" in index[3]
    assert ("candidates_candidateprojection", "search_key", 200) in definitions()


@on_sqlite
def test_the_index_that_searches_walk_outlives_a_replay(streams: list[UUID]) -> None:
    replay()

    (index,) = [row for row in definitions() if row[1] == "candidates_added"]
    assert index[3].endswith("(added_position, search_key)")
