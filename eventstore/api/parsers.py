"""Reads request bodies so that whatever is wrong with them is the client's error, and named."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import JSONParser

MAX_BODY_BYTES = 1024 * 1024


class BodyTooLarge(APIException):
    status_code = 413
    default_code = "body_too_large"
    default_detail = f"The body is larger than {MAX_BODY_BYTES} bytes."


class BoundedJSONParser(JSONParser):
    """JSON in UTF-8, read no further than the limit."""

    # NaN and infinity pass here and are refused by the field that they stand in, by its name.
    strict = False

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        context = {**(parser_context or {}), "encoding": "utf-8"}
        try:
            return super().parse(_Bounded(stream), media_type, context)  # type: ignore[arg-type]
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None


class _Bounded:
    """As much of a file as the codec's reader asks for."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = MAX_BODY_BYTES + 1

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(chunk)
        if self._left == 0:
            raise BodyTooLarge
        return chunk
