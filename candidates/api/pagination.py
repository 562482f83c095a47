"""In which order, and how much of it at once, candidates are listed."""

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from candidates.wiring import shown_end
from eventstore.api import pagination
from eventstore.api.pagination import Ordering, StrictCursorPagination

COUNTED = 1000
"""Candidates at most: a count has to read every row that it counts."""


class AddedOrder(StrictCursorPagination):
    """The newest first. The order of adding never changes, so no candidate moves between pages."""

    orderings = {"added": Ordering(("added_position",), pagination.position)}

    def ordering_of(self, request: Request) -> str:
        return "-added"


class CandidatePagination(StrictCursorPagination):
    orderings = {
        **AddedOrder.orderings,
        "added_at": Ordering(("added_at", "added_position"), pagination.instant),
        "changed": Ordering(("position",), pagination.position),
        "score": Ordering(("score", "added_position"), pagination.number),
    }
    names = [sign + name for name in orderings for sign in ("", "-")]

    def ordering_of(self, request: Request) -> str:
        """By default that of an index in which what the list is narrowed to stands together."""
        given = request.query_params
        if "ordering" in given:
            if given["ordering"] not in self.names:
                detail = f"It is one of {', '.join(self.names)}."
                raise ValidationError({"ordering": [detail]}, code="invalid_choice")
            return str(given["ordering"])
        if "changed_after" in given:
            return "changed"
        return "-added_at" if {"added_after", "added_before"} & given.keys() else "-added"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        # Not a candidate behind one that is still to come: who reads on from there would miss it.
        match self.ordering_of(request):
            case "added":
                queryset = queryset.filter(added_position__lte=shown_end())
            case "changed" if "changed_after" not in request.query_params:
                queryset = queryset.filter(position__lte=shown_end())
        self._count = None
        if _wants_count(request):
            # In the list's order, which SQLite finds the same index by.
            fields = self.orderings[self.ordering_of(request).removeprefix("-")].fields
            self._count = queryset.order_by(*fields)[: COUNTED + 1].count()
        return super().paginate_queryset(queryset, request, view)

    def get_paginated_response(self, data: Any) -> Response:
        response = super().get_paginated_response(data)
        if self._count is not None:
            response.data["count"] = min(self._count, COUNTED)
            response.data["count_is_capped"] = self._count > COUNTED
        return response

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        described = super().get_paginated_response_schema(schema)
        # Examples as in `next`.
        count = {"type": "integer", "maximum": COUNTED, "description": "Where it was asked for."}
        capped = {"type": "boolean", "description": "Whether there are more than counted."}
        described["properties"] |= {
            "count": {**count, "example": 1},
            "count_is_capped": {**capped, "example": False},
        }
        return described

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            *super().get_schema_operation_parameters(view),
            pagination.parameter(
                "ordering",
                {"type": "string", "enum": self.names},
                "With a `-` the largest first. By default `changed` where `changed_after` is "
                "given, `-added_at` where `added_after` or `added_before` is, else `-added`.",
            ),
            pagination.parameter(
                "count",
                {"type": "boolean", "default": False},
                f"Also count the whole list, up to {COUNTED}.",
            ),
        ]


def _wants_count(request: Request) -> bool:
    given = request.query_params.get("count", "false")
    if given not in ("true", "false"):
        raise ValidationError({"count": ["It is true or false."]}, code="invalid_choice")
    return given == "true"
