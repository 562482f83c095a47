"""What goes over a broker, as AsyncAPI 3.0: written from the registered events."""

from typing import Any

from eventstore.infrastructure.mapper import EventMapper
from eventstore.infrastructure.messaging.message import MEDIA_TYPE, SEQUENCE_DIGITS, SPEC_VERSION
from eventstore.infrastructure.schemas import schema_of

_TEXT = {"type": "string"}
_ID = {"type": "string", "format": "uuid"}
_TIME = {"type": "string", "format": "date-time"}
_NULLABLE = {"type": ["string", "null"]}
_OPTIONAL = {
    "correlationid": {**_ID, "description": "Events of one batch have one."},
    "causationid": {**_ID, "description": "The command."},
}
_METADATA = {"actor": _TEXT, "on_behalf_of": _NULLABLE, "door": _TEXT}
_ATTRIBUTES = {
    "specversion": {"const": SPEC_VERSION},
    "id": {**_ID, "description": "With the source it names the event for ever."},
    "source": {**_TEXT, "pattern": "^urn:uuid:", "description": "The log."},
    "type": _TEXT,
    "subject": {**_ID, "description": "The stream."},
    "time": {**_TIME, "description": "When it was recorded."},
    "partitionkey": {**_ID, "description": "The stream."},
    "sequence": {
        **_TEXT,
        "pattern": f"^[0-9]{{{SEQUENCE_DIGITS}}}$",
        "description": "The version: 1, 2, 3 … within the stream, without gaps.",
    },
    "logposition": {
        **_TEXT,
        "pattern": "^[0-9]+$",
        "description": "Rises through the whole log; gaps are possible.",
    },
    "streamtype": _TEXT,
    "occurredat": {**_TIME, "description": "Business time, which orders nothing."},
    "schemaversion": {"type": "integer", "minimum": 1},
    "data": {
        "type": "object",
        "properties": {
            "event": {"type": "object"},
            "metadata": {
                "type": "object",
                "properties": _METADATA,
                "required": sorted(_METADATA),
            },
        },
        "required": ["event", "metadata"],
    },
}


def document(mapper: EventMapper) -> dict[str, Any]:
    """Every event type in the version that is published, which is today's."""
    names = sorted(mapper.classes)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Events",
            "version": "1",
            "description": (
                "Each event of the log as a CloudEvent, at least once, in the order of its stream."
            ),
        },
        "defaultContentType": MEDIA_TYPE,
        "channels": {
            "events": {
                "address": "{topic}",
                "parameters": {"topic": {"description": "As EVENT_BUS_TOPIC says."}},
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
            }
        },
        "operations": {"publish": {"action": "send", "channel": {"$ref": "#/channels/events"}}},
        "components": {
            "messages": {name: _message(name, mapper) for name in names},
            "schemas": {
                "cloudevent": {
                    "type": "object",
                    "properties": {**_ATTRIBUTES, **_OPTIONAL},
                    "required": sorted(_ATTRIBUTES),
                }
            },
        },
    }


def _message(name: str, mapper: EventMapper) -> dict[str, Any]:
    cls = mapper.classes[name]
    said = {
        "type": {"const": name},
        "schemaversion": {"const": cls.schema_version},
        "data": {"properties": {"event": schema_of(cls)}},
    }
    return {
        "name": name,
        "contentType": MEDIA_TYPE,
        "payload": {"allOf": [{"$ref": "#/components/schemas/cloudevent"}, {"properties": said}]},
        "bindings": {"kafka": {"key": _ID}},
    }
