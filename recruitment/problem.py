"""The shapes of errors, as the OpenAPI document describes them."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

_RFC_9110 = {413: "Content Too Large", 422: "Unprocessable Content"}
"""Python calls them so from 3.13 on; an answer is the same whatever runs it."""
_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
_ID = {"type": "string", "format": "uuid"}
_TIME = {"type": "string", "format": "date-time"}
_VERSION = {"type": "integer", "minimum": 1}
_POSITION = {"type": "integer", "minimum": 0}
_STATUS = {"$ref": "#/components/schemas/Status"}


def title(status: int) -> str:
    return _RFC_9110.get(status) or HTTPStatus(status).phrase


PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "RFC 9457. Branch on `code`, which is stable. Further members hold the values "
    "that a rule compared.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": _TEXT,
        "title": {"type": "string", "description": "The status in words."},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "What is wrong, for programs."},
        "detail": {"type": "string", "description": "What is wrong, for people."},
        "errors": {
            "type": "array",
            "description": "With `invalid`: each value that will not do.",
            "items": {"$ref": "#/components/schemas/ProblemValue"},
        },
        "index": {
            "type": "integer",
            "minimum": 0,
            "description": "Of a batch that was refused as a whole: the place of the command.",
        },
    },
}
VALUE: dict[str, Any] = {
    "type": "object",
    "required": ["pointer", "detail", "code"],
    "properties": {
        "pointer": {
            "type": "string",
            "description": "JSON Pointer to the value, or to the name of a header or parameter.",
        },
        "detail": {"type": "string", "description": "What is wrong with it, for people."},
        "code": {"type": "string", "description": "What is wrong with it, for programs."},
    },
}
MEMBERS: Mapping[str, dict[str, Any]] = {
    "after": {**_POSITION, "description": "The position that was asked for."},
    "allowed_statuses": {"type": "array", "items": _STATUS},
    "asked_for": {**_TIME, "description": "The time that was asked for."},
    "changed_at": {**_TIME, "description": "When the newest version was made."},
    "changed_by": {**_TEXT, "description": "Who made the newest version."},
    "command_id": {**_ID, "description": "The `causation_id` of the events under that key."},
    "current_status": _STATUS,
    "current_version": {**_VERSION, "description": "The newest."},
    "event_id": {**_ID, "description": "Of the event that cannot be read."},
    "event_type": {**_TEXT, "description": "As it is stored."},
    "expected": {
        "type": ["integer", "null"],
        "minimum": 0,
        "description": "The newest version that was stated; `null` where what was stated is none.",
    },
    "fingerprint": {
        **_TEXT,
        "description": "Of the wrapping key: it tells keys apart, and nothing about them.",
    },
    "first_event_at": {**_TIME, "description": "When the candidate's history begins."},
    "last": {**_POSITION, "description": "Where the log ends."},
    "named_version": {**_VERSION, "description": "The version that was named."},
    "newest_version": {**_VERSION, "description": "The one that it would have to be."},
    "now": {**_TIME, "description": "The server's time."},
    "position": {**_POSITION, "description": "Of the event in the log."},
    "predecessor": {**_TIME, "description": "When the newest event occurred."},
    "projected_version": {
        "type": ["integer", "null"],
        "description": "What a read shows at the moment; `null` where it shows nothing yet.",
    },
    "reason": {
        **_TEXT,
        "description": "Why the event, or its key, cannot be read, in words that quote nothing it "
        "says.",
    },
    "schema_version": {**_VERSION, "description": "As it is stored."},
    "score": _NUMBER,
    "stated": {**_TIME, "description": "The time that was stated."},
    "stream_id": {**_ID, "description": "The candidate."},
    "stream_type": {**_TEXT, "description": "`candidate`."},
    "threshold": {**_NUMBER, "description": "What a score has to reach."},
    "version": {
        **_VERSION,
        "description": "The one that the rule speaks of, or of the event that cannot be read.",
    },
}
"""Further members of problems with certain codes, by name."""
