"""How often the event store goes to the database, counted where the driver does."""

from uuid import UUID, uuid4

import pytest
from django.db import connection

from eventstore.domain.events import Metadata, StreamHead
from eventstore.domain.exceptions import ConcurrencyError
from eventstore.wiring import event_store
from tests.factories import added, invited, noted, rejected
from tests.statements import executed

pytestmark = pytest.mark.django_db(transaction=True)
RITA = Metadata(actor="rita", door="api")


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
