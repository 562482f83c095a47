"""How the OpenAPI document describes the bodies and headers that calls have in common."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.serializers import ListField

from eventstore.api import requests

# Without examples: who tries a call out on the documentation page would send them.
ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)
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
    {"type": "string", "pattern": rf"^(?:\*|{requests.ETAG.pattern})$"},
    OpenApiParameter.HEADER,
    description='The ETag of the read that the decision rests on, such as `"7-1"`, or `*`. 412 if '
    "it is stale.",
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
    response=[201],
    description="Where to read what was added.",
)
IDEMPOTENT_REPLAYED = OpenApiParameter(
    "Idempotent-Replayed",
    str,
    OpenApiParameter.HEADER,
    response=[200, 201],
    description="`true` where the key was used before, so that this is the first answer again.",
)
COMMAND = [IDEMPOTENCY_KEY, ON_BEHALF_OF, ETAG, IDEMPOTENT_REPLAYED]


class StrictSerializerExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    target_class = "eventstore.api.fields.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        mapped = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        for name, field in self.target.fields.items():
            if isinstance(field, ListField) and not field.allow_empty:
                mapped["properties"][name]["minItems"] = 1
        return {**mapped, "additionalProperties": False}
