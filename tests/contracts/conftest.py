"""The adapters that every contract is tried on; the tests know none of them."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID

import pytest
from django.db import connection, transaction

from candidates.application.projector import CandidateProjector
from candidates.application.span_projector import StatusSpanProjector
from candidates.domain.events import CandidateEvent
from candidates.infrastructure.upcasters import UPCASTERS
from candidates.models import CandidateProjection, StatusSpan
from eventstore.application.delivery import Delivery
from eventstore.application.folding import Projector
from eventstore.application.ports import (
    Checkpoints,
    EventStore,
    ParkedStreams,
    ProjectionRows,
    SnapshotStore,
)
from eventstore.application.projection import Projection
from eventstore.application.repair import Repair
from eventstore.application.replay import Rebuilds, Replay
from eventstore.infrastructure.checkpoints import DjangoCheckpoints
from eventstore.infrastructure.keys import Keyring
from eventstore.infrastructure.mapper import EventMapper
from eventstore.infrastructure.memory import (
    InMemoryCheckpoints,
    InMemoryEventStore,
    InMemoryParkedStreams,
    InMemoryProjectionRows,
    InMemorySnapshotStore,
    OverlayEventStore,
)
from eventstore.infrastructure.memory_rebuilds import InMemoryRebuilds
from eventstore.infrastructure.parked import DjangoParkedStreams
from eventstore.infrastructure.rebuild_postgresql import PostgreSQLRebuilds
from eventstore.infrastructure.rebuild_sqlite import SQLiteRebuilds
from eventstore.infrastructure.rows import DjangoProjectionRows
from eventstore.infrastructure.snapshot_macs import SnapshotMacs
from eventstore.infrastructure.snapshots import DjangoSnapshotStore
from eventstore.infrastructure.store import DjangoEventStore
from eventstore.infrastructure.streams import StreamReader
from tests.contracts.buses import Bus, MemoryBus, kafka_bus, rabbitmq_bus

KEYRING = Keyring([b"only for contracts, 32 bytes long"[:32]])


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mapper() -> EventMapper:
    mapper = EventMapper()
    mapper.register(get_args(CandidateEvent), upcasters=UPCASTERS)
    return mapper


class ByBatches:
    """A log whose every append is a batch of one, stored at once."""

    def __init__(self, log: EventStore) -> None:
        self._log = log

    def append(self, stream_type: str, stream_id: UUID, events: Any, **terms: Any) -> Any:
        batch = self._log.batch()
        batch.append(stream_type, stream_id, events, **terms)
        return batch.store()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


@pytest.fixture(
    params=[
        "memory",
        "overlay",
        "memory by batches",
        pytest.param("database", marks=pytest.mark.django_db(transaction=True)),
        pytest.param("database in a transaction", marks=pytest.mark.django_db),
        pytest.param("database by batches", marks=pytest.mark.django_db(transaction=True)),
        pytest.param("database by batches in a transaction", marks=pytest.mark.django_db),
    ]
)
def store(request: pytest.FixtureRequest, mapper: EventMapper, clock: Clock) -> Any:
    memory = InMemoryEventStore(mapper, clock=clock)
    database = DjangoEventStore(mapper, keyring=lambda: KEYRING, clock=clock)
    match request.param:
        case "memory":
            return memory
        case "overlay":
            return OverlayEventStore(mapper, clock=clock, beneath=memory)
        case "memory by batches":
            return ByBatches(memory)
        case "database by batches" | "database by batches in a transaction":
            return ByBatches(database)
    return database


@pytest.fixture(
    params=["memory", pytest.param("database", marks=pytest.mark.django_db(transaction=True))]
)
def log(request: pytest.FixtureRequest, mapper: EventMapper, clock: Clock) -> EventStore:
    """A store whose events are committed, so that all of it can be read."""
    if request.param == "memory":
        return InMemoryEventStore(mapper, clock=clock)
    return DjangoEventStore(mapper, keyring=lambda: KEYRING, clock=clock)


@pytest.fixture(
    params=[
        "memory",
        pytest.param("database", marks=pytest.mark.django_db(transaction=True)),
        pytest.param("database in a transaction", marks=pytest.mark.django_db),
    ]
)
def snapshot_store(request: pytest.FixtureRequest, clock: Clock) -> SnapshotStore:
    if request.param == "memory":
        return InMemorySnapshotStore()
    return DjangoSnapshotStore(macs=lambda: SnapshotMacs([b"k" * 32]), clock=clock)


@pytest.fixture(
    params=["memory", pytest.param("database", marks=pytest.mark.django_db(transaction=True))]
)
def checkpoints(request: pytest.FixtureRequest, clock: Clock) -> Checkpoints:
    if request.param == "memory":
        return InMemoryCheckpoints(clock=clock)
    return DjangoCheckpoints(clock=clock)


@pytest.fixture(
    params=[
        "memory",
        pytest.param("database", marks=pytest.mark.django_db(transaction=True)),
        pytest.param("database in a transaction", marks=pytest.mark.django_db),
    ]
)
def parked_streams(request: pytest.FixtureRequest, clock: Clock) -> ParkedStreams:
    if request.param == "memory":
        return InMemoryParkedStreams(clock=clock)
    return DjangoParkedStreams(clock=clock)


@dataclass
class ReadModel:
    """A projection with what feeds it, and its rows as anybody may look at them."""

    store: EventStore
    rows: ProjectionRows
    projector: Projector
    projection: Projection
    delivery: Delivery
    repair: Repair
    replay: Replay
    checkpoints: Checkpoints
    parked: ParkedStreams
    look: Callable[[], list[dict[str, Any]]]


@pytest.fixture(params=[CandidateProjector(), StatusSpanProjector()], ids=lambda p: p.name)
def projector(request: pytest.FixtureRequest) -> Any:
    """One that keeps a row a stream, and one that keeps a list of them."""
    return request.param


@pytest.fixture(
    params=["memory", pytest.param("database", marks=pytest.mark.django_db(transaction=True))]
)
def read_model(
    request: pytest.FixtureRequest, projector: Projector, mapper: EventMapper, clock: Clock
) -> ReadModel:
    if request.param == "memory":
        memory = InMemoryEventStore(mapper, clock=clock)
        kept = InMemoryProjectionRows(memory)
        return _read_model(
            projector,
            memory,
            kept,
            InMemoryCheckpoints(clock=clock),
            InMemoryParkedStreams(clock=clock),
            InMemoryRebuilds({projector.name: kept}, store=memory),
            lambda: [
                {"stream": id, "shown": stream.version, "opened": opened, **columns}
                for id, stream in sorted(kept.streams.items())
                for opened, columns in stream.rows
            ],
        )
    model = {"candidates": CandidateProjection, "candidate_spans": StatusSpan}[projector.name]
    store = DjangoEventStore(mapper, keyring=lambda: KEYRING, clock=clock)
    reader = StreamReader(mapper, keyring=lambda: KEYRING)
    rebuilds = PostgreSQLRebuilds if connection.vendor == "postgresql" else SQLiteRebuilds
    return _read_model(
        projector,
        store,
        DjangoProjectionRows(model),
        DjangoCheckpoints(clock=clock),
        DjangoParkedStreams(clock=clock),
        rebuilds({projector.name: model}, reader=reader),
        lambda: list(model._default_manager.order_by("pk").values()),
    )


def _read_model(
    projector: Projector,
    store: EventStore,
    rows: ProjectionRows,
    checkpoints: Checkpoints,
    parked: ParkedStreams,
    rebuilds: Rebuilds,
    look: Callable[[], list[dict[str, Any]]],
) -> ReadModel:
    savepoint = transaction.atomic if isinstance(rows, DjangoProjectionRows) else nullcontext
    projection = Projection(projector, rows=rows, source=store)
    delivery = Delivery(
        projection, source=store, parked=parked, savepoint=savepoint, transient=(TimeoutError,)
    )
    repair = Repair(
        delivery, store=store, checkpoints=checkpoints, parked=parked, savepoint=savepoint
    )
    replay = Replay(
        [projector],
        rebuilds=rebuilds,
        store=store,
        checkpoints=checkpoints,
        parked=parked,
        sleep=lambda _: None,
    )
    return ReadModel(
        store=store,
        rows=rows,
        projector=projector,
        projection=projection,
        delivery=delivery,
        repair=repair,
        replay=replay,
        checkpoints=checkpoints,
        parked=parked,
        look=look,
    )


@pytest.fixture(params=["memory", "rabbitmq", "kafka"])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    brokers: dict[str, Callable[[], AbstractContextManager[Bus]]] = {
        "memory": lambda: nullcontext(MemoryBus()),
        "rabbitmq": rabbitmq_bus,
        "kafka": kafka_bus,
    }
    with brokers[request.param]() as bus:
        yield bus
