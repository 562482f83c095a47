"""One line of the log for each request: what was asked for, by whom, and how that ended."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.encoding import escape_uri_path
from django.utils.functional import LazyObject, empty

logger = logging.getLogger(__name__)


def log_request(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware. `duration_ms` ends where the answer's body begins.

    `user_id` is None where nobody is known, and where nothing asked who it is.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        began = time.perf_counter()
        response = get_response(request)
        # One that stands encoded in the path comes out as it is.
        path = escape_uri_path(request.path.partition("?")[0])
        facts = {
            "method": request.method,
            "path": path,
            "status": response.status_code,
            "duration_ms": round((time.perf_counter() - began) * 1000, 1),
            "user_id": _user_id(request),
        }
        logger.info(
            "%(method)s %(path)s %(status)d in %(duration_ms).1f ms by user %(user_id)s",
            facts,
            extra=facts,
        )
        return response

    return middleware


def _user_id(request: HttpRequest) -> Any:
    user = getattr(request, "user", None)
    # Of a session nobody has asked about, so that this line costs no query.
    if isinstance(user, LazyObject) and user._wrapped is empty:
        return None
    return getattr(user, "pk", None)
