"""Checkpoints in the project's database, one row a projection."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from django.db import transaction

from eventstore import models
from eventstore.application.naming import check_projection, obstacle_of
from eventstore.application.ports import Checkpoint


class DjangoCheckpoints:
    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def all(self) -> Mapping[str, Checkpoint]:
        rows = models.Checkpoint.objects.all()
        return {row.projection: _checkpoint(row) for row in rows}

    def start(self, projection: str, *, schema: int) -> None:
        check_projection(projection, schema=schema)
        fresh = models.Checkpoint(projection=projection, schema=schema)
        models.Checkpoint.objects.bulk_create([fresh], ignore_conflicts=True)

    @contextmanager
    def claimed(self, projection: str) -> Iterator[Checkpoint | None]:
        # On SQLite the transaction is IMMEDIATE, and so has everything to itself.
        with transaction.atomic():
            row = (
                models.Checkpoint.objects.select_for_update(skip_locked=True)
                .filter(pk=projection)
                .first()
            )
            yield _checkpoint(row) if row else None

    def move(self, projection: str, *, expected: int, position: int) -> bool:
        rows = models.Checkpoint.objects.filter(pk=projection, position=expected)
        return bool(rows.update(position=position, waits_for=""))

    def wait(self, projection: str, *, at: int, what: str) -> None:
        rows = models.Checkpoint.objects.filter(pk=projection, position=at)
        rows.update(waits_for=obstacle_of(what))

    def seen(self, projection: str) -> None:
        models.Checkpoint.objects.filter(pk=projection).update(seen_at=self._clock())

    def block(self, projection: str, obstacle: str) -> None:
        rows = models.Checkpoint.objects.filter(pk=projection)
        rows.update(blocked_by=obstacle_of(obstacle))

    def received(self, projection: str, position: int) -> None:
        rows = models.Checkpoint.objects.filter(pk=projection, received__lt=position)
        rows.update(received=position)

    def replace(self, projection: str, *, position: int, schema: int) -> None:
        check_projection(projection, schema=schema)
        models.Checkpoint.objects.update_or_create(
            projection=projection,
            defaults={"position": position, "schema": schema, "waits_for": ""},
        )


def _checkpoint(row: models.Checkpoint) -> Checkpoint:
    return Checkpoint(
        row.position, row.schema, row.seen_at, row.blocked_by, row.received, row.waits_for
    )
