"""Whether what is erased is said to be, and the other way round."""

from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID

from django.db import connection

from eventstore.infrastructure.driver import KEY_TABLE, TABLE, driver_of
from eventstore.infrastructure.tampering import LogFinding, found_at


def unsaid(event_types: Collection[str], stream_id: UUID | None = None) -> Iterator[LogFinding]:
    """Tombstones of which no event of these types tells, in all streams or in this one."""
    types, parameters = _types(event_types)
    only, ids = _only("key", stream_id)
    for position, text in _fetch(
        f"SELECT (SELECT max(position) FROM {TABLE} AS event "
        "WHERE event.stream_id = key.stream_id), CAST(key.stream_id AS varchar(36)) "
        f"FROM {KEY_TABLE} AS key WHERE key.wrapped IS NULL{only} AND NOT EXISTS "
        f"(SELECT 1 FROM {TABLE} AS event WHERE event.stream_id = key.stream_id "
        f"AND event.event_type IN ({types})) ORDER BY key.stream_id",
        [*ids, *parameters],
    ):
        what = "its stream's key is destroyed, and no event says so"
        if position is None:
            yield LogFinding(what=what, position=0, stream_id=text, version=0)
        else:
            yield found_at(position, what)


def undone(
    event_types: Collection[str], *, after: int = 0, stream_id: UUID | None = None
) -> Iterator[LogFinding]:
    """Events of these types behind a position whose stream's key is no tombstone."""
    types, parameters = _types(event_types)
    only, ids = _only("event", stream_id)
    for (position,) in _fetch(
        f"SELECT position FROM {TABLE} AS event WHERE position > %s AND event_type IN ({types})"
        f"{only} AND NOT EXISTS (SELECT 1 FROM {KEY_TABLE} AS key "
        "WHERE key.stream_id = event.stream_id AND key.wrapped IS NULL) ORDER BY position",
        [after, *parameters, *ids],
    ):
        yield found_at(position, "it says that personal data is gone, and its stream's key is not")


def _types(event_types: Collection[str]) -> tuple[str, list[object]]:
    return ", ".join(["%s"] * len(event_types)), list[object](sorted(event_types))


def _only(table: str, stream_id: UUID | None) -> tuple[str, list[object]]:
    return (f" AND {table}.stream_id = %s", [stream_id]) if stream_id else ("", [])


def _fetch(statement: str, values: list[object]) -> list[tuple[Any, ...]]:
    connection.ensure_connection()
    with connection.wrap_database_errors:
        return driver_of(connection).fetch(connection.connection, statement, values)
