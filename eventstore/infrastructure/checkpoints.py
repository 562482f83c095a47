"""Checkpoints in the project's database, one row a projection."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import BigIntegerField, Case, F, Field, UUIDField, Value, When

from eventstore import models
from eventstore.application.naming import check_projection, obstacle_of
from eventstore.application.ports import Checkpoint
from eventstore.domain.events import Cursor
from eventstore.infrastructure.log import as_bytes


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

    def move(
        self,
        projection: str,
        *,
        expected: int,
        position: Cursor | int,
        epoch: int | None = None,
    ) -> bool:
        rows = models.Checkpoint.objects.filter(pk=projection, position=expected)
        if epoch is not None:
            rows = rows.filter(epoch=epoch)
        return bool(rows.update(**Cursor.of(position)._asdict(), waits_for=""))

    def wait(self, projection: str, *, at: int, what: str) -> None:
        rows = models.Checkpoint.objects.filter(pk=projection, position=at)
        rows.update(waits_for=obstacle_of(what))

    def seen(self, projection: str) -> None:
        models.Checkpoint.objects.filter(pk=projection).update(seen_at=self._clock())

    def block(self, projection: str, obstacle: str) -> None:
        rows = models.Checkpoint.objects.filter(pk=projection)
        rows.update(blocked_by=obstacle_of(obstacle))

    def advance(self, projection: str, cursor: Cursor) -> None:
        rows = models.Checkpoint.objects.filter(pk=projection, position__lt=cursor.position)
        rows.update(**cursor._asdict())

    def begin(self, projection: str, *, epoch: int) -> bool:
        rows = models.Checkpoint.objects.filter(pk=projection, epoch__lt=epoch)
        return bool(
            rows.update(
                position=0, hash=None, epoch=epoch, received=0, received_as=None, forked=False
            )
        )

    def fork(self, projection: str) -> None:
        models.Checkpoint.objects.filter(pk=projection).update(forked=True)

    def received(
        self, projection: str, position: int, known_as: UUID | None, *, epoch: int
    ) -> bool:
        # Written in any case: the row's lock keeps others from beginning anew beside this.
        rows = models.Checkpoint.objects.filter(pk=projection, epoch=epoch)
        newer: list[tuple[str, Field[Any, Any], object]] = [
            ("received", BigIntegerField(), position),
            ("received_as", UUIDField(), known_as),
        ]
        return bool(
            rows.update(
                **{
                    name: Case(
                        When(received__lt=position, then=Value(value)),
                        default=F(name),
                        output_field=field,
                    )
                    for name, field, value in newer
                }
            )
        )

    def replace(self, projection: str, *, position: Cursor | int, schema: int) -> None:
        check_projection(projection, schema=schema)
        models.Checkpoint.objects.update_or_create(
            projection=projection,
            defaults={**Cursor.of(position)._asdict(), "schema": schema, "waits_for": ""},
        )


def _checkpoint(row: models.Checkpoint) -> Checkpoint:
    return Checkpoint(
        row.position,
        row.schema,
        row.seen_at,
        row.blocked_by,
        row.received,
        row.waits_for,
        as_bytes(row.hash),
        row.epoch,
        row.received_as,
        row.forked,
    )
