"""The rows of a read model as they are served, for who compares them with the log."""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from traceback import clear_frames
from typing import Any, NamedTuple, cast
from uuid import UUID

from django.db import connection, models

from eventstore.application.comparison import UnreadableRows
from eventstore.application.folding import Rows
from eventstore.application.parking import described
from eventstore.infrastructure.tables import ProjectionTable


class StoredStream(NamedTuple):
    version: int
    rows: Rows


class DjangoStoredRows:
    """A model's `personal_columns` are named in a report, and no more than that."""

    def __init__(self, model: type[models.Model]) -> None:
        self._model = model
        table = ProjectionTable(model, connection)
        self._lists = table.lists
        self._stream, self._shown = table.stream.attname, table.shown.attname
        self._key = {self._stream, "version"}
        rest = {*self._key, self._shown}
        self._fields = [field for field in table.fields if field.attname not in rest]
        self._personal: frozenset[str] = getattr(model, "personal_columns", frozenset())

    def stored(self) -> Generator[tuple[UUID, StoredStream]]:
        rows = self._model._default_manager.order_by(self._stream, "version").values()
        reading = cast(Generator[dict[str, Any]], rows.iterator(chunk_size=2_000))
        with self._readable(), closing(reading) as read:
            for stream_id, group in groupby(read, key=lambda row: row[self._stream]):
                yield stream_id, self._gathered(list(group))

    def find(self, stream_id: UUID) -> StoredStream | None:
        rows = self._model._default_manager.filter(**{self._stream: stream_id})
        with self._readable():
            found = list(rows.order_by("version").values())
        return self._gathered(found) if found else None

    def comparable(self, rows: Rows, *, shown: int) -> Rows:
        newest = rows[-1][0] if rows else 0
        return [
            (
                opened,
                {
                    **{field.attname: self._read_back(field, columns) for field in self._fields},
                    **({self._shown: shown if opened == newest else None} if self._lists else {}),
                },
            )
            for opened, columns in rows
        ]

    def shown(self, column: str, value: object) -> object:
        return "(personal)" if column in self._personal else value

    def _gathered(self, rows: list[dict[str, Any]]) -> StoredStream:
        return StoredStream(
            max(row[self._shown] or 0 for row in rows),
            [
                (
                    row["version"] if self._lists else 1,
                    {name: value for name, value in row.items() if name not in self._key},
                )
                for row in rows
            ],
        )

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """What a column cannot hold by itself, only somebody's own statement has put there."""
        try:
            yield
        except (ValueError, RecursionError) as error:
            table, reason = self._model._meta.db_table, described(error)
            # They hold an open cursor.
            clear_frames(error.__traceback__)
            raise UnreadableRows(table=table, reason=reason) from error

    @staticmethod
    def _read_back(field: "models.Field[Any, Any]", columns: dict[str, object]) -> object:
        name = field.attname
        value = columns[name] if name in columns else field.get_default()
        if read := getattr(field, "from_db_value", None):
            return read(field.get_prep_value(value), None, connection)
        return value
