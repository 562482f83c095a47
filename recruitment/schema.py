"""Describes in the OpenAPI document what every operation has in common."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter

from candidates.api.serializers import PROFILE_PATCH
from eventstore.api.openapi import add_event_types, tell_apart
from recruitment import problems
from recruitment.problems import PROBLEMS
from recruitment.request_id import HEADER, PATTERN

_EVERY = {
    "BadRequest",
    "Unauthorized",
    "Forbidden",
    "NotAcceptable",
    "BodyTooLarge",
    "Throttled",
    "InternalError",
    "Unavailable",
}
_WITH_BODY = {"RuleRefused", "LengthRequired", "UnsupportedMediaType", "KeyReused", "ReadOnly"}
_WITH_VERSION = {"StaleVersion", "VersionRequired"}
_REQUEST_ID = OpenApiParameter(
    HEADER,
    str,
    OpenApiParameter.HEADER,
    description="Your name for this request, which the answer, the server's log and the metadata "
    f"of its events repeat: `{PATTERN}`. Another, or none, is replaced by one made here.",
)
_ANSWERED_ID = {
    "schema": {"type": "string", "pattern": f"^{PATTERN}$"},
    "description": "The request's, or the name that was made for it.",
}
_ID_OF_EVERY_ANSWER = {HEADER: {"$ref": f"#/components/headers/{HEADER}"}}


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
        for response in operation["responses"].values():
            response.setdefault("headers", {}).update(_ID_OF_EVERY_ANSWER)
        for name in sorted(self._problems(operation), key=lambda name: PROBLEMS[name].status):
            reference = {"$ref": f"#/components/responses/{name}"}
            operation["responses"][str(PROBLEMS[name].status)] = reference
        return operation

    def _problems(self, operation: dict[str, Any]) -> Iterator[str]:
        parameters = _parameters(operation)
        names_candidates = getattr(self.view, "names_candidates", False)
        yield from _EVERY
        if "{id}" in self.path or names_candidates:
            if "as_of" in parameters:
                yield "NotFoundThen"
            else:
                yield "NoHistory" if self.method == "GET" else "NotFound"
        if self.method in ("POST", "PATCH"):
            yield from _WITH_BODY
        if self.method == "GET":
            # A read without a tag of its own looks at If-Match too.
            yield "PreconditionFailed"
        elif "If-Match" in parameters or names_candidates:
            yield from _WITH_VERSION
        if self.method == "GET" and ("{id}" in self.path or "after" in parameters):
            yield "Unreadable"
        if "after" in parameters:
            yield from ("NotHere", "CursorBeyondLog")
        if "changed_after" in parameters:
            yield "CursorBeyondLog"


def share(result: Any, generator: Any, request: Any, public: bool) -> Any:
    """drf-spectacular's hook for the finished document.

    Adds what the operations refer to, and leads from who was added or read to what may be read of
    the same stream, or decided on that version.
    """
    components = result["components"]
    schemas, responses = problems.components(_ID_OF_EVERY_ANSWER)
    components["schemas"]["ProfilePatch"] = PROFILE_PATCH
    components["headers"] = {HEADER: _ANSWERED_ID}
    components["responses"] = responses
    components["schemas"] = _complete({**components["schemas"], **schemas})
    components["links"] = {
        operation["operationId"]: _link(operation, components["schemas"], reads=method == "get")
        for path, operations in result["paths"].items()
        for method, operation in operations.items()
        if "{id}" in path
    }
    leads_on = {name: {"$ref": f"#/components/links/{name}"} for name in components["links"]}
    choices = {
        frozenset(schema["enum"]): f"#/components/schemas/{name}"
        for name, schema in components["schemas"].items()
        if "enum" in schema
    }
    for operations in result["paths"].values():
        for method, operation in operations.items():
            for parameter in operation["parameters"]:
                if reference := choices.get(frozenset(parameter["schema"].get("enum", ()))):
                    parameter["schema"] = {"$ref": reference}
            decides = method != "get" and "If-Match" in _parameters(operation)
            for status, response in operation["responses"].items():
                if status < "300" and "ETag" in response["headers"] and not decides:
                    response["links"] = leads_on
    return result


def _complete(schemas: dict[str, Any]) -> dict[str, Any]:
    """With the types of events, each with its data, and the choices that a field alone has."""
    reasons = schemas["RejectionReason"]
    # This is one enum: from a choice between an enum and an empty text, generators make two
    # types, and not all of them can combine these.
    schemas["RejectionReasonOrEmpty"] = {
        **reasons,
        "enum": [*reasons["enum"], ""],
        "description": "Empty where no rejection stands.",
    }
    data = add_event_types(schemas)
    tell_apart(schemas, "HistoryEvent", by="event_type", data=data, holding=lambda event: event)
    content = schemas.pop("EventContent")
    tell_apart(
        schemas,
        "CloudEvent",
        by="type",
        data=data,
        holding=lambda event: {
            **content,
            "properties": {**content["properties"], "event": event},
        },
    )
    return dict(sorted(schemas.items()))


def _link(operation: dict[str, Any], schemas: dict[str, Any], *, reads: bool) -> dict[str, Any]:
    link: dict[str, Any] = {
        "operationId": operation["operationId"],
        "parameters": {"path.id": "$response.body#/id"},
    }
    if not reads and "If-Match" in _parameters(operation):
        # Without a body: it would be an object, and OpenAPI Generator reads nothing but text here.
        link["description"] = "Decided on the version that was answered with."
        link["parameters"]["header.If-Match"] = "$response.header.ETag"
        body = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        if "version" in schemas[body.rpartition("/")[2]].get("properties", {}):
            link["description"] += " The body names that too: `version`, as it was answered."
    return link


def _parameters(operation: dict[str, Any]) -> set[str]:
    return {parameter["name"] for parameter in operation["parameters"]}
