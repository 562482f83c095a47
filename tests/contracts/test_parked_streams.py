"""What the list of parked streams promises, wherever it is kept."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from eventstore.application.parking import DELAYS, ParkedStream
from eventstore.application.ports import ParkedStreams
from tests.contracts.conftest import Clock

STREAM = uuid4()


def broken() -> Exception:
    """As it is caught."""
    try:
        raise ValueError("Zoë O’Neill, zoe@example.org")
    except ValueError as error:
        return error


def park(
    parked_streams: ParkedStreams,
    stream_id: UUID = STREAM,
    *,
    projection: str = "candidates",
    version: int = 3,
) -> ParkedStream:
    return parked_streams.park(
        projection, stream_id, version=version, event_type="candidate.noted", error=broken()
    )


def test_a_failure_is_remembered_by_class_and_place_and_never_by_its_text(
    parked_streams: ParkedStreams, clock: Clock
) -> None:
    parked = park(parked_streams)
    line = broken.__code__.co_firstlineno + 3
    assert parked == ParkedStream(
        projection="candidates",
        stream_id=STREAM,
        version=3,
        event_type="candidate.noted",
        error=f"ValueError at {__name__}:{line}",
        attempts=1,
        parked_at=clock.now,
        retry_at=clock.now + DELAYS[0],
    )
    assert parked_streams.find("candidates", STREAM) == parked


def test_an_error_of_a_library_is_named_with_its_module(parked_streams: ParkedStreams) -> None:
    class Odd(Exception):
        pass

    parked = parked_streams.park("a", STREAM, version=1, event_type="x", error=Odd("secret"))
    assert parked.error == f"{__name__}.{Odd.__qualname__}"


def test_the_same_event_again_counts_attempts_until_only_a_person_may(
    parked_streams: ParkedStreams, clock: Clock
) -> None:
    since = clock.now
    waits: list[Any] = []
    for attempt in range(1, len(DELAYS) + 2):
        parked = park(parked_streams)
        waits.append(parked.retry_at and parked.retry_at - clock.now)
        assert (parked.attempts, parked.parked_at) == (attempt, since)
        clock.advance(hours=1)
    assert waits == [*DELAYS, None]
    assert sorted(DELAYS) == list(DELAYS)


def test_another_event_of_the_stream_counts_anew(
    parked_streams: ParkedStreams, clock: Clock
) -> None:
    park(parked_streams)
    clock.advance(seconds=9)
    parked = park(parked_streams, version=4)
    assert (parked.version, parked.attempts, parked.parked_at) == (4, 1, clock.now)
    assert parked_streams.listed(limit=9) == [parked]


def test_each_projection_parks_for_itself(parked_streams: ParkedStreams) -> None:
    park(parked_streams)
    park(parked_streams, projection="spans")
    park(parked_streams, uuid4(), projection="spans")
    assert parked_streams.count() == {"candidates": 1, "spans": 2}
    assert parked_streams.release("candidates", STREAM)
    assert parked_streams.count() == {"spans": 2}
    assert parked_streams.find("candidates", STREAM) is None
    assert parked_streams.find("spans", STREAM) is not None


def test_a_release_says_whether_there_was_anything_to_release(
    parked_streams: ParkedStreams,
) -> None:
    park(parked_streams)
    assert not parked_streams.release("candidates", uuid4())
    assert parked_streams.release("candidates", STREAM)
    assert not parked_streams.release("candidates", STREAM)


def test_they_are_listed_in_the_order_of_parking(
    parked_streams: ParkedStreams, clock: Clock
) -> None:
    streams = [uuid4() for _ in range(3)]
    for stream_id in streams:
        park(parked_streams, stream_id)
        clock.advance(seconds=1)
    park(parked_streams, streams[0], projection="spans")

    def ids(projection: str | None, limit: int) -> list[UUID]:
        return [one.stream_id for one in parked_streams.listed(projection, limit=limit)]

    assert ids("candidates", 9) == streams
    assert ids("candidates", 2) == streams[:2]
    assert ids(None, 9) == [*streams, streams[0]]
    assert ids("none", 9) == []


def test_those_are_due_whose_time_has_come(parked_streams: ParkedStreams, clock: Clock) -> None:
    often, later, once = (uuid4() for _ in range(3))
    for _ in range(len(DELAYS) + 1):
        park(parked_streams, often)
    park(parked_streams, later)
    park(parked_streams, later)
    park(parked_streams, once)
    park(parked_streams, once, projection="spans")

    def due(limit: int = 9) -> list[UUID]:
        return [one.stream_id for one in parked_streams.due("candidates", limit=limit)]

    assert due() == []
    clock.now += DELAYS[0]
    assert due() == [once]
    clock.now += timedelta(days=1)
    assert due() == [once, later]
    assert due(limit=1) == [once]


def test_it_tells_which_of_some_streams_are_parked(parked_streams: ParkedStreams) -> None:
    park(parked_streams)
    assert parked_streams.among("candidates", [uuid4(), STREAM]) == {STREAM}
    assert parked_streams.among("spans", [STREAM]) == set()
    assert parked_streams.among("candidates", []) == set()
