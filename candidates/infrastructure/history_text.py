"""Decodes the bytes of a log so that those that are no text show, whatever its encoding is."""

import codecs
import io
from collections.abc import Iterable
from typing import IO, cast

NOT_DECODED = (
    "Bytes of the row are no text in the encoding of the file: "
    "UTF-8, unless the map says another under `encoding`."
)
_ERRORS = "recruitment.lone_surrogates"
_STANDS_FOR_BYTES = "\udcff"


def text_of(file: IO[bytes], encoding: str | None) -> IO[str]:
    """The file as text with its own line ends; a byte order mark is no part of it.

    What cannot be decoded comes as lone surrogates. Unlike `surrogateescape` this works for UTF-16
    and for other encodings of several bytes, too.
    """
    name = "utf-8-sig" if encoding is None or _is_utf8(encoding) else encoding
    return io.TextIOWrapper(file, encoding=name, errors=_ERRORS, newline="")


def decoded(texts: Iterable[str]) -> bool:
    """Whether all of it could be decoded."""
    return all(text.isascii() or _encodable(text) for text in texts)


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "utf-8"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _lone_surrogate(error: UnicodeError) -> tuple[str, int]:
    return _STANDS_FOR_BYTES, cast(UnicodeDecodeError, error).end


codecs.register_error(_ERRORS, _lone_surrogate)
