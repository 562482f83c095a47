"""What every event store promises."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest

from eventstore.application.ports import EventStore
from eventstore.domain.events import Metadata, StreamHead, event_id_of
from eventstore.domain.exceptions import (
    ConcurrencyError,
    EventAlreadyStored,
    InvalidValue,
    OccurredInFuture,
    OccurredOutOfOrder,
    PersonalDataErased,
)
from tests.contracts.conftest import Clock
from tests.factories import added, erased, invited, noted, rejected

RITA = Metadata(actor="rita", door="api")


def append(store: EventStore, stream_id: UUID, *events: Any, expected: Any, **terms: Any) -> Any:
    terms.setdefault("metadata", RITA)
    return store.append("candidate", stream_id, events, expected=expected, **terms)


@pytest.fixture
def stream(store: EventStore) -> UUID:
    """Three events long."""
    stream_id = uuid4()
    append(store, stream_id, added(), noted(), noted(text="2"), expected=0)
    return stream_id


def test_what_was_appended_is_read_back_in_order(store: EventStore, clock: Clock) -> None:
    stream_id, other, batch, command = uuid4(), uuid4(), uuid4(), uuid4()
    metadata = Metadata(
        actor="rita",
        door="api",
        on_behalf_of="boss",
        causation_id=command,
        command_digest="d1",
        extra={"source_row": 7, "nested": {"a": [1, None]}},
    )
    first = append(
        store, stream_id, added(), noted(), expected=0, metadata=metadata, correlation_id=batch
    )
    append(store, other, added(), expected=0)
    second = append(store, stream_id, invited(), expected=2)

    read = store.read_stream(stream_id)
    assert read == first + second
    assert [r.version for r in read] == [1, 2, 3]
    assert [r.event for r in read] == [added(), noted(), invited()]
    assert [r.metadata for r in read] == [metadata, metadata, RITA]
    assert [r.correlation_id for r in read] == [batch, batch, None]
    assert {r.stream_type for r in read} == {"candidate"}
    assert {r.recorded_at for r in read} == {r.occurred_at for r in read} == {clock.now}
    assert sorted({r.position for r in read}) == [r.position for r in read]


def test_a_part_of_a_stream_can_be_read(store: EventStore, stream: UUID) -> None:
    assert [r.version for r in store.read_stream(stream, after=1)] == [2, 3]
    assert [r.version for r in store.read_stream(stream, until=2)] == [1, 2]
    assert [r.version for r in store.read_stream(stream, after=1, until=2)] == [2]
    assert store.read_stream(stream, after=3) == []


def test_an_unknown_stream_is_empty(store: EventStore) -> None:
    assert store.read_stream(uuid4()) == []
    assert store.head(uuid4()) == StreamHead()


def test_the_head_is_the_newest_event(store: EventStore, stream: UUID, clock: Clock) -> None:
    newest = store.read_stream(stream)[-1]
    assert store.head(stream) == StreamHead.at(newest)
    assert (newest.version, newest.occurred_at, newest.recorded_at) == (3, clock.now, clock.now)


@pytest.mark.parametrize("stale", [0, 1, 2])
def test_a_stale_writer_is_refused_and_nothing_is_stored(
    store: EventStore, stream: UUID, stale: int
) -> None:
    with pytest.raises(ConcurrencyError) as caught:
        append(store, stream, noted(), noted(), expected=stale)
    assert (caught.value.stream_id, caught.value.expected) == (stream, stale)
    assert [r.version for r in store.read_stream(stream)] == [1, 2, 3]


def test_a_stale_head_is_refused(store: EventStore, stream: UUID) -> None:
    head = store.head(stream)
    append(store, stream, noted(), expected=head)
    with pytest.raises(ConcurrencyError):
        append(store, stream, noted(), expected=head)


@pytest.mark.parametrize("ahead", [4, 5, 99])
def test_a_gap_is_refused(store: EventStore, stream: UUID, ahead: int) -> None:
    with pytest.raises(ConcurrencyError):
        append(store, stream, noted(), expected=ahead)
    with pytest.raises(ConcurrencyError):
        append(store, uuid4(), noted(), expected=ahead)
    assert store.head(stream).version == 3


@pytest.mark.parametrize("expected", [-1, -2, 2**31 - 1, 2**31, 2**63, 2**64])
def test_a_version_that_no_stream_can_be_at_is_refused(
    store: EventStore, stream: UUID, expected: int
) -> None:
    for stream_id in (stream, uuid4()):
        with pytest.raises(ConcurrencyError) as caught:
            append(store, stream_id, noted(), expected=expected)
        assert caught.value.expected == expected
    with pytest.raises(ConcurrencyError):
        append(store, stream, noted(), expected=StreamHead(version=-1))
    assert [r.version for r in store.read_stream(stream, after=-1)] == [1, 2, 3]


def test_after_a_refusal_the_store_goes_on(store: EventStore, stream: UUID) -> None:
    with pytest.raises(ConcurrencyError):
        append(store, stream, noted(), expected=1)
    assert append(store, stream, noted(), expected=3)[0].version == 4


def test_event_ids_derive_from_the_command(store: EventStore) -> None:
    command, stream_id = uuid4(), uuid4()
    caused = Metadata(actor="rita", door="api", causation_id=command)
    recorded = append(store, stream_id, added(), noted(), expected=0, metadata=caused)
    append(store, stream_id, noted(text="later"), expected=2)
    assert [r.event_id for r in recorded] == [event_id_of(command, 0), event_id_of(command, 1)]
    assert store.read_command(command) == recorded
    assert store.read_command(uuid4()) == []
    assert store.carried_out([uuid4(), command, uuid4()]) == {command}
    assert store.carried_out([]) == set()


def test_an_event_id_is_stored_once(store: EventStore, stream: UUID) -> None:
    caused = Metadata(actor="rita", door="api", causation_id=uuid4())
    append(store, stream, noted(), expected=3, metadata=caused)
    for stream_id, expected in [(stream, 4), (stream, 3), (uuid4(), 0)]:
        with pytest.raises(EventAlreadyStored):
            append(store, stream_id, noted(), expected=expected, metadata=caused)
    assert store.head(stream).version == 4


def test_each_event_is_chained_to_its_predecessor(store: EventStore, stream: UUID) -> None:
    append(store, stream, noted(), noted(), expected=store.head(stream))
    hashes = [r.hash for r in store.read_stream(stream)]
    assert len({*hashes}) == 5
    assert {len(hash) for hash in hashes} == {32}
    assert store.head(stream).hash == hashes[-1]


def test_a_head_that_never_was_is_refused(store: EventStore, stream: UUID) -> None:
    forged = replace(store.head(stream), hash=bytes(32))
    with pytest.raises(ConcurrencyError):
        append(store, stream, noted(), expected=forged)
    assert store.head(stream).version == 3


def test_a_part_of_a_stream_can_be_loaded(store: EventStore, stream: UUID) -> None:
    loaded = store.load_stream(stream, after=1, until=2)
    assert loaded is not None
    assert len(loaded.events) == 1
    assert loaded.first == loaded.head == StreamHead.at(store.read_stream(stream)[1])
    assert store.load_stream(stream, after=3) is None
    assert store.load_stream(uuid4()) is None


def test_a_load_leaves_personal_values_out(store: EventStore, stream: UUID) -> None:
    profile = {"name": "Ann", "source": "fair"}
    stream_id = uuid4()
    append(store, stream_id, added(profile=profile), noted(text="t"), expected=0)
    whole, loaded = store.read_stream(stream_id), store.load_stream(stream_id)
    assert [r.event for r in whole] == [added(profile=profile), noted(text="t")]
    assert loaded is not None
    assert loaded.events == [added(profile={"source": "fair"}), noted(text="")]
    assert (loaded.first, loaded.head) == (StreamHead.at(whole[0]), StreamHead.at(whole[1]))
    assert loaded.stream_type == "candidate"


def test_an_erasure_leaves_events_versions_and_hashes(store: EventStore, stream: UUID) -> None:
    other = uuid4()
    append(store, other, added(), expected=0)
    before = store.read_stream(stream)
    assert store.erase_personal_data(stream)
    after = store.read_stream(stream)
    assert [r._replace(event=b.event) for r, b in zip(after, before, strict=True)] == before
    assert [r.event for r in after] == [added(profile={}), noted(text=""), noted(text="")]
    assert store.read_stream(other)[0].event == added()


def test_an_erasure_is_for_ever(store: EventStore, stream: UUID) -> None:
    assert store.erase_personal_data(stream)
    assert not store.erase_personal_data(stream)
    with pytest.raises(PersonalDataErased):
        append(store, stream, noted(text="again"), expected=3)
    assert append(store, stream, invited(), erased(), expected=3)[-1].version == 5


def test_erasing_where_nothing_personal_is_forbids_it_from_then_on(store: EventStore) -> None:
    stream_id = uuid4()
    append(store, stream_id, added(profile={}), expected=0)
    assert not store.erase_personal_data(stream_id)
    with pytest.raises(PersonalDataErased):
        append(store, stream_id, noted(text="t"), expected=1)


def test_a_stream_may_become_personal_later(store: EventStore) -> None:
    stream_id = uuid4()
    append(store, stream_id, added(profile={}), expected=0)
    append(store, stream_id, noted(text="t"), expected=1)
    append(store, stream_id, noted(text="u"), expected=2)
    assert [r.event for r in store.read_stream(stream_id)] == [
        added(profile={}),
        noted(text="t"),
        noted(text="u"),
    ]


def test_what_a_command_said_goes_with_the_personal_data(store: EventStore) -> None:
    stream_id = uuid4()
    personal, open_ = (
        Metadata(actor="rita", door="api", causation_id=uuid4(), command_digest=digest)
        for digest in ("d1", "d2")
    )
    append(store, stream_id, added(), expected=0, metadata=personal)
    append(store, stream_id, invited(), expected=1, metadata=open_)
    assert [r.metadata for r in store.read_stream(stream_id)] == [personal, open_]
    store.erase_personal_data(stream_id)
    assert [r.metadata.command_digest for r in store.read_stream(stream_id)] == [None, "d2"]


def test_without_a_command_event_ids_rise_with_time(store: EventStore, stream: UUID) -> None:
    ids = [r.event_id for r in store.read_stream(stream)]
    assert ids == sorted(ids)
    assert {id.version for id in ids} == {7}


def test_many_events_are_stored_in_one_call(store: EventStore) -> None:
    stream_id = uuid4()
    events = [added(), *(noted(text=str(i)) for i in range(2500))]
    recorded = append(store, stream_id, *events, expected=0)
    assert [r.version for r in recorded] == list(range(1, 2502))
    assert [r.event for r in store.read_stream(stream_id)] == events


def test_nothing_cannot_be_appended(store: EventStore) -> None:
    with pytest.raises(ValueError, match="nothing to append"):
        append(store, uuid4(), expected=0)


@pytest.mark.parametrize(
    ("profile", "pointer"),
    [
        ({"name": "a\x00"}, "/profile/name"),
        ({"name": "\ud83d"}, "/profile/name"),
        ({"n": float("nan")}, "/profile/n"),
        ({"n": [float("-inf")]}, "/profile/n/0"),
        ({"when": datetime(2026, 1, 1)}, "/profile/when"),  # noqa: DTZ001
        ({"big": "x" * 300_000}, ""),
    ],
)
def test_content_that_cannot_be_kept_is_refused_before_anything_is_stored(
    store: EventStore, stream: UUID, profile: Any, pointer: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        append(store, stream, noted(), added(profile=profile), expected=3)
    assert caught.value.pointer == pointer
    assert store.head(stream).version == 3


def test_an_event_that_could_not_be_read_again_is_not_stored(
    store: EventStore, stream: UUID
) -> None:
    with pytest.raises(Exception, match="Expected `str`"):
        append(store, stream, noted(text=5), expected=3)
    assert store.head(stream).version == 3


EXACT = [
    {"text": "naïve 名前 Ω 🧑🏽‍🚀 e\u0301 \u2028 \\u0000 \"quoted\" 'single'"},
    {"a.b": {"0": {"": []}}, "empty": {}, "none": None},
    {"numbers": [1, 1.0, -0.0, 1e16, 1e-7, 0.1, 2**63, -(2**70), 10**30, 1.5e300]},
    {"bools": [True, False, 0, 1]},
]


@pytest.mark.parametrize("profile", EXACT, ids=["text", "keys", "numbers", "bools"])
def test_values_come_back_exactly(store: EventStore, profile: dict[str, Any]) -> None:
    stream_id = uuid4()
    appended = append(store, stream_id, added(profile=profile, score=-0.0), expected=0)
    for recorded in (*appended, *store.read_stream(stream_id)):
        assert repr(recorded.event.profile) == repr(dict(sorted_deep(profile)))
        assert repr(recorded.event.score) == "-0.0"


def sorted_deep(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sorted_deep(value[key]) for key in sorted(value)}
    return value


def test_what_is_returned_shares_nothing_with_what_was_given(store: EventStore) -> None:
    stream_id, profile = uuid4(), {"tags": ["a"]}
    recorded = append(store, stream_id, added(profile=profile), expected=0)
    profile["tags"].append("b")
    recorded[0].event.profile["tags"].append("c")
    assert store.read_stream(stream_id)[0].event.profile == {"tags": ["a"]}  # type: ignore[attr-defined]


def test_business_time_may_be_stated(store: EventStore, clock: Clock) -> None:
    tokyo = timezone(timedelta(hours=9))
    stated = datetime(2015, 1, 5, 9, 0, 8, 123456, tzinfo=tokyo)
    stream_id = uuid4()
    append(store, stream_id, added(), expected=0, occurred_at=stated)
    read = store.read_stream(stream_id)[0]
    assert (read.occurred_at, read.recorded_at) == (stated, clock.now)
    assert read.occurred_at.utcoffset() == timedelta(0)


def test_a_stated_time_may_not_lie_in_the_future(store: EventStore, clock: Clock) -> None:
    stated = clock.now + timedelta(microseconds=1)
    with pytest.raises(OccurredInFuture):
        append(store, uuid4(), added(), expected=0, occurred_at=stated)


def test_a_stated_time_may_not_go_back_within_the_stream(
    store: EventStore, stream: UUID, clock: Clock
) -> None:
    same, earlier = clock.now, clock.now - timedelta(microseconds=1)
    clock.advance(hours=1)
    with pytest.raises(OccurredOutOfOrder) as caught:
        append(store, stream, noted(), expected=3, occurred_at=earlier)
    assert (caught.value.stated, caught.value.predecessor) == (earlier, same)
    assert append(store, stream, noted(), expected=3, occurred_at=same)[0].occurred_at == same


def test_a_clock_that_goes_back_does_not_take_the_stream_along(
    store: EventStore, stream: UUID, clock: Clock
) -> None:
    before = clock.now
    clock.advance(hours=-1)
    recorded = append(store, stream, rejected(), expected=3)[0]
    assert recorded.occurred_at == recorded.recorded_at == before


def test_free_metadata_may_not_pose_as_a_field(store: EventStore) -> None:
    posing = Metadata(actor="rita", door="api", extra={"actor": "somebody else"})
    with pytest.raises(ValueError, match="actor"):
        append(store, uuid4(), added(), expected=0, metadata=posing)


def test_hostile_metadata_is_refused(store: EventStore) -> None:
    with pytest.raises(InvalidValue) as caught:
        append(store, uuid4(), added(), expected=0, metadata=Metadata(actor="\x00", door="api"))
    assert caught.value.pointer == "/metadata/actor"


def test_a_time_without_its_offset_is_refused(store: EventStore) -> None:
    with pytest.raises(InvalidValue) as caught:
        append(store, uuid4(), added(), expected=0, occurred_at=datetime(2026, 1, 1))  # noqa: DTZ001
    assert (caught.value.pointer, caught.value.rule) == ("/occurred_at", "naive_time")


@pytest.mark.parametrize("hours", [-23, 0, 23])
def test_times_at_the_calendars_edges_are_refused(store: EventStore, hours: int) -> None:
    offset = timezone(timedelta(hours=hours))
    first, last = datetime(1, 1, 1, tzinfo=offset), datetime.max.replace(tzinfo=offset)
    with pytest.raises(InvalidValue) as caught:
        append(store, uuid4(), added(), expected=0, occurred_at=first)
    assert (caught.value.pointer, caught.value.rule) == ("/occurred_at", "too_early")
    with pytest.raises(OccurredInFuture):
        append(store, uuid4(), added(), expected=0, occurred_at=last)
