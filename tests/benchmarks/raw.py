"""The limit: the bare driver and a narrow table of 7 columns, 300 bytes and 2 indexes."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import psycopg
import uuid_utils.compat as uuid_utils
from django.db import connection

from tests.benchmarks.events import lengths

DATA = json.dumps({"name": "Ada O’Neill", "email": "ada@example.org", "note": "x" * 205})
COLUMNS = "stream_id, version, type, data, metadata, at"


class Raw(Protocol):
    def insert(self, stream_id: UUID | None = None, version: int = 1) -> None:
        """One event, one commit; in a new stream unless one is named."""

    def insert_many(self, count: int) -> None:
        """So many, in transactions of at most 500 that start a stream each."""

    def insert_stream(self, stream_id: UUID, length: int) -> None:
        """A stream of so many events."""

    def read(self, stream_id: UUID) -> list[Any]:
        """A stream's data, decoded by the standard library."""


def rows(count: int, stream_id: UUID | None = None, *, first: int = 1) -> Iterator[tuple[Any, ...]]:
    stream_id = stream_id or uuid_utils.uuid7()
    for version in range(first, first + count):
        yield stream_id, version, "measured", DATA, "{}", datetime.now(UTC)


class RawPostgreSQL:
    def __init__(self) -> None:
        parameters = connection.get_connection_params()
        wanted = ("host", "port", "user", "password", "dbname")
        self._driver = psycopg.connect(
            **{name: parameters[name] for name in wanted if name in parameters},
            autocommit=True,
            prepare_threshold=0,
        )
        self._cursor = self._driver.cursor()
        self._driver.execute(
            "CREATE TABLE IF NOT EXISTS raw (position bigint GENERATED ALWAYS AS IDENTITY "
            "PRIMARY KEY, stream_id uuid NOT NULL, version integer NOT NULL, type text NOT NULL, "
            "data text NOT NULL, metadata text NOT NULL, at timestamptz NOT NULL, "
            "UNIQUE (stream_id, version))"
        )

    def insert(self, stream_id: UUID | None = None, version: int = 1) -> None:
        values = "VALUES (%s, %s, %s, %s, %s, %s) RETURNING position"
        self._cursor.execute(
            f"INSERT INTO raw ({COLUMNS}) {values}",
            next(rows(1, stream_id, first=version)),
            prepare=True,
        )
        self._cursor.fetchall()

    def insert_many(self, count: int) -> None:
        for length in lengths(count):
            self.insert_stream(uuid_utils.uuid7(), length)

    def insert_stream(self, stream_id: UUID, length: int) -> None:
        columns = [list(column) for column in zip(*rows(length, stream_id), strict=True)]
        kinds = ("uuid", "integer", "text", "text", "text", "timestamptz")
        arrays = ", ".join(f"%s::{kind}[]" for kind in kinds)
        self._cursor.execute(
            f"INSERT INTO raw ({COLUMNS}) SELECT * FROM unnest({arrays})", columns, prepare=True
        )

    def read(self, stream_id: UUID) -> list[Any]:
        found = self._cursor.execute(
            "SELECT data FROM raw WHERE stream_id = %s ORDER BY version", [stream_id], prepare=True
        )
        return [json.loads(data) for (data,) in found]


class RawSQLite:
    def __init__(self) -> None:
        self._driver = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
        self._driver.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
        self._driver.execute(
            "CREATE TABLE IF NOT EXISTS raw (position INTEGER PRIMARY KEY AUTOINCREMENT, "
            "stream_id TEXT, version INTEGER, type TEXT, data TEXT, metadata TEXT, at TEXT, "
            "UNIQUE (stream_id, version))"
        )

    _INSERT = f"INSERT INTO raw ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"

    def insert(self, stream_id: UUID | None = None, version: int = 1) -> None:
        self._driver.execute(
            f"{self._INSERT} RETURNING position", _plain(next(rows(1, stream_id, first=version)))
        ).fetchall()

    def insert_many(self, count: int) -> None:
        for length in lengths(count):
            self.insert_stream(uuid_utils.uuid7(), length)

    def insert_stream(self, stream_id: UUID, length: int) -> None:
        self._driver.execute("BEGIN IMMEDIATE")
        self._driver.executemany(self._INSERT, map(_plain, rows(length, stream_id)))
        self._driver.execute("COMMIT")

    def read(self, stream_id: UUID) -> list[Any]:
        found = self._driver.execute(
            "SELECT data FROM raw WHERE stream_id = ? ORDER BY version", [stream_id.hex]
        )
        return [json.loads(data) for (data,) in found]


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (row[0].hex, *row[1:5], str(row[5]))


def raw() -> Raw:
    return RawPostgreSQL() if connection.vendor == "postgresql" else RawSQLite()
