"""Sets the headers for caches, proxies and clients in one place, for every path."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers
from rest_framework.exceptions import ValidationError

from eventstore.api.entity_tags import ANY
from eventstore.api.requests import if_match
from recruitment import errors

VARIES_BY = ("Authorization", "Accept", "Cookie")
"""Request headers that change an answer of the API: token, media type and session."""
_BODILESS = (204, 304)


def state_caching(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware. What says nothing else is for its reader alone, and kept by nobody.

    An answer with a tag may be kept by its reader, who asks each time whether it is still good.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        reading = request.method in ("GET", "HEAD")
        if errors.in_api(request):
            if reading and response.status_code == 200 and "ETag" not in response:
                response = _if_matched(request, response)
            patch_vary_headers(response, VARIES_BY)
        if "Cache-Control" not in response:
            kept = reading and "ETag" in response
            response["Cache-Control"] = f"private, {'no-cache' if kept else 'no-store'}"
        if response.status_code == 503 and "Retry-After" not in response:
            response["Retry-After"] = str(errors.RETRY_AFTER)
        if response.status_code in _BODILESS:
            # Else it would be the length of what was not sent.
            for name in ("Content-Length", "Content-Type"):
                del response[name]
        elif request.method == "HEAD" and isinstance(response, HttpResponse):
            # The length stays that of a GET.
            response.setdefault("Content-Length", str(len(response.content)))
            response.content = b""
        return response

    return middleware


def _if_matched(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Answers 412 if If-Match lists tags, because a response without a tag matches none.

    Views whose responses have a tag compare it themselves.
    """
    try:
        matched = if_match(request) == [ANY]
    except ValidationError as error:
        return errors.invalid(error)
    return response if matched else errors.precondition_failed()
