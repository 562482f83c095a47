"""Describes in the OpenAPI document what every operation has in common."""

from http import HTTPStatus
from typing import Any

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from recruitment.errors import CONTENT_TYPE, problem
from recruitment.request_id import HEADER, PATTERN

_EVERY = {
    400: "A field, parameter or header will not do: `errors` names it.",
    401: "There is no token, or none that is good.",
    403: "The user lacks the permission for this, or the token its scope: `code` names it.",
    406: "The answer is JSON, which the request does not accept.",
    413: "The body is too large.",
    429: "This user has called too often: Retry-After says in how many seconds to go on.",
}
_WITH_ID = {404: "Nothing is stored under this id."}
_WITH_MOMENT = {404: "Nothing is stored under this id, or nothing was by then."}
_WITH_BODY = {
    409: "A rule says no: `code` says which, further members hold the values it compared.",
    411: "The body came in chunks, without its length.",
    415: "The body is not JSON.",
    422: "The key was used before for a command with other content.",
    503: "This system takes no commands at the moment.",
}
_WITH_VERSION = {
    412: "The version is not the newest: the answer says who made that, and when.",
    428: "This server requires If-Match, or expected_version in a batch, and there is none.",
}
_WITH_CURSOR = {
    404: "This system is fed by another, which keeps the log.",
    409: "The log does not reach `after`: it is not the one that you have read.",
}
_EXAMPLES = {
    409: problem(
        409,
        code="score_below_threshold",
        detail="The score 60.0 is below the threshold 75.0.",
        score=60.0,
        threshold=75.0,
    ),
    412: problem(
        412,
        code="stale_version",
        detail="Version 1 was stated, but rita made it version 2 at 2026-03-01T12:00:00+00:00.",
        stream_id="0190a000-0000-7000-8000-000000000001",
        expected=1,
        current_version=2,
        projected_version=2,
        changed_by="rita",
        changed_at="2026-03-01T12:00:00Z",
    ),
}


_REQUEST_ID = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Your name for this request, which the answer, the server's log and the metadata "
    f"of its events repeat: `{PATTERN}`. Another, or none, is replaced by one made here.",
)
_ANSWERED_ID = {
    "schema": {"type": "string"},
    "description": "The request's, or the name that was made for it.",
}
_RETRY_AFTER = {"schema": {"type": "integer", "minimum": 1}, "description": "In seconds."}


class BearerScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]
    target_class = "recruitment.authentication.BearerAuthentication"
    name = "token"


class ProblemAutoSchema(AutoSchema):
    """Every operation says which problems it may answer with, and how it is called in the log."""

    def get_override_parameters(self) -> list[Any]:
        return [_REQUEST_ID]

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        problems = dict(_EVERY)
        parameters = {parameter["name"] for parameter in operation.get("parameters", ())}
        names_candidates = getattr(self.view, "names_candidates", False)
        if "{id}" in self.path or names_candidates:
            problems |= _WITH_MOMENT if "as_of" in parameters else _WITH_ID
        if self.method == "POST":
            problems |= _WITH_BODY
        if "If-Match" in parameters or names_candidates:
            problems |= _WITH_VERSION
        if "after" in parameters:
            problems |= _WITH_CURSOR
        for status, description in sorted(problems.items()):
            example = _EXAMPLES.get(status) if self.method == "POST" else None
            operation["responses"][str(status)] = _response(status, description, example)
        operation["responses"]["429"]["headers"] = {"Retry-After": _RETRY_AFTER}
        for response in operation["responses"].values():
            response.setdefault("headers", {})[HEADER] = _ANSWERED_ID
        return operation


def _response(status: int, description: str, example: Any) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if example:
        content["example"] = example
    return {
        "description": f"{HTTPStatus(status).phrase}. {description}",
        "content": {CONTENT_TYPE: content},
    }
