"""The rows of a read model as they are served, for who compares them with the log."""

from collections.abc import Generator
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection, models

from eventstore.application.folding import Rows
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
        self._key = {self._stream, "version", self._shown}
        self._fields = [field for field in table.fields if field.attname not in self._key]
        self._personal: frozenset[str] = getattr(model, "personal_columns", frozenset())

    def stored(self) -> Generator[tuple[UUID, StoredStream]]:
        rows = self._model._default_manager.order_by(self._stream, "version").values()
        for stream_id, group in groupby(
            rows.iterator(chunk_size=2_000), key=lambda row: row[self._stream]
        ):
            yield stream_id, self._gathered(list(group))

    def find(self, stream_id: UUID) -> StoredStream | None:
        rows = self._model._default_manager.filter(**{self._stream: stream_id})
        found = list(rows.order_by("version").values())
        return self._gathered(found) if found else None

    def comparable(self, rows: Rows) -> Rows:
        return [
            (
                opened,
                {field.attname: self._read_back(field, columns) for field in self._fields},
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

    @staticmethod
    def _read_back(field: "models.Field[Any, Any]", columns: dict[str, object]) -> object:
        name = field.attname
        value = columns[name] if name in columns else field.get_default()
        if read := getattr(field, "from_db_value", None):
            return read(field.get_prep_value(value), None, connection)
        return value
