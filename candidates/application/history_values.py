"""Reads single values out of a row: words, a score, a time, a reason."""

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from candidates.application.history_map_json import (
    InvalidMap,
    as_object,
    number_at,
    object_at,
    refuse_unknown,
    stripped,
    text_at,
)
from candidates.domain.events import RejectionReason
from eventstore.domain.times import read_instant

_NOT_A_NUMBER = "The score is not a number."
_SAMPLE = datetime(2024, 11, 23, 13, 45, 6, tzinfo=UTC)
# The same day of the week, so that only a directive for years tells it from the sample.
_OTHER_YEAR = _SAMPLE.replace(year=1996)


class BadRow(ValueError):
    """A row that says nothing usable. `code` is stable, `detail` quotes nothing of the row."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Words from columns, joined by a space where they are not empty, or the same for all rows."""

    columns: tuple[str, ...] = ()
    constant: str = ""

    @classmethod
    def parse(cls, plain: Any, where: str) -> "Text":
        """Reads a column, a list of columns, or `{"constant": words}`. Raises InvalidMap."""
        if isinstance(plain, str) and plain:
            return cls(columns=(plain,))
        if isinstance(plain, list) and plain and all(_is_name(column) for column in plain):
            return cls(columns=tuple(plain))
        if isinstance(plain, dict) and plain.keys() == {"constant"}:
            return cls(constant=text_at(plain, "constant", where=f"{where}: "))
        raise InvalidMap(
            f'{where} is not a text: it names a column, a list of columns or {{"constant": …}}.'
        )

    def of(self, row: Mapping[str, str]) -> str:
        if len(self.columns) == 1:
            return row[self.columns[0]]
        return " ".join(cell for column in self.columns if (cell := row[column])) or self.constant


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The sum of columns times a factor, cut off at a maximum; or one number for all rows."""

    columns: tuple[str, ...] = ()
    factor: float = 1.0
    maximum: float = 100.0
    decimal: str = "."
    """The decimal separator: a point or a comma."""
    constant: float = 0.0

    @classmethod
    def parse(cls, plain: Any, where: str) -> "Score":
        """Reads a number, or an object with `constant`, `column` or `columns`.

        Raises InvalidMap.
        """
        if isinstance(plain, (int, float)) and not isinstance(plain, bool):
            plain = {"constant": plain}
        plain = as_object(plain, where)
        sources = plain.keys() & {"column", "columns", "constant"}
        if len(sources) > 1:
            raise InvalidMap(f"{where}: say one of column, columns and constant.")
        if "constant" in plain:
            refuse_unknown(plain, {"constant"}, where)
            constant = number_at(plain, "constant", where=f"{where}: ")
            if not 0 <= constant <= 100:
                raise InvalidMap(f"{where}: constant is not from 0 to 100.")
            return cls(constant=constant)
        refuse_unknown(plain, {"column", "columns", "factor", "maximum", "decimal"}, where)
        if "columns" in plain:
            columns = Text.parse(plain["columns"], f"{where}: columns").columns
            if not columns:
                raise InvalidMap(f"{where}: columns is not a list of columns.")
        else:
            columns = (text_at(plain, "column", where=f"{where}: "),)
        decimal = plain.get("decimal", ".")
        if decimal not in (".", ","):
            raise InvalidMap(f"{where}: decimal is a point or a comma.")
        return cls(
            columns=columns,
            decimal=decimal,
            factor=number_at(plain, "factor", where=f"{where}: ", default=1.0),
            maximum=number_at(plain, "maximum", where=f"{where}: ", default=100.0),
        )

    def of(self, row: Mapping[str, str]) -> float:
        """Raises BadRow, also where one of several columns is empty."""
        if not self.columns:
            return self.constant
        try:
            score = math.fsum(self._number(row[column]) for column in self.columns) * self.factor
        except (ValueError, OverflowError):
            raise BadRow("unreadable_score", _NOT_A_NUMBER) from None
        if not math.isfinite(score):
            raise BadRow("unreadable_score", _NOT_A_NUMBER)
        return min(score, self.maximum)

    def _number(self, text: str) -> float:
        """Raises ValueError."""
        if self.decimal == ",":
            if "." in text:
                raise ValueError(_NOT_A_NUMBER)
            text = text.replace(",", ".")
        if "_" in text:
            # Python would read 7_5 as 75.
            raise ValueError(_NOT_A_NUMBER)
        return float(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How times are written."""

    date_format: str | None = None
    """Directives of `datetime.strptime`; None: ISO 8601."""
    zone: ZoneInfo | None = None
    """Zone of times without an offset. An hour that occurs twice is read as its first one."""

    @classmethod
    def parse(cls, plain: Mapping[str, Any]) -> "Clock":
        """Reads `date_format` and `time_zone`. Raises InvalidMap."""
        date_format = text_at(plain, "date_format") if "date_format" in plain else None
        zone = _zone(text_at(plain, "time_zone")) if "time_zone" in plain else None
        if date_format is not None:
            _check_date_format(date_format, has_zone=zone is not None)
        return cls(date_format=date_format, zone=zone)

    def time_of(self, text: str) -> datetime:
        """An aware time. Raises BadRow."""
        text = text.strip()
        if not text:
            raise BadRow("unreadable_time", "The time is empty.")
        try:
            time = (
                _iso_8601(text)
                if self.date_format is None
                else datetime.strptime(text, self.date_format)  # noqa: DTZ007
            )
        except ValueError:
            raise BadRow("unreadable_time", self._other_form) from None
        if time.tzinfo is not None:
            return time
        if self.zone is None:
            raise BadRow("unreadable_time", "The time has no offset; say `time_zone` in the map.")
        try:
            # An offset of the time before there were zones has seconds, which are not kept.
            return time.replace(tzinfo=self.zone).astimezone(UTC)
        except OverflowError:
            raise BadRow("unreadable_time", "The time is out of range.") from None

    @property
    def _other_form(self) -> str:
        if self.date_format is None:
            return "The time is not ISO 8601, such as 2024-01-31T09:30:00+01:00; say `date_format`."
        return "The time is not of the form that `date_format` says."


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why somebody was rejected: the same for all rows, or a column's word for it."""

    constant: RejectionReason = RejectionReason.OTHER
    column: str | None = None
    codes: Mapping[str, RejectionReason] = field(default_factory=dict)
    """The other system's word -> reason."""
    otherwise: RejectionReason | None = None
    """For words that have no code; None: such a row is refused."""

    @classmethod
    def parse(cls, plain: Any, where: str) -> "Reason":
        """Reads a code, or an object with `column`, `codes` and `otherwise`. Raises InvalidMap."""
        if not isinstance(plain, dict):
            return cls(constant=_code(plain, where))
        refuse_unknown(plain, {"column", "codes", "otherwise"}, where)
        codes = stripped(object_at(plain, "codes", where=f"{where}: "), f"{where}: codes")
        return cls(
            column=text_at(plain, "column", where=f"{where}: "),
            codes={word: _code(code, f"{where}: {word}") for word, code in codes.items()}
            if codes
            else {reason.value: reason for reason in RejectionReason},
            otherwise=_code(plain["otherwise"], f"{where}: otherwise")
            if "otherwise" in plain
            else None,
        )

    def of(self, row: Mapping[str, str]) -> RejectionReason:
        """Raises BadRow."""
        if self.column is None:
            return self.constant
        reason = self.codes.get(row[self.column].strip(), self.otherwise)
        if reason is None:
            raise BadRow(
                "unknown_reason", "The map has no code for this reason; say `otherwise` for such."
            )
        return reason


def _iso_8601(text: str) -> datetime:
    """Also without an offset, and whatever RFC 3339 allows. Raises ValueError."""
    with suppress(ValueError):
        return read_instant(text)
    return datetime.fromisoformat(text)


def _is_name(column: Any) -> bool:
    return isinstance(column, str) and bool(column)


def _code(plain: Any, where: str) -> RejectionReason:
    try:
        return RejectionReason(str(plain))
    except ValueError:
        raise InvalidMap(f"{where} is one of {', '.join(RejectionReason)}.") from None


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    # A directory of the database, or a name that no file can have.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidMap(
            "time_zone is not a zone of the IANA database, such as Europe/Berlin or UTC."
        ) from None


def _check_date_format(date_format: str, *, has_zone: bool) -> None:
    """Raises InvalidMap for a form that does not give back the time that it has written."""
    if "%Z" in date_format.replace("%%", ""):
        raise InvalidMap("date_format: Python reads %Z and forgets it; say %z or time_zone.")
    written, again = _SAMPLE.strftime(date_format), None
    # Python deprecates reading a day without its year.
    if written != _OTHER_YEAR.strftime(date_format):
        with suppress(ValueError, re.error):
            again = datetime.strptime(written, date_format)  # noqa: DTZ007
    if again is None or again.date() != _SAMPLE.date():
        raise InvalidMap(
            "date_format does not say day, month and year in the directives of Python's "
            "strptime, such as %d.%m.%Y %H:%M."
        )
    if again.hour not in (0, _SAMPLE.hour):
        raise InvalidMap("date_format has hours to 12 (%I) without AM or PM (%p).")
    if again.tzinfo is None and not has_zone:
        raise InvalidMap("date_format has no offset (%z): say time_zone, too.")
