"""Reads the rows of a file of JSON Lines: an object a line."""

import json
from collections.abc import Collection, Iterator
from typing import Any, NoReturn

from candidates.application.history_rows import Row, UnreadableRow
from candidates.infrastructure.history_lines import LINE_CHARACTERS, TOO_LONG, Lines
from candidates.infrastructure.history_text import NOT_DECODED, decoded


def json_rows(lines: Lines, *, columns: Collection[str]) -> Iterator[Row | UnreadableRow]:
    """Yields each line that is not blank, with those of `columns` that it has.

    Numbers come as they are written, true and false as these words, null as an empty text, and
    lists as JSON. What stands in an object within the object has the names joined by a dot:
    `name.first`.
    """
    while (line := lines.take()) is not None:
        if line is TOO_LONG:
            yield _unreadable(lines.number, "The line is too long.")
        elif not lines.is_blank(line):
            yield _row(lines.number, line, columns)


def _row(number: int, line: str, columns: Collection[str]) -> Row | UnreadableRow:
    if not decoded([line]):
        return UnreadableRow(line=number, code="not_utf8", detail=NOT_DECODED)
    try:
        plain = json.loads(
            line,
            object_pairs_hook=_object,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_refuse,
        )
        if not isinstance(plain, dict):
            return _unreadable(number, "The line is no JSON object.")
        cells = _flat(plain)
    except _TwiceError:
        return _unreadable(number, "The JSON object names a key twice.")
    except _TooLongError:
        return _unreadable(number, "The names of the JSON object are too long.")
    except (ValueError, RecursionError):
        return _unreadable(number, "The line is no JSON.")
    if not decoded(cells.values()):
        detail = "A text has half of a surrogate pair, which is no text."
        return UnreadableRow(line=number, code="lone_surrogate", detail=detail)
    return Row(line=number, cells={name: cells[name] for name in columns if name in cells})


class _Number(str):
    """A number as it is written."""

    __slots__ = ()


class _TooLongError(Exception):
    """The names are longer than memory should hold."""


class _TwiceError(Exception):
    """Two values have one name."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _TwiceError
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON.")


def _flat(plain: dict[str, Any]) -> dict[str, str]:
    """Raises _TwiceError and _TooLongError: a long name stands before each of those within it."""
    cells: dict[str, str] = {}
    characters = 0
    within = [("", plain)]
    while within:
        prefix, some = within.pop()
        for key, value in some.items():
            name = prefix + key
            characters += len(name)
            if characters > LINE_CHARACTERS:
                raise _TooLongError
            if isinstance(value, dict):
                within.append((f"{name}.", value))
            elif name in cells:
                raise _TwiceError
            else:
                cells[name] = _text(value)
    return cells


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _json(value)


def _json(value: Any) -> str:
    """Raises RecursionError."""
    if isinstance(value, _Number):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_json, value))}]"
    if isinstance(value, dict):
        members = (f"{_json(name)}: {_json(member)}" for name, member in value.items())
        return f"{{{', '.join(members)}}}"
    return json.dumps(value, ensure_ascii=False)


def _unreadable(number: int, detail: str) -> UnreadableRow:
    return UnreadableRow(line=number, code="unreadable_row", detail=detail)
