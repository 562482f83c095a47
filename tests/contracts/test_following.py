"""What becomes of a read model that is followed, repaired and parked, on every adapter."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from eventstore.application.delivery import NothingToGoOnFrom, NotParked
from eventstore.application.follower import Follower
from eventstore.application.parking import DELAYS
from eventstore.application.reading import HEARTBEAT, LONGEST_PAUSE, SHORTEST_PAUSE
from eventstore.application.repair import Repair
from eventstore.domain.events import Metadata, RecordedEvent
from eventstore.domain.exceptions import (
    CursorBeyondLog,
    RowsOfNewerCode,
    StoredByNewerCode,
    UndecodableEvent,
)
from tests.contracts.conftest import Clock, ReadModel
from tests.contracts.test_projection import HISTORY, rebuilt
from tests.factories import added, noted

Broken = set[tuple[UUID, int]]
RITA = Metadata(actor="rita", door="api")


class World:
    """A follower of one projection, with a clock that moves only while the follower sleeps."""

    def __init__(self, model: ReadModel, clock: Clock) -> None:
        self.model = model
        self.clock = clock
        self.pauses: list[float] = []
        self.at: dict[int, Callable[[], object]] = {}
        """What happens in the follower's pause of that number, counted from 1."""

    def stored(self, *events: Any) -> list[RecordedEvent]:
        return self.model.store.append(
            "candidate", uuid4(), events or HISTORY, expected=0, metadata=RITA
        )

    def follower(
        self,
        stopped: Callable[[], bool] = lambda: False,
        repairs: Sequence[Repair] | None = None,
    ) -> Follower:
        return Follower(
            [self.model.delivery],
            [self.model.repair] if repairs is None else repairs,
            store=self.model.store,
            checkpoints=self.model.checkpoints,
            parked=self.model.parked,
            monotonic=lambda: self.clock.now.timestamp(),
            sleep=self._sleep,
            stopped=stopped,
        )

    def follow(self, *, pauses: int) -> None:
        """Until the follower has slept so often."""
        self.pauses = []
        self.follower(stopped=lambda: len(self.pauses) >= pauses).run()

    def follow_once(self) -> None:
        self.follower().run(once=True)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.advance(seconds=seconds)
        self.at.pop(len(self.pauses), lambda: None)()

    @property
    def position(self) -> int:
        return self.model.checkpoints.all()[self.model.projection.name].position

    @property
    def waits_for(self) -> str:
        return self.model.checkpoints.all()[self.model.projection.name].waits_for

    def versions(self, *streams: list[RecordedEvent]) -> list[int]:
        return [self.model.rows.version(stream[0].stream_id) for stream in streams]

    def parked(self) -> list[tuple[UUID, int, int]]:
        return [(p.stream_id, p.version, p.attempts) for p in self.model.parked.listed()]


@pytest.fixture
def world(read_model: ReadModel, clock: Clock) -> World:
    return World(read_model, clock)


@pytest.fixture
def broken(read_model: ReadModel, monkeypatch: pytest.MonkeyPatch) -> Broken:
    """The events that the projector fails on."""
    on: Broken = set()
    kind: Any = type(read_model.projector)
    changes = kind.changes

    def fail_on_some(self: Any, recorded: RecordedEvent) -> Any:
        if (recorded.stream_id, recorded.version) in on:
            raise ValueError("Zoë, zoe@example.org")
        return changes(self, recorded)

    monkeypatch.setattr(kind, "changes", fail_on_some)
    return on


@pytest.fixture
def newer() -> set[int]:
    """The positions of events that newer code alone can decode."""
    return set()


@pytest.fixture
def unreadable(read_model: ReadModel, newer: set[int], monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The positions of events that nobody can decode."""
    at: set[int] = set()
    kind: Any = type(read_model.store)

    def checked(read: Any) -> Any:
        def found(self: Any, *args: Any, **terms: Any) -> Any:
            events: Any = read(self, *args, **terms)
            streams = events.values() if isinstance(events, dict) else [events]
            for recorded in chain.from_iterable(streams):
                if recorded.position in at | newer:
                    error = StoredByNewerCode if recorded.position in newer else UndecodableEvent
                    raise error(
                        stream_id=recorded.stream_id,
                        version=recorded.version,
                        event_type="candidate.promoted",
                        schema_version=1,
                        event_id=recorded.event_id,
                        position=recorded.position,
                        reason="it cannot be read",
                    )
            return events

        return found

    for method in ("read_all", "read_stream", "read_streams"):
        monkeypatch.setattr(kind, method, checked(getattr(kind, method)))
    return at


def test_once_goes_to_the_end_of_the_log_and_no_further(world: World) -> None:
    first, second = world.stored(), world.stored(added())
    world.follow_once()
    assert world.position == second[-1].position
    assert world.versions(first, second) == [8, 1]
    assert world.model.look() == rebuilt(world.model)


def test_once_on_an_empty_log_has_nothing_to_do(world: World) -> None:
    world.follow_once()
    assert (world.position, world.model.look()) == (0, [])


def test_what_is_appended_meanwhile_is_shown(world: World) -> None:
    streams: list[list[RecordedEvent]] = []
    world.at = {
        2: lambda: streams.append(world.stored()),
        5: lambda: streams.append(world.stored()),
    }
    world.follow(pauses=6)
    assert world.versions(*streams) == [8, 8]
    assert world.position == streams[-1][-1].position


def test_an_idle_follower_is_quick_but_no_burden(world: World) -> None:
    world.at = {20: lambda: world.stored()}
    world.follow(pauses=30)
    assert all(SHORTEST_PAUSE <= pause <= LONGEST_PAUSE for pause in world.pauses)
    assert world.pauses[19] == LONGEST_PAUSE > world.pauses[20]
    assert 0.02 <= SHORTEST_PAUSE < LONGEST_PAUSE <= 0.1


def test_its_heart_beats_also_while_there_is_nothing_to_do(world: World, clock: Clock) -> None:
    started, beats = clock.now, []

    def look() -> None:
        seen_at = world.model.checkpoints.all()[world.model.projection.name].seen_at
        assert seen_at is not None
        beats.append((seen_at - started).total_seconds())

    world.at = dict.fromkeys(range(1, 200), look)
    world.follow(pauses=200)
    gaps = [later - earlier for earlier, later in pairwise(beats)]
    assert len(set(beats)) >= 3
    assert max(gaps) <= HEARTBEAT + LONGEST_PAUSE


def test_a_stopped_follower_starts_nothing(world: World) -> None:
    stream = world.stored()
    world.follower(stopped=lambda: True).run()
    assert world.versions(stream) == [0]


def test_what_another_has_moved_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both read the same batch; the checkpoint is at another place when it is claimed."""
    store, name = world.model.store, world.model.projection.name
    read_all = store.read_all
    streams: list[list[RecordedEvent]] = []
    raced: list[bool] = []

    def read_and_lose(**terms: Any) -> list[RecordedEvent]:
        events = read_all(**terms)
        if events and not raced:
            third = streams[0][2].position
            raced.append(world.model.checkpoints.move(name, expected=0, position=third))
        return events

    monkeypatch.setattr(store, "read_all", read_and_lose)
    world.at = {1: lambda: streams.append(world.stored())}
    world.follow(pauses=4)
    assert raced == [True]
    assert world.position == streams[0][-1].position
    # Events 1 to 3 were for the other to apply: the gap is noticed all the same.
    assert world.versions(*streams) == [8]


def test_an_event_that_fails_parks_its_stream_and_no_other(world: World, broken: Broken) -> None:
    failing, fine = world.stored(), world.stored()
    broken.add((failing[0].stream_id, 3))
    world.follow_once()
    assert world.position == fine[-1].position
    assert world.versions(failing, fine) == [2, 8]
    assert world.parked() == [(failing[0].stream_id, 3, 1)]
    (parked,) = world.model.parked.listed()
    assert parked.event_type == "candidate.rescored"
    assert parked.error == f"ValueError at {__name__}:{_line_of_raise()}"


def _line_of_raise() -> int:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(i for i, line in enumerate(lines, 1) if "raise ValueError(" in line)


def test_one_that_fails_in_a_batch_parks_there_too(world: World, broken: Broken) -> None:
    """Without a repair before: what is delivered in position order."""
    streams: list[list[RecordedEvent]] = []

    def append() -> None:
        streams.extend([world.stored(), world.stored()])
        broken.add((streams[0][0].stream_id, 5))

    world.at = {1: append}
    world.follow(pauses=3)
    assert world.versions(*streams) == [4, 8]
    assert [parked[:2] for parked in world.parked()] == [(streams[0][0].stream_id, 5)]
    assert world.position == streams[1][-1].position


def test_what_comes_behind_a_parked_event_waits_for_the_retry(world: World, broken: Broken) -> None:
    stream = world.stored(*HISTORY[:3])
    stream_id = stream[0].stream_id
    broken.add((stream_id, 3))
    world.follow_once()
    later = world.model.store.append("candidate", stream_id, HISTORY[3:], expected=3, metadata=RITA)
    world.model.delivery.handle(later)
    assert world.versions(stream) == [2]
    assert world.parked() == [(stream_id, 3, 1)]

    world.follow(pauses=1)
    assert world.position == later[-1].position
    assert world.versions(stream) == [2]

    broken.clear()
    assert world.model.delivery.retry(stream_id) is None
    assert world.versions(stream) == [8]
    assert world.parked() == []
    assert world.model.look() == rebuilt(world.model)


def test_a_failing_event_is_retried_ever_less_often_and_then_left_to_a_person(
    world: World, broken: Broken, clock: Clock
) -> None:
    world.follow_once()
    stream = world.stored()
    broken.add((stream[0].stream_id, 1))
    attempts: list[int] = []
    began = clock.now

    def look() -> None:
        if world.parked():
            attempts.append(world.parked()[0][2])
        clock.advance(seconds=9)

    enough = int(sum(delay.total_seconds() for delay in DELAYS) / 9) + 20
    world.at = dict.fromkeys(range(1, enough), look)
    world.follow(pauses=enough)
    assert (clock.now - began) > sum(DELAYS, DELAYS[0])
    assert sorted(set(attempts)) == list(range(1, len(DELAYS) + 2))
    (parked,) = world.model.parked.listed()
    assert (parked.attempts, parked.retry_at) == (len(DELAYS) + 1, None)


def test_a_retry_that_succeeds_brings_everything_behind_it(world: World, broken: Broken) -> None:
    world.follow_once()
    stream = world.stored()
    broken.add((stream[0].stream_id, 4))
    world.at = {40: broken.clear}
    world.follow(pauses=150)
    assert world.parked() == []
    assert world.versions(stream) == [8]


def test_what_comes_at_the_end_of_a_retry_is_not_left_behind(
    world: World, broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = world.stored()
    stream_id = stream[0].stream_id
    broken.add((stream_id, 5))
    world.follow_once()
    broken.clear()
    release = world.model.parked.release

    def late(projection: str, id: UUID) -> bool:
        """A follower passes the stream by, which it still finds parked."""
        world.model.store.append("candidate", id, [noted()], expected=8, metadata=RITA)
        world.follower(repairs=()).run(once=True)
        return release(projection, id)

    monkeypatch.setattr(world.model.parked, "release", late)
    assert world.model.delivery.retry(stream_id) is None
    assert (world.versions(stream), world.parked()) == ([9], [])
    assert world.position == world.model.store.settled_end()


def test_a_follower_that_starts_retries_what_was_given_up(world: World, broken: Broken) -> None:
    stream = world.stored()
    broken.add((stream[0].stream_id, 2))
    world.follow_once()
    for _ in DELAYS:
        world.model.delivery.retry(stream[0].stream_id)
    assert world.model.parked.listed()[0].retry_at is None
    broken.clear()
    world.follow_once()
    assert (world.parked(), world.versions(stream)) == ([], [8])


def test_what_cannot_be_decoded_parks_its_stream_by_name_and_others_go_on(
    world: World, unreadable: set[int]
) -> None:
    world.follow_once()
    before, torn, after = world.stored(), world.stored(), world.stored()
    unreadable.update({torn[2].position, torn[5].position})
    world.follow_once()
    assert world.position == after[-1].position
    assert world.versions(before, torn, after) == [8, 2, 8]
    (parked,) = world.model.parked.listed()
    assert (parked.version, parked.event_type) == (3, "candidate.promoted")
    assert f"position {torn[2].position}, candidate.promoted" in parked.error
    unreadable.clear()
    world.follow_once()
    assert (world.parked(), world.model.look()) == ([], rebuilt(world.model))


def test_a_repair_parks_what_cannot_be_decoded(world: World, unreadable: set[int]) -> None:
    torn, fine = world.stored(), world.stored()
    unreadable.add(torn[2].position)
    repaired = world.model.repair.run()
    assert (repaired.streams, repaired.complete) == (2, True)
    assert (world.position, world.versions(torn, fine)) == (fine[-1].position, [2, 8])
    assert world.parked() == [(torn[0].stream_id, 3, 1)]


def test_a_parked_stream_that_cannot_be_decoded_holds_up_no_repair(
    world: World, broken: Broken, unreadable: set[int]
) -> None:
    stopped, fails, fine = (world.stored() for _ in range(3))
    broken.update({(stream[0].stream_id, 2) for stream in (stopped, fails, fine)})
    world.follow_once()
    broken.remove((fine[0].stream_id, 2))
    unreadable.add(stopped[6].position)
    assert world.model.repair.run().complete
    assert world.versions(stopped, fails, fine) == [1, 1, 8]
    assert {parked[0] for parked in world.parked()} == {stopped[0].stream_id, fails[0].stream_id}


@pytest.mark.usefixtures("unreadable")
def test_an_event_of_newer_code_is_waited_for_by_name_and_other_streams_go_on(
    world: World, newer: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    before, ahead, later = world.stored(), world.stored(), world.stored()
    newer.add(ahead[2].position)
    whole: list[list[RecordedEvent]] = []
    world.at = {3: lambda: whole.append(world.stored())}
    world.follow(pauses=60)
    assert world.versions(before, ahead, later, *whole) == [8, 2, 8, 8]
    assert (world.position, world.parked()) == (ahead[2].position - 1, [])
    named = f"position {ahead[2].position}, candidate.promoted"
    assert named in world.waits_for
    # By the repair at the start and by the follower that gets there, and not at every look.
    assert caplog.text.count(named) <= 2
    with pytest.raises(StoredByNewerCode, match=named):
        world.follow_once()
    # Its own upgrade.
    newer.clear()
    world.follow_once()
    assert (world.waits_for, world.parked()) == ("", [])
    assert world.model.look() == rebuilt(world.model)


@pytest.mark.usefixtures("unreadable")
def test_who_waits_looks_for_another_that_can_read_it(world: World, newer: set[int]) -> None:
    ahead, later = world.stored(), world.stored()
    newer.add(ahead[2].position)

    def newer_follower() -> None:
        newer.clear()
        world.follow_once()
        newer.add(ahead[2].position)

    fresh: list[list[RecordedEvent]] = []
    world.at = {20: newer_follower, 25: lambda: fresh.append(world.stored())}
    world.follow(pauses=60)
    assert world.versions(ahead, later, *fresh) == [8, 8, 8]
    assert (world.position, world.waits_for) == (fresh[0][-1].position, "")


@pytest.mark.usefixtures("unreadable")
def test_newer_events_of_streams_that_it_does_not_fold_are_passed_by(
    world: World, newer: set[int]
) -> None:
    first = world.stored()
    other = world.model.store.append("other", uuid4(), [added()], expected=0, metadata=RITA)
    second = world.stored()
    last = world.model.store.append("other", uuid4(), [added()], expected=0, metadata=RITA)
    newer.update({other[0].position, last[0].position})
    world.follow_once()
    assert world.versions(first, second) == [8, 8]
    assert (world.position, world.waits_for) == (last[0].position, "")


@pytest.mark.usefixtures("unreadable")
def test_a_parked_stream_before_an_event_of_newer_code_stays_parked_until_the_upgrade(
    world: World, broken: Broken, newer: set[int]
) -> None:
    stream = world.stored()
    broken.add((stream[0].stream_id, 2))
    world.follow_once()
    broken.clear()
    newer.add(stream[4].position)
    retried = world.model.delivery.retry(stream[0].stream_id)
    assert retried is not None
    assert (retried.version, world.versions(stream)) == (5, [4])
    newer.clear()
    world.follow_once()
    assert (world.parked(), world.versions(stream)) == ([], [8])


@pytest.mark.usefixtures("unreadable")
def test_a_repair_leaves_the_checkpoint_before_what_newer_code_stored(
    world: World, newer: set[int], caplog: pytest.LogCaptureFixture
) -> None:
    stream, fine = world.stored(), world.stored()
    newer.add(stream[2].position)
    repaired = world.model.repair.run()
    assert (repaired.streams, repaired.complete, repaired.waiting) == (2, False, True)
    assert f"position {stream[2].position}, candidate.promoted" in caplog.text
    assert (world.position, world.versions(stream, fine)) == (0, [2, 8])
    assert (world.parked(), world.waits_for != "") == ([], True)
    newer.clear()
    assert world.model.repair.run().complete
    assert (world.versions(stream), world.waits_for) == ([8], "")


def test_rows_that_newer_code_built_anew_are_left_alone(world: World) -> None:
    name, schema = world.model.projection.name, world.model.projection.schema
    world.model.checkpoints.replace(name, position=0, schema=schema + 1)
    stream = world.stored()
    world.follow(pauses=5)
    assert (world.position, world.versions(stream)) == (0, [0])
    assert f"of schema {schema + 1}" in world.waits_for
    with pytest.raises(RowsOfNewerCode):
        world.follow_once()
    # As a replay by this code does.
    world.model.checkpoints.replace(name, position=0, schema=schema)
    world.follow_once()
    assert (world.versions(stream), world.waits_for) == ([8], "")


def test_a_checkpoint_beyond_the_log_is_an_error_with_advice(world: World) -> None:
    world.stored()
    world.model.checkpoints.replace(world.model.projection.name, position=10**9, schema=1)
    with pytest.raises(CursorBeyondLog, match="older backup"):
        world.follow_once()


def test_a_repair_looks_behind_the_checkpoint_only(world: World) -> None:
    first = world.stored()
    assert world.model.repair.run().complete
    second = world.stored()
    name = world.model.projection.name
    world.model.checkpoints.move(name, expected=first[-1].position, position=second[-1].position)
    third = world.stored()
    repaired = world.model.repair.run()
    assert (repaired.streams, repaired.complete) == (1, True)
    assert world.versions(first, second, third) == [8, 0, 8]
    assert world.position == third[-1].position


def test_a_repair_within_bounds_does_part_of_it_and_says_so(world: World) -> None:
    streams = [world.stored() for _ in range(5)]
    repaired = world.model.repair.run(limit=2)
    assert (repaired.streams, repaired.complete, world.position) == (5, False, 0)
    assert sorted(world.versions(*streams)) == [0, 0, 0, 8, 8]
    assert world.model.repair.run(limit=3).complete
    assert world.versions(*streams) == [8] * 5


def test_a_repair_that_is_stopped_goes_on_later(world: World) -> None:
    stream = world.stored()
    assert not world.model.repair.run(go_on=lambda: False).complete
    assert world.versions(stream) == [0]
    assert world.model.repair.run().complete


def test_a_stream_that_fails_in_a_repair_is_parked_and_the_rest_done(
    world: World, broken: Broken
) -> None:
    new, known, fine = (world.stored() for _ in range(3))
    world.model.projection.handle(known[:1])
    broken.update({(new[0].stream_id, 5), (known[0].stream_id, 2)})
    repaired = world.model.repair.run()
    assert (repaired.streams, repaired.complete) == (3, True)
    assert world.versions(new, known, fine) == [4, 1, 8]
    assert {parked[:2] for parked in world.parked()} == broken


def test_rows_that_another_begins_meanwhile_are_brought_up_to_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [world.stored() for _ in range(3)]
    add_missing = world.model.projection.add_missing

    def too_late(missing: Sequence[Sequence[RecordedEvent]]) -> set[UUID]:
        world.model.projection.handle(streams[1][:1])
        return add_missing(missing)

    monkeypatch.setattr(world.model.projection, "add_missing", too_late)
    assert world.model.repair.run().complete
    assert world.versions(*streams) == [8, 8, 8]
    assert (world.parked(), world.model.look()) == ([], rebuilt(world.model))


def test_where_parking_fails_the_checkpoint_stays(
    world: World, broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("no room for that either")

    streams: list[list[RecordedEvent]] = []

    def append() -> None:
        streams.extend([world.stored(), world.stored()])
        broken.add((streams[1][0].stream_id, 5))

    monkeypatch.setattr(world.model.parked, "park", refuse)
    world.at = {1: append}
    with pytest.raises(RuntimeError, match="no room"):
        world.follow(pauses=3)
    assert (world.position, world.parked()) == (0, [])
    monkeypatch.undo()
    world.follow_once()
    assert world.position == streams[1][-1].position
    assert world.model.look() == rebuilt(world.model)


@pytest.mark.parametrize("how", ["handle", "follow", "repair"])
def test_what_says_nothing_of_the_event_parks_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    def wait_in_vain(*_: Any, **__: Any) -> bool:
        raise TimeoutError

    new, known = world.stored(), world.stored()
    world.model.projection.handle(known[:1])
    for method in ("advance", "add_missing"):
        monkeypatch.setattr(world.model.rows, method, wait_in_vain)
    act: dict[str, Callable[[], object]] = {
        "handle": lambda: world.model.delivery.handle(new),
        "follow": world.follow_once,
        "repair": world.model.repair.run,
    }
    with pytest.raises(TimeoutError):
        act[how]()
    assert world.parked() == []
    monkeypatch.undo()
    world.follow_once()
    assert world.versions(new, known) == [8, 8]


def test_skipping_passes_over_the_event_that_fails_and_heals_the_rest(
    world: World, broken: Broken
) -> None:
    stream = world.stored()
    stream_id = stream[0].stream_id
    broken.add((stream_id, 5))
    world.follow_once()
    assert world.model.delivery.skip(stream_id, version=5) is None
    assert (world.versions(stream), world.parked()) == ([8], [])


def test_skipping_stops_at_the_next_event_that_fails(world: World, broken: Broken) -> None:
    stream = world.stored()
    stream_id = stream[0].stream_id
    broken.update({(stream_id, 3), (stream_id, 5)})
    world.follow_once()
    parked = world.model.delivery.skip(stream_id, version=3)
    assert parked is not None
    assert (parked.version, parked.attempts, world.versions(stream)) == (5, 1, [4])
    # Whoever meant the event before does not skip this one unseen.
    again = world.model.delivery.skip(stream_id, version=3)
    assert again is not None
    assert (again.version, world.versions(stream)) == (5, [4])


def test_the_first_event_of_a_stream_cannot_be_skipped(world: World, broken: Broken) -> None:
    stream = world.stored()
    broken.add((stream[0].stream_id, 1))
    world.follow_once()
    with pytest.raises(NothingToGoOnFrom, match="no row"):
        world.model.delivery.skip(stream[0].stream_id, version=1)
    assert [parked[:2] for parked in world.parked()] == [(stream[0].stream_id, 1)]


def test_what_is_not_parked_cannot_be_skipped(world: World) -> None:
    stream = world.stored()
    with pytest.raises(NotParked, match="not parked"):
        world.model.delivery.skip(stream[0].stream_id, version=1)
    assert world.versions(stream) == [0]


def test_a_delivery_raises_what_newer_code_stored_and_parks_what_cannot_be_decoded(
    world: World, newer: set[int], unreadable: set[int]
) -> None:
    ahead, torn = world.stored(), world.stored()
    newer.add(ahead[1].position)
    unreadable.add(torn[1].position)
    with pytest.raises(StoredByNewerCode):
        world.model.delivery.handle(ahead[2:])
    world.model.delivery.handle(torn[2:])
    assert world.versions(ahead, torn) == [1, 1]
    assert world.parked() == [(torn[0].stream_id, 2, 1)]


def test_deliveries_of_other_streams_are_passed_over(world: World) -> None:
    other = world.model.store.append("other", uuid4(), [added()], expected=0, metadata=RITA)
    world.model.delivery.handle(other)
    world.model.delivery.handle([])
    world.follow_once()
    assert (world.model.look(), world.position) == ([], other[-1].position)


@pytest.fixture(autouse=True)
def _everybody_is_heard(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert "zoe@example.org" not in caplog.text
