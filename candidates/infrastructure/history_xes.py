"""Reads the events of an XES log (IEEE 1849) one by one."""

import codecs
from collections.abc import Collection, Iterator, Mapping
from typing import IO, NoReturn
from xml.parsers import expat

from candidates.application.history_rows import Row, UnreadableRow, UnusableFile
from candidates.infrastructure.history_lines import LINE_CHARACTERS

_CHUNK = 1 << 16
_DEPTH = 100
_NAME = 40
"""How much of the name of an encoding is said."""
_READ_BY_EXPAT = {"UTF-8", "UTF-16", "UTF-16LE", "UTF-16BE", "ISO-8859-1", "US-ASCII"}
_NO_ENCODINGS_OF_TEXT = {"charmap", "raw-unicode-escape", "unicode-escape"}
_ATTRIBUTES = {"string", "date", "int", "float", "boolean", "id"}


def xes_rows(file: IO[bytes], *, columns: Collection[str]) -> Iterator[Row | UnreadableRow]:
    """Yields each event, on the line of its tag, with those of `columns` that it has.

    A column is the key of an attribute of the event, such as `concept:name`, or of its trace with
    `case:` in front, such as `case:concept:name`. Lists, attributes of attributes and the log's
    defaults are passed over.

    Raises UnusableFile where the file is no well-formed XES. A document type is refused, and with
    it every entity that could grow.
    """
    log = _Log(columns)
    while chunk := file.read(_CHUNK):
        yield from log.feed(chunk)
    yield from log.feed(b"")


class _Attributes:
    """The attributes of one trace or event."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._length = 0
        self.cells: dict[str, str] = {}
        self.problem = ""

    def add(self, attributes: Mapping[str, str]) -> None:
        """Keep an attribute; one without a value is empty."""
        key, value = self._prefix + attributes.get("key", ""), attributes.get("value", "")
        self._length += len(key) + len(value)
        if self._length > LINE_CHARACTERS:
            self.cells, self.problem = {}, "The event, or its trace, is too long."
        elif not attributes.get("key"):
            self.problem = "The event, or its trace, has an attribute without a key."
        elif key in self.cells:
            self.problem = "The event, or its trace, names an attribute twice."
        else:
            self.cells[key] = value


class _Log:
    def __init__(self, columns: Collection[str]) -> None:
        self._columns = columns
        self._path: list[str] = []
        self._trace, self._event = _Attributes(), _Attributes()
        self._has_events = False
        self._line = 0
        self._events: list[tuple[int, _Attributes, _Attributes]] = []
        self._unheard = 0
        self._parser = expat.ParserCreate()
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def feed(self, chunk: bytes) -> Iterator[Row | UnreadableRow]:
        """Yields the events that end in this chunk; an empty one ends the file.

        One after the other: each has a copy of what is asked for of its trace. Raises UnusableFile.
        """
        self._events = []
        self._unheard += len(chunk)
        try:
            self._parser.Parse(chunk, not chunk)
        except expat.ExpatError as error:
            problem = expat.ErrorString(error.code)
            raise UnusableFile(
                f"The log is not well-formed XML: {problem}, on line {error.lineno}."
            ) from None
        # The parser holds a tag or a comment until all of it is there.
        if self._unheard > LINE_CHARACTERS:
            self._refuse("has a tag or a comment that is too long")
        for line, trace, event in self._events:
            if problem := trace.problem or event.problem:
                yield UnreadableRow(line=line, code="unreadable_row", detail=problem)
            else:
                found = trace.cells | event.cells
                cells = {name: found[name] for name in self._columns if name in found}
                yield Row(line=line, cells=cells)

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.upper() not in _READ_BY_EXPAT and not _is_of_one_byte(encoding):
            shown = encoding[:_NAME]
            self._refuse(
                f'says that its encoding is "{shown}", which is not read: save it as UTF-8'
            )

    def _doctype(self, *_: object) -> None:
        self._refuse("has a document type, which no XES needs and which may define entities")

    def _text(self, _: str) -> None:
        self._unheard = 0

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._unheard = 0
        name = name.rpartition(":")[2]
        self._path.append(name)
        match self._path:
            case [root] if root != "log":
                self._refuse("is no XES: its outermost element is not log")
            case ["log", "trace"]:
                self._trace, self._has_events = _Attributes(prefix="case:"), False
            case ["log", "event"]:
                self._trace = _Attributes()
                self._begin_event()
            case ["log", "trace", "event"]:
                self._begin_event()
            case ["log", "trace", attribute] if attribute in _ATTRIBUTES:
                if self._has_events:
                    self._refuse("has an attribute of a trace behind its events")
                self._trace.add(attributes)
            case ["log", "event", attribute] if attribute in _ATTRIBUTES:
                self._event.add(attributes)
            case ["log", "trace", "event", attribute] if attribute in _ATTRIBUTES:
                self._event.add(attributes)
        if len(self._path) > _DEPTH:
            self._refuse("is nested too deeply")

    def _begin_event(self) -> None:
        self._event, self._has_events = _Attributes(), True
        self._line = self._parser.CurrentLineNumber

    def _end(self, _: str) -> None:
        self._unheard = 0
        if self._path in (["log", "event"], ["log", "trace", "event"]):
            self._events.append((self._line, self._trace, self._event))
        self._path.pop()

    def _refuse(self, problem: str) -> NoReturn:
        line = self._parser.CurrentLineNumber
        raise UnusableFile(f"The log {problem}, on line {line}.")


def _is_of_one_byte(encoding: str) -> bool:
    """Whether it is a superset of ASCII with letters in the upper half, each a byte.

    Expat reads no others by their table, or reads them wrongly.
    """
    every = bytes(range(256))
    try:
        if codecs.lookup(encoding).name in _NO_ENCODINGS_OF_TEXT:
            return False
        letters = [bytes([byte]).decode(encoding, "replace") for byte in every]
        together = every.decode(encoding, "replace")
    # UnicodeError is a ValueError.
    except (LookupError, ValueError):
        return False
    return (
        all(len(letter) == 1 for letter in letters)
        and together == "".join(letters)
        and together[:128] == every[:128].decode("ascii")
        and set(letters[128:]) != {"\N{REPLACEMENT CHARACTER}"}
    )
