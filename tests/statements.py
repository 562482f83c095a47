"""The statements that the database is given, the driver's own cursors' too."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

import psycopg
from django.db import connection


@contextmanager
def executed() -> Iterator[list[str]]:
    """Fills in which statements the database was given, at the end."""
    connection.ensure_connection()
    trace = _of_sqlite if connection.vendor == "sqlite" else _of_postgresql
    with trace(connection.connection) as statements:
        yield statements


@contextmanager
def _of_sqlite(driver: sqlite3.Connection) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(statement: str) -> None:
        # Each trigger that an INSERT fires is reported as that INSERT once more.
        if not (statement.startswith("INSERT") and statement in statements):
            statements.append(statement)

    driver.set_trace_callback(note)
    try:
        yield statements
    finally:
        driver.set_trace_callback(None)


@contextmanager
def _of_postgresql(driver: "psycopg.Connection[tuple[object, ...]]") -> Iterator[list[str]]:
    statements: list[str] = []
    with TemporaryFile() as trace:
        driver.pgconn.trace(trace.fileno())
        try:
            yield statements
        finally:
            driver.pgconn.untrace()
        trace.seek(0)
        # A prepared statement is sent as Execute, any other as Query.
        statements += re.findall(r"\tF\t\d+\t(Execute|Query\t.*)", trace.read().decode())
