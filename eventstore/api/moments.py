"""Which earlier state a read asks for: one query parameter of three, or none for today's."""

from collections.abc import Collection, Mapping

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from eventstore.api.parameters import instant, single_values, whole_number
from eventstore.application.past import AsOf, AtVersion, KnownAt, Moment, PastTime

TIMES = ("as_of", "known_at")
MOMENTS = (*TIMES, "version")
MOST_VERSIONS = 2**31 - 1
PAST_TIMES = [
    OpenApiParameter(
        "as_of",
        OpenApiTypes.DATETIME,
        description="The state by what had happened at that time (business time).",
    ),
    OpenApiParameter(
        "known_at",
        OpenApiTypes.DATETIME,
        description="The state by what was written down at that time.",
    ),
]
"""For a read that asks `past_time_of`."""
PAST = [
    *PAST_TIMES,
    OpenApiParameter(
        "version",
        {"type": "integer", "minimum": 1, "maximum": MOST_VERSIONS},
        description="The state after that event of the history.",
    ),
]
"""For a read that asks `moment_of`."""


def moment_of(request: Request) -> Moment | None:
    """None where today's state is wanted.

    Raises ValidationError for other parameters, more than one, and values that will not do.
    """
    given = _at_most_one(request, MOMENTS)
    if "version" in given:
        text = given["version"]
        return AtVersion(whole_number("version", text, minimum=1, maximum=MOST_VERSIONS))
    return _time(given)


def past_time_of(request: Request) -> PastTime | None:
    """As `moment_of`, of a read that has no version."""
    return _time(_at_most_one(request, TIMES))


def _at_most_one(request: Request, names: Collection[str]) -> dict[str, str]:
    given = single_values(request, names)
    if len(given) > 1:
        detail = f"At most one of {', '.join(names)} can be given."
        raise ValidationError({name: [detail] for name in given}, code="more_than_one")
    return given


def _time(given: Mapping[str, str]) -> PastTime | None:
    match given:
        case {"as_of": text}:
            return AsOf(instant("as_of", text))
        case {"known_at": text}:
            return KnownAt(instant("known_at", text))
    return None
