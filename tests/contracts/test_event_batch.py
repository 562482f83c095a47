"""The contract of an event batch, on every log: appends decided in memory, stored together."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import transaction

from eventstore.application.ports import EventBatch, EventStore
from eventstore.domain.events import Metadata, StreamHead
from eventstore.domain.exceptions import (
    BatchConflict,
    ConcurrencyError,
    EventAlreadyStored,
    OccurredOutOfOrder,
    PersonalDataErased,
)
from eventstore.infrastructure.mapper import EventMapper
from eventstore.infrastructure.memory import InMemoryEventStore
from eventstore.infrastructure.store import DjangoEventStore
from tests.contracts.conftest import KEYRING, Clock
from tests.factories import added, invited, noted

RITA = Metadata(actor="rita", door="api")


@pytest.fixture(
    params=[
        "memory",
        pytest.param("database", marks=pytest.mark.django_db(transaction=True)),
        pytest.param("database in a transaction", marks=pytest.mark.django_db),
    ]
)
def base(request: pytest.FixtureRequest, mapper: EventMapper, clock: Clock) -> EventStore:
    """The log below the batch, also one in a caller's transaction."""
    if request.param == "memory":
        return InMemoryEventStore(mapper, clock=clock)
    return DjangoEventStore(mapper, keyring=lambda: KEYRING, clock=clock)


@pytest.fixture
def within(mapper: EventMapper, clock: Clock, db: None) -> EventStore:
    """A log in a caller's transaction."""
    return DjangoEventStore(mapper, keyring=lambda: KEYRING, clock=clock)


def caused_by(command_id: UUID) -> Metadata:
    return Metadata(actor="rita", door="api", causation_id=command_id, command_digest="d")


def fetched(
    base: EventStore, stream_ids: Sequence[UUID], command_ids: Sequence[UUID] = ()
) -> EventBatch:
    batch = base.batch()
    batch.fetch(stream_ids, command_ids=command_ids)
    return batch


def append(
    to: EventStore | EventBatch, stream_id: UUID, *events: Any, expected: Any, **terms: Any
) -> Any:
    terms.setdefault("metadata", RITA)
    return to.append("candidate", stream_id, events, expected=expected, **terms)


def test_many_streams_are_stored_together_in_the_order_of_the_appends(base: EventStore) -> None:
    there, one, other, command = uuid4(), uuid4(), uuid4(), uuid4()
    append(base, there, added(), expected=0)
    batch = fetched(base, [there, one])
    append(batch, one, added(), noted(), expected=0, metadata=caused_by(command))
    append(batch, other, added(profile={"name": "Ω"}), expected=0)
    append(batch, there, noted(text="behind"), expected=1)
    append(batch, one, invited(), expected=2)
    recorded = batch.store()

    assert [(r.stream_id, r.version) for r in recorded] == [
        (one, 1),
        (one, 2),
        (other, 1),
        (there, 2),
        (one, 3),
    ]
    assert [r.position for r in recorded] == sorted({r.position for r in recorded})
    assert base.read_stream(one) == [r for r in recorded if r.stream_id == one]
    assert base.read_stream(other) == [r for r in recorded if r.stream_id == other]
    assert base.read_stream(there)[1:] == [r for r in recorded if r.stream_id == there]
    assert base.read_command(command) == recorded[:2]


def test_a_batch_reads_what_it_will_store(base: EventStore, clock: Clock) -> None:
    there, fresh, command = uuid4(), uuid4(), uuid4()
    stored = append(base, there, added(profile={"name": "Ann", "source": "fair"}), expected=0)
    batch = fetched(base, [there, fresh], [command])
    assert batch.read_command(command) == []
    pending = append(batch, there, noted(text="t"), expected=1, metadata=caused_by(command))
    assert [r.position for r in pending] == [0]

    assert batch.read_stream(there) == stored + pending
    assert (
        batch.read_stream(there, after=1) == batch.read_stream(there, after=1, until=9) == pending
    )
    assert batch.read_stream(there, until=1) == stored
    assert batch.read_command(command) == pending
    assert batch.carried_out([command, uuid4()]) == {command}
    assert batch.head(there) == StreamHead.at(pending[0])
    assert (batch.head(fresh), batch.load_stream(fresh)) == (StreamHead(), None)
    loaded = batch.load_stream(there)
    assert loaded is not None
    assert loaded.events == [added(profile={"source": "fair"}), noted(text="")]
    assert (loaded.first, loaded.head) == (StreamHead.at(stored[0]), StreamHead.at(pending[0]))
    assert base.read_stream(there) == stored


def test_an_append_that_is_refused_leaves_the_batch_as_it_was(
    base: EventStore, clock: Clock
) -> None:
    there, fresh = uuid4(), uuid4()
    append(base, there, added(), expected=0)
    batch = fetched(base, [there])
    for stream_id, expected in [(there, 0), (there, 2), (there, -1), (fresh, 1)]:
        with pytest.raises(ConcurrencyError):
            append(batch, stream_id, noted(), expected=expected)
    clock.advance(hours=1)
    append(batch, fresh, added(), expected=0)
    earlier = clock.now.replace(year=2020)
    with pytest.raises(OccurredOutOfOrder):
        append(batch, fresh, noted(text="early"), expected=1, occurred_at=earlier)
    append(batch, fresh, noted(text="late"), expected=1)
    assert [r.event for r in batch.store()] == [added(), noted(text="late")]
    assert base.head(there).version == 1


def test_a_command_is_carried_out_once_in_log_and_batch(base: EventStore) -> None:
    before, now = uuid4(), uuid4()
    first = append(base, uuid4(), added(), expected=0, metadata=caused_by(before))
    for named in ([], [before, now]):
        batch = fetched(base, [], named)
        append(batch, uuid4(), added(), expected=0, metadata=caused_by(now))
        for command_id in (before, now):
            with pytest.raises(EventAlreadyStored):
                append(batch, uuid4(), added(), expected=0, metadata=caused_by(command_id))
        assert batch.read_command(before) == first


def test_a_batch_goes_on_with_the_keys_that_streams_have(base: EventStore) -> None:
    personal, plain, erased = uuid4(), uuid4(), uuid4()
    append(base, personal, added(), expected=0)
    append(base, plain, added(profile={}), expected=0)
    append(base, erased, added(), expected=0)
    base.erase_personal_data(erased)
    batch = fetched(base, [personal, plain, erased])
    for stream_id in (personal, plain):
        append(batch, stream_id, noted(text="one"), expected=1)
        append(batch, stream_id, noted(text="two"), expected=2)
    with pytest.raises(PersonalDataErased):
        append(batch, erased, noted(text="again"), expected=1)
    append(batch, erased, invited(), expected=1)
    batch.store()
    for stream_id, first in ((personal, added()), (plain, added(profile={}))):
        events = [r.event for r in base.read_stream(stream_id)]
        assert events == [first, noted(text="one"), noted(text="two")]
    append(base, plain, noted(text="three"), expected=3)
    assert base.read_stream(plain)[-1].event == noted(text="three")
    assert [r.event for r in base.read_stream(erased)] == [added(profile={}), invited()]


def test_a_conflict_names_the_streams_and_nothing_is_stored(base: EventStore) -> None:
    moved, begun, still, fresh = uuid4(), uuid4(), uuid4(), uuid4()
    for stream_id in (moved, still):
        append(base, stream_id, added(), expected=0)
    batch = fetched(base, [moved, begun, still, fresh])
    for stream_id in (fresh, begun):
        append(batch, stream_id, added(), expected=0)
    for stream_id in (still, moved):
        append(batch, stream_id, noted(), expected=1)
    append(base, moved, invited(), expected=1)
    append(base, begun, added(), expected=0)

    with pytest.raises(BatchConflict, match="2 streams") as caught:
        batch.store()
    assert caught.value.stream_ids == {moved, begun}
    assert [base.head(id).version for id in (moved, begun, still, fresh)] == [2, 1, 1, 0]
    # Decided anew, which includes a first key for the stream that was not stored.
    again = fetched(base, [moved, begun, still, fresh])
    append(again, fresh, added(), expected=0)
    append(again, moved, noted(), expected=2)
    assert len(again.store()) == 2
    assert base.read_stream(fresh)[0].event == added()


def test_a_command_that_is_carried_out_meanwhile_is_a_conflict(base: EventStore) -> None:
    command, mine, others = uuid4(), uuid4(), uuid4()
    batch = fetched(base, [mine], [command])
    append(batch, uuid4(), added(), expected=0)
    append(batch, mine, added(), expected=0, metadata=caused_by(command))
    append(base, others, added(), expected=0, metadata=caused_by(command))
    with pytest.raises(BatchConflict) as caught:
        batch.store()
    assert caught.value.stream_ids == {mine}
    assert base.head(mine).version == 0


def test_an_empty_batch_stores_nothing(base: EventStore) -> None:
    assert base.batch().store() == []
    assert fetched(base, [uuid4()], [uuid4()]).store() == []


def test_a_batch_is_stored_once(base: EventStore) -> None:
    batch, stream_id = base.batch(), uuid4()
    append(batch, stream_id, added(), expected=0)
    batch.store()
    with pytest.raises(BatchConflict) as caught:
        batch.store()
    assert caught.value.stream_ids == {stream_id}
    assert base.head(stream_id).version == 1


def test_a_batch_may_be_longer_than_a_statement(base: EventStore) -> None:
    streams = [uuid4() for _ in range(1500)]
    batch = fetched(base, streams)
    for stream_id in streams:
        append(batch, stream_id, added(), expected=0)
    for stream_id in streams:
        append(batch, stream_id, noted(), expected=1)
    recorded = batch.store()
    assert [r.stream_id for r in recorded] == streams * 2
    assert len({r.position for r in recorded}) == 3000
    again = fetched(base, streams)
    assert [again.head(id) for id in streams] == [StreamHead.at(r) for r in recorded[1500:]]


def test_streams_are_read_by_one_call(base: EventStore) -> None:
    one, other, short = uuid4(), uuid4(), uuid4()
    append(base, one, added(), noted(text="1"), expected=0)
    append(base, other, added(), noted(text="2"), expected=0)
    append(base, short, added(), expected=0)
    read = base.read_streams({one: 0, other: 1, short: 1, uuid4(): 0})
    assert read == {one: base.read_stream(one), other: base.read_stream(other, after=1)}
    assert base.read_streams({}) == {}


def test_a_whole_log_of_batches_is_read_in_their_order(log: EventStore) -> None:
    expected = []
    for _ in range(3):
        batch = log.batch()
        for _ in range(3):
            append(batch, uuid4(), added(), expected=0)
        expected += batch.store()
    assert log.read_all(limit=100) == expected
    assert log.settled_end() == expected[-1].position


def test_a_conflict_in_a_callers_transaction_leaves_it_usable(within: EventStore) -> None:
    stream_id = uuid4()
    with transaction.atomic():
        batch = fetched(within, [stream_id])
        append(batch, stream_id, added(), expected=0)
        append(within, stream_id, added(), expected=0)
        with pytest.raises(BatchConflict):
            batch.store()
        append(within, stream_id, noted(), expected=1)
    assert within.head(stream_id).version == 2


def test_a_batch_whose_stream_was_taken_back_leaves_no_gap(within: EventStore) -> None:
    stream_id = uuid4()
    with transaction.atomic():
        append(within, stream_id, added(), expected=0)
        batch = fetched(within, [stream_id])
        append(batch, stream_id, noted(), expected=1)
        transaction.set_rollback(True)
    with pytest.raises(BatchConflict) as caught:
        batch.store()
    assert caught.value.stream_ids == {stream_id}
    assert within.head(stream_id).version == 0


def test_a_batch_is_stored_again_where_the_transaction_was_taken_back(within: EventStore) -> None:
    batch, stream_id = within.batch(), uuid4()
    append(batch, stream_id, added(), expected=0)
    with transaction.atomic():
        batch.store()
        transaction.set_rollback(True)
    assert within.head(stream_id).version == 0
    batch.store()
    assert within.read_stream(stream_id)[0].event == added()
