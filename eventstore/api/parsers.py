"""Reads request bodies so that whatever is wrong with them is the client's error, and named."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import IO, Any, TypeAlias

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

from eventstore.domain.content import MAX_DEPTH, MAX_INTEGER_BITS
from eventstore.domain.exceptions import InvalidValue

MAX_BODY_BYTES = 1024 * 1024
DEEPEST = 500
"""Levels of lists and objects that are read. Python's own limit depends on its version: 3.12 and
later read thousands, on which what works through a body level by level would fail."""

_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"|[][{}]')


class BodyTooLarge(APIException):
    status_code = 413
    default_code = "body_too_large"
    default_detail = f"The body is larger than {MAX_BODY_BYTES} bytes."


class StrictJSONParser(BaseParser):
    """JSON in UTF-8, read no further than the limit.

    DRF reads all of the body for its own parser, lets Python's errors through to the client and
    takes the last of two equal keys. NaN and infinity pass here and are refused by the field that
    they stand in, by its name.
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        sent = stream.read(MAX_BODY_BYTES + 1)
        if len(sent) > MAX_BODY_BYTES:
            raise BodyTooLarge
        try:
            text = sent.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ParseError(f"The body is not UTF-8: see its byte {error.start}.") from None
        try:
            try:
                body = json.loads(text, parse_int=_integer, object_pairs_hook=_object)
                _limit_depth(body, text)
                return body
            except _Duplicate:
                # Anew and with the path, which takes too long for every body; what stands behind
                # the key may be no JSON.
                pairs = json.loads(text, parse_int=_integer, object_pairs_hook=_Pairs)
                _limit_depth(pairs, text)
                raise _duplicate_key(pairs) from None
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise ParseError(f"The body is not JSON: {error.msg}, {where}.") from None
        except RecursionError:
            raise _too_deep(text) from None


class MergePatchParser(StrictJSONParser):
    """JSON as RFC 7396 calls it where it is merged."""

    media_type = "application/merge-patch+json"


def _integer(digits: str) -> int:
    # Python refuses to read thousands of digits. A part of them is beyond every limit already,
    # so that the refusal names the field.
    return int(digits[:MAX_INTEGER_BITS])


class _Duplicate(Exception):
    """A key stands twice in some object."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Duplicate
    return found


class _Pairs(list[tuple[str, Any]]):
    """An object with all its keys."""


_Way: TypeAlias = "tuple[str, _Way] | None"


def _duplicate_key(body: Any) -> InvalidValue:
    """Names the first that there is, by its whole path, which an object does not know of itself."""
    error = InvalidValue(pointer="", rule="duplicate_key", detail="It stands twice in one object.")
    # Each with the way to it, from the innermost key: a whole path for each would be quadratic.
    waiting: list[tuple[_Way, Any]] = [(None, body)]
    while waiting:
        way, value = waiting.pop()
        is_object = isinstance(value, _Pairs)
        pairs = value if is_object else [(str(i), item) for i, item in enumerate(value)]
        seen = set[str]()
        for key, _ in pairs if is_object else ():
            if key in seen:
                way = (key, way)
                while way is not None:
                    error, way = error.under(way[0]), way[1]
                return error
            seen.add(key)
        waiting += [((key, way), item) for key, item in reversed(pairs) if isinstance(item, list)]
    raise AssertionError  # one of the objects has a key twice


def _limit_depth(body: Any, text: str) -> None:
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    level = [body]
    for _ in range(DEEPEST + 1):
        level = [one for one in level if isinstance(one, dict | list)]
        if not level:
            return
        level = [inner for one in level for inner in _inside(one)]
    raise _too_deep(text)


def _inside(value: dict[str, Any] | list[Any]) -> Iterable[Any]:
    match value:
        case dict():
            return value.values()
        case _Pairs():
            return (item for _, item in value)
    return value


def _too_deep(text: str) -> InvalidValue:
    """Names the outermost key under which too many levels stand, if the body is an object."""
    error = InvalidValue(pointer="", rule="too_deep", detail="Nested too deeply.")
    depth, key = 0, ""
    for found in _STRING_OR_BRACKET.finditer(text):
        part = found[0]
        if part in "[{":
            depth += 1
        elif part in "]}":
            depth -= 1
        elif depth == 1:
            key = part
        if depth > MAX_DEPTH:
            break
    is_object = text.lstrip().startswith("{")
    return error.under(json.loads(key)) if is_object else error
