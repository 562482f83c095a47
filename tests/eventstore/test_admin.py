"""The log in the admin: operators read it as it is stored."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.urls import reverse

from candidates.application import commands
from eventstore.models import StorageEvent
from tests import factories
from tests.browser import Browser, text_of
from tests.given import given

LOG = reverse("admin:eventstore_storageevent_changelist")
Staff = Callable[..., Browser]


def page_of(event: StorageEvent) -> str:
    return reverse("admin:eventstore_storageevent_change", args=[event.pk])


def stored(**columns: Any) -> StorageEvent:
    """A row that no event store wrote."""
    row = {
        "event_id": uuid4(),
        "stream_type": "candidate",
        "stream_id": uuid4(),
        "version": 1,
        "event_type": "candidate.added",
        "schema_version": 1,
        "data": "{}",
        "metadata": "{}",
        "occurred_at": datetime.now(UTC),
        "recorded_at": datetime.now(UTC),
    }
    return StorageEvent.objects.create(**{**row, **columns})


def listed(response: Any) -> list[str]:
    return [f"{event.event_type} {event.version}" for event in response.context["cl"].result_list]


def test_operators_read_the_log_newest_first(staff: Staff) -> None:
    id = given(factories.add()).candidate_id
    given(commands.InviteCandidate(candidate_id=id))
    response = staff("Operators").get(LOG)
    assert listed(response) == ["candidate.invited 2", "candidate.added 1"]


@pytest.mark.parametrize("group", ["Recruiters", "Viewers"])
def test_others_do_not(staff: Staff, group: str) -> None:
    given(factories.add())
    browser = staff(group)
    assert browser.get(LOG).status_code == 403
    assert browser.get(page_of(StorageEvent.objects.get())).status_code == 403


def test_the_log_filters_by_event_type_and_stream_type(staff: Staff) -> None:
    id = given(factories.add()).candidate_id
    given(commands.InviteCandidate(candidate_id=id))
    stored(stream_type="interview", event_type="interview.held")
    browser = staff("Operators")
    assert listed(browser.get(LOG, {"event_type": "candidate.invited"})) == ["candidate.invited 2"]
    assert listed(browser.get(LOG, {"stream_type": "interview"})) == ["interview.held 1"]


@pytest.mark.parametrize("column", ["stream_id", "event_id", "correlation_id"])
def test_a_search_takes_the_id_of_a_stream_an_event_or_a_batch(staff: Staff, column: str) -> None:
    given(factories.add(), correlation_id=uuid4())
    stored()
    id: UUID = StorageEvent.objects.values_list(column, flat=True).order_by("position")[0]
    response = staff("Operators").get(LOG, {"q": f" {str(id).upper()} "})
    assert [getattr(event, column) for event in response.context["cl"].result_list] == [id]


@pytest.mark.parametrize("text", ["candidate", "1", "%", "\x00"])
def test_a_search_for_anything_else_finds_nothing(staff: Staff, text: str) -> None:
    given(factories.add())
    response = staff("Operators").get(LOG, {"q": text})
    # Django takes a NUL for no search at all, and says so.
    assert listed(response) == (["candidate.added 1"] if text == "\x00" else [])


def test_an_event_is_shown_with_all_that_is_stored_of_it(staff: Staff, now: datetime) -> None:
    batch = uuid4()
    profile = {"name": "Zoë", "source": "fair"}
    given(factories.add(profile=profile), occurred_at=now, correlation_id=batch)
    event = StorageEvent.objects.get()
    text = text_of(staff("Operators").get(page_of(event)))
    for told in (
        f"Event id: {event.event_id}",
        "Event type: candidate.added",
        f"Stream id: {event.stream_id}",
        f"Correlation id: {batch}",
        "Occurred at: 1 Mar 2026, 12:00 UTC",
        "&quot;profile&quot;: { &quot;source&quot;: &quot;fair&quot; }",
        "bytes, encrypted",
        f"Hash: {bytes(event.hash).hex()}",
        "&quot;actor&quot;: &quot;rita&quot;",
    ):
        assert told in text
    assert "Zoë" not in text


@pytest.mark.parametrize("data", ["", "{", "not JSON <b>at all</b>", "[" * 100_000, "9" * 5000])
def test_a_broken_row_is_shown_as_it_is(staff: Staff, data: str) -> None:
    event = stored(data=data, metadata=data, event_type="never.heard.of", schema_version=99)
    browser = staff("Operators")
    response = browser.get(page_of(event))
    assert response.status_code == 200
    assert data.replace("<", "&lt;").replace(">", "&gt;") in response.content.decode()
    assert browser.get(LOG).status_code == 200


def test_every_value_is_escaped(staff: Staff) -> None:
    hostile = "</pre><script>alert(1)</script>"
    event = stored(
        data=f'{{"name": "{hostile}"}}',
        metadata=f'{{"actor": "{hostile}"}}',
        event_type=hostile,
        stream_type=hostile,
    )
    browser = staff("Operators")
    for response in (browser.get(page_of(event)), browser.get(LOG)):
        content = response.content.decode()
        assert "&lt;/pre&gt;&lt;script&gt;alert(1)" in content
        assert "<script>alert(1)" not in content
