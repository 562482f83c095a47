"""What a client sees while a read model cannot be written."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from candidates.application.projector import CandidateProjector
from eventstore.models import StorageEvent
from tests.candidates.api.requests import URL


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def fail(*_: Any) -> None:
        raise RuntimeError("the projector is broken")

    monkeypatch.setattr(CandidateProjector, "changes", fail)
    return monkeypatch


def test_a_command_succeeds_though_the_projector_fails_and_the_next_event_mends_the_row(
    api: APIClient,
    broken: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = api.post(URL, {"profile": {"name": "Ann"}, "score": 80})
    url = first["Location"]
    second = api.post(f"{url}standby/")
    assert (first.status_code, second.status_code) == (201, 200)
    assert api.get(url).status_code == 404
    logged = [record.getMessage() for record in caplog.records if record.exc_info]
    assert len(logged) == 2
    for message, event in zip(logged, StorageEvent.objects.order_by("version"), strict=True):
        assert str(event.stream_id) in message
        assert f"position {event.position}" in message

    broken.undo()
    third = api.post(f"{url}invite/")

    shown = api.get(url)
    assert third.status_code == 200
    assert shown["ETag"] == third["ETag"]
    assert shown.json()["status"] == "INVITED"
    assert shown.json()["standby_at"] is not None
