"""How the OpenAPI document describes the headers that every command and read has in common."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

ID = OpenApiParameter("id", OpenApiTypes.UUID, OpenApiParameter.PATH)
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="1 to 255 printable ASCII characters. The same key and body again is answered "
    "as the first time and carried out once; the same key with another body is 422.",
)
ON_BEHALF_OF = OpenApiParameter(
    "On-Behalf-Of",
    str,
    OpenApiParameter.HEADER,
    description="Who asked for this, in 1 to 150 printable ASCII characters. Kept beside the "
    "user of the token, who needs a permission for it.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The ETag of the read that the decision rests on. 412 if it is stale.",
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
