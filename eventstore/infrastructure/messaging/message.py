"""Events as CloudEvents 1.0, the form in which they leave this process and enter another.

The JSON format in structured mode (cloudevents.io, `formats/json-format.md`), with the extensions
`partitionkey` and `sequence` as they are documented there and some of our own. An attribute's name
has lower-case letters and digits alone, and its integers 32 bits, hence the text for the position.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

import msgspec

from eventstore.application.ports import Message
from eventstore.domain.content import EVENT_TYPE_LENGTH, LARGEST_SCHEMA, STREAM_TYPE_LENGTH
from eventstore.domain.events import Metadata, RecordedEvent
from eventstore.domain.exceptions import UndecodableMessage
from eventstore.infrastructure.mapper import (
    EventMapper,
    UnreadableFact,
    check_kept,
    unreadable,
)

SPEC_VERSION = "1.0"
MEDIA_TYPE = "application/cloudevents+json"
SEQUENCE_DIGITS = 10
"""Of the largest version that the log can store: texts of one length order as their numbers do."""

RESTORED = "eventstore.log_restored"
"""The type of a message that is no event: all of the log is sent anew, in a later epoch."""
LARGEST_EPOCH = 2**31 - 1
_LARGEST_VERSION, _LARGEST_POSITION = 2**31 - 1, 2**63 - 1
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

# To the very end of the text: `$` is also before a line break that ends it.
_Source = Annotated[str, msgspec.Meta(pattern=rf"^urn:uuid:{_UUID}\Z")]
_NAMED = r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]"
_EventType = Annotated[str, msgspec.Meta(pattern=rf"^{_NAMED}{{1,{EVENT_TYPE_LENGTH}}}\Z")]
_StreamType = Annotated[str, msgspec.Meta(pattern=rf"^{_NAMED}{{1,{STREAM_TYPE_LENGTH}}}\Z")]
_SchemaVersion = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_SCHEMA)]
_Sequence = Annotated[str, msgspec.Meta(pattern=rf"^[0-9]{{{SEQUENCE_DIGITS}}}\Z")]
_Position = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,19}\Z")]
_Epoch = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_EPOCH)]
_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _Metadata(msgspec.Struct):
    actor: str
    door: str
    on_behalf_of: str | None = None


class _Data(msgspec.Struct):
    event: msgspec.Raw
    metadata: _Metadata


class _CloudEvent(msgspec.Struct):
    """What is needed of a message. Others may add attributes on its way."""

    specversion: Literal["1.0"]
    id: UUID
    source: _Source
    type: _EventType
    subject: UUID
    time: _Time
    sequence: _Sequence
    logposition: _Position
    streamtype: _StreamType
    occurredat: _Time
    schemaversion: _SchemaVersion
    data: _Data
    # Code of before there were epochs leaves it out.
    logepoch: _Epoch = 1
    correlationid: UUID | None = None
    causationid: UUID | None = None


class _Notice(msgspec.Struct):
    specversion: Literal["1.0"]
    id: UUID
    source: _Source
    type: Literal["eventstore.log_restored"]
    logepoch: _Epoch


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_CloudEvent)


def cloud_event(
    recorded: RecordedEvent, *, source: UUID, data: Mapping[str, Any], epoch: int = 1
) -> dict[str, Any]:
    """Plain JSON values. `source` is the log's id; `data` the event's fields in today's schema.

    `(source, id)` names an event for ever: whoever meets it twice has a repeat. What the command
    said, as a digest, and free metadata stay here.
    """
    metadata = recorded.metadata
    stream_id = str(recorded.stream_id)
    optional = {"correlationid": recorded.correlation_id, "causationid": metadata.causation_id}
    return {
        "specversion": SPEC_VERSION,
        "id": str(recorded.event_id),
        "source": source.urn,
        "type": recorded.event.event_type,
        "subject": stream_id,
        "time": _rfc3339(recorded.recorded_at),
        "partitionkey": stream_id,
        "sequence": f"{recorded.version:0{SEQUENCE_DIGITS}}",
        "logposition": str(recorded.position),
        "logepoch": epoch,
        "streamtype": recorded.stream_type,
        "occurredat": _rfc3339(recorded.occurred_at),
        "schemaversion": recorded.event.schema_version,
        **{name: str(value) for name, value in optional.items() if value is not None},
        "data": {
            "event": data,
            "metadata": {
                "actor": metadata.actor,
                "on_behalf_of": metadata.on_behalf_of,
                "door": metadata.door,
            },
        },
    }


def encode(
    recorded: RecordedEvent, *, source: UUID, data: Mapping[str, Any], epoch: int = 1
) -> bytes:
    """`cloud_event` as the body of a message."""
    return _encoder.encode(cloud_event(recorded, source=source, data=data, epoch=epoch))


def restored_notice(source: UUID, epoch: int) -> bytes:
    """The body of a message that says: the log was restored, and all of it is sent anew."""
    named = str(uuid5(source, f"epoch {epoch}"))
    said = {"specversion": SPEC_VERSION, "id": named, "source": source.urn, "type": RESTORED}
    return _encoder.encode({**said, "logepoch": epoch})


def decode(body: bytes, mapper: EventMapper) -> Message:
    """What `encode` wrote, here or elsewhere, in today's schema. Raises UndecodableMessage.

    What the body leaves out of personal data is absent, as it is after an erasure.
    """
    whole = False
    try:
        message = _decoder.decode(body)
        data = message.data
        version, position = int(message.sequence), int(message.logposition)
        if not 1 <= version <= _LARGEST_VERSION:
            raise UnreadableFact("no stream has such a version")
        if not 1 <= position <= _LARGEST_POSITION:
            raise UnreadableFact("no log has such a position")
        metadata = Metadata(
            actor=data.metadata.actor,
            door=data.metadata.door,
            on_behalf_of=data.metadata.on_behalf_of,
            causation_id=message.causationid,
        )
        check_kept(metadata)
        try:
            occurred_at = message.occurredat.astimezone(UTC)
            recorded_at = message.time.astimezone(UTC)
        except OverflowError:
            raise UnreadableFact("a time is out of the calendar's range") from None
        source = UUID(message.source)
        whole = True
        event = mapper.event_of(message.type, message.schemaversion, bytes(data.event))
    except Exception as error:  # noqa: BLE001  # an upcaster may raise anything
        raise _undecodable(body, unreadable(error), whole=whole) from None
    recorded = RecordedEvent(
        event=event,
        event_id=message.id,
        stream_type=message.streamtype,
        stream_id=message.subject,
        version=version,
        position=position,
        occurred_at=occurred_at,
        recorded_at=recorded_at,
        metadata=metadata,
        correlation_id=message.correlationid,
    )
    return Message(source, recorded, message.logepoch)


def redacted(body: bytes, mapper: EventMapper) -> bytes:
    """The message without what is personal. Raises UndecodableMessage.

    One that newer code wrote is left without any field of its event, for they may be personal.
    """
    try:
        source, recorded, epoch = decode(body, mapper)
    except UndecodableMessage as error:
        if not error.newer:
            raise
        message = msgspec.json.decode(body)
        message["data"]["event"] = {}
        return _encoder.encode(message)
    data = mapper.open_data_of(recorded.event)
    return encode(recorded, source=source, data=data, epoch=epoch)


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _undecodable(body: bytes, fact: UnreadableFact, *, whole: bool) -> UndecodableMessage:
    """With as much as the body says about where it belongs."""
    try:
        read = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        read = None
    said = read if isinstance(read, dict) else {}
    source = _said(said.get("source"), _Source)
    version = int(_said(said.get("sequence"), _Sequence) or 0)
    position = int(_said(said.get("logposition"), _Position) or 0)
    return UndecodableMessage(
        reason=fact.reason,
        newer=fact.newer,
        whole=whole,
        restored=_said(said, _Notice) is not None,
        epoch=_said(said.get("logepoch"), _Epoch),
        source=None if source is None else UUID(source),
        event_id=_said(said.get("id"), UUID),
        position=position if 1 <= position <= _LARGEST_POSITION else None,
        stream_type=_said(said.get("streamtype"), _StreamType),
        stream_id=_said(said.get("subject"), UUID),
        version=version if 1 <= version <= _LARGEST_VERSION else None,
        event_type=_said(said.get("type"), _EventType),
        schema_version=_said(said.get("schemaversion"), _SchemaVersion),
    )


def _said(value: object, kind: Any) -> Any:
    """None where it is not of this kind."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return None
