"""Sessions end when they are not used, and are not written in each request."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from recruitment.sessions import RENEWED
from tests.browser import Browser

PAGE = "/admin/candidates/candidateprojection/"


class Clock:
    def __init__(self) -> None:
        self.now = timezone.now()

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    monkeypatch.setattr("recruitment.sessions.time", lambda: clock.now.timestamp())
    return clock


@pytest.fixture
def browser(staff: Callable[..., Browser], clock: Clock) -> Browser:
    return staff("Recruiters")


def test_who_works_stays_logged_in(browser: Browser, clock: Clock) -> None:
    for _ in range(20):
        assert browser.get(PAGE).status_code == 200
        clock.move(hours=7, minutes=50)


def test_who_is_away_for_eight_hours_is_logged_out(browser: Browser, clock: Clock) -> None:
    assert browser.get(PAGE).status_code == 200
    clock.move(minutes=4)
    assert browser.get(PAGE).status_code == 200
    clock.move(hours=8)
    assert browser.get(PAGE).status_code == 200
    clock.move(hours=8, minutes=5)
    assert browser.get(PAGE)["Location"] == f"/admin/login/?next={PAGE}"


def test_a_session_is_written_once_in_five_minutes(browser: Browser, clock: Clock) -> None:
    def writes() -> int:
        with CaptureQueriesContext(connection) as queries:
            answer = browser.get(PAGE)
        found = [one for one in queries if one["sql"].startswith('UPDATE "django_session"')]
        assert ("sessionid" in answer.cookies) == bool(found)
        return len(found)

    assert [writes(), writes()] == [1, 0]
    clock.move(seconds=299)
    assert writes() == 0
    clock.move(seconds=1)
    assert [writes(), writes()] == [1, 0]


def test_a_setting_says_how_long(browser: Browser, clock: Clock, settings: Any) -> None:
    settings.SESSION_IDLE, settings.SESSION_RENEWAL, settings.SESSION_COOKIE_AGE = 600, 60, 660
    assert browser.get(PAGE).status_code == 200
    clock.move(minutes=10)
    assert browser.get(PAGE).status_code == 200
    clock.move(minutes=11)
    assert browser.get(PAGE).status_code == 302


def test_nobodys_session_is_written(db: None) -> None:
    browser = Browser()
    assert browser.get(PAGE).status_code == 302
    assert browser.get("/admin/login/").status_code == 200
    assert browser.get("/api/v1/candidates/").status_code == 401
    assert not Session.objects.exists()


def test_the_api_used_by_a_session_keeps_it(browser: Browser, clock: Clock) -> None:
    for _ in range(3):
        assert browser.get("/api/v1/candidates/").status_code == 200
        clock.move(hours=7)


def test_who_logs_out_is_not_renewed(browser: Browser) -> None:
    browser.get(PAGE)
    assert Session.objects.get().get_decoded()[RENEWED]
    browser.post("/admin/logout/")
    assert not Session.objects.exists()


def test_a_new_password_ends_the_other_sessions(user_in: Callable[..., User]) -> None:
    user = user_in("Recruiters")
    user.is_staff = True
    user.set_password("correct horse")
    user.save()
    here, elsewhere = Browser(), Browser()
    for browser in (here, elsewhere):
        browser.force_login(user)
    form = {
        "old_password": "correct horse",
        "new_password1": "battery staple",
        "new_password2": "battery staple",
    }
    assert here.post("/admin/password_change/", form).status_code == 302
    assert here.get(PAGE).status_code == 200
    assert elsewhere.get(PAGE).status_code == 302
