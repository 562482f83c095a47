"""Pages by cursor: each row once, however many are added meanwhile."""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NamedTuple

from django.db.models import BooleanField, F, Func, Model, Value
from django.db.models.lookups import GreaterThan, LessThan, Lookup
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from eventstore.api.parameters import whole_number

_CURSOR = "[A-Za-z0-9_-]{1,200}"


class Ordering(NamedTuple):
    """What rows are ordered by: a column that is never NULL, and what parts those equal in it."""

    fields: tuple[str, ...]
    """Together unique. An index has them in this order."""
    read: Callable[[str], Any]
    """The first field's value, as a cursor has it. Raises ValueError for anything else."""


class _Cursor(NamedTuple):
    """The row beside which a page begins, and on which side of it."""

    ordering: str
    back: bool
    values: list[Any]


class _Row(Func):
    """Several columns or values as one, to be compared from the first on."""

    template = "(%(expressions)s)"
    output_field = BooleanField()


def position(text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text):
        raise ValueError(text)
    return int(text)


def number(text: str) -> float:
    """As `repr` writes one from -0.0 on, without infinity."""
    if not re.fullmatch(r"-0\.0|[0-9]{1,16}\.[0-9]{1,20}|[0-9](\.[0-9]{1,20})?e-?[0-9]{1,3}", text):
        raise ValueError(text)
    return float(text)


def instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.utcoffset() != timedelta(0):
        raise ValueError(text)
    return at


class StrictCursorPagination(BasePagination):
    """By values and not by numbers of rows, so that a deep page costs what the first one does.

    DRF's own counts rows where values are equal, and those may come and go; it clamps a size out
    of range, and answers a broken cursor with 404.
    """

    page_size = 50
    max_page_size = 200
    orderings: ClassVar[Mapping[str, Ordering]]
    """By name. With a `-` before the name the largest come first."""

    def ordering_of(self, request: Request) -> str:
        """What is asked for, with its `-`. Raises ValidationError."""
        raise NotImplementedError

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        size = self._size(request)
        self._url = request.build_absolute_uri()
        self._name = self.ordering_of(request)
        self._ordering = self.orderings[self._name.removeprefix("-")]
        cursor = self._cursor(request)
        back = cursor is not None and cursor.back
        falling = self._name.startswith("-") != back
        if cursor is not None:
            fields = self._ordering.fields
            queryset = queryset.filter(_beyond(queryset.model, fields, cursor.values, falling))
        sign = "-" if falling else ""
        ordered = queryset.order_by(*[sign + field for field in self._ordering.fields])
        rows = list(ordered[: size + 1])
        more, rows = len(rows) > size, rows[:size]
        if back:
            rows.reverse()
        # Whence the cursor came there is a row, but for one that has left the list since.
        self._next = self._link(rows, back=False) if more or back else None
        self._previous = self._link(rows, back=True) if (more if back else cursor) else None
        return rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"next": self._next, "previous": self._previous, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        # With an example, of which drf-spectacular makes that of the page.
        link = {"type": ["string", "null"], "format": "uri", "example": None}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        limits = {"minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [
            parameter(
                "cursor", {"type": "string", "pattern": f"^{_CURSOR}$"}, "Of a page: see `next`."
            ),
            parameter("page_size", {"type": "integer", **limits}, "Results of one page at most."),
        ]

    def _size(self, request: Request) -> int:
        given = request.query_params.get("page_size", str(self.page_size))
        return whole_number("page_size", given, minimum=1, maximum=self.max_page_size)

    def _link(self, rows: list[Any], *, back: bool) -> str | None:
        if not rows:
            return None
        row = rows[0] if back else rows[-1]
        values = [_written(getattr(row, field)) for field in self._ordering.fields]
        text = "|".join([self._name, "back" if back else "on", *values])
        cursor = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
        return replace_query_param(self._url, "cursor", cursor)

    def _cursor(self, request: Request) -> _Cursor | None:
        given = request.query_params.get("cursor")
        if given is None:
            return None
        try:
            cursor = self._decoded(given)
        except ValueError:
            raise _invalid("It is not a cursor of this list; start again without one.") from None
        if cursor.ordering != self._name:
            raise _invalid("It is a cursor of another ordering; start again without one.")
        return cursor

    def _decoded(self, given: str) -> _Cursor:
        """Raises ValueError."""
        if not re.fullmatch(_CURSOR, given):
            raise ValueError(given)
        text = base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)).decode()
        name, direction, *values = text.split("|")
        ordering = self.orderings.get(name.removeprefix("-"))
        if ordering is None or direction not in ("on", "back"):
            raise ValueError(text)
        first, *others = values
        read = [ordering.read(first), *map(position, others)]
        if len(read) != len(ordering.fields):
            raise ValueError(text)
        return _Cursor(name, direction == "back", read)


def _beyond(
    model: type[Model], fields: tuple[str, ...], values: list[Any], falling: bool
) -> "Lookup[Any]":
    """As one comparison of rows, which both databases answer from an index of these fields."""
    compared: type[Lookup[Any]] = LessThan if falling else GreaterThan
    columns = {field.attname: field for field in model._meta.concrete_fields}
    given = [Value(value, columns[field]) for field, value in zip(fields, values, strict=True)]
    if len(fields) == 1:
        return compared(F(fields[0]), given[0])
    return compared(_Row(*fields), _Row(*given))


def _written(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else repr(value)


def parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    described = {"name": name, "in": "query", "required": False, "description": description}
    return {**described, "schema": schema}


def _invalid(detail: str) -> ValidationError:
    return ValidationError({"cursor": [detail]}, code="invalid_cursor")
