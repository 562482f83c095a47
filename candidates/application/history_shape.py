"""Format, delimiter and encoding of the file with another system's log."""

import codecs
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from candidates.application.history_map_json import InvalidMap, text_at


class FileFormat(StrEnum):
    CSV = "csv"
    JSON_LINES = "jsonl"
    XES = "xes"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileShape:
    """How the file is written, whether it is packed or not."""

    KEYS: ClassVar[frozenset[str]] = frozenset({"format", "delimiter", "encoding"})
    format: FileFormat = FileFormat.CSV
    delimiter: str = ","
    encoding: str | None = None
    """Python's name of it; None: UTF-8. XES says its own."""

    @classmethod
    def parse(cls, plain: Mapping[str, Any]) -> "FileShape":
        """Reads `format`, `delimiter` and `encoding`. Raises InvalidMap."""
        named = plain.get("format", FileFormat.CSV)
        if named not in tuple(FileFormat):
            raise InvalidMap(f"format is one of {', '.join(FileFormat)}.")
        file_format = FileFormat(named)
        if "delimiter" in plain and file_format is not FileFormat.CSV:
            raise InvalidMap(f"delimiter means nothing for {file_format}.")
        if "encoding" in plain and file_format is FileFormat.XES:
            raise InvalidMap("encoding means nothing for xes: the file says its own.")
        return cls(
            format=file_format,
            delimiter=_delimiter(text_at(plain, "delimiter")) if "delimiter" in plain else ",",
            encoding=_encoding(text_at(plain, "encoding")) if "encoding" in plain else None,
        )


def _delimiter(text: str) -> str:
    if len(text) != 1 or text in '\r\n"' or "\ud800" <= text <= "\udfff":
        raise InvalidMap("delimiter is not one character, such as ; or \\t.")
    return text


def _encoding(name: str) -> str:
    sample = "a,b\n"
    try:
        known = codecs.getincrementaldecoder(name)().decode(sample.encode(name), True) == sample
    # UnicodeError and an embedded NUL are ValueErrors.
    except (LookupError, ValueError):
        known = False
    if not known:
        raise InvalidMap("encoding is not one that Python knows, such as cp1252 or utf-16.")
    return name
