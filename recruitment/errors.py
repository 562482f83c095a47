"""Every failure under /api/ becomes application/problem+json (RFC 9457), here and nowhere else."""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from http import HTTPStatus
from itertools import islice
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template.loader import render_to_string
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import APIException, ErrorDetail, ValidationError
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import exception_handler

from eventstore.api.parameters import MOST_NAMED
from eventstore.api.parsers import BodyTooLarge
from eventstore.api.requests import PreconditionFailed
from eventstore.domain.exceptions import (
    AggregateNotFound,
    CommandReused,
    DomainError,
    InvalidValue,
    KeyFault,
    LogNotHere,
    NotPermitted,
    ReadOnly,
    StaleVersion,
    UndecodableEvent,
)
from eventstore.infrastructure.outages import Outage, outage_of, reason_of
from recruitment.problem import title

logger = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
MOST_ERRORS = MOST_NAMED
"""Of one answer: a body full of mistakes is not answered with a longer one."""
RETRY_AFTER = 60
"""Seconds, where it takes a person to mend what is wrong."""
_TRANSLATED = (DomainError, KeyFault, UndecodableEvent)
_STATUS: Sequence[tuple[type[DomainError | KeyFault | UndecodableEvent], int]] = [
    (InvalidValue, 400),
    (NotPermitted, 403),
    (AggregateNotFound, 404),
    (LogNotHere, 404),
    (StaleVersion, 412),
    (CommandReused, 422),
    (ReadOnly, 503),
    (DomainError, 409),
    (KeyFault, 503),
    (UndecodableEvent, 503),
]


class ProblemRenderer(JSONRenderer):
    """Whatever the view renders else. ASCII holds even text that no encoding can."""

    media_type = CONTENT_TYPE
    ensure_ascii = True


class Refusal(APIException):
    """A domain error on its way through DRF, which rolls back what must be rolled back.

    So is an event that cannot be read, and a key that is not what the log needs: somebody has to
    mend that, and nothing is lost meanwhile.
    """

    def __init__(self, error: DomainError | KeyFault | UndecodableEvent) -> None:
        self.status_code = next(status for cls, status in _STATUS if isinstance(error, cls))
        super().__init__(detail=str(error), code=error.code)
        self.error = error
        # DRF makes Retry-After of it.
        self.wait = RETRY_AFTER if self.status_code == HTTPStatus.SERVICE_UNAVAILABLE else None


class Unavailable(APIException):
    """The database is away, full, busy or read-only: the same call may do later."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = Outage.AWAY.code

    def __init__(self, outage: Outage) -> None:
        super().__init__(detail=outage.text, code=outage.code)
        self.wait = outage.retry_after


def problem_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. None, for what is nobody's fault but ours, leads to a 500."""
    raised = error
    if isinstance(error, _TRANSLATED):
        raised = Refusal(error)
    elif outage := outage_of(error):
        raised = Unavailable(outage)
        logger.error("%s (%s)", outage.text, reason_of(error))
    if isinstance(error, (KeyFault, UndecodableEvent)):
        logger.error("%s", error)
    response = exception_handler(raised, context)
    if response is None:
        return None
    response.data = _body(raised, response)
    for name, value in getattr(error, "headers", {}).items():
        response[name] = value
    request = context["request"]
    request.accepted_renderer, request.accepted_media_type = ProblemRenderer(), CONTENT_TYPE
    return response


def _body(raised: Exception, response: Response) -> dict[str, Any]:
    status = response.status_code
    match raised:
        case Refusal(error=InvalidValue() as error):
            found = {"pointer": error.pointer, "detail": error.detail, "code": error.rule}
            return problem(status, code=error.code, detail=str(error), errors=[found])
        case Refusal(error=error):
            data = {field.name: getattr(error, field.name) for field in fields(error)}
            return problem(status, code=error.code, detail=str(error), **data)
        case ValidationError():
            return problem(status, **_listed(raised))
    # DRF's own exceptions, and Http404 and PermissionDenied of Django, which it has translated.
    detail: ErrorDetail = response.data["detail"]
    return problem(status, code=str(detail.code), detail=str(detail))


def _listed(error: ValidationError) -> dict[str, Any]:
    errors = list(islice(_flattened(error.detail), MOST_ERRORS))
    summary = "; ".join(f"{e['pointer'] or '/'}: {e['detail']}" for e in errors[:5])
    return {"code": "invalid", "detail": summary, "errors": errors}


def problem(status: int, *, code: str, detail: str, **members: Any) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": title(status),
        "status": status,
        "code": code,
        "detail": detail,
        **members,
    }


def _flattened(details: Any, pointer: str = "") -> Iterator[dict[str, str]]:
    match details:
        case Mapping():
            for key, value in details.items():
                step = InvalidValue(pointer="", rule="", detail="").under(str(key)).pointer
                yield from _flattened(value, pointer if key == "" else pointer + step)
        case list() | tuple():
            for index, value in enumerate(details):
                # Of a list of objects each may have errors; any other list is of messages.
                step = f"/{index}" if isinstance(value, Mapping) else ""
                yield from _flattened(value, pointer + step)
        case _:
            code = getattr(details, "code", "invalid")
            yield {"pointer": pointer, "detail": str(details), "code": code}


@csrf_exempt
def no_such_path(request: HttpRequest) -> HttpResponse:
    hint = "" if request.path.endswith("/") else " Paths end with a slash."
    return _response(404, code="not_found", detail=f"There is nothing at this path.{hint}")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not in_api(request):
        return defaults.bad_request(request, exception)
    return _response(400, code="bad_request", detail="The request cannot be read.")


def body_too_large() -> HttpResponse:
    return _response(413, code=BodyTooLarge.default_code, detail=BodyTooLarge.default_detail)


def invalid(error: ValidationError) -> HttpResponse:
    """Answers 400 for a middleware; `problem_handler` does it for the views."""
    return _response(400, **_listed(error))


def precondition_failed() -> HttpResponse:
    """Answers 412 to a read whose If-Match does not hold: see `PreconditionFailed`."""
    code, detail = PreconditionFailed.default_code, PreconditionFailed.default_detail
    return _response(412, code=code, detail=detail)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    return no_such_path(request) if in_api(request) else defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Called while the error is handled. Says 503 where the database is what fails."""
    error = sys.exception()
    if outage := outage_of(error) if error else None:
        return _unavailable(request, outage)
    if not in_api(request):
        return defaults.server_error(request)
    return _response(500, code="internal_error", detail="Something failed here; it was logged.")


def _unavailable(request: HttpRequest, outage: Outage) -> HttpResponse:
    status = HTTPStatus.SERVICE_UNAVAILABLE
    if in_api(request):
        response = _response(status, code=outage.code, detail=outage.text)
    else:
        # Without the request: who asks is not to be had from the database now.
        context = {"text": outage.text, "sent": request.method == "POST"}
        page = render_to_string("recruitment/unavailable.html", context)
        response = HttpResponse(page, status=status)
    response["Retry-After"] = str(outage.retry_after)
    return response


def in_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def _response(status: int, *, code: str, detail: str, **members: Any) -> HttpResponse:
    body = problem(status, code=code, detail=detail, **members)
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE)
