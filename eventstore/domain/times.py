"""Times and dates as RFC 3339 writes them."""

import re
from datetime import UTC, date, datetime, timedelta

_FORM = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2})"
    r"(?::([0-9]{2})(?:\.([0-9]+))?)?(Z|[+-][0-9]{2}:[0-5][0-9])",
    re.IGNORECASE,
)


def read_instant(text: str) -> datetime:
    """A time with its offset; seconds may be left out. Raises ValueError for anything else.

    `t` and `z` may be small. An offset of -00:00 is UTC. What is finer than a microsecond is cut
    off, so that no time becomes a later one. A leap second, which exists at 23:59:60 in UTC alone
    and in no datetime, is read as the second after it.
    """
    if not (found := _FORM.fullmatch(text)):
        raise ValueError("It is not in the form of RFC 3339.")
    day, minute, second, fraction, offset = found.groups()
    leap = second == "60"
    written = f"{day}T{minute}:{'59' if leap else second or '00'}.{(fraction or '0')[:6]:0<6}"
    # Refused where the calendar or the clock has no such day or minute.
    read = datetime.fromisoformat(written + offset.upper())
    if not leap:
        return read
    try:
        if f"{read.astimezone(UTC):%H:%M}" != "23:59":
            raise ValueError("A minute has 60 seconds, but for the last of a day in UTC.")
        return read + timedelta(seconds=1)
    except OverflowError as error:
        raise ValueError("It lies beyond the calendar.") from error


def read_date(text: str) -> date:
    """A day such as 2026-03-01. Raises ValueError for anything else.

    Python would also take weeks, days without hyphens and the digits of other scripts.
    """
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError("It is not in the form of RFC 3339.")
    return date.fromisoformat(text)
