"""A read model as a table with one row a stream: `id` is the stream, `version` what it shows."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import IntegrityError, models, transaction
from django.db.models import Max, OuterRef, Subquery
from django.db.models.functions import Coalesce

from eventstore.models import StorageEvent

BATCH = 500


class DjangoProjectionRows:
    """`model` needs a UUID primary key `id` and an integer `version`."""

    def __init__(self, model: type[models.Model]) -> None:
        self._model = model

    def version(self, stream_id: UUID) -> int:
        rows = self._model._default_manager.filter(pk=stream_id)
        return int(rows.values_list("version", flat=True).first() or 0)

    def advance(
        self, stream_id: UUID, *, expected: int, version: int, changes: Mapping[str, Any]
    ) -> bool:
        rows = self._model._default_manager.filter(pk=stream_id)
        if expected:
            return bool(rows.filter(version=expected).update(version=version, **changes))
        try:
            with transaction.atomic():
                self._model._default_manager.create(pk=stream_id, version=version, **changes)
        except IntegrityError:
            if rows.exists():
                return False
            raise
        return True

    def replace_all(self, rows: Iterable[tuple[UUID, int, Mapping[str, Any]]]) -> int:
        with transaction.atomic():
            self._model._default_manager.all().delete()
            # A row that a command adds meanwhile stays: whoever added it keeps it up to date.
            return self.add_missing(rows)

    def add_missing(self, rows: Iterable[tuple[UUID, int, Mapping[str, Any]]]) -> int:
        count = 0
        fresh = (self._model(pk=id, version=version, **columns) for id, version, columns in rows)
        while batch := list(islice(fresh, BATCH)):
            self._model._default_manager.bulk_create(batch, ignore_conflicts=True)
            count += len(batch)
        return count

    def behind(self, stream_type: str) -> Iterator[tuple[UUID, int]]:
        shown = self._model._default_manager.filter(pk=OuterRef("stream_id")).values("version")[:1]
        streams = (
            StorageEvent.objects.filter(stream_type=stream_type)
            .values("stream_id")
            .annotate(newest=Max("version"), shown=Coalesce(Subquery(shown), 0))
            .filter(newest__gt=models.F("shown"))
            .values_list("stream_id", "shown")
        )
        # Listed first: the caller changes the rows that the question is about.
        yield from list(streams)
