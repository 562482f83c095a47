"""A name for each request: in the answer, in every line logged meanwhile, and in the events."""

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from uuid import uuid4

from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER = "X-Request-ID"
PATTERN = "[A-Za-z0-9._-]{1,64}"
_GOOD = re.compile(PATTERN)
NO_REQUEST = "-"
_current: ContextVar[str] = ContextVar("request_id", default=NO_REQUEST)


def name_request(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware that sets `request.request_id`.

    The client's own id, or a new one where there is none that will do: a proxy may write the
    header too, and no request fails for the form of its name.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        id = given if _GOOD.fullmatch(given) else uuid4().hex
        request.request_id = id  # type: ignore[attr-defined]
        before = _current.set(id)
        try:
            response = get_response(request)
        finally:
            _current.reset(before)
        response.headers[HEADER] = id
        return response

    return middleware


class RequestIdFilter(logging.Filter):
    """Gives each record a `request_id`: `-` for what belongs to no request."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Django logs an answer when every middleware is done with it, and names its request.
        request = getattr(record, "request", None)
        record.request_id = getattr(request, "request_id", _current.get())
        return True
