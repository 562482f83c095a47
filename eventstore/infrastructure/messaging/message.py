"""Events as CloudEvents 1.0, the form in which they leave this process.

The JSON format in structured mode (cloudevents.io, `formats/json-format.md`), with the extensions
`partitionkey` and `sequence` as they are documented there and some of our own. An attribute's name
has lower-case letters and digits alone, and its integers 32 bits, hence the text for the position.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from eventstore.domain.events import RecordedEvent

SPEC_VERSION = "1.0"
SEQUENCE_DIGITS = 10
"""Of the largest version that the log can store: texts of one length order as their numbers do."""


def cloud_event(
    recorded: RecordedEvent, *, source: UUID, data: Mapping[str, Any]
) -> dict[str, Any]:
    """Plain JSON values. `source` is the log's id; `data` the event's fields in today's schema.

    `(source, id)` names an event for ever: whoever meets it twice has a repeat. What the command
    said, as a digest, and free metadata stay here.
    """
    metadata = recorded.metadata
    optional = {"correlationid": recorded.correlation_id, "causationid": metadata.causation_id}
    return {
        "specversion": SPEC_VERSION,
        "id": str(recorded.event_id),
        "source": source.urn,
        "type": recorded.event.event_type,
        "subject": str(recorded.stream_id),
        "time": _rfc3339(recorded.recorded_at),
        "partitionkey": str(recorded.stream_id),
        "sequence": f"{recorded.version:0{SEQUENCE_DIGITS}}",
        "logposition": str(recorded.position),
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


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
