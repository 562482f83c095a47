"""How the OpenAPI document describes the bodies and headers that calls have in common."""

import re
from collections.abc import Callable
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import ListField

from eventstore import wiring
from eventstore.api import requests

SCHEMAS = "#/components/schemas/"
EVENT_TYPE = {"$ref": f"{SCHEMAS}EventType"}
"""Every event type that is registered; `add_event_types` describes it."""

# Without examples: who tries a call out on the documentation page would send them.
ID = OpenApiParameter(
    "id",
    OpenApiTypes.UUID,
    OpenApiParameter.PATH,
    description="The candidate's, as adding it answered.",
)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": f"^{requests.KEY.pattern}$"},
    OpenApiParameter.HEADER,
    description="1 to 255 printable ASCII characters. The same key and body again is answered "
    "as the first time and carried out once; the same key with another body is 422.",
)
ON_BEHALF_OF = OpenApiParameter(
    "On-Behalf-Of",
    {"type": "string", "pattern": f"^{requests.NAME.pattern}$"},
    OpenApiParameter.HEADER,
    description="Who asked for this, in 1 to 150 printable ASCII characters. Kept beside the "
    "user of the token, who needs a permission for it.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description='The ETag of the read that the decision rests on, such as `"7-1"`, a list of them, '
    "or `*`. 412 if none of them is the newest version.",
)
IF_MATCH_READ = OpenApiParameter(
    "If-Match",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="ETags of earlier reads, or `*`: 412 once the candidate has another.",
)
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of an earlier read: 304 while nothing has changed.",
)
ETAG = OpenApiParameter(
    "ETag",
    str,
    OpenApiParameter.HEADER,
    response=[200, 201, 304],
    description="The version answered with, for If-Match and If-None-Match.",
)
LOCATION = OpenApiParameter(
    "Location",
    OpenApiTypes.URI,
    OpenApiParameter.HEADER,
    response=[200, 201],
    description="Where to read what was added, or is there.",
)
IDEMPOTENT_REPLAYED = OpenApiParameter(
    "Idempotent-Replayed",
    str,
    OpenApiParameter.HEADER,
    response=[200, 201],
    description="`true` where the key was used before, so that this is the first answer again.",
)
COMMAND = [IDEMPOTENCY_KEY, ON_BEHALF_OF, ETAG, IDEMPOTENT_REPLAYED]


def operation_of(command: type[Any]) -> str:
    """The operation's id, which is the command's name: `invite_candidate`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", command.__name__).lower()


def add_event_types(schemas: dict[str, Any]) -> dict[str, Any]:
    """Describes every event type and its data. Returns by type what refers to the data."""
    data, components = wiring.event_components(SCHEMAS)
    schemas["EventType"] = {"type": "string", "enum": list(data)}
    for name, schema in components.items():
        # A choice of the API's own fields lists its words in their order, and not sorted.
        schemas.setdefault(name, schema)
    return data


def tell_apart(
    schemas: dict[str, Any],
    name: str,
    *,
    by: str,
    data: dict[str, Any],
    holding: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """Puts one schema for each event type in the place of `name`.

    `by` is the property that says the type; `holding` makes, of what refers to an event's own
    data, the schema of the property `data`.
    """
    envelope = schemas.pop(name)
    del envelope["properties"]["data"]
    envelope["required"].remove("data")
    schemas[f"{name}Envelope"] = envelope
    mapping = {}
    for event_type, reference in data.items():
        variant = reference["$ref"].removeprefix(SCHEMAS) + name
        mapping[event_type] = SCHEMAS + variant
        schemas[variant] = {
            "allOf": [
                {"$ref": f"{SCHEMAS}{name}Envelope"},
                {
                    "type": "object",
                    "properties": {
                        by: {"type": "string", "enum": [event_type]},
                        "data": holding(reference),
                    },
                    "required": [by, "data"],
                },
            ]
        }
    schemas[name] = {
        "oneOf": [{"$ref": reference} for reference in mapping.values()],
        "discriminator": {"propertyName": by, "mapping": mapping},
    }


class StrictSerializerExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    target_class = "eventstore.api.fields.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        mapped = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        for name, field in self.target.fields.items():
            if isinstance(field, ListField) and not field.allow_empty:
                mapped["properties"][name]["minItems"] = 1
        return {**mapped, "additionalProperties": False}
