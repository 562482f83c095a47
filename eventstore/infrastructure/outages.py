"""Tells what is in the way of a database from what a statement did wrong."""

import sqlite3
from enum import Enum
from typing import NamedTuple

from django.db import Error, InterfaceError, OperationalError

from eventstore.domain.exceptions import ReadOnlyDatabase


class _Told(NamedTuple):
    code: str
    text: str
    retry_after: int


class Outage(Enum):
    """The statement would do at another time, or when somebody has mended the database."""

    AWAY = _Told("database_unavailable", "The database does not answer.", 10)
    READ_ONLY = _Told("database_read_only", "The database takes no writes at the moment.", 60)
    FULL = _Told("database_full", "The database has no room left.", 60)
    BUSY = _Told("database_busy", "The database is busy: somebody else holds what this needs.", 5)

    @property
    def code(self) -> str:
        """Stable: clients may branch on it."""
        return self.value.code

    @property
    def text(self) -> str:
        """For everybody: it names neither hosts nor users."""
        return self.value.text

    @property
    def retry_after(self) -> int:
        """Seconds."""
        return self.value.retry_after


_BY_SQLSTATE = {
    "25006": Outage.READ_ONLY,
    "25P03": Outage.AWAY,
    "40001": Outage.BUSY,
    "40P01": Outage.BUSY,
    "53100": Outage.FULL,
    "55P03": Outage.BUSY,
    "57014": Outage.BUSY,
}
# Connections, resources, an operator's intervention, the system around the server.
_AWAY_CLASSES = ("08", "53", "57", "58")
_BY_SQLITE_CODE = {
    sqlite3.SQLITE_BUSY: Outage.BUSY,
    sqlite3.SQLITE_LOCKED: Outage.BUSY,
    sqlite3.SQLITE_READONLY: Outage.READ_ONLY,
    sqlite3.SQLITE_FULL: Outage.FULL,
    sqlite3.SQLITE_IOERR: Outage.AWAY,
    sqlite3.SQLITE_CANTOPEN: Outage.AWAY,
    sqlite3.SQLITE_NOMEM: Outage.AWAY,
    sqlite3.SQLITE_PROTOCOL: Outage.AWAY,
}


def outage_of(error: BaseException) -> Outage | None:
    """None where the error says something of the statement, its data or the schema."""
    if isinstance(error, ReadOnlyDatabase):
        return Outage.READ_ONLY
    if not isinstance(error, Error):
        return None
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        # The upper bits say more than the kind.
        return _BY_SQLITE_CODE.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF)
    if sqlstate := getattr(cause, "sqlstate", None):
        away = Outage.AWAY if sqlstate.startswith(_AWAY_CLASSES) else None
        return _BY_SQLSTATE.get(sqlstate, away)
    # Without a code it is no answer of the server, but the want of one.
    return Outage.AWAY if isinstance(error, InterfaceError | OperationalError) else None


def reason_of(error: BaseException) -> str:
    """The first line of the error's text: those behind it may quote personal data."""
    return str(error).strip().partition("\n")[0].rstrip(".:, ")
