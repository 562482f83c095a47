"""The page of statistics in the admin."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from django.urls import reverse

from candidates.admin import statistics_page
from candidates.application.commands import InviteCandidate
from tests.browser import Browser, text_of
from tests.factories import add
from tests.given import given

PAGE = "/admin/candidates/candidateprojection/statistics/"
Staff = Callable[..., Browser]

pytestmark = pytest.mark.django_db


def added(source: str = "fair", day: int = 1) -> None:
    at = datetime(2026, 1, day, 9, tzinfo=UTC)
    id = given(
        add(candidate_id=uuid4(), profile={"source": source}, score=80), occurred_at=at
    ).candidate_id
    given(InviteCandidate(candidate_id=id), occurred_at=at.replace(hour=14, minute=30))


def test_the_list_leads_to_the_figures(staff: Staff) -> None:
    added()
    added()
    browser = staff("Viewers")
    listed = browser.get(reverse("admin:candidates_candidateprojection_changelist"))
    assert f'href="{PAGE}">Statistics<' in listed.content.decode()

    text = text_of(browser.get(PAGE))

    assert "Added 0 2 2 5 h 30 min 5 h 30 min" in text
    assert "Invited 2 2 0 – –" in text
    assert "Withdrew 0" in text
    assert "fair 0 (2) 0 (0) 2 (2) 0 (0)" in text
    assert "1 Jan 2026 2 0 2 0" in text


def test_the_figures_of_an_earlier_time(staff: Staff) -> None:
    added()
    response = staff("Recruiters").get(f"{PAGE}?as_of=2026-01-01T12:00")
    text = text_of(response)
    assert "This is how it was on 1 Jan 2026, 12:00 UTC . As it is now" in text
    assert "Added 1 1 0 – –" in text
    assert 'value="2026-01-01T12:00"' in response.content.decode()


def test_before_the_first_event_the_page_says_that_there_was_nobody(staff: Staff) -> None:
    added()
    text = text_of(staff("Viewers").get(f"{PAGE}?as_of=0001-01-01T00:00"))
    assert "There is no candidate." in text
    assert "Nothing has happened." in text


@pytest.mark.parametrize("as_of", ["x", "2026-02-30T12:00", "%00", "9999-12-31T23:59", "9" * 5000])
def test_a_time_that_will_not_do_is_marked(staff: Staff, as_of: str) -> None:
    added()
    response = staff("Viewers").get(f"{PAGE}?as_of={as_of}")
    assert response.status_code == 200
    assert "Please correct what is marked below." in text_of(response)
    assert "By status" not in text_of(response)


def test_of_many_sources_and_days_the_page_shows_the_largest_and_the_newest(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics_page, "SHOWN_SOURCES", 1)
    monkeypatch.setattr(statistics_page, "SHOWN_DAYS", 2)
    for source, day in [("<b>", 1), ("fair", 2), ("fair", 3)]:
        added(source, day)
    response = staff("Viewers").get(PAGE)
    text = text_of(response)
    assert re.search(r"fair 0 \(2\).* The largest sources; 1 more", text)
    assert re.search(r"3 Jan 2026 .* 2 Jan 2026 .* The newest days; 1 older", text)
    assert "&lt;b&gt;" not in response.content.decode()


def test_who_may_not_view_candidates_sees_no_statistics(staff: Staff) -> None:
    assert staff(name="nobody").get(PAGE).status_code == 403
    assert Browser().get(PAGE).status_code == 302
