"""A read model as a table: one row a stream, or a list of them of which the newest is current.

A table with one row a stream has the stream's id as primary key and `version`. One with a list has
both as a composite primary key, `version` being that of the event that opened the row; its column
`shown_version` says what the stream's rows show. It is NULL on every row but the newest.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Max, OuterRef, Subquery
from django.db.models.functions import Coalesce

from eventstore.application.folding import Changes, FoldedStream, NextRow
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

    def version(self, stream_id: UUID) -> int:
        return int(self._rows(stream_id).aggregate(shown=Max(self._shown))["shown"] or 0)

    def advance(self, stream_id: UUID, *, expected: int, version: int, changes: Changes) -> bool:
        # The connection itself: `django.db.connection` looks it up anew for every attribute.
        database = connections[DEFAULT_DB_ALIAS]
        database.ensure_connection()
        driver = self._driver = self._driver or row_driver(self._model, database)
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

    def replace(self, stream_id: UUID, anew: Callable[[], FoldedStream]) -> None:
        with transaction.atomic():
            self._rows(stream_id).delete()
            self._model._default_manager.bulk_create(self._made(stream_id, anew()))

    def add_missing(self, streams: Iterable[tuple[UUID, FoldedStream]]) -> bool:
        # Whoever began a stream meanwhile goes on from its own rows: ours do not fit behind them.
        fresh = {stream_id: list(self._made(stream_id, stream)) for stream_id, stream in streams}
        made = [row for rows in fresh.values() for row in rows]
        try:
            with transaction.atomic():
                self._model._default_manager.bulk_create(made, batch_size=BATCH)
        except IntegrityError:
            begun = self._model._default_manager.filter(**{f"{self._stream}__in": list(fresh)})
            if begun.exists():
                return False
            raise
        return True

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

    def _rows(self, stream_id: UUID) -> models.QuerySet[Any]:
        return self._model._default_manager.filter(**{self._stream: stream_id})


def _savepoint(database: BaseDatabaseWrapper) -> AbstractContextManager[None]:
    """In a caller's transaction, which an error then leaves usable."""
    return nullcontext() if database.autocommit else transaction.atomic()
