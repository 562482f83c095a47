"""What no append can have brought about, and no hash shows: found where the log's rows are read."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection

from eventstore.domain.exceptions import SnapshotNotAuthentic
from eventstore.infrastructure.driver import TABLE, Stored, driver_of
from eventstore.infrastructure.log import last_number
from eventstore.infrastructure.mapper import StorageRow
from eventstore.infrastructure.snapshots import UNREADABLE, DjangoSnapshotStore
from eventstore.models import StorageEvent

_IDS = ("event_id", "stream_id", "correlation_id")
_MISSPELT = (
    f"SELECT position FROM {TABLE} AS event WHERE position > %s AND ("
    + " OR ".join(f"{name} GLOB '*[^0-9a-f]*'" for name in _IDS)
    + ") ORDER BY position"
)
_PLACE = "event.stream_id, version"
_KINDS: dict[str, type] = {
    "stream_type": str,
    "version": int,
    "event_type": str,
    "schema_version": int,
    "data": str,
    "metadata": str,
    "hash": bytes,
}
"""Types of the columns in which SQLite would also store a value of another type."""
_UNREADABLE = (ValueError, TypeError, AttributeError, DatabaseError)


class FindingKind(StrEnum):
    """Kinds of findings. Only TAMPERED means that somebody changed the log."""

    TAMPERED = "tampered with"
    NEWER = "written by newer code"
    UNDECODABLE = "not to be decoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFinding:
    """Something that is not as it should be."""

    kind: FindingKind = FindingKind.TAMPERED
    what: str
    position: int
    stream_id: UUID | str | None = None
    """As text where it is no id."""
    version: int | None = None

    def __str__(self) -> str:
        stream = f", stream {self.stream_id}, version {self.version}" if self.stream_id else ""
        return f"position {self.position}{stream}: {self.what}"


@dataclass(frozen=True, slots=True)
class Page:
    rows: list[Stored | LogFinding]
    """In order; a finding stands for a row with a column that holds what it cannot."""
    last: tuple[object, object] | None
    """Stream id and version of the last row, as the database has them; None without a row."""


def read_page(where: str, values: Sequence[object], *, misspelt: bool = False) -> Page:
    """As `Driver.select`, with keys.

    With `misspelt` ids each row is read by itself: it is found by what the database has of its id,
    and not by the id that this is read as.
    """
    if not misspelt:
        try:
            rows = _select(where, values)
        except _UNREADABLE:
            # The driver does not say which row it was.
            pass
        else:
            last = (rows[-1][0].stream_id, rows[-1][0].version) if rows else None
            return Page([_sound(stored) for stored in rows], last)
    found: list[Stored | LogFinding] = []
    places = _fetch(
        f"SELECT position, stream_id, version FROM {TABLE} AS event WHERE {where}", values
    )
    for position, *_ in places:
        try:
            (stored,) = _select("position = %s", [position])
            found.append(_sound(stored))
        except _UNREADABLE as error:
            # SQLite repeats a text that is none.
            reason = str(error).partition(" with text ")[0]
            found.append(found_at(position, f"its columns cannot be read: {reason}"))
    return Page(found, (places[-1][1], places[-1][2]) if places else None)


def never_drawn(stream_id: UUID | None = None) -> Iterator[LogFinding]:
    """Events, of all or of a stream, at positions that no append was ever given."""
    events = StorageEvent.objects.filter(**({"stream_id": stream_id} if stream_id else {}))
    places = list(events.filter(position__lt=1).order_by("position").values_list("pk", flat=True))
    highest = events.order_by("-position").values_list("pk", flat=True).first()
    # Asked for behind the highest position: whatever was drawn meanwhile makes no difference.
    last = last_number(connection)
    if highest is not None and highest > last:
        above = events.filter(position__gt=last, position__lte=highest)
        places += above.order_by("position").values_list("pk", flat=True)
    for position in places:
        what = f"no number but 1 to {last} was ever drawn, so no reader is given it"
        if position > last:
            what += (
                ". Where rows were restored without their sequence, `manage.py migrate` puts "
                "that right"
            )
        yield found_at(position, what)


def misspelt(after: int) -> Iterator[LogFinding]:
    """Events behind a position with an id that is not written as the store writes it.

    SQLite has no type for ids, and one that is written in another way is read, but not found.
    """
    if connection.vendor == "sqlite":
        for (position,) in _fetch(_MISSPELT, [after]):
            yield found_at(position, "one of its ids is not written as the store writes it")


def forged_snapshots(
    snapshots: DjangoSnapshotStore, stream_ids: Iterable[UUID]
) -> Iterator[LogFinding]:
    """Those of these streams that no load takes, since nothing shows that they were taken here."""
    for stream_id in stream_ids:
        try:
            snapshots.load(stream_id)
        except SnapshotNotAuthentic as error:
            events = StorageEvent.objects.filter(stream_id=stream_id, version=error.version)
            yield LogFinding(
                what=f"its snapshot {error.reason}, and is ignored",
                position=events.values_list("pk", flat=True).first() or 0,
                stream_id=error.stream_id,
                version=error.version,
            )
        except UNREADABLE as error:
            what = f"its snapshot cannot be read, and is ignored: {type(error).__name__}"
            yield LogFinding(what=what, position=0, stream_id=stream_id)


def _sound(stored: Stored) -> Stored | LogFinding:
    row, position, _ = stored
    for name, kind in _KINDS.items():
        if type(getattr(row, name)) is not kind:
            return found_at(position, f"its columns cannot be read: {name} is of another type")
    return stored


def of_row(
    row: StorageRow, position: int, what: str, kind: FindingKind = FindingKind.TAMPERED
) -> LogFinding:
    return LogFinding(
        kind=kind, what=what, position=position, stream_id=row.stream_id, version=row.version
    )


def found_at(position: int, what: str) -> LogFinding:
    ((stream, version),) = _fetch(
        f"SELECT CAST(stream_id AS varchar(36)), version FROM {TABLE} WHERE position = %s",
        [position],
    )
    try:
        stream_id: UUID | str = UUID(stream)
    except (ValueError, TypeError, AttributeError):
        stream_id = repr(stream)
    return LogFinding(what=what, position=position, stream_id=stream_id, version=version)


def _select(where: str, values: Sequence[object]) -> list[Stored]:
    connection.ensure_connection()
    with connection.wrap_database_errors:
        driver = driver_of(connection)
        return list(driver.select(connection.connection, where, values, keys=True))


def _fetch(statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    with connection.wrap_database_errors:
        return driver_of(connection).fetch(connection.connection, statement, values)
