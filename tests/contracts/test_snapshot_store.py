"""What every snapshot store promises."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from eventstore.application.ports import SnapshotStore
from eventstore.domain.events import StreamHead
from eventstore.domain.snapshot import Snapshot


def snapshot(version: int = 100, state: str = "{}") -> Snapshot:
    return Snapshot(
        stream_id=STREAM,
        stream_type="candidate",
        schema=3,
        head=StreamHead(
            version=version,
            occurred_at=datetime(2015, 1, 5, 9, 0, 8, 123456, tzinfo=UTC),
            recorded_at=datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
            hash=bytes(range(32)),
        ),
        state=state,
    )


STREAM = uuid4()


def test_a_stream_without_a_snapshot_has_none(snapshot_store: SnapshotStore) -> None:
    assert snapshot_store.load(uuid4()) is None


@pytest.mark.parametrize(
    "state", ["{}", '{"n":[-0.0,1e+16,"naïve 名 🧑🏽‍🚀 \\\\u0000"]}', "no JSON {"]
)
def test_what_was_saved_is_loaded_to_the_letter(snapshot_store: SnapshotStore, state: str) -> None:
    snapshot_store.save(snapshot(state=state))
    assert snapshot_store.load(STREAM) == snapshot(state=state)


def test_each_stream_has_its_own(snapshot_store: SnapshotStore) -> None:
    other = replace(snapshot(), stream_id=uuid4(), state="[]")
    for one in (snapshot(), other):
        snapshot_store.save(one)
    assert [snapshot_store.load(one.stream_id) for one in (snapshot(), other)] == [
        snapshot(),
        other,
    ]


def test_a_newer_one_takes_the_place_of_an_older(snapshot_store: SnapshotStore) -> None:
    newer = replace(snapshot(version=200), schema=4, state='{"newer":true}')
    snapshot_store.save(snapshot())
    snapshot_store.save(newer)
    assert snapshot_store.load(STREAM) == newer


@pytest.mark.parametrize("version", [1, 99])
def test_an_older_one_never_does(snapshot_store: SnapshotStore, version: int) -> None:
    snapshot_store.save(snapshot())
    snapshot_store.save(snapshot(version=version, state='{"older":true}'))
    assert snapshot_store.load(STREAM) == snapshot()


@pytest.mark.parametrize("schema", [2, 4])
def test_one_of_another_schema_gives_way_whatever_its_version(
    snapshot_store: SnapshotStore, schema: int
) -> None:
    snapshot_store.save(replace(snapshot(version=500), schema=schema))
    snapshot_store.save(snapshot())
    assert snapshot_store.load(STREAM) == snapshot()


def test_one_of_the_same_version_does_since_the_first_may_be_broken(
    snapshot_store: SnapshotStore,
) -> None:
    snapshot_store.save(snapshot(state="no JSON {"))
    snapshot_store.save(snapshot())
    assert snapshot_store.load(STREAM) == snapshot()


def test_what_is_discarded_is_gone_and_an_older_one_may_follow(
    snapshot_store: SnapshotStore,
) -> None:
    snapshot_store.save(snapshot())
    snapshot_store.discard(snapshot())
    assert snapshot_store.load(STREAM) is None
    snapshot_store.save(snapshot(version=50))
    assert snapshot_store.load(STREAM) == snapshot(version=50)


def test_one_that_took_the_place_of_the_discarded_one_stays(
    snapshot_store: SnapshotStore,
) -> None:
    snapshot_store.save(snapshot(version=200))
    snapshot_store.discard(snapshot(version=100))
    assert snapshot_store.load(STREAM) == snapshot(version=200)


def test_discarding_nothing_is_no_error(snapshot_store: SnapshotStore) -> None:
    snapshot_store.discard(snapshot())
    assert snapshot_store.load(STREAM) is None
