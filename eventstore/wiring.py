"""The composition root: who gets which adapter. Apps register what they bring from `ready()`."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    connection,
    connections,
    models,
    transaction,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from eventstore.application.comparison import Comparison, Finding
from eventstore.application.comparison import Different as Different
from eventstore.application.comparison import UnreadableRows as UnreadableRows
from eventstore.application.consumption import Consumption
from eventstore.application.delivery import Delivery
from eventstore.application.delivery import NothingToGoOnFrom as NothingToGoOnFrom
from eventstore.application.delivery import NotParked as NotParked
from eventstore.application.folding import Projector
from eventstore.application.follower import Follower
from eventstore.application.inbox import Inbox
from eventstore.application.intake import Intake
from eventstore.application.lost_keys import LostKey
from eventstore.application.lost_keys import NotLost as NotLost
from eventstore.application.naming import check_projection
from eventstore.application.outages import Obstacle, Stop, UntilStopped
from eventstore.application.pausing import Holds, PausableHandler, of_group
from eventstore.application.ports import (
    BusPublisher,
    Checkpoint,
    Checkpoints,
    EventBatch,
    EventBus,
    EventConsumer,
    EventFeed,
    EventPublisher,
    EventStore,
    Message,
    ParkedStreams,
    Pauses,
    WaitingRoom,
)
from eventstore.application.projection import Projection
from eventstore.application.received import ReceivedDelivery, WaitingStreams
from eventstore.application.relay import CHECKPOINT as RELAY
from eventstore.application.relay import SCHEMA as RELAY_SCHEMA
from eventstore.application.relay import Relay
from eventstore.application.repair import Repair, Repaired
from eventstore.application.repair import repair_until as _repair_until
from eventstore.application.replay import Blocked as Blocked
from eventstore.application.replay import Rebuilds, Replay
from eventstore.application.replay import Replayed as Replayed
from eventstore.application.replay import WorkerDied as WorkerDied
from eventstore.application.snapshots import Snapshots
from eventstore.application.status import (
    ConsumedProjection,
    ConsumerStatus,
    ProjectionStatus,
    PublisherStatus,
)
from eventstore.application.status import warnings as _warnings
from eventstore.domain.events import Cursor, DomainEvent, RecordedEvent
from eventstore.domain.exceptions import AggregateNotFound as AggregateNotFound
from eventstore.domain.exceptions import (
    InvalidValue,
    LogNotHere,
    ReadOnly,
    UndecodableEvent,
)
from eventstore.domain.lost_keys import KeyDeclaredLost
from eventstore.infrastructure import identity, log, restores
from eventstore.infrastructure import secrets as _secrets
from eventstore.infrastructure.background import OnceInBackground, told
from eventstore.infrastructure.checkpoints import DjangoCheckpoints
from eventstore.infrastructure.feed import HTTPEventFeed
from eventstore.infrastructure.identity import Identity, accept_log
from eventstore.infrastructure.identity import check_place as check_place
from eventstore.infrastructure.identity import log_id as log_id
from eventstore.infrastructure.key_checks import KeyChecks
from eventstore.infrastructure.key_checks import KeysLacking as KeysLacking
from eventstore.infrastructure.keys import Keyring
from eventstore.infrastructure.keys import KeyUnavailable as KeyUnavailable
from eventstore.infrastructure.keys import WrappingKeyMissing as WrappingKeyMissing
from eventstore.infrastructure.lag import publisher_status as _publisher_status
from eventstore.infrastructure.lag import statuses
from eventstore.infrastructure.limits import limit
from eventstore.infrastructure.log import Holder as Holder
from eventstore.infrastructure.log import LogStatus as LogStatus
from eventstore.infrastructure.log import log_status as log_status
from eventstore.infrastructure.lost_keys import DjangoWrappedKeys
from eventstore.infrastructure.lost_keys import unreadable_streams as unreadable_streams
from eventstore.infrastructure.mapper import EventMapper, Upcaster
from eventstore.infrastructure.memory import OverlayEventStore
from eventstore.infrastructure.messaging.asyncapi import document
from eventstore.infrastructure.messaging.local import (
    InTransactionPublisher,
    LocalEventPublisher,
    OnCommitPublisher,
)
from eventstore.infrastructure.messaging.message import (
    cloud_event,
    decode,
    encode,
    redacted,
    restored_notice,
)
from eventstore.infrastructure.outages import outage_of, reason_of
from eventstore.infrastructure.own_connection import own_connection
from eventstore.infrastructure.parked import DjangoParkedStreams
from eventstore.infrastructure.pauses import DjangoPauses
from eventstore.infrastructure.private_files import open_to_others
from eventstore.infrastructure.rebuild_postgresql import PostgreSQLRebuilds
from eventstore.infrastructure.rebuild_sqlite import SQLiteRebuilds
from eventstore.infrastructure.restores import Restored as Restored
from eventstore.infrastructure.rotation import Rotated, rotate
from eventstore.infrastructure.rotation import stored_keys as stored_keys
from eventstore.infrastructure.rows import DjangoProjectionRows
from eventstore.infrastructure.schemas import ComparedSchemas, compare, components_of
from eventstore.infrastructure.shown import ShownEnd
from eventstore.infrastructure.snapshot_macs import SnapshotMacs
from eventstore.infrastructure.snapshots import DjangoSnapshotStore
from eventstore.infrastructure.store import DjangoEventStore
from eventstore.infrastructure.stored_rows import DjangoStoredRows
from eventstore.infrastructure.streams import BATCH_SIZE as BATCH_SIZE
from eventstore.infrastructure.streams import StreamReader, UnreadableStream
from eventstore.infrastructure.tampering import FindingKind as FindingKind
from eventstore.infrastructure.tampering import LogFinding as LogFinding
from eventstore.infrastructure.transactions import in_one_transaction as in_one_transaction
from eventstore.infrastructure.transactions import in_turn as in_turn
from eventstore.infrastructure.trial import TrialBatch, temporary_database
from eventstore.infrastructure.triggers import ensure_triggers as ensure_triggers
from eventstore.infrastructure.triggers import missing_guards
from eventstore.infrastructure.unknown_migrations import unknown_migrations
from eventstore.infrastructure.verification import Verification
from eventstore.infrastructure.waiting import DjangoWaitingRoom
from eventstore.models import StorageEvent

logger = logging.getLogger(__name__)

REPAIRED_ON_THE_SIDE = 1000
"""Streams, by a web process after its first command. More than that is for `manage.py follow`."""

TRANSIENT = (InterfaceError, InternalError, OperationalError)
"""Say nothing of the event: the database is locked, read-only, full or gone."""

_mapper = EventMapper()
_store = DjangoEventStore(_mapper, keyring=lambda: keyring(), clock=timezone.now)
_snapshot_store = DjangoSnapshotStore(macs=lambda: snapshot_macs(), clock=timezone.now)
_snapshots = Snapshots(_snapshot_store)
_checkpoints = DjangoCheckpoints(clock=timezone.now)
_parked = DjangoParkedStreams(clock=timezone.now)
_room = DjangoWaitingRoom(clock=timezone.now)
_pauses = DjangoPauses(clock=timezone.now)
holds = Holds(_pauses, monotonic=time.monotonic)
_local = LocalEventPublisher(missed=lambda: repair_once.again())
_projections: dict[str, Projection] = {}
_projectors: dict[str, Projector] = {}
_models: dict[str, type[models.Model]] = {}
_rows: dict[str, DjangoProjectionRows] = {}
_deliveries: dict[str, Delivery] = {}
_shown: dict[str, ShownEnd] = {}
_memories: dict[str, Callable[[], int]] = {}
_mapper.register([KeyDeclaredLost])
_key_checks = KeyChecks(clock=timezone.now)
_keyring = cache(lambda keys: Keyring(keys, admit=_key_checks.require))
_snapshot_macs = cache(SnapshotMacs)


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
    try:
        check_projection(projector.name, schema=projector.schema)
    except InvalidValue as error:
        raise ImproperlyConfigured(f"The projection {projector.name!r}: {error}") from None
    taken = (RELAY, *_memories)
    if projector.name in taken or projector.name.startswith(of_group("")):
        raise ImproperlyConfigured(f"{projector.name} is no name of a projection's.")
    if _models.setdefault(projector.name, model) is not model:
        raise ImproperlyConfigured(f"There is a projection {projector.name} already.")
    rows = DjangoProjectionRows(model)
    projection = Projection(projector, rows=rows, source=_store)
    delivery = Delivery(
        projection,
        source=_store,
        parked=_parked,
        savepoint=transaction.atomic,
        transient=TRANSIENT,
    )
    _projections[projection.name] = projection
    _projectors[projection.name] = projector
    _rows[projection.name] = rows
    _deliveries[projection.name] = delivery
    _shown[projection.name] = ShownEnd(projection, checkpoints=_checkpoints, parked=_parked)
    _local.subscribe(PausableHandler(delivery, projection.name, held=holds.held))
    _in_transaction.subscribe(PausableHandler(projection, projection.name, held=holds.held))


def register_memory(name: str, *, forget: Callable[[], int]) -> None:
    """Something that remembers events beside the log: `forget` throws it away and counts it."""
    _memories[name] = forget


def check_memory(name: str) -> None:
    """Raises LogWasRestored where what is remembered is not what the log holds."""
    restores.check_memory(_checkpoints, name)


def remember(name: str, cursor: Cursor) -> None:
    """In the caller's transaction. See `restores.remember`."""
    restores.remember(_checkpoints, name, cursor)


def after_restore() -> Restored:
    """See `restores.make_good`."""
    return restores.make_good(
        list(_projections), memories=_memories, checkpoints=_checkpoints, now=timezone.now()
    )


def log_was_moved() -> Identity:
    """Whole, and the place where it was before has it no more."""
    return identity.settle()


def become_another_log() -> Identity:
    """For a copy beside the first one. What the first has relayed, this one has not."""
    with transaction.atomic():
        _checkpoints.replace(RELAY, position=0, schema=RELAY_SCHEMA)
        return identity.become_another()


def log_identity() -> Identity:
    """Minted when there is none."""
    return identity.identity()


def cursor_at(position: int) -> Cursor:
    """With the hash of the event there, where there is one."""
    return log.cursor_at(connection, position)


def keyring() -> Keyring:
    """Made from PERSONAL_DATA_KEYS when it is first needed."""
    return _keyring(tuple(settings.PERSONAL_DATA_KEYS))


def snapshot_macs() -> SnapshotMacs:
    """Made from PERSONAL_DATA_KEYS when it is first needed."""
    return _snapshot_macs(tuple(settings.PERSONAL_DATA_KEYS))


def require_writable() -> None:
    """Raises ReadOnly where this system takes no commands, and KeyNotAdopted."""
    if settings.READ_ONLY:
        raise ReadOnly
    _key_checks.require(keyring())


def require_log() -> None:
    """Raises LogNotHere in a system that is fed by messages and has no log of its own."""
    if not _has_log():
        raise LogNotHere


def settled_position() -> int:
    """How far the log may be read now. Raises UnsafeLogRead."""
    return log.settled_position(connection)


def shown_end(name: str, *, after: int = 0) -> int:
    """How far the projection shows the log with nothing missing before. See `ShownEnd.position`."""
    return _shown[name].position(after=after)


def lacking(name: str) -> list[UUID]:
    """Streams of which the projection's rows lack an event. See `ShownEnd.lacking`."""
    return _shown[name].lacking()


def catch_up(name: str) -> None:
    """Heal, each by itself, the streams of which the projection's rows lack an event.

    Parked ones stay parked, and one that cannot be read is left: the caller asks `lacking` of what
    is left. In a transaction, and while the projection is paused, nothing is done.
    """
    if connection.in_atomic_block or holds.held(name):
        return
    # `position` remembers up to where the rows are complete, and `lacking` starts from there.
    _shown[name].position()
    streams = lacking(name)
    parked = _parked.among(name, streams)
    for stream_id in streams:
        try:
            if stream_id not in parked:
                _deliveries[name].heal(stream_id)
        except UndecodableEvent as error:
            logger.error("%s stays behind: %s", name, error)


def show(name: str, events: Sequence[RecordedEvent]) -> None:
    """Bring the projection's rows up to these events of one stream, in the caller's transaction.

    Where that fails, or it is paused, it is left to the delivery, which has its turn all the same.
    """
    if holds.held(name):
        return
    try:
        with transaction.atomic():
            _projections[name].handle(events)
    except Exception as error:  # noqa: BLE001  # its text may quote somebody's data
        logger.error("%s is not shown at once: %s", name, told(error))


def missing_log_guards(connection: BaseDatabaseWrapper) -> list[str]:
    """What keeps the log append-only and its reading exact, and is not in place; by name."""
    return [guard.name for guard in missing_guards(connection)]


def files_open_to_others(connection: BaseDatabaseWrapper) -> list[tuple[Path, int]]:
    """Files of an SQLite database that others than its owner have rights to, with their modes."""
    if connection.vendor != "sqlite":
        return []
    return list(open_to_others(connection.settings_dict["NAME"]))


def verification(
    *, progress: Callable[[int], object], report: Callable[[LogFinding], object]
) -> Verification:
    return Verification(
        _mapper, keyring=keyring, snapshots=_snapshot_store, progress=progress, report=report
    )


def adopt_first_keys(using: str) -> list[str]:
    """See `KeyChecks.adopt_first`."""
    return _key_checks.adopt_first(keyring(), using)


def key_troubles(using: str = DEFAULT_DB_ALIAS) -> list[str]:
    """See `KeyChecks.troubles`."""
    return _key_checks.troubles(keyring(), using, writes=not settings.READ_ONLY)


def log_key_troubles() -> None:
    """For a process that starts. It goes on: what needs a key that is missing waits for it."""
    try:
        troubles = key_troubles()
    except (DatabaseError, InterfaceError):
        # The database is away or lacks tables, which is said by whoever needs it.
        return
    for trouble in troubles:
        logger.error("%s", trouble)


def adopt_keys() -> list[str]:
    """See `KeyChecks.adopt`. Raises KeysLacking."""
    return _key_checks.adopt(keyring())


def rotate_keys(*, progress: Callable[[int], object] = lambda _: None) -> Rotated:
    """Wrap every stream's key under the newest key, and write snapshots' MACs anew under it.

    See `rotate`.
    """
    rotated = rotate(keyring(), progress=progress)
    # Not before: a key that may not write to the log writes no MAC either.
    if removed := _snapshot_store.renew_macs():
        logger.warning("%d snapshots of keys that are not configured were removed", removed)
    return rotated


def lost_key(fingerprint: str) -> LostKey:
    """To be declared lost. Raises NotLost, and ReadOnly where this system takes no commands."""
    if settings.READ_ONLY:
        raise ReadOnly
    if fingerprint in keyring().fingerprints:
        raise NotLost(fingerprint=fingerprint, reason="is configured: it is not lost.")
    if not any(wrapped_by(fingerprint)):
        raise NotLost(fingerprint=fingerprint, reason="wraps nothing that is stored.")
    return LostKey(
        fingerprint,
        keys=DjangoWrappedKeys(fingerprint),
        begin=_store.batch,
        keep=in_one_transaction,
        publisher=publisher(),
    )


def wrapped_by(fingerprint: str) -> tuple[int, int]:
    """Returns how many streams' keys, and how many secrets, this wrapping key wraps."""
    return DjangoWrappedKeys(fingerprint).count()


def secret(name: str) -> bytes:
    """A random secret of that name, made when it is first asked for. See `secrets.py`.

    Raises KeyUnavailable.
    """
    return _secrets.secret(keyring(), name)


def existing_secret(name: str) -> bytes | None:
    """The same, but None where there is none yet."""
    return _secrets.existing_secret(keyring(), name)


def mapper() -> EventMapper:
    return _mapper


def compared_schemas(kept: Mapping[str, Any]) -> ComparedSchemas:
    """What was kept of the events' JSON Schemas beside what the registered classes say."""
    return compare(kept, _mapper)


def event_components(prefix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """`components_of` the registered events, in the order of their types."""
    return components_of(dict(sorted(_mapper.classes.items())), prefix=prefix)


def event_store() -> EventStore:
    return _store


def cloud_events(
    recorded: Iterable[RecordedEvent], known_as: Identity | None = None
) -> list[dict[str, Any]]:
    """As other processes and systems are given them. Mints the log's id when there is none."""
    source, epoch = known_as or log_identity()
    return [
        cloud_event(one, source=source, data=_mapper.data_of(one.event), epoch=epoch)
        for one in recorded
    ]


def stream_feed(
    stream_id: UUID, *, after: Cursor, limit: int, event_types: Collection[str] = ()
) -> list[RecordedEvent]:
    """Returns the next events of one stream, as `reading.readable` does for the whole log.

    Raises the same exceptions.
    """
    end = _store.settled_cursor(after=after).position

    def behind(until: int | None = None) -> list[RecordedEvent]:
        return [
            one
            for one in _store.read_stream(stream_id, after=known, until=until)
            if one.position <= end and (not event_types or one.event.event_type in event_types)
        ][:limit]

    passed = StorageEvent.objects.filter(stream_id=stream_id, position__lte=after.position)
    known = passed.aggregate(last=models.Max("version"))["last"] or 0
    try:
        return behind()
    except UndecodableEvent as error:
        if readable := behind(until=error.version - 1):
            return readable
        raise


def asyncapi() -> dict[str, Any]:
    """What goes over the broker, described."""
    return document(
        _mapper,
        topic=settings.EVENT_BUS_TOPIC,
        partitions=settings.EVENT_BUS_PARTITIONS,
        group=settings.EVENT_BUS_GROUP,
    )


def message_encoder() -> Callable[[RecordedEvent], bytes]:
    """What a broker carries of an event. Mints the log's id when there is none."""
    source, epoch = log_identity()
    omit = settings.EVENT_BUS_PERSONAL_DATA == "omit"
    data_of = _mapper.open_data_of if omit else _mapper.data_of
    return lambda recorded: encode(
        recorded, source=source, data=data_of(recorded.event), epoch=epoch
    )


def decode_message(body: bytes) -> Message:
    """See `messaging.message.decode`."""
    return decode(body, _mapper)


def snapshots() -> Snapshots:
    return _snapshots


def checkpoints() -> Checkpoints:
    return _checkpoints


def pauses() -> Pauses:
    return _pauses


def parked_streams() -> ParkedStreams:
    return _parked


def publisher() -> EventPublisher:
    """Feeds this deployment's read models as EVENT_DELIVERY says."""
    match settings.EVENT_DELIVERY:
        case "in_transaction":
            return _in_transaction
        case "follow" | "bus":
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


def replay(names: Collection[str], *, workers: int = 1, batch_size: int = BATCH_SIZE) -> Replay:
    """A rebuild of these projections. More than one worker is for PostgreSQL.

    `batch_size` is how many events are fetched at once, and on SQLite how many rows are written
    in one transaction.
    """
    reader = StreamReader(_mapper, keyring=keyring, batch_size=batch_size)
    rebuilds: Rebuilds
    if connection.vendor == "postgresql":
        rebuilds = PostgreSQLRebuilds(_models, reader=reader, workers=workers)
    else:
        rebuilds = SQLiteRebuilds(_models, reader=reader, batch_size=batch_size)
    return Replay(
        [projector for name, projector in _projectors.items() if name in names],
        rebuilds=rebuilds,
        store=_store,
        checkpoints=_checkpoints,
        parked=_parked,
        sleep=time.sleep,
    )


def replay_stream(names: Collection[str], stream_id: UUID) -> Replayed:
    """Build one stream's rows anew, in place: old or new, never half. Raises AggregateNotFound.

    It is parked for a projection that fails on it, and no longer parked for one that does not.
    """
    recorded, chosen = _folded_by(names, stream_id)
    rows = parked = 0
    for projection in chosen:
        rebuilt, failure = projection.rebuild(stream_id)
        rows += rebuilt
        if failure is not None:
            _parked.park(projection.name, stream_id, **failure._asdict())
        parked += failure is not None or _deliveries[projection.name].retry(stream_id) is not None
    return Replayed(events=len(recorded), rows=rows, parked=parked)


def _folded_by(
    names: Collection[str], stream_id: UUID
) -> tuple[list[RecordedEvent], list[Projection]]:
    """The stream, and those of these projections that fold it. Raises AggregateNotFound."""
    recorded = _store.read_stream(stream_id)
    chosen = [
        _projections[name]
        for name in names
        if recorded and _projections[name].stream_type == recorded[0].stream_type
    ]
    if not chosen:
        raise AggregateNotFound(stream_type="projected", stream_id=stream_id)
    return recorded, chosen


def events_of(names: Collection[str]) -> int:
    """How many events there are of the kinds that these projections fold."""
    types = {_projectors[name].stream_type for name in names}
    return StorageEvent.objects.filter(stream_type__in=types).count()


def comparisons(
    names: Collection[str], *, stream_ids: Sequence[UUID], progress: Callable[[int], object]
) -> Iterator[Finding]:
    """What in these projections is not as the log has it; of these streams alone, if any are named.

    Raises UndecodableEvent, and AggregateNotFound.
    """

    def comparison_of(name: str) -> Comparison:
        rows = DjangoStoredRows(_models[name])
        return Comparison(_projectors[name], rows=rows, store=_store, progress=progress)

    for stream_id in stream_ids:
        for projection in _folded_by(names, stream_id)[1]:
            yield from comparison_of(projection.name).look_again(stream_id)
    if stream_ids:
        return
    reader = StreamReader(_mapper, keyring=keyring)
    for name in names:
        projector, comparison = _projectors[name], comparison_of(name)
        until = log.settled_end(connection)
        with (
            own_connection() as own,
            closing(reader.read(own, projector.stream_type, until=until)) as streams,
        ):
            try:
                yield from comparison.run(streams)
            except UnreadableStream as error:
                raise error.named() from None


def trial_store() -> EventStore:
    """A log in memory on top of the real one, which it never writes to."""
    return OverlayEventStore(_mapper, clock=timezone.now, beneath=_store)


@contextmanager
def trial_batch() -> Iterator[EventBatch]:
    """For any number of commands in a row, fetched for chunk by chunk; it is never stored."""
    with temporary_database() as spool:
        yield TrialBatch(_store, _mapper, keyring=keyring, clock=timezone.now, spool=spool)


def deliveries() -> Mapping[str, Delivery]:
    """By the name of their projection."""
    return _received_deliveries(_inbox()) if settings.EVENT_DELIVERY == "bus" else _deliveries


def waiting_room() -> WaitingRoom:
    return _room


def event_feed() -> EventFeed | None:
    """Of the system whose messages this one is fed by, where EVENT_FEED_URL names it."""
    if not settings.EVENT_FEED_URL:
        return None
    return HTTPEventFeed(settings.EVENT_FEED_URL, token=settings.EVENT_FEED_TOKEN)


def intake(names: Collection[str]) -> Intake:
    """Of messages into these projections."""
    inbox = _inbox()
    return _intake(inbox, _chosen(names, _received_deliveries(inbox)))


def consumption(
    names: Collection[str],
    *,
    connect: Callable[[], EventConsumer],
    sleep: Callable[[float], object] = time.sleep,
    stopped: Callable[[], bool] = lambda: False,
) -> Consumption:
    """Of these projections, from what `connect` gives."""
    inbox = _inbox()
    chosen = _chosen(names, _received_deliveries(inbox))
    # Messages come for all of them together: one that is held holds the others.
    any_of = [of_group(settings.EVENT_BUS_GROUP), *names]
    return Consumption(
        chosen,
        _intake(inbox, chosen),
        connect=connect,
        checkpoints=_checkpoints,
        parked=_parked,
        room=_room,
        monotonic=time.monotonic,
        clock=timezone.now,
        sleep=sleep,
        stopped=stopped,
        held=lambda: any(holds.held(name) for name in any_of),
    )


def _has_log() -> bool:
    fed = settings.EVENT_DELIVERY == "bus" and settings.READ_ONLY
    return not fed or StorageEvent.objects.exists()


def _inbox() -> Inbox:
    return Inbox(
        decode=decode_message, accept=lambda log: accept_log(log, read_only=settings.READ_ONLY)
    )


def _intake(inbox: Inbox, chosen: Sequence[ReceivedDelivery]) -> Intake:
    return Intake(
        chosen,
        inbox=inbox,
        room=_room,
        parked=_parked,
        checkpoints=_checkpoints,
        transaction=in_one_transaction,
        transient=TRANSIENT,
    )


def _chosen(
    names: Collection[str], deliveries: Mapping[str, ReceivedDelivery]
) -> list[ReceivedDelivery]:
    return [delivery for name, delivery in deliveries.items() if name in names]


def _received_deliveries(inbox: Inbox) -> dict[str, ReceivedDelivery]:
    """By the name of their projection."""
    found = {}
    for name, projector in _projectors.items():
        source = WaitingStreams(name, room=_room, decode=inbox.decode, clock=timezone.now)
        found[name] = ReceivedDelivery(
            Projection(projector, rows=_rows[name], source=source),
            source=source,
            parked=_parked,
            savepoint=transaction.atomic,
            transient=TRANSIENT,
            inbox=inbox,
            room=_room,
            redact=lambda body: redacted(body, _mapper),
            feed=event_feed(),
            clock=timezone.now,
        )
    return found


def repair(
    name: str, *, limit: int | None = None, go_on: Callable[[], bool] = lambda: True
) -> Repaired:
    """Bring the projection's rows up to the log. See `Repair.run`."""
    return _repair(_deliveries[name]).run(limit=limit, go_on=go_on)


def repair_until(position: int, names: Collection[str], *, patience: float) -> list[str]:
    """Bring these projections up to the log as far as the position. See `repair_until`."""
    held = [name for name in names if holds.held(name)]
    return held + _repair_until(
        position,
        [_repair(_deliveries[name]) for name in names if name not in held],
        checkpoints=_checkpoints,
        monotonic=time.monotonic,
        sleep=time.sleep,
        patience=patience,
    )


def follower(
    names: Collection[str],
    *,
    sleep: Callable[[float], object] = time.sleep,
    stopped: Callable[[], bool] = lambda: False,
) -> Follower:
    """Of these projections."""
    log_key_troubles()
    followed = [delivery for name, delivery in _deliveries.items() if name in names]
    return Follower(
        followed,
        [_repair(delivery) for delivery in followed if not holds.held(delivery.name)],
        store=_store,
        checkpoints=_checkpoints,
        parked=_parked,
        monotonic=time.monotonic,
        sleep=sleep,
        stopped=stopped,
        held=holds.held,
    )


def until_stopped(stop: Stop, tell: Callable[[str], object]) -> UntilStopped:
    """For work that waits where the database is away, and goes on when it is back."""
    limit(connection.settings_dict, lock=settings.DATABASE_LOCK_TIMEOUT)
    return UntilStopped(
        obstacle_of=_obstacle_of,
        recover=connections.close_all,
        tell=tell,
        monotonic=time.monotonic,
        sleep=time.sleep,
        stop=stop,
    )


def _obstacle_of(error: Exception) -> Obstacle | None:
    outage = outage_of(error)
    return outage and Obstacle(outage.code, f"{outage.text} ({reason_of(error)})")


def projection_statuses() -> list[ProjectionStatus]:
    """None where messages feed the read models. See `lag.statuses`."""
    if settings.EVENT_DELIVERY == "bus":
        return []
    followed = settings.EVENT_DELIVERY == "follow"
    return statuses(_projections.values(), _checkpoints, _parked, followed=followed)


def warnings(applied: Collection[tuple[str, str]]) -> list[str]:
    """What waits for an upgrade, in words; `applied` are the migrations that the database has."""
    told = []
    if unknown := unknown_migrations(applied):
        told.append(
            f"The database has migrations that this code does not know: {', '.join(unknown)}. "
            "Upgrade this process too."
        )
    schemas = {name: projection.schema for name, projection in _projections.items()}
    newer = _room.count_newer() if settings.EVENT_DELIVERY == "bus" else {}
    return [*told, *_warnings(_checkpoints.all(), schemas, newer)]


def publisher_status() -> PublisherStatus | None:
    """None where this deployment relays nothing. See `lag.publisher_status`."""
    relays = settings.EVENT_BUS_URL and _has_log()
    return _publisher_status(_checkpoints) if relays else None


def consumer_status() -> ConsumerStatus | None:
    """None where the read models are fed in another way than by messages."""
    if settings.EVENT_DELIVERY != "bus":
        return None
    kept, parked, waiting = _checkpoints.all(), _parked.count(), _room.count()
    newer = _room.count_newer()
    projections = []
    for name, projection in _projections.items():
        checkpoint = kept.get(name, Checkpoint(0, projection.schema, None))
        count = waiting.get(name)
        projections.append(
            ConsumedProjection(
                name=name,
                received=checkpoint.received,
                schema=projection.schema,
                stored_schema=checkpoint.schema,
                parked=parked.get(name, 0),
                waiting=count.messages if count else 0,
                waiting_since=count.oldest if count else None,
                seen_at=checkpoint.seen_at,
                blocked_by=checkpoint.blocked_by,
                forked=checkpoint.forked,
                newer=newer[name].streams if name in newer else 0,
                waits_for=newer[name].first if name in newer else checkpoint.waits_for,
            )
        )
    return ConsumerStatus(projections=projections, strays=_room.count_strays())


def event_bus() -> EventBus:
    """The broker in EVENT_BUS_URL; its library is imported here alone.

    Raises ImproperlyConfigured where none is set.
    """
    url, topic = settings.EVENT_BUS_URL, settings.EVENT_BUS_TOPIC
    partitions = settings.EVENT_BUS_PARTITIONS
    scheme = url.partition(":")[0]
    connect: Callable[..., EventBus]
    if scheme in ("amqp", "amqps"):
        from eventstore.infrastructure.messaging.rabbitmq import RabbitMQ

        connect = RabbitMQ
    elif scheme == "kafka":
        from eventstore.infrastructure.messaging.kafka import Kafka

        connect = Kafka
    else:
        raise ImproperlyConfigured("EVENT_BUS_URL is not set: there is no broker to talk to.")
    try:
        return connect(url, encode=message_encoder, topic=topic, partitions=partitions)
    except ValueError as error:
        raise ImproperlyConfigured(f"EVENT_BUS_URL: {error}") from None


def relay(
    publisher: BusPublisher,
    *,
    sleep: Callable[[float], object] = time.sleep,
    stopped: Callable[[], bool] = lambda: False,
) -> Relay:
    """Of the log to this publisher."""
    log_key_troubles()
    return Relay(
        publisher,
        notice=lambda: restored_notice(*log_identity()),
        store=_store,
        checkpoints=_checkpoints,
        monotonic=time.monotonic,
        sleep=sleep,
        stopped=stopped,
        held=holds.held,
    )


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

    And for one whose delivery failed for a reason that says nothing of the event.

    What a commit was not delivered of is found and made good, within bounds.
    """
    for name in _deliveries:
        try:
            if holds.held(name):
                continue
            streams = repair(name, limit=REPAIRED_ON_THE_SIDE).streams
        except Exception as error:  # noqa: BLE001  # the next has its turn all the same
            logger.error("%s stays behind: %s", name, told(error))
            continue
        if streams > REPAIRED_ON_THE_SIDE:
            logger.warning("%s lags by %d streams: run manage.py follow --once", name, streams)


repair_once: OnceInBackground = OnceInBackground(repair_all)
_on_commit = OnCommitPublisher(_local, then=lambda: repair_once.start())
_in_transaction = InTransactionPublisher(then=lambda: repair_once.start())
