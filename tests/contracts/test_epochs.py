"""A consumer of a log that was restored: it builds anew, or applies nothing, and says so."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from eventstore.application.ports import Checkpoint, FeedPage, FeedUnavailable
from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import LogWasRestored
from eventstore.infrastructure.checkpoints import DjangoCheckpoints
from eventstore.infrastructure.messaging.message import encode, restored_notice
from eventstore.wiring import mapper
from tests.contracts.conftest import Clock
from tests.contracts.test_consuming import World, world
from tests.contracts.test_projection import HISTORY
from tests.eventstore.test_message import LOG
from tests.factories import added
from tests.processes import until
from tests.threads import in_flight

__all__ = ["world"]


def body(recorded: RecordedEvent, epoch: int) -> bytes:
    return encode(recorded, source=LOG, data=mapper().data_of(recorded.event), epoch=epoch)


def sent(world: World, recorded: Sequence[RecordedEvent], *, epoch: int) -> None:
    for one in recorded:
        world.bus.put("readers", 0, body(one, epoch))


def kept(world: World) -> Checkpoint:
    return world.model.checkpoints.all()[world.model.projection.name]


def otherwise(stream: Sequence[RecordedEvent]) -> list[RecordedEvent]:
    """The same positions and versions, stored another time."""
    return [one._replace(event_id=uuid4()) for one in stream]


def test_the_first_message_of_a_later_epoch_begins_everything_anew(world: World) -> None:
    gone, torn, parked = world.stored(), world.stored(), world.stored()
    world.sent(*gone, *torn[:2], *torn[4:], *parked)
    world.consume()
    assert (world.version(gone), world.waiting) == (8, 4)
    world.model.parked.park(
        world.model.projection.name,
        parked[0].stream_id,
        version=8,
        event_type="",
        error=ValueError(),
    )
    sent(world, torn, epoch=7)
    world.consume()
    assert [world.version(one) for one in (gone, torn, parked)] == [0, 8, 0]
    assert (world.waiting, world.parked()) == (0, [])
    assert (kept(world).epoch, kept(world).received) == (7, torn[-1].position)


def test_what_is_of_an_earlier_epoch_is_passed_over(world: World) -> None:
    stream, gone = world.stored(), world.stored()
    sent(world, stream[:4], epoch=7)
    sent(world, gone, epoch=1)
    sent(world, stream[4:], epoch=7)
    world.consume()
    sent(world, gone, epoch=6)
    world.consume()
    assert (world.version(stream), world.version(gone), world.left()) == (8, 0, 0)


def test_a_notice_alone_begins_anew_once(world: World) -> None:
    stream = world.stored()
    world.sent(*stream)
    world.consume()
    for _ in range(2):
        world.bus.put("readers", 0, restored_notice(LOG, 7))
    world.consume()
    assert (world.version(stream), kept(world).epoch, world.room.strays()) == (0, 7, [])
    sent(world, stream, epoch=7)
    world.bus.put("readers", 0, restored_notice(LOG, 7))
    world.bus.put("readers", 0, restored_notice(LOG, 6))
    world.consume()
    assert world.version(stream) == 8


def test_a_message_that_cannot_be_read_is_of_its_epoch_too(world: World) -> None:
    stream = world.stored()
    world.sent(*stream)
    world.consume()
    sent(world, stream, epoch=7)
    world.unreadable = {body(stream[0], 7)}
    world.consume()
    assert (world.version(stream), world.waiting) == (0, 8)
    world.unreadable = set()
    world.delivery.retry(stream[0].stream_id)
    assert (world.version(stream), world.waiting) == (8, 0)


def test_another_event_at_the_newest_position_stops_everything_until_the_next_epoch(
    world: World,
) -> None:
    stream = world.stored()
    world.sent(*stream[:4])
    world.consume()
    others = otherwise(stream)
    world.sent(others[3], *stream[4:])
    for _ in range(2):
        with pytest.raises(LogWasRestored) as caught:
            world.consume()
        assert caught.value.after == stream[3].position
        assert (world.version(stream), world.left(), kept(world).forked) == (4, 0, True)
        world.sent(*stream[4:])
    sent(world, others, epoch=7)
    world.consume()
    assert (world.version(stream), kept(world).forked, kept(world).epoch) == (8, False, 7)


def test_an_event_stored_again_under_its_own_id_is_another_one(world: World) -> None:
    """As by a command that a client repeats after the restore."""
    (first,) = world.stored(added())
    world.sent(first)
    world.consume()
    world.clock.advance(seconds=1)
    world.sent(first._replace(recorded_at=world.clock.now))
    with pytest.raises(LogWasRestored):
        world.consume()


def test_who_is_overtaken_by_the_next_epoch_takes_back_what_he_wrote(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = world.stored()
    world.sent(*stream)
    received, epochs = world.model.checkpoints.received, []

    def overtaken(name: str, position: int, known_as: UUID | None, *, epoch: int) -> bool:
        epochs.append(epoch)
        return len(epochs) > 1 and received(name, position, known_as, epoch=epoch)

    monkeypatch.setattr(world.model.checkpoints, "received", overtaken)
    world.consume()
    assert (epochs, world.version(stream), world.left()) == ([1, 1], 8, 0)


def test_repeats_of_the_newest_event_are_repeats(world: World) -> None:
    stream = world.stored()
    world.sent(*stream, stream[-1])
    world.consume()
    world.sent(stream[-1], stream[0])
    world.consume()
    assert (world.version(stream), kept(world).forked) == (8, False)


def test_a_feed_that_is_ahead_with_a_restore_fills_no_gap(world: World) -> None:
    stream = world.stored()

    class Ahead:
        def stream(self, stream_id: object, *, after: int, until: int) -> list[bytes]:
            return [body(one, 7) for one in otherwise(stream)[after:until]]

    world.feed = Ahead()  # type: ignore[assignment]
    world.sent(*stream[:2], *stream[4:])
    world.consume()
    world.delivery.retry(stream[0].stream_id)
    assert (world.version(stream), world.waiting) == (2, 4)


def test_a_feed_whose_log_is_restored_on_the_way_is_read_from_the_start(world: World) -> None:
    stream = world.stored(*HISTORY)
    asked: list[str] = []

    class Restored:
        def pages(self, *, after: str = "0") -> Iterator[FeedPage]:
            asked.append(after)
            if len(asked) == 1:
                yield FeedPage("4", [body(one, 1) for one in stream[:4]])
                raise FeedUnavailable(reason="HTTP Error 409: Conflict", restored=True)
            yield FeedPage("8", [body(one, 7) for one in stream])

    world.consumption().bootstrap(Restored())  # type: ignore[arg-type]
    assert (asked, world.version(stream), kept(world).epoch) == (["0", "0"], 8, 7)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_who_begins_anew_waits_for_rows_that_are_being_written_and_sees_them(clock: Clock) -> None:
    checkpoints = DjangoCheckpoints(clock=clock)
    checkpoints.start("rows", schema=1)

    def written() -> None:
        checkpoints.start("written in the old epoch", schema=1)
        assert checkpoints.received("rows", 5, uuid4(), epoch=1)

    def begun() -> bool:
        try:
            with transaction.atomic():
                assert checkpoints.begin("rows", epoch=7)
                return "written in the old epoch" in checkpoints.all()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with in_flight(written):
            beginning = pool.submit(begun)
            until(_somebody_waits)
        assert beginning.result()
    assert not checkpoints.received("rows", 6, uuid4(), epoch=1)


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE NOT granted AND datname = current_database()"
        )
        (count,) = cursor.fetchone()
    return bool(count)
