"""An event as CloudEvents 1.0, made without a database."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

from eventstore.domain.events import EARLIEST, Metadata, RecordedEvent
from eventstore.infrastructure.messaging.message import cloud_event
from tests.factories import rejected
from tests.scenario import CANDIDATE_ID

LOG, EVENT, BATCH, COMMAND = (UUID(int=number) for number in range(1, 5))
DATA = {"reason": "other", "note": "", "score": 1e16, "threshold": None}


def recorded(**changes: Any) -> RecordedEvent:
    return RecordedEvent(
        **{
            "event": rejected(),
            "event_id": EVENT,
            "stream_type": "candidate",
            "stream_id": CANDIDATE_ID,
            "version": 7,
            "position": 2**40,
            "occurred_at": datetime(2026, 3, 1, 12, tzinfo=UTC),
            "recorded_at": datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC),
            "metadata": Metadata(actor="rita", door="api"),
            "hash": b"\x01",
            **changes,
        }
    )


def message(**changes: Any) -> dict[str, Any]:
    return cloud_event(recorded(**changes), source=LOG, data=DATA)


def test_a_message_says_what_happened_where_and_when() -> None:
    assert message() == {
        "specversion": "1.0",
        "id": str(EVENT),
        "source": f"urn:uuid:{LOG}",
        "type": "candidate.rejected",
        "subject": str(CANDIDATE_ID),
        "time": "2026-03-01T12:00:00.000005Z",
        "partitionkey": str(CANDIDATE_ID),
        "sequence": "0000000007",
        "logposition": "1099511627776",
        "streamtype": "candidate",
        "occurredat": "2026-03-01T12:00:00Z",
        "schemaversion": 2,
        "data": {
            "event": DATA,
            "metadata": {"actor": "rita", "on_behalf_of": None, "door": "api"},
        },
    }


def test_what_an_event_may_lack_is_there_where_it_has_it() -> None:
    metadata = Metadata(actor="rita", door="admin", on_behalf_of="boss", causation_id=COMMAND)
    whole = message(correlation_id=BATCH, metadata=metadata)
    assert (whole["correlationid"], whole["causationid"]) == (str(BATCH), str(COMMAND))
    assert whole["data"]["metadata"]["on_behalf_of"] == "boss"


def test_neither_the_commands_digest_nor_free_metadata_leaves_the_log() -> None:
    kept = Metadata(actor="rita", door="import", command_digest="d1gest", extra={"row": "s3cret"})
    text = str(message(metadata=kept))
    assert "d1gest" not in text
    assert "s3cret" not in text


def test_the_names_of_attributes_are_those_that_cloudevents_allows() -> None:
    metadata = recorded().metadata._replace(causation_id=COMMAND)
    for name in message(correlation_id=BATCH, metadata=metadata):
        assert re.fullmatch("[a-z0-9]{1,20}", name)


def test_sequences_of_a_stream_order_as_texts() -> None:
    versions = [1, 2, 9, 10, 99, 100, 2**31 - 1]
    sequences = [message(version=version)["sequence"] for version in versions]
    assert sequences == sorted(sequences)
    assert {len(sequence) for sequence in sequences} == {10}


def test_times_are_utc_from_the_first_day_on() -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    assert message(recorded_at=datetime(2026, 3, 1, 12, tzinfo=kathmandu))["time"] == (
        "2026-03-01T06:15:00Z"
    )
    assert message(occurred_at=EARLIEST)["occurredat"] == "0001-01-02T00:00:00Z"
