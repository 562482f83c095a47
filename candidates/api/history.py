"""Which part of a candidate's history a request asks for."""

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from eventstore.api.moments import MOST_VERSIONS
from eventstore.api.pagination import StrictCursorPagination
from eventstore.api.parameters import single_values, whole_number

_MOST, _USUAL = StrictCursorPagination.max_page_size, StrictCursorPagination.page_size
HISTORY_PAGE = [
    OpenApiParameter(
        "cursor",
        {"type": "integer", "minimum": 0, "maximum": MOST_VERSIONS - _MOST - 1, "default": 0},
        description="The version of the last event that you have.",
    ),
    OpenApiParameter(
        "page_size",
        {"type": "integer", "minimum": 1, "maximum": _MOST, "default": _USUAL},
        description="Events of one page at most.",
    ),
]


def history_page(request: Request) -> tuple[int, int]:
    """The version to go on behind, and how many events to show. Raises ValidationError."""
    given = single_values(request, ("cursor", "page_size"))
    size = whole_number("page_size", given.get("page_size", str(_USUAL)), minimum=1, maximum=_MOST)
    last = MOST_VERSIONS - _MOST - 1
    return whole_number("cursor", given.get("cursor", "0"), minimum=0, maximum=last), size
