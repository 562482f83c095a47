"""What every read model promises, however its events are delivered."""

import itertools
import random
from typing import Any
from uuid import UUID, uuid4

import pytest

from candidates.application.projector import CandidateProjector
from candidates.application.span_projector import StatusSpanProjector
from candidates.domain.events import Status
from eventstore.application.folding import fold
from eventstore.domain.events import Metadata, RecordedEvent
from tests.contracts.conftest import Clock, ReadModel
from tests.factories import (
    added,
    decision_undone,
    invited,
    moved_to_standby,
    noted,
    profile_changed,
    rejected,
    rescored,
)

one_row_a_stream = pytest.mark.parametrize("projector", [CandidateProjector()], indirect=True)
rows_in_a_list = pytest.mark.parametrize("projector", [StatusSpanProjector()], indirect=True)
HISTORY = [
    added(profile={"name": "Ann", "tags": ["a"]}, score=60.0),
    moved_to_standby(),
    rescored(score=88.0),
    invited(score=88.0),
    noted(),
    decision_undone(undone_version=4, undone_type="candidate.invited", status=Status.STANDBY),
    profile_changed(profile={"name": "Ann B.", "email": "Ann@Example.org"}),
    rejected(note="gone"),
]


def stored(read_model: ReadModel, *events: Any, stream_id: UUID | None = None) -> Any:
    metadata = Metadata(actor="rita", door="api")
    return read_model.store.append(
        "candidate", stream_id or uuid4(), events, expected=0, metadata=metadata
    )


def shown(read_model: ReadModel) -> list[int]:
    """The version of every stream that has rows."""
    streams = {row.get("stream") or row.get("id") or row["candidate"] for row in read_model.look()}
    return [read_model.rows.version(stream_id) for stream_id in streams]


def rebuilt(read_model: ReadModel) -> list[dict[str, Any]]:
    read_model.replay.run(lambda _: None)
    return read_model.look()


@one_row_a_stream
def test_delivered_one_by_one_the_row_shows_the_stream(read_model: ReadModel) -> None:
    for recorded in stored(read_model, *HISTORY):
        read_model.projection.handle([recorded])
    (row,) = read_model.look()
    assert shown(read_model) == [8]
    assert (row["status"], row["score"]) == ("REJECTED", 88.0)
    assert (row["name"], row["search_key"]) == ("Ann B.", " ann b. ann@example.org")
    assert (row["rejection_note"], row["invited_at"]) == ("gone", None)
    assert row["standby_at"] is not None
    assert read_model.look() == rebuilt(read_model)


@rows_in_a_list
def test_delivered_one_by_one_each_stay_has_its_row(read_model: ReadModel) -> None:
    recorded = stored(read_model, *HISTORY)
    for one in recorded:
        read_model.projection.handle([one])
    rows = read_model.look()
    assert [row["status"] for row in rows] == ["ADDED", "STANDBY", "INVITED", "STANDBY", "REJECTED"]
    assert [row["undone_at"] is not None for row in rows] == [False, False, True, False, False]
    assert [row["until"] for row in rows[:-1]] == [row["since"] for row in rows[1:]]
    assert rows[-1]["until"] is None
    assert shown(read_model) == [8]
    assert rows == rebuilt(read_model)


@rows_in_a_list
def test_a_row_that_was_marked_keeps_its_mark(read_model: ReadModel, clock: Clock) -> None:
    stream_id, head = uuid4(), 0
    for event in (
        added(),
        moved_to_standby(),
        invited(),
        decision_undone(undone_version=3, status=Status.STANDBY),
        decision_undone(undone_version=2, status=Status.ADDED),
    ):
        clock.advance(minutes=1)
        recorded = read_model.store.append(
            "candidate",
            stream_id,
            [event],
            expected=head,
            metadata=Metadata(actor="rita", door="api"),
        )
        read_model.projection.handle(recorded)
        head = recorded[-1].version
    rows = read_model.look()
    assert [row["status"] for row in rows] == ["ADDED", "STANDBY", "INVITED", "STANDBY", "ADDED"]
    fourth, fifth = rows[3]["since"], rows[4]["since"]
    assert [row["undone_at"] for row in rows] == [None, fifth, fourth, fifth, None]
    assert rows == rebuilt(read_model)


@pytest.mark.parametrize("seed", range(8))
def test_repeated_shuffled_and_lost_deliveries_end_in_the_same_row(
    read_model: ReadModel, seed: int
) -> None:
    recorded = stored(read_model, *HISTORY)
    chance = random.Random(seed)
    deliveries: list[RecordedEvent] = [*recorded, *chance.choices(recorded, k=8)]
    chance.shuffle(deliveries)
    for delivery in deliveries[: chance.randint(1, 16)]:
        read_model.projection.handle([delivery])
    read_model.repair.run()
    assert read_model.look() == rebuilt(read_model)


def test_an_older_event_never_turns_the_row_back(read_model: ReadModel) -> None:
    recorded = stored(read_model, *HISTORY)
    read_model.projection.handle(recorded)
    before = read_model.look()
    for old in recorded:
        read_model.projection.handle([old])
    assert read_model.look() == before


def test_an_event_behind_a_gap_brings_the_missing_ones_along(read_model: ReadModel) -> None:
    recorded = stored(read_model, *HISTORY)
    read_model.projection.handle(recorded[:2])
    read_model.projection.handle(recorded[5:6])
    assert shown(read_model) == [8]


def test_repair_finds_rows_that_are_missing_or_behind(read_model: ReadModel) -> None:
    whole, behind, missing = (stored(read_model, *HISTORY) for _ in range(3))
    read_model.projection.handle(whole)
    read_model.projection.handle(behind[:3])
    assert read_model.repair.run().streams == 2
    assert shown(read_model) == [8, 8, 8]
    assert read_model.rows.version(missing[0].stream_id) == 8
    assert read_model.repair.run().streams == 0


def test_replay_replaces_what_was_wrong(read_model: ReadModel) -> None:
    recorded = [stored(read_model, *HISTORY), stored(read_model, added())]
    right = rebuilt(read_model)
    read_model.rows.advance(
        recorded[0][0].stream_id, expected=8, version=8, changes={"source": "wrong"}
    )
    read_model.rows.add_missing([(uuid4(), fold(read_model.projector, recorded[1]))])
    assert read_model.look() != right
    replayed = read_model.replay.run(lambda _: None)
    assert (replayed.events, replayed.rows) == (9, len(right))
    assert read_model.look() == right


def test_compare_and_set_writes_at_the_expected_version_only(read_model: ReadModel) -> None:
    recorded = stored(read_model, *HISTORY)
    stream_id = recorded[0].stream_id
    changes = [read_model.projector.changes(event) for event in recorded]
    for expected, version in itertools.product((1, 2), (2, 3)):
        assert not read_model.rows.advance(
            stream_id, expected=expected, version=version, changes=changes[1]
        )
    assert read_model.look() == []
    assert read_model.rows.advance(stream_id, expected=0, version=1, changes=changes[0])
    assert not read_model.rows.advance(stream_id, expected=0, version=1, changes=changes[0])
    assert not read_model.rows.advance(stream_id, expected=2, version=3, changes=changes[2])
    assert not read_model.rows.advance(stream_id, expected=2, version=3, changes=changes[3])
    assert read_model.rows.advance(stream_id, expected=1, version=3, changes=changes[3])
    assert read_model.rows.version(stream_id) == 3
    assert not read_model.rows.advance(stream_id, expected=1, version=3, changes=changes[3])
    assert read_model.rows.version(stream_id) == 3


def test_streams_of_another_kind_leave_no_row(read_model: ReadModel) -> None:
    metadata = Metadata(actor="rita", door="api")
    recorded = read_model.store.append("other", uuid4(), [added()], expected=0, metadata=metadata)
    read_model.projection.handle(recorded)
    read_model.projection.handle([])
    assert read_model.repair.run().streams == 0
    assert rebuilt(read_model) == []
