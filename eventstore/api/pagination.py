"""Pages by cursor: each row once, however many are added meanwhile."""

import re
from typing import Any

from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

from eventstore.api.parameters import whole_number


class StrictCursorPagination(CursorPagination):
    """DRF clamps a size out of range and answers a broken cursor with 404; both are 400 here."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def get_page_size(self, request: Request) -> int:
        given = request.query_params.get("page_size")
        if given is None:
            return self.page_size
        return whole_number("page_size", given, minimum=1, maximum=self.max_page_size)

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            cursor: Cursor | None = super().decode_cursor(request)
        except NotFound:
            raise _invalid_cursor() from None
        # DRF reads nonsense as the first page, so that a client would see its rows again.
        if cursor is not None and not re.fullmatch("[0-9]{1,18}", str(cursor.position)):
            raise _invalid_cursor()
        return cursor

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """DRF's is of OpenAPI 3.0."""
        # With an example, of which drf-spectacular makes that of the page.
        link = {"type": ["string", "null"], "format": "uri", "example": None}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        cursor, size = super().get_schema_operation_parameters(view)
        limits = {"minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [
            {**cursor, "schema": {"type": "string", "minLength": 1}},
            {**size, "schema": {"type": "integer", **limits}},
        ]


def _invalid_cursor() -> ValidationError:
    detail = "It is not a cursor of this list; start again without one."
    return ValidationError({"cursor": [detail]}, code="invalid_cursor")
