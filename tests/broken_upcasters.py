"""Upcasters that fail in every way, for rejections as version 1 stored them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from django.db import connection

from eventstore.domain.exceptions import InvalidValue, UndecodableEvent
from eventstore.infrastructure import chain
from eventstore.infrastructure.mapper import StorageRow
from eventstore.models import StorageEvent
from eventstore.wiring import mapper

STEP = ("candidate.rejected", 1)
SECRET = "Zoë, zoe@example.org"
STORED = datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
Data = Mapping[str, Any]


def raising(error: Callable[[], BaseException]) -> Callable[[Data], Any]:
    def upcast(data: Data) -> Any:
        raise error()

    return upcast


def giving(value: Any) -> Callable[[Data], Any]:
    return lambda data: value


def endless(data: Data) -> Any:
    return endless({**data, "more": SECRET})


def altered(**values: Any) -> Callable[[Data], Any]:
    return giving({"reason": "other", "note": "", "score": None, "threshold": None, **values})


def _of_another_event() -> UndecodableEvent:
    return UndecodableEvent(
        stream_id=UUID(int=1),
        version=1,
        event_type="another",
        schema_version=1,
        event_id=UUID(int=1),
        position=1,
        reason=SECRET,
    )


BROKEN: Mapping[str, Callable[[Data], Any]] = {
    "IndexError": lambda data: [][len(data)],
    "ZeroDivisionError": lambda data: len(data) / 0,
    "AttributeError": lambda data: data.reasons,  # type: ignore[attr-defined]
    "KeyError": lambda data: data[SECRET],
    "RecursionError": endless,
    "TypeError": raising(lambda: TypeError(SECRET)),
    "ValueError": raising(lambda: ValueError(SECRET)),
    "StopIteration": raising(lambda: StopIteration(SECRET)),
    "AssertionError": raising(lambda: AssertionError(SECRET)),
    "ValidationError": raising(lambda: msgspec.ValidationError(SECRET)),
    "InvalidValue": raising(lambda: InvalidValue(pointer=SECRET, rule="no", detail=SECRET)),
    "UndecodableEvent": raising(_of_another_event),
    "Exception": raising(lambda: Exception(SECRET)),
    "NoneType": giving(None),
    "list": giving([SECRET]),
    "str": giving(SECRET),
    "Expected": altered(note=5),
    "enum value": altered(reason=SECRET),
    "key": giving({1: SECRET}),
    "required field": giving({}),
    "U+0000": altered(note=f"{SECRET}\x00"),
    "surrogate": altered(note=f"{SECRET}\ud800"),
    "NaN": altered(score=float("nan")),
}
"""By a word that the complaint says."""


@contextmanager
def upcaster(upcast: Callable[[Data], Any]) -> Iterator[None]:
    """In place of the right one, until the code is mended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(mapper()._upcasters, STEP, upcast)
        yield


def rejected_long_ago(stream_id: UUID, *, data: str = '{"reason":"too far away"}') -> StorageRow:
    """Behind what the stream has, as version 1 of the schema stored it, and with the right hash."""
    return inserted(stream_id, event_type=STEP[0], schema_version=STEP[1], data=data)


def inserted(stream_id: UUID, **columns: Any) -> StorageRow:
    """A row behind what the stream has, as other code than today's wrote it; its hash is right."""
    last = StorageEvent.objects.filter(stream_id=stream_id).order_by("version").last()
    values: dict[str, Any] = {
        "event_id": uuid4(),
        "stream_type": "candidate",
        "stream_id": stream_id,
        "version": last.version + 1 if last else 1,
        "event_type": "candidate.noted",
        "schema_version": 1,
        "data": "{}",
        "metadata": '{"actor":"rita","door":"api"}',
        "personal": None,
        "correlation_id": None,
        "occurred_at": last.occurred_at if last else STORED,
        "recorded_at": last.recorded_at if last else STORED,
        **columns,
    }
    row = StorageRow(**values)
    previous = bytes(last.hash) if last else chain.genesis(stream_id)
    row = row._replace(hash=chain.link(previous, row[:-1]))
    meta: Any = StorageEvent._meta
    prepared = [
        meta.get_field(name).get_db_prep_save(value, connection)
        for name, value in row._asdict().items()
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {meta.db_table} ({', '.join(row._fields)}) "
            f"VALUES ({', '.join(['%s'] * len(row))})",
            prepared,
        )
    return row
