"""Snapshots make loads short and change nothing else, whatever becomes of them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, get_args
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from candidates.application import commands
from candidates.application.service import CandidateService
from candidates.domain.candidate import Candidate
from candidates.domain.events import CandidateEvent, RejectionReason
from candidates.infrastructure.upcasters import UPCASTERS
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.application.repository import AggregateRepository
from eventstore.application.snapshots import Snapshots
from eventstore.domain.events import LoadedStream, Metadata, StreamHead
from eventstore.domain.exceptions import AggregateNotFound, DomainError
from eventstore.domain.snapshot import Snapshot
from eventstore.infrastructure.mapper import EventMapper
from eventstore.infrastructure.memory import InMemoryEventStore, InMemorySnapshotStore
from eventstore.infrastructure.snapshot_macs import SnapshotMacs
from eventstore.infrastructure.snapshots import DjangoSnapshotStore
from eventstore.models import Snapshot as SnapshotRow
from eventstore.wiring import event_store, snapshots
from tests.factories import add, added, invited
from tests.scenario import CANDIDATE_ID
from tests.threads import together

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RITA = Metadata(actor="rita", door="api")


class Silent:
    def publish(self, events: Any) -> None:
        pass


class Reading(InMemoryEventStore):
    """Remembers which versions were read."""

    read: list[int]

    def load_stream(self, *args: Any, **bounds: Any) -> LoadedStream | None:
        loaded = super().load_stream(*args, **bounds)
        self.read = list(range(loaded.first.version, loaded.head.version + 1)) if loaded else []
        return loaded


class OftenKept(Candidate):
    snapshot_every: ClassVar[int | None] = 3


@dataclass
class World:
    log: Reading
    kept: InMemorySnapshotStore
    snapshots: Snapshots
    repository: AggregateRepository[OftenKept]

    def note(self, times: int = 1) -> None:
        for _ in range(times):
            candidate = self.repository.get(CANDIDATE_ID)
            candidate.note(text="called")
            self.repository.save(candidate, metadata=RITA)

    def replace_snapshot(self, **changes: Any) -> Snapshot:
        broken = replace(self.kept.snapshots[CANDIDATE_ID], **changes)
        self.kept.snapshots[CANDIDATE_ID] = broken
        return broken

    @property
    def kept_version(self) -> int:
        return self.kept.snapshots[CANDIDATE_ID].head.version

    def loaded(self, **terms: Any) -> dict[str, Any]:
        return shape(self.repository.get(CANDIDATE_ID, **terms))

    def folded(self, **terms: Any) -> dict[str, Any]:
        """What a load without any snapshot gives."""
        plain = AggregateRepository(OftenKept, store=self.log, publisher=Silent())
        return shape(plain.get(CANDIDATE_ID, **terms))


def shape(candidate: Candidate) -> dict[str, Any]:
    state = vars(candidate).copy()
    del state["snapshot_version"]
    return state


def candidate_mapper() -> EventMapper:
    mapper = EventMapper()
    mapper.register(get_args(CandidateEvent), upcasters=UPCASTERS)
    return mapper


@pytest.fixture
def world() -> World:
    """A candidate at version 5 whose snapshot shows version 3."""
    log, kept = Reading(candidate_mapper(), clock=lambda: NOW), InMemorySnapshotStore()
    snapshots = Snapshots(kept)
    repository = AggregateRepository(OftenKept, store=log, publisher=Silent(), snapshots=snapshots)
    world = World(log=log, kept=kept, snapshots=snapshots, repository=repository)
    events = [added(), invited()]
    log.append("candidate", CANDIDATE_ID, events, expected=0, metadata=RITA)
    world.note(times=3)
    assert world.kept_version == 3
    return world


def test_a_load_reads_the_snapshot_and_the_events_behind_it(world: World) -> None:
    assert world.loaded() == world.folded()
    world.repository.get(CANDIDATE_ID)
    # The snapshot's own event shows that the log has it.
    assert world.log.read == [3, 4, 5]


def test_every_so_many_events_a_snapshot_is_taken(world: World) -> None:
    taken = []
    for _ in range(7):
        world.note()
        taken.append(world.kept_version)
    assert taken == [6, 6, 6, 9, 9, 9, 12]


def test_an_aggregate_that_wants_none_has_none(world: World) -> None:
    class NeverKept(Candidate):
        snapshot_every: ClassVar[int | None] = None

    kept = InMemorySnapshotStore()
    repository = AggregateRepository(
        NeverKept, store=world.log, publisher=Silent(), snapshots=Snapshots(kept)
    )
    candidate = repository.get(CANDIDATE_ID)
    candidate.note(text="called")
    repository.save(candidate, metadata=RITA)
    assert kept.snapshots == {}


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5])
def test_an_older_version_is_shown_as_it_was(world: World, version: int) -> None:
    assert world.loaded(until=version) == world.folded(until=version)
    world.repository.get(CANDIDATE_ID, until=version)
    assert world.log.read == list(range(3 if version >= 3 else 1, version + 1))
    assert world.kept_version == 3


def test_without_its_snapshots_the_stream_says_the_same(world: World) -> None:
    before = world.loaded()
    world.kept.snapshots.clear()
    assert world.loaded() == before
    world.note()
    assert world.kept_version == 6


CORRUPT = [
    "",
    "{",
    "[]",
    "{}",
    "5",
    '{"decisions":[],"score":80.0}',
    '{"decisions":[],"score":"80","status":"ADDED"}',
    '{"decisions":[],"score":true,"status":"ADDED"}',
    '{"decisions":[],"score":80.0,"status":"PROMOTED"}',
    '{"decisions":[],"score":NaN,"status":"ADDED"}',
    '{"decisions":[],"score":1e999,"status":"ADDED"}',
    '{"decisions":"ab","score":80.0,"status":"ADDED"}',
    '{"decisions":[[1,"candidate.invited"]],"score":80.0,"status":"ADDED"}',
    '{"decisions":[["1","candidate.invited","ADDED"]],"score":80.0,"status":"ADDED"}',
    "[" * 100_000,
]


@pytest.mark.parametrize("state", CORRUPT, ids=lambda state: state[:60])
def test_corrupt_content_is_ignored_named_counted_and_replaced(
    world: World, state: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = world.replace_snapshot(state=state)
    assert world.loaded() == world.folded()
    assert world.snapshots.failures == {"restore": 1}
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert str(CANDIDATE_ID) in record.getMessage()
    assert record.exc_info is not None

    world.note()
    assert world.kept.snapshots[CANDIDATE_ID] != broken
    assert world.kept_version == 6
    assert world.loaded() == world.folded()
    assert world.snapshots.failures.total() == 2


@pytest.mark.parametrize("stale", [{"schema": 9}, {"schema": 2}, {"stream_type": "vacancy"}])
def test_what_is_not_for_this_code_is_not_even_decoded(
    world: World, stale: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    world.replace_snapshot(state="{", **stale)
    assert world.loaded() == world.folded()
    world.note()
    assert (world.kept_version, world.loaded()) == (6, world.folded())
    assert (world.snapshots.failures.total(), caplog.records) == (0, [])


def head_of(world: World, version: int, **changes: Any) -> StreamHead:
    return replace(world.log.head(CANDIDATE_ID), version=version, **changes)


def test_a_snapshot_ahead_of_the_stream_is_noticed_and_replaced(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a restore of the log from an older backup."""
    world.replace_snapshot(head=head_of(world, 500))
    assert world.loaded() == world.folded()
    assert str(CANDIDATE_ID) in caplog.text
    assert "500" in caplog.text
    world.note()
    assert world.kept_version == 6
    assert world.loaded() == world.folded()


def test_one_that_is_ahead_and_for_other_code_is_replaced_too(world: World) -> None:
    """Nobody looks at its version, since it is of no use anyway."""
    world.replace_snapshot(head=head_of(world, 500), schema=9)
    assert world.loaded() == world.folded()
    world.note()
    assert world.kept_version == 6


@pytest.mark.parametrize("name", ["occurred_at", "recorded_at"])
def test_a_snapshot_of_another_past_is_noticed_and_replaced(world: World, name: str) -> None:
    """The log went on differently after it had been restored."""
    world.replace_snapshot(head=head_of(world, 4, **{name: NOW - timedelta(microseconds=1)}))
    assert world.loaded() == world.folded()
    world.note()
    assert world.kept_version == 6
    assert world.loaded() == world.folded()


def test_a_snapshot_does_not_make_a_stream(world: World) -> None:
    other = uuid4()
    world.kept.save(replace(world.kept.snapshots[CANDIDATE_ID], stream_id=other))
    with pytest.raises(AggregateNotFound):
        world.repository.get(other)


def test_a_state_that_is_no_json_fails_no_command(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(OftenKept, "dump_state", lambda self: {"at": NOW, "score": self.score})
    world.note()
    assert world.log.head(CANDIDATE_ID).version == 6
    assert world.snapshots.failures == {"write": 1}
    assert "datetime is not JSON serializable" in caplog.text

    monkeypatch.undo()
    world.note()
    assert world.kept_version == 7


def context(**terms: Any) -> CommandContext:
    return CommandContext(actor="rita", door="api", allows=lambda _: True, **terms)


COMMANDS = [
    commands.MoveCandidateToStandby(candidate_id=CANDIDATE_ID),
    commands.InviteCandidate(candidate_id=CANDIDATE_ID),
    commands.RejectCandidate(candidate_id=CANDIDATE_ID, reason=RejectionReason.OTHER),
    *(commands.UndoDecision(candidate_id=CANDIDATE_ID, version=n) for n in range(2, 8)),
    commands.RescoreCandidate(candidate_id=CANDIDATE_ID, score=76, why="test"),
    commands.RescoreCandidate(candidate_id=CANDIDATE_ID, score=-0.0, why="test"),
    commands.NoteOnCandidate(candidate_id=CANDIDATE_ID, text="called"),
    commands.RetractCandidate(candidate_id=CANDIDATE_ID, why="twice"),
]
MISHAPS = ["none", "none", "deleted", "corrupt", "stale", "ahead", "another past"]


def befall(kept: InMemorySnapshotStore, mishap: str) -> None:
    snapshot = kept.snapshots.get(CANDIDATE_ID)
    if snapshot is None:
        return
    changes: dict[str, Any]
    match mishap:
        case "none":
            return
        case "deleted":
            kept.snapshots.clear()
            return
        case "corrupt":
            changes = {"state": "{"}
        case "stale":
            changes = {"schema": 9, "state": "{"}
        case "ahead":
            ahead = replace(snapshot.head, version=snapshot.head.version + 2)
            changes = {"head": ahead, "state": '{"forged":true}'}
        case _:
            other = replace(snapshot.head, recorded_at=NOW - timedelta(days=1))
            changes = {"head": other, "state": '{"forged":true}'}
    kept.snapshots[CANDIDATE_ID] = replace(snapshot, **changes)


@given(
    every=st.integers(1, 4),
    steps=st.lists(
        st.tuples(st.sampled_from(COMMANDS), st.sampled_from(MISHAPS), st.integers(0, 30)),
        max_size=30,
    ),
)
@settings(deadline=None, max_examples=150)
def test_whatever_becomes_of_its_snapshots_a_candidate_gets_the_same_answers(
    every: int, steps: list[tuple[Any, str, int]]
) -> None:
    """Random histories, with repeats of earlier commands, beside a twin without snapshots."""
    kept = InMemorySnapshotStore()

    def service(snapshots: Snapshots | None) -> CandidateService:
        return CandidateService(
            store=InMemoryEventStore(candidate_mapper(), clock=lambda: NOW),
            publisher=Silent(),
            threshold=75.0,
            new_id=uuid4,
            snapshots=snapshots,
        )

    def answer(of: CandidateService, command: Any, command_id: UUID) -> Any:
        try:
            result = of.handle(command, context(command_id=command_id))
            # Ciphertexts, and so hashes, differ between any two stores.
            return replace(
                result, events=tuple(event._replace(hash=b"") for event in result.events)
            )
        except DomainError as error:
            return type(error), vars(error)

    keeping, plain = service(Snapshots(kept)), service(None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Candidate, "snapshot_every", every)
        history: list[tuple[Any, UUID]] = []
        for number, (command, mishap, back) in enumerate([(add(), "none", 0), *steps]):
            history.append((command, UUID(int=number)))
            repeated = history[-1 - back % len(history)]
            for one, command_id in (history[-1], repeated):
                assert answer(keeping, one, command_id) == answer(plain, one, command_id)
            befall(kept, mishap)


@pytest.fixture
def kept_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Candidate, "snapshot_every", 1)


def note(candidate_id: UUID, text: str = "called") -> int:
    command = commands.NoteOnCandidate(candidate_id=candidate_id, text=text)
    return candidate_service().handle(command, context()).version


@contextmanager
def table_gone() -> Iterator[None]:
    table = SnapshotRow._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO elsewhere")
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE elsewhere RENAME TO {table}")


def test_the_database_keeps_them_too_and_nothing_personal(db: None, kept_always: None) -> None:
    candidate_id = candidate_service().handle(add(candidate_id=None), context()).candidate_id
    note(candidate_id, text="a private matter")
    row = SnapshotRow.objects.get()
    assert (row.pk, row.stream_type, row.version, row.schema) == (candidate_id, "candidate", 2, 1)
    assert row.state == '{"decisions":[],"score":80.0,"status":"ADDED"}'


def test_the_adapter_stamps_when_it_was_taken(db: None, world: World) -> None:
    macs = SnapshotMacs([b"k" * 32])
    DjangoSnapshotStore(macs=lambda: macs, clock=lambda: NOW).save(
        world.kept.snapshots[CANDIDATE_ID]
    )
    assert SnapshotRow.objects.get().taken_at == NOW


@pytest.mark.parametrize("in_transaction", [True, False])
@pytest.mark.django_db(transaction=True)
def test_a_database_that_cannot_keep_them_fails_no_command(
    kept_always: None, in_transaction: bool, caplog: pytest.LogCaptureFixture
) -> None:
    candidate_id = candidate_service().handle(add(candidate_id=None), context()).candidate_id
    before = snapshots().failures.copy()
    with table_gone(), transaction.atomic() if in_transaction else nullcontext():
        assert note(candidate_id) == 2
        # On PostgreSQL a failed statement without a savepoint would refuse this.
        assert note(candidate_id) == 3
    assert snapshots().failures - before == {"read": 2, "write": 2}
    assert caplog.text.count(str(candidate_id)) == 4
    assert "elsewhere" not in caplog.text
    assert "eventstore_snapshot" in caplog.text
    assert note(candidate_id) == 4
    assert SnapshotRow.objects.get().version == 4


@pytest.mark.django_db(transaction=True)
def test_emptying_the_table_changes_no_result(kept_always: None) -> None:
    candidate_id = candidate_service().handle(add(candidate_id=None), context()).candidate_id
    invite = commands.InviteCandidate(candidate_id=candidate_id)
    keyed = context(command_id=uuid4())
    first = candidate_service().handle(invite, keyed)
    note(candidate_id)
    SnapshotRow.objects.all().delete()
    repeated = candidate_service().handle(invite, keyed)
    assert (repeated.version, repeated.status, repeated.events) == (
        first.version,
        first.status,
        first.events,
    )
    assert note(candidate_id) == 4


@pytest.mark.django_db(transaction=True)
def test_of_many_writers_the_newest_snapshot_stays(kept_always: None) -> None:
    candidate_id = candidate_service().handle(add(candidate_id=None), context()).candidate_id
    results = together(8, lambda n: note(candidate_id, text=f"note {n}"))
    assert sorted(results, key=str) == list(range(2, 10))
    assert SnapshotRow.objects.get().version == 9


@pytest.mark.django_db(transaction=True)
def test_the_answer_does_not_wait_for_the_snapshot(kept_always: None) -> None:
    """It is taken once the events are stored and published."""
    taken: list[int] = []

    class Looking:
        def publish(self, events: Any) -> None:
            taken.append(SnapshotRow.objects.count())

    service = CandidateService(
        store=event_store(),
        publisher=Looking(),
        threshold=75.0,
        new_id=uuid4,
        snapshots=snapshots(),
    )
    service.handle(add(), context())
    assert (taken, SnapshotRow.objects.count()) == ([0], 1)
