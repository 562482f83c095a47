"""What no append can have brought about, and no hash shows: found where the log's rows are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection
from django.db.models import Max, Min

from eventstore.infrastructure.driver import TABLE, Stored, driver_of
from eventstore.infrastructure.log import last_number
from eventstore.models import StorageEvent

_IDS = ("event_id", "stream_id", "correlation_id")
_MISSPELT = (
    f"SELECT position FROM {TABLE} AS event WHERE position > %s AND ("
    + " OR ".join(f"{name} GLOB '*[^0-9a-f]*'" for name in _IDS)
    + ") ORDER BY position LIMIT 1"
)


@dataclass(eq=False, kw_only=True)
class TamperedLog(Exception):
    """The first thing found that cannot be."""

    what: str
    position: int
    stream_id: UUID | str | None = None
    """As text where it is no id."""
    version: int | None = None

    def __str__(self) -> str:
        stream = f", stream {self.stream_id}, version {self.version}" if self.stream_id else ""
        return f"position {self.position}{stream}: {self.what}"


def read_rows(where: str, values: Sequence[object]) -> list[Stored]:
    """As `Driver.select`, with keys. Raises TamperedLog where a column holds what it cannot."""
    try:
        return _select(where, values)
    except (ValueError, DatabaseError):
        # The driver does not say which row it was.
        for (position,) in _fetch(f"SELECT position FROM {TABLE} AS event WHERE {where}", values):
            try:
                _select("position = %s", [position])
            except (ValueError, DatabaseError) as error:
                raise _at(position, f"its columns cannot be read: {error}") from error
        raise


def check_positions(stream_id: UUID | None = None) -> None:
    """Of all events, or of those of a stream. Raises TamperedLog for one that was never drawn."""
    events = StorageEvent.objects.filter(**({"stream_id": stream_id} if stream_id else {}))
    places = events.aggregate(lowest=Min("position"), highest=Max("position"))
    # Asked for behind the highest position: whatever was drawn meanwhile makes no difference.
    last = last_number(connection)
    for position in places.values():
        if position is not None and not 1 <= position <= last:
            what = f"no number but 1 to {last} was ever drawn, so no reader is given it"
            if position > last:
                what += (
                    ". Where rows were restored without their sequence, "
                    "`manage.py migrate` puts that right"
                )
            raise _at(position, what)


def check_spelling(after: int) -> None:
    """Of the ids behind a position: SQLite has no type for them, and one that is written in another
    way is read, but not found. Raises TamperedLog."""
    if connection.vendor == "sqlite":
        for (position,) in _fetch(_MISSPELT, [after]):
            raise _at(position, "one of its ids is not written as the store writes it")


def _at(position: int, what: str) -> TamperedLog:
    ((stream, version),) = _fetch(
        f"SELECT CAST(stream_id AS varchar(36)), version FROM {TABLE} WHERE position = %s",
        [position],
    )
    try:
        stream_id: UUID | str = UUID(stream)
    except ValueError:
        stream_id = repr(stream)
    return TamperedLog(what=what, position=position, stream_id=stream_id, version=version)


def _select(where: str, values: Sequence[object]) -> list[Stored]:
    connection.ensure_connection()
    with connection.wrap_database_errors:
        driver = driver_of(connection)
        return list(driver.select(connection.connection, where, values, keys=True))


def _fetch(statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
    with connection.wrap_database_errors:
        return driver_of(connection).fetch(connection.connection, statement, values)
