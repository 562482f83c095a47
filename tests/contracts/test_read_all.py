"""What reading the whole log promises, on every store that has one."""

from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest

from eventstore.application.ports import EventStore
from eventstore.domain.events import DomainEvent, Metadata, RecordedEvent
from eventstore.domain.exceptions import ConcurrencyError, CursorBeyondLog, UnsafeLogRead
from eventstore.infrastructure.mapper import EventMapper
from eventstore.infrastructure.memory import InMemoryEventStore, OverlayEventStore
from tests.contracts.conftest import Clock
from tests.factories import added, invited, noted

RITA = Metadata(actor="rita", door="api")


def append(
    store: EventStore, stream_id: UUID, *events: Any, expected: int, kind: str = "candidate"
) -> list[RecordedEvent]:
    return store.append(kind, stream_id, events, expected=expected, metadata=RITA)


@pytest.fixture
def history(log: EventStore) -> list[RecordedEvent]:
    """Seven events of three streams of two kinds, in the order in which they were stored."""
    ann, bob, other = uuid4(), uuid4(), uuid4()
    return [
        *append(log, ann, added(), noted(), expected=0),
        *append(log, other, added(), expected=0, kind="other"),
        *append(log, bob, added(), expected=0),
        *append(log, ann, invited(), expected=2),
        *append(log, bob, noted(), expected=1),
        *append(log, other, noted(), expected=1, kind="other"),
    ]


def test_an_empty_log_is_read_to_its_end(log: EventStore) -> None:
    assert log.read_all(limit=10) == []


def test_events_come_in_the_order_in_which_they_were_stored(
    log: EventStore, history: list[RecordedEvent]
) -> None:
    assert log.read_all(limit=100) == history
    assert log.read_all(limit=len(history)) == history


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_going_on_from_the_last_event_gives_every_event_once(
    log: EventStore, history: list[RecordedEvent], limit: int
) -> None:
    seen: list[RecordedEvent] = []
    while batch := log.read_all(after=seen[-1].position if seen else 0, limit=limit):
        assert len(batch) <= limit
        seen += batch
    assert seen == history


def test_at_the_end_there_is_nothing_until_more_is_stored(
    log: EventStore, history: list[RecordedEvent]
) -> None:
    end = history[-1].position
    assert log.read_all(after=end, limit=10) == []
    more = append(log, uuid4(), added(), expected=0)
    assert log.read_all(after=end, limit=10) == more


def test_what_was_refused_leaves_nothing_to_read(
    log: EventStore, history: list[RecordedEvent]
) -> None:
    with pytest.raises(ConcurrencyError):
        append(log, history[0].stream_id, noted(), expected=1)
    more = append(log, history[0].stream_id, noted(), expected=3)
    assert log.read_all(limit=100) == history + more


@pytest.mark.parametrize(
    ("filters", "chosen"),
    [
        ({"stream_types": ["other"]}, [2, 6]),
        ({"stream_types": {"other", "candidate"}}, [0, 1, 2, 3, 4, 5, 6]),
        ({"event_types": ["candidate.noted"]}, [1, 5, 6]),
        ({"event_types": ("candidate.noted", "candidate.invited")}, [1, 4, 5, 6]),
        ({"stream_types": ["candidate"], "event_types": ["candidate.noted"]}, [1, 5]),
        ({"event_types": ["unheard.of"]}, []),
    ],
)
def test_filters_choose_among_all_events_and_not_among_a_batch(
    log: EventStore, history: list[RecordedEvent], filters: dict[str, Any], chosen: list[int]
) -> None:
    wanted = [history[i] for i in chosen]
    assert log.read_all(limit=100, **filters) == wanted
    assert log.read_all(limit=1, **filters) == wanted[:1]
    for event in wanted[:1]:
        assert log.read_all(after=event.position, limit=100, **filters) == wanted[1:]


def test_a_type_is_found_under_its_former_names_too(log: EventStore, mapper: EventMapper) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Phoned(DomainEvent):
        event_type: ClassVar[str] = "candidate.phoned"

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Called(DomainEvent):
        event_type: ClassVar[str] = "candidate.called"

    mapper.register([Phoned])
    (before,) = append(log, uuid4(), Phoned(), expected=0)
    # The code of the next day, in the place of that of the day before.
    renamed = EventMapper()
    renamed.register([Called], aliases={"candidate.phoned": "candidate.called"})
    vars(mapper).update(vars(renamed))
    (after,) = append(log, uuid4(), Called(), expected=0)

    found = log.read_all(limit=100, event_types=["candidate.called"])
    assert [one.position for one in found] == [before.position, after.position]
    assert [one.event for one in found] == [Called(), Called()]


@pytest.mark.parametrize("beyond", [1, 2, 2**63, 10**30])
def test_a_cursor_that_this_log_never_gave_is_an_error_with_advice(
    log: EventStore, history: list[RecordedEvent], beyond: int
) -> None:
    end = history[-1].position
    with pytest.raises(CursorBeyondLog, match="restored from an older backup") as caught:
        log.read_all(after=end + beyond, limit=10, event_types=["unheard.of"])
    assert (caught.value.after, caught.value.last) == (end + beyond, end)


@pytest.mark.parametrize("before", [0, -1, -(2**64)])
def test_whatever_lies_before_the_log_is_its_beginning(
    log: EventStore, history: list[RecordedEvent], before: int
) -> None:
    assert log.read_all(after=before, limit=2**64) == history
    assert log.read_all(after=before, limit=0) == []


def test_a_negative_limit_is_refused(log: EventStore, history: list[RecordedEvent]) -> None:
    with pytest.raises(ValueError, match="limit"):
        log.read_all(limit=-1)


def test_an_empty_log_never_gave_a_cursor(log: EventStore) -> None:
    with pytest.raises(CursorBeyondLog):
        log.read_all(after=1, limit=10)


def test_what_is_only_tried_out_has_no_place_in_the_log(mapper: EventMapper, clock: Clock) -> None:
    beneath = InMemoryEventStore(mapper, clock=clock)
    with pytest.raises(UnsafeLogRead, match="tried out"):
        OverlayEventStore(mapper, clock=clock, beneath=beneath).read_all(limit=10)
