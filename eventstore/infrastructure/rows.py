"""A read model as a table: one row a stream, or a list of them of which the newest is current.

A table with one row a stream has the stream's id as primary key and `version`. One with a list has
both as a composite primary key, `version` being that of the event that opened the row; its column
`shown_version` says what the stream's rows show. It is NULL on every row but the newest.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count, islice
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Max, OuterRef, Subquery
from django.db.models.functions import Coalesce

from eventstore.application.folding import Changes, Columns, FoldedStream, NextRow, Step
from eventstore.infrastructure.row_driver import RowDriver, row_driver
from eventstore.models import StorageEvent

BATCH = 500


class DjangoProjectionRows:
    """Errors are Django's, although a step's statements are the driver's."""

    def __init__(self, model: type[models.Model]) -> None:
        self._model = model
        key = model._meta.pk_fields
        self._lists = len(key) > 1
        self._stream = key[0].attname
        self._shown = "shown_version" if self._lists else "version"
        self._driver: RowDriver | None = None
        names = {field.attname for field in model._meta.concrete_fields}
        for needed in ("version", self._shown):
            if needed not in names:
                raise ImproperlyConfigured(
                    f"{model.__name__} has no {needed}: it cannot be the rows of a projection."
                )

    def version(self, stream_id: UUID) -> int:
        return int(self._rows(stream_id).aggregate(shown=Max(self._shown))["shown"] or 0)

    def advance(self, stream_id: UUID, *, expected: int, version: int, changes: Changes) -> bool:
        database, driver = self._driven()
        if not expected:
            columns = changes.columns if isinstance(changes, NextRow) else changes
            try:
                with _savepoint(database), database.wrap_database_errors:
                    driver.insert(database, stream_id, version, columns)
            except IntegrityError:
                if self._rows(stream_id).exists():
                    return False
                raise
            return True
        if isinstance(changes, NextRow):
            with _savepoint(database), database.wrap_database_errors:
                return driver.open_next(database, stream_id, expected, version, changes)
        with database.wrap_database_errors:
            return driver.update(database, stream_id, expected, {self._shown: version, **changes})

    def versions(self, stream_ids: Collection[UUID]) -> Mapping[UUID, int]:
        database, driver = self._driven()
        with database.wrap_database_errors:
            return driver.versions(database, stream_ids)

    def advance_many(self, streams: Mapping[UUID, Sequence[Step]]) -> set[UUID]:
        database, driver = self._driven()
        refused: set[UUID] = set()
        with database.wrap_database_errors:
            # The first step of every stream, the second of every stream that has one …
            for number in count():
                turn = [
                    (stream_id, steps[number])
                    for stream_id, steps in streams.items()
                    if number < len(steps) and stream_id not in refused
                ]
                if not turn:
                    return refused
                refused |= driver.step_many(database, turn)
        raise AssertionError  # the steps of every stream end

    def replace(self, stream_id: UUID, anew: Callable[[], FoldedStream]) -> None:
        with transaction.atomic():
            self._rows(stream_id).delete()
            self._model._default_manager.bulk_create(self._made(stream_id, anew()))

    def add_missing(self, streams: Iterable[tuple[UUID, FoldedStream]]) -> set[UUID]:
        database, driver = self._driven()
        fresh, taken = iter(streams), set[UUID]()
        with transaction.atomic(), database.wrap_database_errors:
            while batch := list(islice(fresh, BATCH)):
                # Who has a stream's first row has all of them: nobody mixes their own with it.
                firsts = [(id, *_row(stream, 0)) for id, stream in batch]
                taken |= driver.insert_many(database, firsts)
                driver.insert_many(
                    database,
                    [
                        (id, *_row(stream, number))
                        for id, stream in batch
                        if id not in taken
                        for number in range(1, len(stream.rows))
                    ],
                )
        return taken

    def clear(self) -> None:
        rows = self._model._default_manager.all()
        # As one statement: nothing points at a read model.
        rows._raw_delete(rows.db)

    def behind(self, stream_type: str, *, after: int, until: int) -> list[tuple[UUID, int]]:
        shown = (
            self._model._default_manager.filter(**{self._stream: OuterRef("stream_id")})
            .order_by(models.F(self._shown).desc(nulls_last=True))
            .values(self._shown)[:1]
        )
        streams = (
            StorageEvent.objects.filter(
                stream_type=stream_type, position__gt=after, position__lte=until
            )
            .values("stream_id")
            .annotate(newest=Max("version"), shown=Coalesce(Subquery(shown), 0))
            .filter(newest__gt=models.F("shown"))
            .values_list("stream_id", "shown")
        )
        return list(streams)

    def _made(self, stream_id: UUID, stream: FoldedStream) -> Iterator[models.Model]:
        if not self._lists:
            for _, columns in stream.rows:
                yield self._model(pk=stream_id, version=stream.version, **columns)
            return
        for opened, columns in stream.rows:
            newest = stream.rows[-1][0]
            shown = stream.version if opened == newest else None
            key = {self._stream: stream_id, "version": opened, self._shown: shown}
            yield self._model(**key, **columns)

    def _driven(self) -> tuple[BaseDatabaseWrapper, RowDriver]:
        # The connection itself: `django.db.connection` looks it up anew for every attribute.
        database = connections[DEFAULT_DB_ALIAS]
        database.ensure_connection()
        self._driver = self._driver or row_driver(self._model, database)
        return database, self._driver

    def _rows(self, stream_id: UUID) -> models.QuerySet[Any]:
        return self._model._default_manager.filter(**{self._stream: stream_id})


def _row(stream: FoldedStream, number: int) -> tuple[int, int | None, Columns]:
    """What opened it, what it shows, and its columns."""
    opened, columns = stream.rows[number]
    newest = number == len(stream.rows) - 1
    return opened, stream.version if newest else None, columns


def _savepoint(database: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """In a caller's transaction, which an error then leaves usable."""
    return nullcontext() if database.autocommit else transaction.atomic()
