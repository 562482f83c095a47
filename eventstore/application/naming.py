"""Checks the names of topics, groups and projections, and cuts error texts of brokers."""

import re

from eventstore.domain.content import (
    EVENT_TYPE_LENGTH,
    PROJECTION_LENGTH,
    check_name,
    check_schema,
)
from eventstore.domain.exceptions import InvalidValue

LONGEST = 80
LONGEST_OBSTACLE = 500
LONGEST_PAUSED = 100
"""Characters of a projection's name, or of a group's with the word before it."""


def checked_name(name: str) -> str:
    """Raises ValueError, which says what is allowed."""
    if not re.fullmatch("[a-zA-Z0-9_-]+([.][a-zA-Z0-9_-]+)*", name) or len(name) > LONGEST:
        raise ValueError(
            f"{name!r} is no name on a broker: that is up to {LONGEST} letters, digits, - and _, "
            "and single dots between them."
        )
    return name


def check_projection(name: str, *, schema: int | None = None) -> None:
    """Raises InvalidValue for a name, or a schema, that no column keeps."""
    try:
        check_name(name, longest=PROJECTION_LENGTH)
    except InvalidValue as error:
        raise error.under("projection") from None
    try:
        check_schema(1 if schema is None else schema)
    except InvalidValue as error:
        raise error.under("schema") from None


def check_parked(projection: str, event_type: str) -> None:
    """As `check_projection`. The event's type is empty where nobody knows it."""
    check_projection(projection)
    try:
        if event_type:
            check_name(event_type, longest=EVENT_TYPE_LENGTH)
    except InvalidValue as error:
        raise error.under("event_type") from None


def obstacle_of(text: str) -> str:
    """Returns a foreign error text in a form that every database stores, cut if it is too long."""
    kept = text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
    return kept[:LONGEST_OBSTACLE]
