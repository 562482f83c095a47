"""An event as CloudEvents 1.0, made without a database."""

import json
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from django.test import override_settings

from candidates.domain.events import CandidateRejected, RejectionReason
from eventstore.application.ports import Message
from eventstore.domain.events import EARLIEST, DomainEvent, Metadata, RecordedEvent
from eventstore.domain.exceptions import UndecodableMessage
from eventstore.domain.lost_keys import KeyDeclaredLost
from eventstore.infrastructure.identity import log_id
from eventstore.infrastructure.messaging.message import cloud_event, decode, encode
from eventstore.wiring import mapper, message_encoder
from tests import factories
from tests.factories import added, noted, rejected
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
        "logepoch": 1,
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


EVENTS = [
    factories.added(profile={"name": "Ann O’Brien", "big": 1e16, "zero": -0.0, "source": "fair"}),
    factories.moved_to_standby(),
    factories.invited(),
    factories.rejected(note="said no", threshold=None),
    factories.decision_undone(),
    factories.rescored(),
    factories.profile_changed(),
    factories.noted(text="☎ called\nback"),
    factories.retracted(),
    factories.erased(),
    KeyDeclaredLost(fingerprint="1a2b3c4d", reason="The safe burnt down."),
]


def body(event: DomainEvent | None = None, **changes: Any) -> bytes:
    one = recorded(**({} if event is None else {"event": event}), **changes)
    return encode(one, source=LOG, data=mapper().data_of(one.event))


def altered(**attributes: Any) -> bytes:
    """The message with these attributes put in place; ... is none at all."""
    whole = {**json.loads(body()), **attributes}
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_type)
def test_what_is_read_of_a_body_is_what_was_recorded(event: DomainEvent) -> None:
    metadata = Metadata(actor="rita", door="api", on_behalf_of="boss", causation_id=COMMAND)
    one = recorded(event=event, metadata=metadata, correlation_id=BATCH)
    read = decode(encode(one, source=LOG, data=mapper().data_of(event)), mapper())
    assert read == Message(LOG, one._replace(hash=b""))
    assert repr(read.recorded.event) == repr(event)


def test_a_body_is_read_by_the_sdk_of_cloudevents() -> None:
    headers = {"content-type": "application/cloudevents+json"}
    event = from_structured_event(HTTPMessage(headers=headers, body=body()))
    assert (event.get_type(), event.get_subject()) == ("candidate.rejected", str(CANDIDATE_ID))
    assert event.get_extension("sequence") == "0000000007"


def test_what_an_older_schema_wrote_is_read_in_todays() -> None:
    older = altered(schemaversion=1, data={**message()["data"], "event": {"reason": "too late"}})
    event = decode(older, mapper()).recorded.event
    assert event == CandidateRejected(
        reason=RejectionReason.OTHER, note="too late", score=None, threshold=None
    )


def test_attributes_that_others_added_on_the_way_are_passed_over() -> None:
    assert decode(altered(traceparent="00-1"), mapper()) == decode(body(), mapper())


@pytest.mark.django_db
def test_what_is_personal_may_be_kept_out_of_messages() -> None:
    said = added(profile={"name": "Ann O’Brien", "source": "fair"}), noted(text="Ann called")
    with override_settings(EVENT_BUS_PERSONAL_DATA="omit"):
        bodies = [message_encoder()(recorded(event=event)) for event in said]
    assert not any(b"Ann" in one for one in bodies)
    read = [decode(one, mapper()) for one in bodies]
    assert [one.source for one in read] == [log_id()] * 2
    assert [one.recorded.event for one in read] == [
        added(profile={"source": "fair"}),
        noted(text=""),
    ]


@pytest.mark.django_db
def test_messages_hold_what_is_personal_unless_a_setting_says_otherwise() -> None:
    event = noted(text="Ann called")
    assert decode(message_encoder()(recorded(event=event)), mapper()).recorded.event == event


NOTE = {"event": {"text": "a\x00b"}, "metadata": {"actor": "rita", "door": "api"}}


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        (altered(type="candidate.promoted"), "nothing is registered for 'candidate.promoted'"),
        (altered(schemaversion=3), "newer code"),
        (altered(data={**message()["data"], "event": {"reason": 7}}), "str"),
        (altered(data=...), "data"),
        (altered(type="candidate.noted", schemaversion=1, data=NOTE), "U+0000"),
        (altered(specversion="0.3"), "specversion"),
        (altered(id="7"), "id"),
        (altered(time="2026-03-01T12:00:00"), "timezone"),
        (altered(occurredat="0001-01-01T00:00:00+14:00"), "range"),
        (altered(logposition="0"), "position"),
        (altered(logposition="9223372036854775808"), "position"),
    ],
)
def test_a_body_that_cannot_be_read_says_where_it_belongs(poison: bytes, reason: str) -> None:
    with pytest.raises(UndecodableMessage) as caught:
        decode(poison, mapper())
    error = caught.value
    assert reason in error.reason
    assert (error.source, error.stream_type) == (LOG, "candidate")
    assert (error.stream_id, error.version) == (CANDIDATE_ID, 7)
    assert (error.event_type, error.schema_version) == (
        json.loads(poison)["type"],
        json.loads(poison)["schemaversion"],
    )
    assert str(CANDIDATE_ID) in str(error)


@pytest.mark.parametrize(
    "poison",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 100_000,
        altered(
            source="ours",
            streamtype="a" * 101,
            subject="7",
            sequence="0000000000",
            type="a\x00",
            schemaversion=2**40,
        ),
    ],
)
def test_of_a_body_that_does_not_say_where_it_belongs_nothing_is_guessed(poison: bytes) -> None:
    with pytest.raises(UndecodableMessage) as caught:
        decode(poison, mapper())
    error = caught.value
    assert (error.source, error.stream_type, error.stream_id) == (None, None, None)
    assert (error.version, error.event_type, error.schema_version) == (None, None, None)
