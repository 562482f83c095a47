"""The composition root: who gets which adapter. Apps register what they bring from `ready()`."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from eventstore.application.delivery import Delivery
from eventstore.application.delivery import NothingToGoOnFrom as NothingToGoOnFrom
from eventstore.application.delivery import NotParked as NotParked
from eventstore.application.folding import Projector
from eventstore.application.follower import Follower
from eventstore.application.ports import Checkpoints, EventPublisher, EventStore, ParkedStreams
from eventstore.application.projection import Projection
from eventstore.application.repair import Repair, Repaired
from eventstore.application.snapshots import Snapshots
from eventstore.application.status import ProjectionStatus
from eventstore.domain.events import DomainEvent, RecordedEvent
from eventstore.infrastructure import log
from eventstore.infrastructure.background import OnceInBackground
from eventstore.infrastructure.checkpoints import DjangoCheckpoints
from eventstore.infrastructure.identity import log_id
from eventstore.infrastructure.keys import Keyring
from eventstore.infrastructure.keys import WrappingKeyMissing as WrappingKeyMissing
from eventstore.infrastructure.log import Holder as Holder
from eventstore.infrastructure.log import LogStatus as LogStatus
from eventstore.infrastructure.log import log_status as log_status
from eventstore.infrastructure.mapper import EventMapper, Upcaster
from eventstore.infrastructure.memory import OverlayEventStore
from eventstore.infrastructure.messaging.local import (
    InTransactionPublisher,
    LocalEventPublisher,
    OnCommitPublisher,
)
from eventstore.infrastructure.messaging.message import cloud_event
from eventstore.infrastructure.rotation import Rotated, rotate
from eventstore.infrastructure.rows import DjangoProjectionRows
from eventstore.infrastructure.schemas import ComparedSchemas, compare
from eventstore.infrastructure.snapshots import DjangoSnapshotStore
from eventstore.infrastructure.store import DjangoEventStore
from eventstore.infrastructure.tampering import TamperedLog as TamperedLog
from eventstore.infrastructure.transactions import in_one_transaction as in_one_transaction
from eventstore.infrastructure.triggers import ensure_triggers as ensure_triggers
from eventstore.infrastructure.triggers import missing_guards
from eventstore.infrastructure.verification import Verification

logger = logging.getLogger(__name__)

REPAIRED_ON_THE_SIDE = 1000
"""Streams, by a web process after its first command. More than that is for `manage.py follow`."""

_mapper = EventMapper()
_store = DjangoEventStore(_mapper, keyring=lambda: keyring(), clock=timezone.now)
_snapshots = Snapshots(DjangoSnapshotStore(clock=timezone.now))
_checkpoints = DjangoCheckpoints(clock=timezone.now)
_parked = DjangoParkedStreams(clock=timezone.now)
_local = LocalEventPublisher()
_projections: dict[str, Projection] = {}
_deliveries: dict[str, Delivery] = {}
_keyring = cache(Keyring)


def register_events(
    classes: Iterable[type[DomainEvent]],
    *,
    upcasters: Mapping[tuple[str, int], Upcaster] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> None:
    """See `EventMapper.register`."""
    _mapper.register(classes, upcasters=upcasters, aliases=aliases)


def register_projection(projector: Projector, model: type[models.Model]) -> None:
    """Feed `model` from every event published from now on. See `rows.py` for what it looks like."""
    projection = Projection(projector, rows=DjangoProjectionRows(model), store=_store)
    delivery = Delivery(
        projection,
        store=_store,
        parked=_parked,
        savepoint=transaction.atomic,
        transient=(InterfaceError, OperationalError),
    )
    _projections[projection.name] = projection
    _deliveries[projection.name] = delivery
    _local.subscribe(delivery)
    _in_transaction.subscribe(projection)


def keyring() -> Keyring:
    """Made from PERSONAL_DATA_KEYS when it is first needed."""
    return _keyring(tuple(settings.PERSONAL_DATA_KEYS))


def settled_position() -> int:
    """How far the log may be read now. Raises UnsafeLogRead."""
    return log.settled_position(connection)


def missing_log_guards(connection: BaseDatabaseWrapper) -> list[str]:
    """What keeps the log append-only and its reading exact, and is not in place; by name."""
    return [guard.name for guard in missing_guards(connection)]


def verification(progress: Callable[[int], object]) -> Verification:
    return Verification(_mapper, keyring=keyring, progress=progress)


def rotate_keys() -> Rotated:
    """Wrap every stream's key under the newest key."""
    return rotate(keyring())


def mapper() -> EventMapper:
    return _mapper


def compared_schemas(kept: Mapping[str, Any]) -> ComparedSchemas:
    """What was kept of the events' JSON Schemas beside what the registered classes say."""
    return compare(kept, _mapper)


def event_store() -> EventStore:
    return _store


def cloud_events(recorded: Iterable[RecordedEvent]) -> list[dict[str, Any]]:
    """As other processes and systems are given them. Mints the log's id when there is none."""
    source = log_id()
    return [cloud_event(one, source=source, data=_mapper.data_of(one.event)) for one in recorded]


def snapshots() -> Snapshots:
    return _snapshots


def checkpoints() -> Checkpoints:
    return _checkpoints


def parked_streams() -> ParkedStreams:
    return _parked


def publisher() -> EventPublisher:
    """Feeds this deployment's read models as EVENT_DELIVERY says."""
    match settings.EVENT_DELIVERY:
        case "in_transaction":
            return _in_transaction
        case "follow":
            return silent_publisher()
    return _on_commit


def silent_publisher() -> EventPublisher:
    """Tells nobody: for who repairs the projections in the end, or only tries commands out."""
    return LocalEventPublisher()


def unit_of_work() -> AbstractContextManager[object]:
    """Of a command: what it appends and publishes."""
    return transaction.atomic() if settings.EVENT_DELIVERY == "in_transaction" else nullcontext()


def projections() -> Mapping[str, Projection]:
    """By name, in the order in which they were registered."""
    return _projections


def trial_store() -> EventStore:
    """A log in memory on top of the real one, which it never writes to."""
    return OverlayEventStore(_mapper, clock=timezone.now, beneath=_store)


def deliveries() -> Mapping[str, Delivery]:
    """By the name of their projection."""
    return _deliveries


def repair(
    name: str, *, limit: int | None = None, go_on: Callable[[], bool] = lambda: True
) -> Repaired:
    """Bring the projection's rows up to the log. See `Repair.run`."""
    return _repair(_deliveries[name]).run(limit=limit, go_on=go_on)


def follower(
    names: Collection[str],
    *,
    sleep: Callable[[float], object] = time.sleep,
    stopped: Callable[[], bool] = lambda: False,
) -> Follower:
    """Of these projections."""
    followed = [delivery for name, delivery in _deliveries.items() if name in names]
    return Follower(
        followed,
        [_repair(delivery) for delivery in followed],
        store=_store,
        checkpoints=_checkpoints,
        parked=_parked,
        monotonic=time.monotonic,
        sleep=sleep,
        stopped=stopped,
    )


def projection_statuses() -> list[ProjectionStatus]:
    """See `lag.statuses`."""
    followed = settings.EVENT_DELIVERY == "follow"
    return statuses(_projections.values(), _checkpoints, _parked, followed=followed)


def _repair(delivery: Delivery) -> Repair:
    return Repair(
        delivery,
        store=_store,
        checkpoints=_checkpoints,
        parked=_parked,
        savepoint=transaction.atomic,
    )


def repair_all() -> None:
    """For a process that has given its first command: the one before may have died in its last.

    What a commit was not delivered of is found and made good, within bounds.
    """
    for name in _deliveries:
        streams = repair(name, limit=REPAIRED_ON_THE_SIDE).streams
        if streams > REPAIRED_ON_THE_SIDE:
            logger.warning("%s lags by %d streams: run manage.py follow --once", name, streams)


repair_once = OnceInBackground(repair_all)
_on_commit = OnCommitPublisher(_local, then=lambda: repair_once.start())
_in_transaction = InTransactionPublisher(then=lambda: repair_once.start())
