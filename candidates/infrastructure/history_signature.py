"""Tells from its first bytes that a file is not what the map says it is."""

import codecs
import re

from candidates.application.history_shape import FileFormat, FileShape

SIGNATURE_BYTES = 4096
_SPREADSHEET = "looks like a spreadsheet: save it as CSV"
_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _SPREADSHEET),
    (b"\x1f\x8b", "is packed with gzip more than once"),
    (b"BZh", "is packed with bzip2: unpack it, or pack it with gzip"),
    (b"\xfd7zXZ\x00", "is packed with xz: unpack it, or pack it with gzip"),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd: unpack it, or pack it with gzip"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7-Zip archive: unpack it"),
    (b"Rar!\x1a\x07", "is a RAR archive: unpack it"),
    (b"%PDF-", "is a PDF"),
    (b"{\\rtf", "is a text document (RTF)"),
    (b"SQLite format 3\x00", "is an SQLite database"),
    (b"PAR1", "is a Parquet file"),
)
_UTF_32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def foreign_kind(start: bytes, shape: FileShape) -> str | None:
    """Returns which other kind of file this is, to end a sentence; None if it may be right.

    `start` is its first SIGNATURE_BYTES, unpacked.
    """
    if start.startswith(b"PK\x03\x04"):
        # Both kinds of office documents name what they are in their first entries.
        if re.search(rb"word/|opendocument\.text", start):
            return "is a text document"
        if re.search(rb"xl/|\[Content_Types\]\.xml|opendocument\.spreadsheet|_rels/", start):
            return _SPREADSHEET
        return "is a zip archive: unpack it"
    for signature, words in _STARTS:
        if start.startswith(signature):
            return words
    if start[257:262] == b"ustar":
        return "is a tar archive: unpack it"
    if shape.format is FileFormat.XES:
        return _not_xes(start)
    if shape.encoding is not None and (right := _marked_otherwise(start, shape.encoding)):
        return f'begins with the byte order mark of {right}: say "encoding": "{right}" in the map'
    if shape.encoding is None:
        if start.startswith(_UTF_32):
            return 'is UTF-32: say "encoding": "utf-32" in the map'
        if start.startswith(_UTF_16):
            return 'is UTF-16: say "encoding": "utf-16" in the map'
        if guess := _utf_16_without_mark(start):
            return f'looks like UTF-16: say "encoding": "{guess}" in the map'
        start = start.removeprefix(codecs.BOM_UTF8)
        text = start.lstrip()
        return _not_csv(text) if shape.format is FileFormat.CSV else _not_json_lines(text)
    return None


def _marked_otherwise(start: bytes, encoding: str) -> str | None:
    """The encoding whose mark the file has; None where it is the map's, or there is no mark."""
    # UTF-32 first: its mark begins with that of UTF-16.
    marks = (("utf-32", _UTF_32), ("utf-16", _UTF_16), ("utf-8", (codecs.BOM_UTF8,)))
    right = next((name for name, some in marks if start.startswith(some)), None)
    return None if codecs.lookup(encoding).name.removesuffix("-sig") == right else right


def _not_xes(start: bytes) -> str | None:
    text = start.removeprefix(codecs.BOM_UTF8).lstrip()
    if (
        not text
        or text.startswith((b"<", *_UTF_16))
        or b"\x00<" in text[:4]
        or text[1:2] == b"\x00"
    ):
        return None
    return 'is no XML, and so no XES: say its "format" in the map'


def _not_csv(text: bytes) -> str | None:
    if re.match(rb"\{\s*(\"|\}|$)|\[\s*[\[{]", text):
        return 'is JSON and no CSV: say "format": "jsonl" in the map, with an object on every line'
    if text.startswith(b"<"):
        if re.match(rb"<(!doctype html|html|table)", text, re.IGNORECASE):
            return "is a web page: save it as CSV"
        return 'is XML and no CSV: an XES needs "format": "xes" in the map'
    return None


def _not_json_lines(text: bytes) -> str | None:
    if text.startswith(b"["):
        return "is one JSON array: JSON Lines have an object on every line"
    if re.match(rb"\{\s*[\r\n]", text):
        return "has one JSON object on many lines: JSON Lines have an object on every line"
    if text.startswith(b"<"):
        return 'is XML: an XES needs "format": "xes" in the map'
    if text and not text.startswith(b"{"):
        return 'is no JSON Lines: its first line is no object; a CSV needs "format": "csv"'
    return None


def _utf_16_without_mark(start: bytes) -> str | None:
    """Every other byte of mostly Latin text is 0 in UTF-16."""
    even, odd = start[0::2], start[1::2]
    if len(start) < 8:
        return None
    if odd.count(0) > 0.8 * len(odd) and even.count(0) < 0.2 * len(even):
        return "utf-16-le"
    if even.count(0) > 0.8 * len(even) and odd.count(0) < 0.2 * len(odd):
        return "utf-16-be"
    return None
