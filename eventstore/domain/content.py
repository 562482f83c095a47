"""What an event may hold, checked before any row is written and the same on every database."""

import math
import unicodedata
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal

from eventstore.domain.exceptions import InvalidValue

MAX_DEPTH = 32
"""Levels of nested objects and lists, the outermost counted."""
MAX_BYTES = 256 * 1024
"""Of canonical JSON for one event or its metadata."""
MAX_INTEGER_BITS = 1024
STREAM_TYPE_LENGTH = 100
EVENT_TYPE_LENGTH = 200
PROJECTION_LENGTH = 100
"""Characters, not bytes: PostgreSQL's columns count so, and SQLite's do not count at all."""
LARGEST_SCHEMA = 2**15 - 1
"""Limit for events, snapshots and projections: the column is a smallint on PostgreSQL."""
_MINUTE = timedelta(minutes=1)


def check_content(value: object, *, depth: int = MAX_DEPTH) -> None:
    """Refuse what JSON, UTF-8 or one of the databases could not give back unchanged.

    Raises InvalidValue with a pointer relative to `value`.
    """
    match value:
        case None | bool():
            return
        case str():
            _check_text(value)
        case float():
            if not math.isfinite(value):
                raise _invalid("not_finite", "NaN and infinity are not numbers here.")
        case int():
            if value.bit_length() > MAX_INTEGER_BITS:
                raise _invalid("too_large", f"More than {MAX_INTEGER_BITS} bits.")
        case Mapping():
            _check_depth(depth)
            for key, item in value.items():
                try:
                    if not isinstance(key, str):
                        raise _invalid("not_json", "The keys of an object are text.")
                    _check_text(key)
                    check_content(item, depth=depth - 1)
                except InvalidValue as error:
                    raise error.under(str(key)) from None
        case Sequence() | Set() if not isinstance(value, (bytes, bytearray)):
            _check_depth(depth)
            for index, item in enumerate(value):
                try:
                    check_content(item, depth=depth - 1)
                except InvalidValue as error:
                    raise error.under(str(index)) from None
        case Decimal():
            if not value.is_finite():
                raise _invalid("not_finite", "NaN and infinity are not numbers here.")
        case datetime() | time():
            if value.tzinfo is None:
                raise _invalid("naive_time", "A time needs its offset from UTC.")
            if (value.utcoffset() or _MINUTE) % _MINUTE:
                raise _invalid("offset_not_kept", "An offset from UTC is in whole minutes.")
        case _ if is_dataclass(value):
            _check_depth(depth)
            for field in fields(value):
                try:
                    check_content(getattr(value, field.name), depth=depth - 1)
                except InvalidValue as error:
                    raise error.under(field.name) from None


def check_name(name: str, *, longest: int) -> None:
    """A name that a column keeps and a message can say: 1 to `longest` characters.

    Neither control characters nor halves of surrogate pairs are among them. Raises InvalidValue.
    """
    _check_text(name)
    if not name:
        raise _invalid("blank", "A name has at least one character.")
    if len(name) > longest:
        raise _invalid("too_long", f"{len(name)} characters; a name has at most {longest}.")
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise _invalid("invalid", "A name has no control characters.")


def check_schema(schema: int) -> None:
    """A number of a schema, from 1 on. Raises InvalidValue."""
    if not 1 <= schema <= LARGEST_SCHEMA:
        raise _invalid("out_of_range", f"A schema's number is from 1 to {LARGEST_SCHEMA}.")


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise _invalid("nul_character", "Text may not contain the character U+0000.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _invalid("lone_surrogate", "Half of a surrogate pair is not text.") from None


def _check_depth(depth: int) -> None:
    if depth <= 0:
        raise _invalid("too_deep", "Nested too deeply.")


def _invalid(rule: str, detail: str) -> InvalidValue:
    return InvalidValue(pointer="", rule=rule, detail=detail)
