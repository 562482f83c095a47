"""A read model as SQL sees it, and what is said to it for one step of a stream."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.application.folding import Columns
from eventstore.infrastructure.driver import adapted

Names: TypeAlias = tuple[str, ...]
"""Of fields, in the order of their values."""
_RELAXED = "relaxed AS (SELECT set_config('synchronous_commit', 'off', true))"
"""On PostgreSQL: the commit of this transaction does not wait for the disk."""

_PLAIN: "dict[type[models.Field[Any, Any]], type]" = {
    models.BigIntegerField: int,
    models.BooleanField: bool,
    models.CharField: str,
    models.DateTimeField: datetime,
    models.FloatField: float,
    models.IntegerField: int,
    models.PositiveIntegerField: int,
    models.TextField: str,
    models.UUIDField: UUID,
}
"""The values that fields of these very classes have; times are aware."""


class Table:
    """A model in one of the two forms that `rows.py` describes. Statements take `%s`."""

    def __init__(self, model: type[models.Model], database: BaseDatabaseWrapper) -> None:
        key = model._meta.pk_fields
        self.lists = len(key) > 1
        self.stream = key[0].attname
        self.shown = "shown_version" if self.lists else "version"
        self.fields = {field.attname: field for field in model._meta.concrete_fields}
        # What the driver stores as the field would: asking the field takes ten times as long.
        self._plain = {name: _PLAIN.get(type(field)) for name, field in self.fields.items()}
        self._adapted = adapted if database.vendor == "sqlite" else _as_it_is
        own = (self.stream, "version", self.shown)
        self.columns = tuple(name for name in self.fields if name not in own)
        # A callable default is called again for each row.
        self._made_anew = [n for n in self.columns if callable(self.fields[n].default)]
        self._constant_defaults: dict[str, object] = {
            name: None if name in self._made_anew else self.fields[name].get_default()
            for name in self.columns
        }
        self._sql = {name: f'"{field.column}"' for name, field in self.fields.items()}
        self._name = f'"{model._meta.db_table}"'
        # Without their length: a cast to that would cut a value off, and silently.
        self._kinds = {
            name: re.sub(r"\(.*?\)", "", field.db_type(database) or "")
            for name, field in self.fields.items()
        }
        self._newest = f"{self._sql[self.stream]} = %s AND {self._sql[self.shown]} = %s"

    def stored(self, database: BaseDatabaseWrapper, columns: Columns) -> list[Any]:
        """The values as the fields themselves would store them."""
        plain, adapted = self._plain, self._adapted
        return [
            adapted(value)
            if type(value) is plain[name] or (value is None and plain[name])
            else self.fields[name].get_db_prep_save(value, database)
            for name, value in columns.items()
        ]

    def first_row(self, stream_id: UUID, version: int, columns: Columns) -> dict[str, object]:
        """With the defaults of what `columns` does not name."""
        return self._newest_row(stream_id, 1, version) | self._defaults() | {**columns}

    def row(
        self, stream_id: UUID, opened: int, shown: int | None, columns: Columns
    ) -> dict[str, object]:
        """Any row, every column of it; always in the same order."""
        if not self.lists:
            key: dict[str, object] = {self.stream: stream_id, "version": shown}
        else:
            key = {self.stream: stream_id, "version": opened, self.shown: shown}
        return key | self._defaults() | {**columns}

    def next_row(self, stream_id: UUID, version: int, columns: Columns) -> dict[str, object]:
        return self._newest_row(stream_id, version, version) | {**columns}

    def _defaults(self) -> dict[str, object]:
        made = {name: self.fields[name].get_default() for name in self._made_anew}
        return self._constant_defaults | made

    def _newest_row(self, stream_id: UUID, opened: int, version: int) -> dict[str, object]:
        return {self.stream: stream_id, "version": opened, self.shown: version}

    def insert(self, names: Names, *, relaxed: bool = False) -> str:
        values = ", ".join("%s" for _ in names)
        source = f"SELECT {self._typed(names)} FROM relaxed" if relaxed else f"VALUES ({values})"
        return (
            f"{f'WITH {_RELAXED} ' if relaxed else ''}INSERT INTO {self._name} "
            f"({self._listed(names)}) {source}"
        )

    def versions(self, among: str) -> str:
        """Streams and what they show, of those that the condition lets through."""
        stream, shown = self._sql[self.stream], self._sql[self.shown]
        return f"SELECT {stream}, {shown} FROM {self._name} WHERE {stream} {among} AND {shown} > 0"

    def insert_missing(self) -> str:
        """Of a whole row, in the order of `row`; nothing where its key is there."""
        names = (self.stream, "version", *([self.shown] if self.lists else []), *self.columns)
        return f"{self.insert(names)} ON CONFLICT DO NOTHING"

    def insert_missing_from_arrays(self) -> str:
        """The same for PostgreSQL, of many rows, each column a list. Returns the streams added."""
        names = (self.stream, "version", *([self.shown] if self.lists else []), *self.columns)
        arrays = ", ".join(f"%b::{self._kinds[name]}[]" for name in names)
        return (
            f"INSERT INTO {self._name} ({self._listed(names)}) SELECT * FROM unnest({arrays}) "
            f"ON CONFLICT DO NOTHING RETURNING {self._sql[self.stream]}"
        )

    def update(self, names: Names, *, relaxed: bool = False) -> str:
        return (
            f"{f'WITH {_RELAXED} ' if relaxed else ''}"
            f"UPDATE {self._name} SET {', '.join(map(self._set, names))} "
            f"{'FROM relaxed ' if relaxed else ''}WHERE {self._newest}"
        )

    def open_next(self, names: Names, close: Names, mark: Names, *, relaxed: bool) -> str:
        """One statement, for PostgreSQL; every part of it sees the rows as they were before.

        A row that another process has moved meanwhile is not closed, and then nothing else is
        written. Its values are those to close with, `(from, value)` of each mark, the newest row,
        the marks, the stream and from, the columns of the new row, the newest row.
        """
        sql, version = self._sql, self._sql["version"]
        closed = [f"{sql[self.shown]} = NULL", *map(self._set, close)]
        closed += [
            f"{sql[name]} = CASE WHEN {version} >= %s THEN coalesce({sql[name]}, %s) "
            f"ELSE {sql[name]} END"
            for name in mark
        ]
        parts = [_RELAXED] if relaxed else []
        parts.append(
            f"closed AS (UPDATE {self._name} SET {', '.join(closed)} "
            f"{'FROM relaxed ' if relaxed else ''}WHERE {self._newest} RETURNING 1)"
        )
        if mark:
            parts.append(
                f"marked AS (UPDATE {self._name} SET {self._marked(mark)} FROM closed "
                f"WHERE {sql[self.stream]} = %s AND {version} >= %s AND {sql[self.shown]} IS NULL)"
            )
        return (
            f"WITH {', '.join(parts)} {self._insert_next(names, self._typed(names))} "
            f"FROM {self._name}, closed WHERE {self._newest}"
        )

    def open_next_in_steps(self, names: Names, close: Names, mark: Names) -> tuple[str, str, str]:
        """The same for SQLite: insert, close and mark, in a transaction.

        Nothing is to be closed where nothing was inserted. Marking takes the marks, the stream,
        and the versions between which a row was opened, the second excluded.
        """
        values, version = ", ".join("%s" for _ in names), self._sql["version"]
        closed = ", ".join([f"{self._sql[self.shown]} = NULL", *map(self._set, close)])
        since = f"{self._sql[self.stream]} = %s AND {version} >= %s AND {version} < %s"
        return (
            f"{self._insert_next(names, values)} FROM {self._name} WHERE {self._newest}",
            f"UPDATE {self._name} SET {closed} WHERE {self._newest}",
            f"UPDATE {self._name} SET {self._marked(mark)} WHERE {since}",
        )

    def _insert_next(self, names: Names, values: str) -> str:
        """What is not named is taken over from the row before."""
        taken_over = [name for name in self.columns if name not in names]
        return (
            f"INSERT INTO {self._name} ({self._listed([*names, *taken_over])}) "
            f"SELECT {', '.join([values, *(self._sql[name] for name in taken_over)])}"
        )

    def _listed(self, names: Sequence[str]) -> str:
        return ", ".join(self._sql[name] for name in names)

    def _set(self, name: str) -> str:
        return f"{self._sql[name]} = %s"

    def _marked(self, names: Names) -> str:
        return ", ".join(f"{self._sql[name]} = coalesce({self._sql[name]}, %s)" for name in names)

    def _typed(self, names: Names) -> str:
        """For PostgreSQL, which does not look as far as the column for the type of a value."""
        return ", ".join(f"%s::{self._kinds[name]}" for name in names)


def _as_it_is(value: object) -> object:
    return value
