"""The composition root: who gets which adapter. Apps register what they bring from `ready()`."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from django.conf import settings
from django.db import connection, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from eventstore.application.folding import Projector
from eventstore.application.ports import EventPublisher, EventStore
from eventstore.application.projection import Projection
from eventstore.application.snapshots import Snapshots
from eventstore.domain.events import DomainEvent, RecordedEvent
from eventstore.infrastructure import log
from eventstore.infrastructure.identity import log_id
from eventstore.infrastructure.keys import Keyring
from eventstore.infrastructure.keys import WrappingKeyMissing as WrappingKeyMissing
from eventstore.infrastructure.log import Holder as Holder
from eventstore.infrastructure.log import LogStatus as LogStatus
from eventstore.infrastructure.log import log_status as log_status
from eventstore.infrastructure.mapper import EventMapper, Upcaster
from eventstore.infrastructure.memory import OverlayEventStore
from eventstore.infrastructure.messaging.local import LocalEventPublisher, OnCommitPublisher
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

_mapper = EventMapper()
_store = DjangoEventStore(_mapper, keyring=lambda: keyring(), clock=timezone.now)
_snapshots = Snapshots(DjangoSnapshotStore(clock=timezone.now))
_local = LocalEventPublisher()
_publisher = OnCommitPublisher(_local)
_projections: dict[str, Projection] = {}
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
    _projections[projection.name] = projection
    _local.subscribe(projection)


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


def publisher() -> EventPublisher:
    return _publisher


def projections() -> Mapping[str, Projection]:
    """By name, in the order in which they were registered."""
    return _projections


def trial_store() -> EventStore:
    """A log in memory on top of the real one, which it never writes to."""
    return OverlayEventStore(_mapper, clock=timezone.now, beneath=_store)


def silent_publisher() -> EventPublisher:
    """Tells nobody: for who repairs the projections in the end, or only tries commands out."""
    return LocalEventPublisher()
