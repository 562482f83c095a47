"""Where a reader of the feed stands, as `next` says it: opaque to the reader."""

import re

from eventstore import wiring
from eventstore.api.parameters import LAST_POSITION, whole_number
from eventstore.domain.events import Cursor
from eventstore.domain.exceptions import BarePosition

SCHEMA = {
    "type": "string",
    "pattern": r"^(0|[1-9][0-9]{0,17})(\.[1-9][0-9]{0,9}\.[0-9a-f]{64})?$",
    "default": "0",
}
_CURSOR = re.compile(r"(0|[1-9][0-9]{0,18})\.[1-9][0-9]{0,9}\.([0-9a-f]{64})")


def read(text: str, *, epoch: int) -> Cursor:
    """Raises ValidationError, and BarePosition where the log was restored since its first epoch."""
    if (match := _CURSOR.fullmatch(text)) and int(match[1]) <= LAST_POSITION:
        return Cursor(int(match[1]), bytes.fromhex(match[2]))
    position = whole_number("after", text, minimum=0, maximum=LAST_POSITION)
    if position and epoch > 1:
        raise BarePosition(after=position)
    return wiring.cursor_at(position)


def written(cursor: Cursor, *, epoch: int) -> str:
    """A position without an event is all that there is to say of it."""
    if cursor.hash is None:
        return str(cursor.position)
    return f"{cursor.position}.{epoch}.{cursor.hash.hex()}"
