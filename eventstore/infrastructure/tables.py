"""Rows of a read model as tuples for the driver, past the model's instances."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.application.folding import FoldedStream

# Their values go to the driver as they are, as long as the class does not say otherwise.
_PLAIN = (
    models.CharField,
    models.TextField,
    models.UUIDField,
    models.IntegerField,
    models.BigIntegerField,
    models.SmallIntegerField,
    models.PositiveIntegerField,
    models.PositiveSmallIntegerField,
    models.PositiveBigIntegerField,
    models.FloatField,
    models.BooleanField,
    models.DateField,
    models.DateTimeField,
)


class ProjectionTable:
    """A model that a projection feeds, as `rows.py` describes it."""

    def __init__(self, model: type[models.Model], connection: BaseDatabaseWrapper) -> None:
        self.model = model
        self.name = model._meta.db_table
        fields = {field.attname: field for field in model._meta.concrete_fields}
        key = model._meta.pk_fields
        self.lists = len(key) > 1
        self.stream = key[0]
        self.shown = fields["shown_version" if self.lists else "version"]
        first = [self.stream, fields["version"], *([self.shown] if self.lists else [])]
        rest = [field for field in fields.values() if field not in first]
        self.fields = [*first, *rest]
        self.columns = [field.column for field in self.fields]
        self._defaults = {field.attname: field.get_default() for field in rest}
        self._picked = _picker([field.attname for field in rest])
        self._converters = [
            (number, convert)
            for number, field in enumerate(self.fields)
            if field in rest and (convert := _converter(field, connection)) is not None
        ]
        self._id_of: Callable[[UUID], object] = (
            _identity if connection.features.has_native_uuid_field else _hexadecimal
        )

    def rows(self, stream_id: UUID, stream: FoldedStream) -> Iterator[list[Any]]:
        """In the order of `columns`. Raises ValueError for a column that the model lacks."""
        id = self._id_of(stream_id)
        newest = stream.rows[-1][0] if stream.rows else 0
        defaults, picked = self._defaults, self._picked
        for opened, columns in stream.rows:
            if len(columns) != len(defaults):
                columns = {**defaults, **columns}
            if len(columns) != len(defaults) or (values := picked(columns)) is None:
                unknown = sorted(columns.keys() - defaults.keys())
                raise ValueError(f"{self.name} has no {unknown[0]}.")
            if self.lists:
                row = [id, opened, stream.version if opened == newest else None, *values]
            else:
                row = [id, stream.version, *values]
            for number, convert in self._converters:
                row[number] = convert(row[number])
            yield row


def _picker(names: list[str]) -> Callable[[dict[str, Any]], tuple[Any, ...] | None]:
    """These values, in this order; None where one is missing."""
    # It gives a tuple of two or more only.
    pick = itemgetter(*names) if len(names) > 1 else lambda values: (values[names[0]],)

    def picked(values: dict[str, Any]) -> tuple[Any, ...] | None:
        try:
            return pick(values)
        except KeyError:
            return None

    return picked


def _identity(stream_id: UUID) -> object:
    return stream_id


def _hexadecimal(stream_id: UUID) -> object:
    return stream_id.hex


def _converter(
    field: "models.Field[Any, Any]", connection: BaseDatabaseWrapper
) -> Callable[[Any], Any] | None:
    """What Django does to a value on its way to the driver; None where that is nothing."""
    if type(field) in _PLAIN:
        if connection.vendor == "postgresql":
            return None
        if isinstance(field, models.DateTimeField):
            return _instant_as_text
        if isinstance(field, models.DateField):
            return _date_as_text
        if not isinstance(field, models.UUIDField):
            return None
    if type(field).get_db_prep_value is models.Field.get_db_prep_value:
        return field.get_prep_value
    return partial(field.get_db_prep_save, connection=connection)


@lru_cache(maxsize=256)
def _instant_as_text(value: datetime | None) -> str | None:
    """Without its zone, in UTC. A candidate's columns share few times."""
    if value is None:
        return None
    in_utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return in_utc.isoformat(" ").removesuffix("+00:00")


def _date_as_text(value: date | None) -> str | None:
    return None if value is None else str(value)
