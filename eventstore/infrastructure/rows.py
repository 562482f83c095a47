"""A read model as a table: one row a stream, or a list of them of which the newest is current.

A table with one row a stream has the stream's id as primary key and `version`. One with a list has
both as a composite primary key, `version` being that of the event that opened the row; its column
`shown_version` says what the stream's rows show. It is NULL on every row but the newest.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import IntegrityError, models, transaction
from django.db.models import Max, OuterRef, Subquery
from django.db.models.functions import Coalesce

from eventstore.application.folding import Changes, FoldedStream, NextRow
from eventstore.models import StorageEvent

BATCH = 500


class DjangoProjectionRows:
    def __init__(self, model: type[models.Model]) -> None:
        self._model = model
        key = model._meta.pk_fields
        self._lists = len(key) > 1
        self._stream = key[0].attname
        self._shown = "shown_version" if self._lists else "version"
        self._columns = [
            field.attname
            for field in model._meta.concrete_fields
            if field.attname not in (self._stream, "version", self._shown)
        ]

    def version(self, stream_id: UUID) -> int:
        return int(self._rows(stream_id).aggregate(shown=Max(self._shown))["shown"] or 0)

    def advance(self, stream_id: UUID, *, expected: int, version: int, changes: Changes) -> bool:
        if isinstance(changes, NextRow):
            return self._open_next(stream_id, expected, version, changes)
        if expected:
            newest = self._rows(stream_id).filter(**{self._shown: expected})
            return bool(newest.update(**{self._shown: version}, **changes))
        return self._add(stream_id, FoldedStream(version, [(1, {**changes})]))

    def replace_all(self, streams: Iterable[tuple[UUID, FoldedStream]]) -> int:
        with transaction.atomic():
            self._model._default_manager.all().delete()
            # A row that a command adds meanwhile stays: whoever added it keeps it up to date.
            return self.add_missing(streams)

    def add_missing(self, streams: Iterable[tuple[UUID, FoldedStream]]) -> int:
        count = 0
        fresh = (row for stream_id, stream in streams for row in self._made(stream_id, stream))
        while batch := list(islice(fresh, BATCH)):
            self._model._default_manager.bulk_create(batch, ignore_conflicts=True)
            count += len(batch)
        return count

    def behind(self, stream_type: str) -> list[tuple[UUID, int]]:
        shown = (
            self._model._default_manager.filter(**{self._stream: OuterRef("stream_id")})
            .order_by(models.F(self._shown).desc(nulls_last=True))
            .values(self._shown)[:1]
        )
        streams = (
            StorageEvent.objects.filter(stream_type=stream_type)
            .values("stream_id")
            .annotate(newest=Max("version"), shown=Coalesce(Subquery(shown), 0))
            .filter(newest__gt=models.F("shown"))
            .values_list("stream_id", "shown")
        )
        return list(streams)

    def _open_next(self, stream_id: UUID, expected: int, version: int, changes: NextRow) -> bool:
        if not expected:
            return self._add(stream_id, FoldedStream(version, [(1, {**changes.columns})]))
        with transaction.atomic():
            newest = self._rows(stream_id).filter(**{self._shown: expected})
            taken_over = newest.select_for_update().values(*self._columns).first()
            if taken_over is None:
                return False
            newest.update(**{self._shown: None}, **changes.closing)
            if changes.marking:
                marked = self._rows(stream_id).filter(version__gte=changes.marked_from)
                marked.update(
                    **{
                        name: Coalesce(models.F(name), models.Value(value))
                        for name, value in changes.marking.items()
                    }
                )
            columns = {**taken_over, **changes.columns}
            self._model._default_manager.bulk_create(
                self._made(stream_id, FoldedStream(version, [(version, columns)]))
            )
            return True

    def _add(self, stream_id: UUID, stream: FoldedStream) -> bool:
        try:
            with transaction.atomic():
                self._model._default_manager.bulk_create(self._made(stream_id, stream))
        except IntegrityError:
            if self._rows(stream_id).exists():
                return False
            raise
        return True

    def _made(self, stream_id: UUID, stream: FoldedStream) -> Iterator[models.Model]:
        if not self._lists:
            ((_, columns),) = stream.rows
            yield self._model(pk=stream_id, version=stream.version, **columns)
            return
        newest = stream.rows[-1][0]
        for opened, columns in stream.rows:
            shown = stream.version if opened == newest else None
            key = {self._stream: stream_id, "version": opened, self._shown: shown}
            yield self._model(**key, **columns)

    def _rows(self, stream_id: UUID) -> models.QuerySet[Any]:
        return self._model._default_manager.filter(**{self._stream: stream_id})
