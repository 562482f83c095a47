"""Every problem that the API answers with, by the name and in the words of the OpenAPI document."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eventstore.infrastructure.outages import Outage
from recruitment.errors import CONTENT_TYPE, problem
from recruitment.problem import MEMBERS, PROBLEM, VALUE, title

_ID = "0190a000-0000-7000-8000-000000000001"
_KEY = "7c9e6679-7425-50de-944b-e07fc1f90ae7"
_THEN, _NOW = "2026-03-01T12:00:00Z", "2026-03-02T12:00:00Z"
_RETRY_AFTER = {"schema": {"type": "integer", "minimum": 1}, "description": "In seconds."}
_ACCEPT_ENCODING = {
    "schema": {"type": "string"},
    "description": "Where the body was compressed: how to send it.",
}
_CHALLENGE = {"schema": {"type": "string"}, "description": "How to show who you are."}
_OF_EVERY_PROBLEM = {*PROBLEM["properties"]}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One answer with a status, and an example of it for every code it may have."""

    status: int
    description: str
    examples: Sequence[Mapping[str, Any]]
    """Code, detail and further members."""
    headers: Mapping[str, Any] = field(default_factory=dict)

    def members(self) -> dict[str, Any] | None:
        """As a schema: what it has besides `PROBLEM`. None where that is nothing.

        Required is what every code comes with.
        """
        by_code = [example.keys() - _OF_EVERY_PROBLEM for example in self.examples]
        if not (names := sorted(set().union(*by_code))):
            return None
        schema: dict[str, Any] = {
            "type": "object",
            "properties": {name: MEMBERS[name] for name in names},
        }
        if always := set(names).intersection(*by_code):
            schema["required"] = sorted(always)
        return schema

    def response(self, schema: str, headers: Mapping[str, Any]) -> dict[str, Any]:
        """As a response object of OpenAPI, with the headers that every answer has."""
        examples = {
            example["code"]: {"value": problem(self.status, **example)} for example in self.examples
        }
        content = {"schema": {"$ref": schema}, "examples": examples}
        return {
            "description": f"{title(self.status)}. {self.description}",
            "headers": {**self.headers, **headers},
            "content": {CONTENT_TYPE: content},
        }


_NOBODY: Mapping[str, Any] = {
    "code": "not_found",
    "detail": f"There is no candidate {_ID}.",
    "stream_type": "candidate",
    "stream_id": _ID,
}

_NOT_HERE: Mapping[str, Any] = {
    "code": "not_here",
    "detail": "The log is in another system, whose messages feed this one: ask there.",
}

_READ_ONLY: Mapping[str, Any] = {
    "code": "read_only",
    "detail": "This system takes no commands at the moment: it only shows what is stored.",
}


def _unreadable(code: str, event_type: str, reason: str) -> Mapping[str, Any]:
    return {
        "code": code,
        "detail": f"Event {_KEY} at position 10391, {event_type} version 1: {reason}",
        "stream_id": _ID,
        "version": 3,
        "event_type": event_type,
        "schema_version": 1,
        "event_id": _KEY,
        "position": 10391,
        "reason": reason,
    }


_UNREADABLE = [
    _unreadable(
        "unreadable_event",
        "candidate.rejected",
        "the upcaster of candidate.rejected from version 1 raised IndexError at upcasters:13",
    ),
    _unreadable(
        "newer_event", "candidate.promoted", "nothing is registered for 'candidate.promoted'"
    ),
    _unreadable("key_missing", "candidate.added", "no wrapping key 1a2b3c4d is configured"),
]

_KEY_FAULTS: Sequence[Mapping[str, Any]] = [
    {
        "code": "key_not_adopted",
        "detail": "Nothing is stored: the wrapping key 1a2b3c4d, the first of those configured, "
        "has never been adopted for this log. It may be mistyped; if it is meant, an operator runs "
        "`manage.py rotate_keys --adopt`.",
        "fingerprint": "1a2b3c4d",
    },
    {
        "code": "key_unavailable",
        "detail": f"Nothing is stored: the personal data of stream {_ID} cannot be read or added "
        "to, since no wrapping key 1a2b3c4d is configured.",
        "stream_id": _ID,
        "reason": "no wrapping key 1a2b3c4d is configured",
    },
]

_UNAVAILABLE: Sequence[Mapping[str, Any]] = [
    {"code": outage.code, "detail": outage.text} for outage in Outage
]
_OR_LATER = "Or its database is away, full, busy or read-only: the same call may do later."

PROBLEMS: Mapping[str, Problem] = {
    "BadRequest": Problem(
        status=400,
        description="A field, parameter or header will not do: `errors` names it.",
        examples=[
            {
                "code": "invalid",
                "detail": "/score: A score is between 0 and 100.",
                "errors": [
                    {
                        "pointer": "/score",
                        "detail": "A score is between 0 and 100.",
                        "code": "out_of_range",
                    }
                ],
            },
            {
                "code": "parse_error",
                "detail": "The body is not JSON: Expecting value, line 1, column 1.",
            },
            {"code": "bad_request", "detail": "The request cannot be read."},
        ],
    ),
    "Unauthorized": Problem(
        status=401,
        description="There is no token, or none that is good.",
        headers={"WWW-Authenticate": _CHALLENGE},
        examples=[
            {
                "code": "not_authenticated",
                "detail": "Authentication credentials were not provided.",
            },
            {"code": "authentication_failed", "detail": "Invalid token."},
        ],
    ),
    "Forbidden": Problem(
        status=403,
        description="The user lacks the permission for this, or the token its scope: `code` names "
        "it.",
        examples=[
            {
                "code": "permission_denied",
                "detail": "You do not have permission to perform this action.",
            },
            *(
                {
                    "code": f"missing_scope_{scope}",
                    "detail": f"This needs a token with the scope {scope}.",
                }
                for scope in ("read", "command", "feed")
            ),
        ],
    ),
    "NotFound": Problem(
        status=404, description="Nothing is stored under this id.", examples=[_NOBODY]
    ),
    "NotFoundThen": Problem(
        status=404,
        description="Nothing is stored under this id, or nothing was by then, or the past is in "
        "another system.",
        examples=[
            _NOBODY,
            {
                "code": "did_not_exist_yet",
                "detail": f"Candidate {_ID} did not exist yet at {_THEN}: its first event is of "
                f"{_NOW}.",
                "stream_type": "candidate",
                "stream_id": _ID,
                "asked_for": _THEN,
                "first_event_at": _NOW,
            },
            {
                "code": "no_such_version",
                "detail": f"Candidate {_ID} has no version 9 yet: its newest is 8.",
                "stream_type": "candidate",
                "stream_id": _ID,
                "version": 9,
                "newest_version": 8,
            },
            _NOT_HERE,
        ],
    ),
    "NoHistory": Problem(
        status=404,
        description="Nothing is stored under this id, or its history is in another system.",
        examples=[_NOBODY, _NOT_HERE],
    ),
    "NotHere": Problem(
        status=404,
        description="This system is fed by another, which keeps the log.",
        examples=[_NOT_HERE],
    ),
    "NotAcceptable": Problem(
        status=406,
        description="The answer is JSON, which the request does not accept.",
        examples=[
            {
                "code": "not_acceptable",
                "detail": "Could not satisfy the request Accept header.",
            }
        ],
    ),
    "RuleRefused": Problem(
        status=409,
        description="A rule says no: `code` says which, further members hold the values it "
        "compared.",
        examples=[
            {
                "code": "score_below_threshold",
                "detail": "The score 60.0 is below the threshold 75.0.",
                "score": 60.0,
                "threshold": 75.0,
            },
            {
                "code": "wrong_status",
                "detail": "The candidate is Rejected; this needs Added or Standby.",
                "current_status": "REJECTED",
                "allowed_statuses": ["ADDED", "STANDBY"],
            },
            {
                "code": "nothing_to_undo",
                "detail": "No decision stands that could be taken back.",
            },
            {
                "code": "not_the_newest_decision",
                "detail": "Version 2 is not the newest decision that stands; that is version 4.",
                "named_version": 2,
                "newest_version": 4,
            },
            {
                "code": "decision_stands",
                "detail": "The decision of version 4 stands: undo it first.",
                "version": 4,
            },
            {
                "code": "candidate_retracted",
                "detail": "The candidate was retracted: nothing more can be done with it.",
            },
            {
                "code": "candidate_erased",
                "detail": "The candidate's personal data was erased: nothing more can be done with "
                "it.",
            },
            {
                "code": "personal_data_erased",
                "detail": "The personal data of this stream was erased: nothing personal can be "
                "added to it.",
                "stream_id": _ID,
            },
            {"code": "already_added", "detail": "This candidate is there already."},
            {
                "code": "external_ids_not_here",
                "detail": "Messages feed the read model here: nobody can tell whether an external "
                "id is known by now.",
            },
            {
                "code": "occurred_in_future",
                "detail": "2026-03-02T12:00:00+00:00 lies in the future.",
                "stated": _NOW,
                "now": _THEN,
            },
            {
                "code": "occurred_out_of_order",
                "detail": "2026-03-01T12:00:00+00:00 lies before the newest event, which occurred "
                "at 2026-03-02T12:00:00+00:00.",
                "stated": _THEN,
                "predecessor": _NOW,
            },
            {
                "code": "version_conflict",
                "detail": f"Stream {_ID} is not at version 7.",
                "stream_id": _ID,
                "expected": 7,
            },
        ],
    ),
    "CursorBeyondLog": Problem(
        status=409,
        description="The log does not hold what you have read: it is not the same log, or it was "
        "restored from an older backup. Begin again with 0, in an empty place.",
        examples=[
            {
                "code": "log_was_restored",
                "detail": "The log does not hold the event that was read at position 10391.",
                "after": 10391,
            },
            {
                "code": "cursor_beyond_log",
                "detail": "Position 10391 lies beyond the log, which ends at 9000.",
                "after": 10391,
                "last": 9000,
            },
        ],
    ),
    "LengthRequired": Problem(
        status=411,
        description="The body came in chunks, without its length.",
        examples=[
            {
                "code": "length_required",
                "detail": "Send the body with its Content-Length, not in chunks.",
            }
        ],
    ),
    "StaleVersion": Problem(
        status=412,
        description="The version is not the newest: the answer says who made that, and when.",
        examples=[
            {
                "code": "stale_version",
                "detail": "Version 1 was stated, but rita made it version 2 at "
                "2026-03-01T12:00:00+00:00.",
                "stream_id": _ID,
                "expected": 1,
                "current_version": 2,
                "projected_version": 2,
                "changed_by": "rita",
                "changed_at": _THEN,
            }
        ],
    ),
    "PreconditionFailed": Problem(
        status=412,
        description="If-Match names no tag of what is read.",
        examples=[
            {
                "code": "precondition_failed",
                "detail": "What is read here is not at a version that If-Match names.",
            }
        ],
    ),
    "BodyTooLarge": Problem(
        status=413,
        description="The body is too large.",
        examples=[{"code": "body_too_large", "detail": "The body is larger than 1048576 bytes."}],
    ),
    "UnsupportedMediaType": Problem(
        status=415,
        description="The body is not JSON, or compressed.",
        headers={"Accept-Encoding": _ACCEPT_ENCODING},
        examples=[
            {
                "code": "unsupported_media_type",
                "detail": 'Unsupported media type "text/plain" in request.',
            },
            {
                "code": "unsupported_content_encoding",
                "detail": "Send the body as it is: it is not decompressed here.",
            },
        ],
    ),
    "KeyReused": Problem(
        status=422,
        description="The key was used before for a command with other content.",
        examples=[
            {
                "code": "command_reused",
                "detail": "This key was used before for a command with other content.",
                "command_id": _KEY,
            }
        ],
    ),
    "VersionRequired": Problem(
        status=428,
        description="This server requires If-Match, or expected_version in a batch, and there is "
        "none.",
        examples=[
            {
                "code": "precondition_required",
                "detail": "Say in If-Match which version this was decided on: the ETag of a read, "
                "or *.",
            }
        ],
    ),
    "Throttled": Problem(
        status=429,
        description="This user has called too often: Retry-After says in how many seconds to go "
        "on.",
        headers={"Retry-After": _RETRY_AFTER},
        examples=[
            {
                "code": "throttled",
                "detail": "Request was throttled. Expected available in 3 seconds.",
            }
        ],
    ),
    "InternalError": Problem(
        status=500,
        description="A fault of the server, which has logged it under the request's id.",
        examples=[{"code": "internal_error", "detail": "Something failed here; it was logged."}],
    ),
    "ReadOnly": Problem(
        status=503,
        description="This system takes no commands, or not at the moment; or an event of the "
        "candidate cannot be read by its code, which has to be mended or is older than the event; "
        "or a wrapping key is missing, or may not write. " + _OR_LATER,
        headers={"Retry-After": _RETRY_AFTER},
        examples=[_READ_ONLY, *_KEY_FAULTS, *_UNREADABLE, *_UNAVAILABLE],
    ),
    "Unreadable": Problem(
        status=503,
        description="An event that was asked for cannot be read by the code of this system, which "
        "has to be mended or is older than the event, or its wrapping key is missing. Nothing is "
        "lost. " + _OR_LATER,
        headers={"Retry-After": _RETRY_AFTER},
        examples=[*_UNREADABLE, *_UNAVAILABLE],
    ),
    "Unavailable": Problem(
        status=503,
        description="The database is away, full, busy or read-only: the same call may do later.",
        headers={"Retry-After": _RETRY_AFTER},
        examples=_UNAVAILABLE,
    ),
}

_OF_COMMANDS = ("NotFound", "RuleRefused", "StaleVersion", "KeyReused", "ReadOnly")
"""With members of their own, and possible within a batch."""


def components(headers: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The schemas of all problems and the responses that have them, for the OpenAPI document."""
    schemas, responses = {"Problem": PROBLEM, "ProblemValue": VALUE}, {}
    for name, described in PROBLEMS.items():
        schema = "Problem"
        if members := described.members():
            schema = f"{name}Problem"
            schemas[schema] = _extended(members)
        responses[name] = described.response(f"#/components/schemas/{schema}", headers)
    of_commands = [PROBLEMS[name].members() or {} for name in _OF_COMMANDS]
    properties = {
        name: one for members in of_commands for name, one in members["properties"].items()
    }
    schemas["CommandProblem"] = _extended({"type": "object", "properties": properties})
    return schemas, responses


def _extended(members: dict[str, Any]) -> dict[str, Any]:
    return {"allOf": [{"$ref": "#/components/schemas/Problem"}, members]}
