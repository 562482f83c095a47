"""What the tests of the API send, and how they read a refusal."""

import json
from typing import Any

from rest_framework.test import APIClient

from candidates.models import CandidateProjection
from eventstore.models import StorageEvent

URL = "/api/v1/candidates/"
ADD: dict[str, Any] = {"profile": {"name": "Ann"}, "score": 80}
COMMANDS: dict[str, dict[str, Any]] = {
    "standby": {"until": "2026-09-01"},
    "invite": {},
    "reject": {"reason": "other", "note": "Ω"},
    "undo": {"version": 2},
    "rescore": {"score": 90, "why": "Second look."},
    "profile": {"profile": {"name": "Ann", "tags": ["x"]}},
    "note": {"text": "Called."},
    "retract": {"why": "Added twice."},
}
"""Path and body of each command on one candidate."""


def nested(levels: int) -> Any:
    return {"a": nested(levels - 1)} if levels else 1


def post_text(
    api: APIClient, url: str, body: str | bytes, content_type: str = "application/json"
) -> Any:
    return api.post(url, data=body, content_type=content_type)


def errors_of(answer: Any, status: int = 400) -> list[tuple[str, str]]:
    """Pointer and code of every error that a problem document lists."""
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    problem = json.loads(answer.content.decode("utf-8"))
    assert problem["status"] == status
    assert problem["detail"]
    assert len(answer.content) < 10_000
    return [(error["pointer"], error["code"]) for error in problem.get("errors", [])]


def nothing_is_written() -> bool:
    return not (StorageEvent.objects.exists() or CandidateProjection.objects.exists())
