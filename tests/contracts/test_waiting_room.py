"""What a waiting room promises, wherever it is kept."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from eventstore.application.ports import ParkedStreams, WaitingMessage, WaitingRoom
from eventstore.infrastructure.memory import InMemoryParkedStreams, InMemoryWaitingRoom
from eventstore.infrastructure.waiting import DjangoWaitingRoom
from tests.contracts.conftest import Clock

STREAM, OTHER = uuid4(), uuid4()


@pytest.fixture
def room(parked_streams: ParkedStreams, clock: Clock) -> WaitingRoom:
    if isinstance(parked_streams, InMemoryParkedStreams):
        return InMemoryWaitingRoom(parked=parked_streams)
    return DjangoWaitingRoom(clock=clock)


def message(version: int, at: datetime, body: bytes = b"\x00{", **flags: bool) -> WaitingMessage:
    return WaitingMessage(version, body, flags.get("erases", False), at)


def keep(room: WaitingRoom, at: datetime, *versions: int, stream_id: UUID = STREAM) -> None:
    room.keep("candidates", stream_id, [message(version, at) for version in versions])


def versions(room: WaitingRoom, *, after: int = 0, projection: str = "candidates") -> list[int]:
    return [one.version for one in room.waiting(projection, STREAM, after=after)]


def test_messages_come_in_the_order_of_their_versions(room: WaitingRoom, clock: Clock) -> None:
    keep(room, clock.now, 12, 3)
    keep(room, clock.now, 5)
    keep(room, clock.now, 1, stream_id=OTHER)
    assert versions(room) == [3, 5, 12]
    assert versions(room, after=3) == [5, 12]
    assert room.waiting("candidates", STREAM)[0] == message(3, clock.now)


def test_another_body_of_the_same_version_takes_its_place_but_not_its_time(
    room: WaitingRoom, clock: Clock
) -> None:
    keep(room, clock.now, 3)
    later = clock.now + timedelta(hours=1)
    room.keep("candidates", STREAM, [message(3, later, b"new", erases=True)])
    assert room.waiting("candidates", STREAM) == [message(3, clock.now, b"new", erases=True)]


def test_each_projection_has_its_own(room: WaitingRoom, clock: Clock) -> None:
    keep(room, clock.now, 3, 4)
    room.keep("spans", STREAM, [message(4, clock.now)])
    room.discard("candidates", STREAM, [3, 4, 99])
    assert versions(room) == []
    assert versions(room, projection="spans") == [4]
    assert {name: count.messages for name, count in room.count().items()} == {"spans": 1}


def test_who_waits_is_told_and_since_when(room: WaitingRoom, clock: Clock) -> None:
    keep(room, clock.now, 3, 4)
    keep(room, clock.now + timedelta(seconds=5), 9, stream_id=OTHER)
    assert room.among("candidates", [STREAM, uuid4()]) == {STREAM}
    assert room.count()["candidates"] == (3, clock.now)
    assert room.among("spans", [STREAM]) == set()


def test_overdue_is_what_waits_since_before_then_and_is_not_parked(
    room: WaitingRoom, parked_streams: ParkedStreams, clock: Clock
) -> None:
    first, second, parked = uuid4(), uuid4(), uuid4()
    for number, stream_id in enumerate((parked, second, first)):
        keep(room, clock.now - timedelta(seconds=number), 3, stream_id=stream_id)
    keep(room, clock.now + timedelta(hours=1), 4, stream_id=first)
    parked_streams.park("candidates", parked, version=2, event_type="", error=ValueError())
    parked_streams.park("spans", first, version=2, event_type="", error=ValueError())
    soon = clock.now + timedelta(seconds=1)
    assert room.overdue("candidates", before=soon, limit=5) == [first, second]
    assert room.overdue("candidates", before=soon, limit=1) == [first]
    assert room.overdue("candidates", before=clock.now - timedelta(seconds=1), limit=5) == [first]
    assert room.overdue("spans", before=soon, limit=5) == []


def test_what_waits_for_newer_code_is_counted_and_never_overdue(
    room: WaitingRoom, clock: Clock
) -> None:
    first, second, other = uuid4(), uuid4(), uuid4()
    for number, stream_id in enumerate((second, first, other)):
        keep(room, clock.now - timedelta(seconds=number), 3, 4, stream_id=stream_id)
    soon = clock.now + timedelta(seconds=1)
    for stream_id in (second, first):
        room.wait_for("candidates", stream_id, version=3, what=f"for {stream_id}" + "x" * 999)
    room.wait_for("spans", other, version=3, what="nobody")
    room.wait_for("candidates", other, version=9, what="nobody")
    assert room.newer("candidates") == [first, second]
    assert room.newer("spans") == []
    assert room.overdue("candidates", before=soon, limit=5) == [other]
    counted = room.count_newer()
    assert (list(counted), counted["candidates"].streams) == (["candidates"], 2)
    assert counted["candidates"].first.startswith(f"for {first}")
    # A message that takes its place has to be read before anybody says so of it.
    keep(room, clock.now, 3, stream_id=first)
    room.discard("candidates", second, [3])
    assert (room.newer("candidates"), room.count_newer()) == ([], {})


def test_a_stray_is_kept_once_until_it_is_discarded(room: WaitingRoom) -> None:
    for body in (b"\xff", b"", b"\xff"):
        room.keep_stray(body)
    assert (room.strays(), room.count_strays()) == ([b"\xff", b""], 2)
    room.discard_stray(b"\xff")
    room.discard_stray(b"unheard")
    assert room.strays() == [b""]


def test_what_cannot_be_read_takes_no_other_place_than_that_of_the_body_it_names(
    room: WaitingRoom, clock: Clock
) -> None:
    def offer(body: bytes, instead_of: bytes | None) -> list[WaitingMessage]:
        later = message(3, clock.now + timedelta(hours=1), body)
        room.keep_unreadable("candidates", STREAM, later, instead_of=instead_of)
        return room.waiting("candidates", STREAM)

    assert [one.body for one in offer(b"first", None)] == [b"first"]
    assert [one.body for one in offer(b"second", None)] == [b"first"]
    assert [one.body for one in offer(b"second", b"other")] == [b"first"]
    (kept,) = offer(b"second", b"first")
    assert (kept.body, kept.kept_at) == (b"second", clock.now + timedelta(hours=1))
    keep(room, clock.now, 3)
    assert [one.body for one in offer(b"third", None)] == [b"\x00{"]
