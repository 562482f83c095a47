"""The composition root of candidates: the service for the doors, the projector for the log."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from secrets import token_bytes
from time import monotonic, sleep
from typing import Any, get_args
from uuid import UUID

import uuid_utils.compat as uuid_utils
from django.conf import settings
from django.db import Error as DatabaseFailure
from django.db import connection
from django.utils import timezone

from candidates.application.external_ids import ExternalIds, external_id_of, turn_of
from candidates.application.history_import import HistoryImport
from candidates.application.history_map import HistoryMap
from candidates.application.past import past_columns
from candidates.application.projector import CandidateProjector
from candidates.application.row_identity import RowIdentity
from candidates.application.service import CandidateService
from candidates.application.span_projector import StatusSpanProjector
from candidates.application.statistics import Statistics
from candidates.application.what_if import WhatIf
from candidates.domain.candidate import Candidate
from candidates.domain.events import CandidateEvent
from candidates.infrastructure.external_ids import ProjectedExternalIds
from candidates.infrastructure.history_file import content_digest as content_digest
from candidates.infrastructure.history_file import history_rows as history_rows
from candidates.infrastructure.imported_rows import DjangoTakenRows, candidates_of, forget_rows
from candidates.infrastructure.occurrences import spooled_occurrences
from candidates.infrastructure.statistics import counted_statistics
from candidates.infrastructure.upcasters import UPCASTERS
from candidates.infrastructure.what_if import counted
from candidates.models import CandidateProjection, StatusSpan
from eventstore import wiring as eventstore
from eventstore.application.past import Moment, PastTime, require_past
from eventstore.application.ports import EventBatch, EventPublisher, Streams, UnitOfWork
from eventstore.application.snapshots import Snapshots
from eventstore.domain.events import DomainEvent, RecordedEvent
from eventstore.domain.exceptions import AggregateNotFound, DomainError, KeyFault, UnsafeLogRead
from eventstore.wiring import KeyUnavailable as KeyUnavailable
from eventstore.wiring import in_one_transaction as in_one_transaction
from eventstore.wiring import require_log as require_log
from eventstore.wiring import require_writable as require_writable

IMPORTED_ROWS = "imported rows"
"""The name of the secret by which they are known again, and of the memory of them."""
PATIENCE = 30.0
"""Seconds that an import waits for its rows to be shown."""
PAUSE = 0.2
"""Seconds between two attempts at a database that is locked or gone."""
FAILURES = (DatabaseFailure, sqlite3.Error, DomainError, KeyFault)
"""Errors that may end an import after it stored rows; sqlite3's are its temporary database's."""
PROJECTIONS = (CandidateProjector.name, StatusSpanProjector.name)
_external_ids = ProjectedExternalIds(
    source=eventstore.event_store(),
    lock=eventstore.in_turn,
    catch_up=lambda: eventstore.catch_up(CandidateProjector.name),
    lacking=lambda: eventstore.lacking(CandidateProjector.name),
    show=lambda events: eventstore.show(CandidateProjector.name, events),
)


def register() -> None:
    """Once, when the app is ready."""
    eventstore.register_events(get_args(CandidateEvent), upcasters=UPCASTERS)
    eventstore.register_projection(CandidateProjector(), CandidateProjection)
    eventstore.register_projection(StatusSpanProjector(), StatusSpan)
    eventstore.register_memory(IMPORTED_ROWS, forget=forget_rows)


def candidate_service() -> CandidateService:
    return _service(
        eventstore.event_store(),
        eventstore.publisher(),
        eventstore.snapshots(),
        eventstore.unit_of_work,
        external_ids=None if settings.EVENT_DELIVERY == "bus" else _external_ids,
        require_writable=require_writable,
    )


def trial_service() -> CandidateService:
    """Decides as the real one does and keeps nothing: it says what would be refused, and why."""
    return _service(eventstore.trial_store(), eventstore.silent_publisher())


@contextmanager
def history_import(
    history_map: HistoryMap, *, batch_id: UUID, dry_run: bool
) -> Iterator[HistoryImport]:
    """Decides as the service does and tells no projection: `bring_rows` does at the end.

    A dry run decides on top of the log and keeps nothing. Raises KeyUnavailable where the secret
    by which rows are known again cannot be opened, and LogWasRestored where rows were taken whose
    events the log does not hold.
    """
    eventstore.check_memory(IMPORTED_ROWS)
    if dry_run:
        # Without a secret nothing was taken yet, and any will do.
        secret = eventstore.existing_secret(IMPORTED_ROWS) or token_bytes(32)
    else:
        secret = eventstore.secret(IMPORTED_ROWS)

    def deciding(batch: EventBatch) -> tuple[EventBatch, CandidateService]:
        return batch, _service(batch, eventstore.silent_publisher())

    trial = eventstore.trial_batch() if dry_run else nullcontext()
    with spooled_occurrences() as occurrences, trial as tried:
        yield HistoryImport(
            history_map,
            begin=lambda: deciding(tried or eventstore.event_store().batch()),
            keep=None if dry_run else in_one_transaction,
            identity=RowIdentity(secret, system=history_map.system),
            taken=DjangoTakenRows(history_map.system),
            occurrences=occurrences,
            batch_id=batch_id,
            remember=lambda cursor: eventstore.remember(IMPORTED_ROWS, cursor),
        )


def repair() -> int:
    """Bring every row that is missing or behind up to the log. Returns how many streams had one.

    Returns 0 without doing anything where messages alone feed the rows.
    """
    if settings.EVENT_DELIVERY == "bus":
        return 0
    return max(eventstore.repair(name).streams for name in PROJECTIONS)


def bring_rows(*, until: int, batch_id: UUID) -> list[str]:
    """Bring the rows of candidates up to the log, at least to this position.

    Waits PATIENCE seconds for whoever is at work on them, and for a database that is locked or
    gone. Returns what is left for a person to see to, in words; of parked streams those alone that
    the batch brought something to.
    """
    if settings.EVENT_DELIVERY == "bus":
        return []
    deadline = monotonic() + PATIENCE
    while True:
        try:
            return _brought(until, batch_id, patience=max(0.0, deadline - monotonic()))
        except DatabaseFailure as error:
            # One that is of no use any more is opened anew.
            connection.close_if_unusable_or_obsolete()
            if not isinstance(error, eventstore.TRANSIENT) or monotonic() >= deadline:
                said = f"since the database refused to bring them up to the log ({reason(error)})"
                return [
                    f"The rows do not show all of it yet, {said}. Run `manage.py follow --once`."
                ]
            sleep(PAUSE)


def reason(error: Exception) -> str:
    """An error's first line. What comes behind it may quote somebody's data."""
    return str(error).strip().partition("\n")[0].rstrip(".:, ")


def _brought(until: int, batch_id: UUID, *, patience: float) -> list[str]:
    try:
        behind = eventstore.repair_until(until, PROJECTIONS, patience=patience)
    except (DomainError, UnsafeLogRead) as error:
        return [f"The rows of candidates cannot be brought up to the log: {error}"]
    problems = [
        f"{name}: the rows do not show all of it yet, since another process is at work on them, it "
        "is paused, or an event cannot be read. Run `manage.py follow --once`."
        for name in behind
    ]
    for name in PROJECTIONS:
        parked = {one.stream_id for one in eventstore.parked_streams().listed(name)}
        if of_this := candidates_of(batch_id, among=parked):
            problems.append(
                f"{name}: {len(of_this)} of these candidates are parked and do not show all of "
                "it. `manage.py parked list` says why."
            )
    return problems


def rows_come_by_messages() -> bool:
    """Whether `manage.py publish` and `manage.py consume` bring the rows."""
    return bool(settings.EVENT_DELIVERY == "bus")


def shown_end(*, after: int = 0) -> int:
    """The position up to which the rows of candidates lack no event. See `ShownEnd.position`.

    Raises LogNotHere, since only the log knows what is missing.
    """
    require_log()
    return eventstore.shown_end(CandidateProjector.name, after=after)


def history(candidate_id: UUID, *, after: int = 0, until: int | None = None) -> list[RecordedEvent]:
    """Events with `after < version <= until`, the oldest first.

    Raises AggregateNotFound, and LogNotHere.
    """
    require_log()
    store = eventstore.event_store()
    recorded = store.read_stream(candidate_id, after=after, until=until)
    first = recorded or (store.read_stream(candidate_id, until=1) if after else [])
    if not first or first[0].stream_type != Candidate.stream_type:
        raise AggregateNotFound(stream_type=Candidate.stream_type, stream_id=candidate_id)
    return recorded


def candidate_at(candidate_id: UUID, moment: Moment) -> CandidateProjection:
    """The row as it was, folded from the events anew; it is in no table.

    Raises AggregateNotFound, LogNotHere, and what `past_of` does.
    """
    version, columns = past_columns(history(candidate_id), moment, now=timezone.now())
    return CandidateProjection(id=candidate_id, version=version, **columns)


def what_if(threshold: float) -> WhatIf:
    """What this threshold would change, counted on the rows of now."""
    return WhatIf.of(threshold, counted(threshold))


def statistics(moment: PastTime | None = None) -> Statistics:
    """Of all candidates, as they are or were. Raises InvalidValue for a time in the future."""
    if moment is not None:
        require_past(moment, now=timezone.now())
    return counted_statistics(moment)


def external_id_turn(profile: Mapping[str, Any]) -> str:
    """Returns the turn for `in_one_transaction` if this profile is added unless it is known."""
    return turn_of(external_id_of(profile))


def event_data(event: DomainEvent) -> dict[str, Any]:
    return eventstore.mapper().data_of(event)


def _service(
    store: Streams,
    publisher: EventPublisher,
    snapshots: Snapshots | None = None,
    unit_of_work: UnitOfWork = nullcontext,
    *,
    external_ids: ExternalIds | None = None,
    require_writable: Callable[[], object] = lambda: None,
) -> CandidateService:
    return CandidateService(
        store=store,
        publisher=publisher,
        snapshots=snapshots,
        unit_of_work=unit_of_work,
        threshold=settings.SCORE_THRESHOLD,
        external_ids=external_ids,
        require_writable=require_writable,
        new_id=uuid_utils.uuid7,
    )
