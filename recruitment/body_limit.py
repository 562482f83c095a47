"""Refuses a body by its stated length: before it is read, whoever sends it."""

from collections.abc import Callable

from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from eventstore.api.parsers import MAX_BODY_BYTES
from recruitment import errors


def limit_body(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware for the API. Forms would be read, and files kept, to look for a CSRF token.

    A body without a length, in chunks, is read by nobody: commands refuse it with 411.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not errors.in_api(request):
            return get_response(request)
        if not length.isdecimal():
            raise BadRequest("Content-Length is no number.")
        if int(length[:20]) > MAX_BODY_BYTES:
            return errors.body_too_large()
        return get_response(request)

    return middleware
