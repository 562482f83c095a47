"""Sessions end when they are not used, and are not written in each request."""

import re
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
from tests.threads import in_flight

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
        assert "sessionid" not in answer.cookies
        return len(found)

    assert [writes(), writes()] == [1, 0]
    clock.move(seconds=299)
    assert writes() == 0
    clock.move(seconds=1)
    assert [writes(), writes()] == [1, 0]


def test_what_else_was_changed_is_written_too(browser: Browser, clock: Clock) -> None:
    """A message, which the next page shows."""
    clock.move(hours=1)
    answer = browser.post(PAGE, {"action": "nothing", "index": "0"}, follow=True)
    assert answer.status_code == 200
    assert Session.objects.get().get_decoded()[RENEWED] == int(clock.now.timestamp())


@pytest.mark.django_db(transaction=True)
def test_a_page_does_not_wait_for_who_holds_the_table(
    browser: Browser, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    assert browser.get(PAGE).status_code == 200
    clock.move(minutes=5)

    def lock() -> None:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("LOCK TABLE django_session IN EXCLUSIVE MODE")
            else:
                Session.objects.filter(pk="").delete()

    with in_flight(lock):
        assert browser.get(PAGE).status_code == 200
    said = [one.getMessage() for one in caplog.records if one.name == "recruitment.brief_writes"]
    assert len(said) == 1
    assert re.match("That a session is in use is not written: .*lock", said[0])
    assert browser.get(PAGE).status_code == 200
    assert Session.objects.get().get_decoded()[RENEWED] == int(clock.now.timestamp())


@pytest.mark.django_db(transaction=True)
def test_who_logs_out_in_another_window_meanwhile_is_shown_the_page(
    browser: Browser, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log_out() -> float:
        Session.objects.all().delete()
        return clock.now.timestamp()

    monkeypatch.setattr("recruitment.sessions.time", log_out)
    assert browser.get(PAGE).status_code == 200
    assert browser.get(PAGE).status_code == 302


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
