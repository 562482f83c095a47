"""One candidate's story in requests and answers, for the OpenAPI document. A test lives it."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

ANN = "0190a000-0000-7000-8000-000000000001"
BO = "0190a000-0000-7000-8000-000000000002"
_BATCH = "0190a000-0000-7000-8000-000000000003"
_AT = "2026-03-01T12:00:00Z"
_PROFILE = {"name": "Ann Muñoz", "email": "ann@example.org", "source": "referral"}
_NEW_PROFILE = {"name": "Ann Muñoz", "email": "ann.munoz@example.org", "source": "referral"}
_PATCHED_PROFILE = {
    "name": "Ann Muñoz",
    "email": "ann.munoz@example.org",
    "source": "referral",
    "phone": "+46 70 123 45 67",
}

BODIES: Mapping[str, dict[str, Any]] = {
    "add": {"profile": _PROFILE, "score": 80},
    "rescore": {"score": 86.5, "why": "The second interview."},
    "standby": {"until": "2026-03-31"},
    "invite": {},
    "reject": {"reason": "withdrew", "note": "Took another offer."},
    "undo": {"version": 5},
    "note": {"text": "Prefers mornings."},
    "profile": {"profile": _NEW_PROFILE},
    "retract": {"why": "Added twice."},
}
"""By command, in the order in which they are given. Ann is not retracted, but Bo."""
PATCH: dict[str, Any] = {"phone": "+46 70 123 45 67", "location": None}
"""The patch of Ann's profile, sent after all these commands."""


def _event(version: int, event_type: str) -> dict[str, Any]:
    event_id = f"0190a000-0000-7000-8000-{version:012d}"
    return {"event_id": event_id, "event_type": f"candidate.{event_type}", "version": version}


def _done(version: int, status: str, event_type: str, id: str = ANN) -> dict[str, Any]:
    return {
        "id": id,
        "version": version,
        "status": status,
        "events": [_event(version, event_type)],
        "position": 10390 + version,
    }


RESULTS: Mapping[str, dict[str, Any]] = {
    "add": _done(1, "ADDED", "added"),
    "rescore": _done(2, "ADDED", "rescored"),
    "standby": _done(3, "STANDBY", "moved_to_standby"),
    "invite": _done(4, "INVITED", "invited"),
    "reject": _done(5, "REJECTED", "rejected"),
    "undo": _done(6, "INVITED", "decision_undone"),
    "note": _done(7, "INVITED", "noted"),
    "profile": _done(8, "INVITED", "profile_changed"),
    "patch_profile": _done(9, "INVITED", "profile_changed"),
    "retract": _done(2, "RETRACTED", "retracted", id=BO),
}
KNOWN = {"id": ANN, "version": 9, "status": "INVITED", "events": [], "position": 10399}
"""The result of an add that found Ann by her external id."""
CANDIDATE: dict[str, Any] = {
    "id": ANN,
    "version": 9,
    "status": "INVITED",
    "status_since": _AT,
    "score": 86.5,
    "profile": _PATCHED_PROFILE,
    "added_at": _AT,
    "standby_at": _AT,
    "due_on": "2026-03-31",
    "invited_at": _AT,
    "rejected_at": None,
    "rejection_reason": "",
    "rejection_note": "",
    "changed_at": _AT,
    "changed_by": "rita",
    "position": 10399,
}
HISTORY = {
    "next": None,
    "results": [
        {
            **_event(1, "added"),
            "schema_version": 1,
            "position": 10391,
            "occurred_at": _AT,
            "recorded_at": _AT,
            "actor": "rita",
            "on_behalf_of": None,
            "door": "api",
            "causation_id": None,
            "correlation_id": None,
            "data": {"profile": _PROFILE, "score": 80.0},
        },
        {
            **_event(2, "rescored"),
            "schema_version": 1,
            "position": 10392,
            "occurred_at": _AT,
            "recorded_at": _AT,
            "actor": "rita",
            "on_behalf_of": None,
            "door": "api",
            "causation_id": None,
            "correlation_id": None,
            "data": {"score": 86.5, "why": "The second interview."},
        },
    ],
}
BATCH = {
    "commands": [
        {"command": "add", "body": {"profile": {"name": "Bo Lind"}, "score": 61.5}},
        {
            "command": "reject",
            "candidate_id": ANN,
            "expected_version": 1,
            "idempotency_key": "7f0c-2",
            "body": {"reason": "position_filled"},
        },
    ],
    "atomic": False,
}
STALE = {
    "type": "about:blank",
    "title": "Precondition Failed",
    "status": 412,
    "code": "stale_version",
    "detail": f"Version 1 was stated, but rita made it version 9 at {_AT[:-1]}+00:00.",
    "stream_id": ANN,
    "expected": 1,
    "current_version": 9,
    "projected_version": 9,
    "changed_by": "rita",
    "changed_at": _AT,
}
BATCH_RESULTS = {
    "correlation_id": _BATCH,
    "results": [
        {"status": 201, "result": _done(1, "ADDED", "added", id=BO), "replayed": False},
        {"status": 412, "problem": STALE},
    ],
}
_NO_STAY = {"ended": 0, "median_seconds": None, "percentile_90_seconds": None}
_NOW = {"ADDED": 0, "STANDBY": 0, "INVITED": 1, "REJECTED": 0}
_EVER = {"ADDED": 1, "STANDBY": 1, "INVITED": 1, "REJECTED": 0}
STATISTICS = {
    "now": _NOW,
    "ever": _EVER,
    "stays": {
        "ADDED": {"ended": 1, "median_seconds": 86400.0, "percentile_90_seconds": 86400.0},
        "STANDBY": {"ended": 1, "median_seconds": 3600.0, "percentile_90_seconds": 3600.0},
        "INVITED": {"ended": 1, "median_seconds": 7200.5, "percentile_90_seconds": 7200.5},
        "REJECTED": _NO_STAY,
    },
    "reasons": {
        "not_qualified": 0,
        "position_filled": 0,
        "withdrew": 0,
        "no_response": 0,
        "duplicate": 0,
        "other": 0,
    },
    "sources": [{"source": "referral", "now": _NOW, "ever": _EVER}],
    "days": [{"day": "2026-03-01", "reached": _EVER}],
}
WHAT_IF = {
    "threshold": 60.0,
    "would_pass": {"ADDED": 1, "STANDBY": 0},
    "would_not_pass": {"INVITED": 0},
    "candidates": {"ADDED": 1, "STANDBY": 0, "INVITED": 1},
    "next": None,
    "previous": None,
    "results": [{"id": BO, "name": "Bo Lind", "status": "ADDED", "score": 61.5}],
}


def sent(body: dict[str, Any], media_type: str = "application/json") -> OpenApiExample:
    return OpenApiExample("Example", body, request_only=True, media_type=media_type)


def answered(serializer: Any, body: dict[str, Any], description: str) -> OpenApiResponse:
    return OpenApiResponse(serializer, description, [OpenApiExample("Example", body)])
