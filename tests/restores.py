"""Tables whose contents are put back to what they were, as a restore from a backup does it."""

from collections.abc import Callable, Sequence
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

from eventstore.infrastructure.triggers import drop_triggers
from eventstore.models import StorageEvent, StreamKey
from eventstore.wiring import ensure_triggers

LOG: Sequence[type[models.Model]] = (StorageEvent, StreamKey)


def everything() -> list[type[models.Model]]:
    """All tables of the apps that keep events or anything made of them."""
    return [
        model
        for app in ("eventstore", "candidates")
        for model in apps.get_app_config(app).get_models()
    ]


def backup(tables: Sequence[type[models.Model]] = LOG) -> Callable[[], None]:
    """Returns what brings these tables back to what they hold now."""
    names = [model._meta.db_table for model in tables]
    kept = {name: _rows(name) for name in names}

    def restore() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            drop_triggers(connection)
            for name in names:
                cursor.execute(f"DELETE FROM {name}")
                columns, rows = kept[name]
                _insert(cursor, name, columns, rows)
            if StorageEvent in tables:
                _number_behind_the_last(cursor)
        ensure_triggers(connection)

    return restore


def _rows(table: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        return [column[0] for column in cursor.description or ()], cursor.fetchall()


def _insert(cursor: Any, table: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    overriding = "OVERRIDING SYSTEM VALUE" if connection.vendor == "postgresql" else ""
    places = ", ".join(["%s"] * len(columns))
    cursor.executemany(
        f"INSERT INTO {table} ({', '.join(columns)}) {overriding} VALUES ({places})", rows
    )


def _number_behind_the_last(cursor: Any) -> None:
    table = StorageEvent._meta.db_table
    last = StorageEvent.objects.order_by("-position").values_list("position", flat=True).first()
    if connection.vendor == "postgresql":
        cursor.execute(f"ALTER TABLE {table} ALTER COLUMN position RESTART WITH {(last or 0) + 1}")
    else:
        cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [last or 0, table])
