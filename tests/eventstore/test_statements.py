"""How often the event store goes to the database, counted where the driver does."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from uuid import UUID, uuid4

import psycopg
import pytest
from django.db import connection

from eventstore.domain.events import Metadata, StreamHead
from eventstore.domain.exceptions import ConcurrencyError
from eventstore.wiring import event_store
from tests.factories import added, invited, noted, rejected

pytestmark = pytest.mark.django_db(transaction=True)
RITA = Metadata(actor="rita", door="api")


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


@pytest.fixture
def stream() -> UUID:
    stream_id = uuid4()
    event_store().append("candidate", stream_id, [added(), noted()], expected=0, metadata=RITA)
    return stream_id


def test_reading_a_stream_is_one_statement(stream: UUID) -> None:
    with executed() as statements:
        recorded = event_store().read_stream(stream)
    assert (len(recorded), len(statements)) == (2, 1)


def test_an_append_outside_a_transaction_is_one_statement(stream: UUID) -> None:
    head = event_store().head(stream)
    events = [invited(), rejected()]
    with executed() as statements:
        event_store().append("candidate", stream, events, expected=head, metadata=RITA)
    assert len(statements) == 1
    assert event_store().head(stream).version == 4


def test_something_personal_asks_for_the_key_of_the_stream_first(stream: UUID) -> None:
    head = event_store().head(stream)
    with executed() as statements:
        event_store().append("candidate", stream, [noted(), noted()], expected=head, metadata=RITA)
    assert len(statements) == 2


def test_a_new_stream_brings_its_key_along() -> None:
    """In the same statement on PostgreSQL, in one transaction on SQLite."""
    stream_id, nothing = uuid4(), StreamHead()
    with executed() as statements:
        event_store().append("candidate", stream_id, [added()], expected=nothing, metadata=RITA)
    assert len(statements) == (1 if connection.vendor == "postgresql" else 4), statements
    assert event_store().head(stream_id).version == 1


@pytest.mark.parametrize(("command_id", "asked"), [(None, 1), (UUID(int=7), 2)])
def test_a_refusal_asks_once_more_whether_the_command_is_a_repeat(
    stream: UUID, command_id: UUID | None, asked: int
) -> None:
    stale = StreamHead(version=1)
    metadata = RITA._replace(causation_id=command_id)
    with executed() as statements, pytest.raises(ConcurrencyError):
        event_store().append("candidate", stream, [invited()], expected=stale, metadata=metadata)
    assert len(statements) == asked
