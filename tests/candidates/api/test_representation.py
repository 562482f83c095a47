"""A candidate is shown as DRF's own fields would show it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.test import APIClient

from candidates.api.serializers import CandidateSerializer
from candidates.domain.events import RejectionReason, Status
from candidates.models import CandidateProjection
from candidates.wiring import candidate_at
from eventstore.application.past import AtVersion

LIFE: list[tuple[str, dict[str, Any]]] = [
    ("standby", {"until": "2027-02-28"}),
    ("rescore", {"score": 99.5, "why": "Second look."}),
    ("invite", {}),
    ("note", {"text": "Called."}),
    ("undo", {"version": 4}),
    ("profile", {"profile": {"name": "Ωλγα", "n": 1e16, "tags": ["a"], "deep": [{"x": None}]}}),
    ("reject", {"reason": "other", "note": "“No.”"}),
]


def by_fields(candidate: CandidateProjection) -> Any:
    serializer = CandidateSerializer(candidate)
    return serializers.ModelSerializer.to_representation(serializer, candidate)


def same(candidate: CandidateProjection) -> bool:
    """In content, in order and in every byte."""
    shown = CandidateSerializer(candidate).data
    expected = by_fields(candidate)
    assert shown == expected
    assert list(shown) == list(expected) == CandidateSerializer.Meta.fields
    return JSONRenderer().render(shown) == JSONRenderer().render(expected)


def test_in_every_state_of_a_life(api: APIClient, add: Callable[..., str]) -> None:
    url = add(80, name="Ann", source="fair")
    assert same(CandidateProjection.objects.get())
    for command, body in LIFE:
        assert api.post(f"{url}{command}/", body).status_code == 200
        assert same(CandidateProjection.objects.get())
    row = CandidateProjection.objects.get()
    for version in range(1, row.version + 1):
        assert same(candidate_at(row.id, AtVersion(version)))
    assert json.loads(api.get(url).content) == CandidateSerializer(row).data


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 3, 1, 12, tzinfo=UTC),
        datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_at_every_time(db: None, instant: datetime) -> None:
    times = ("status_since", "added_at", "standby_at", "invited_at", "rejected_at", "changed_at")
    columns: dict[str, Any] = {
        "id": UUID("0190a000-0000-7000-8000-000000000001"),
        "version": 1,
        "position": 2,
        "score": 0.0,
        "status": Status.REJECTED,
        "profile": {},
        "due_on": instant.date(),
        "rejection_reason": RejectionReason.OTHER,
    }
    candidate = CandidateProjection(**columns, **dict.fromkeys(times, instant))
    assert same(candidate)
