"""What a client sees while a read model cannot be written."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
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


def test_a_command_succeeds_though_the_projector_fails_and_a_retry_mends_the_row(
    api: APIClient,
    broken: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first = api.post(URL, {"profile": {"name": "Ann"}, "score": 80})
    url = first["Location"]
    second = api.post(f"{url}standby/")
    assert (first.status_code, second.status_code) == (201, 200)
    assert api.get(url).status_code == 404
    (logged,) = [record.getMessage() for record in caplog.records if "failed on" in record.msg]
    event = StorageEvent.objects.get(version=1)
    assert f"failed on stream {event.stream_id} at version {event.version}: Runtime" in logged
    assert "the projector is broken" not in logged

    broken.undo()
    third = api.post(f"{url}invite/")
    # What is parked is not tried again while somebody waits for an answer.
    assert (third.status_code, api.get(url).status_code) == (200, 404)

    call_command("parked", "retry", stdout=StringIO())
    shown = api.get(url)
    assert shown["ETag"] == third["ETag"]
    assert shown.json()["status"] == "INVITED"
    assert shown.json()["standby_at"] is not None
