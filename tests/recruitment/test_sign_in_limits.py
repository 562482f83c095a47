"""Failed sign-ins are limited before a password is hashed, and keep nobody else out."""

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.auth.models import User
from django.db import connection

from recruitment import sign_in_limits
from recruitment.models import FailedSignIns, KnownAddress
from recruitment.sign_in_limits import TooManyFailures, attempt, in_words, succeeded
from tests.browser import Browser, text_of
from tests.processes import run
from tests.threads import together

PASSWORD = "correct horse"
HERE, ELSEWHERE = "192.0.2.1", "203.0.113.9"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def rita(user_in: Callable[..., User]) -> User:
    user = user_in("Recruiters", name="rita")
    user.is_staff = True
    user.set_password(PASSWORD)
    user.save()
    return user


@pytest.fixture(autouse=True)
def few(settings: Any) -> None:
    """Three of a name at an address, five of either: one is forgotten in 20 and in 12 minutes."""
    settings.SIGN_IN_THROTTLES = {
        "address": (5, 3600),
        "name": (5, 3600),
        "name_at_address": (3, 3600),
    }


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Stands still until it is moved."""
    now = [NOW]
    monkeypatch.setattr("recruitment.sign_in_forms.timezone.now", lambda: now[0])

    def move(by: timedelta) -> None:
        now[0] += by

    return move


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Fills with each password that is hashed."""
    passwords: list[str] = []
    encode = MD5PasswordHasher.encode

    def note(self: MD5PasswordHasher, password: str, salt: str) -> str:
        passwords.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", note)
    return passwords


def sign_in(name: str, password: str, *, address: str = HERE, **given: Any) -> Any:
    """In a browser of its own. Returns the answer: a redirect where it succeeds."""
    form = {"username": name, "password": password, "next": "/admin/", **given}
    return Browser(REMOTE_ADDR=address).post("/admin/login/", form)


def failed(name: str, *, address: str = HERE, times: int = 1) -> int:
    """Status of the last."""
    tried = [sign_in(name, f"wrong {number}", address=address) for number in range(times)]
    return int(tried[-1].status_code)


@pytest.mark.usefixtures("clock")
def test_who_fails_too_often_is_told_how_long_to_wait(rita: User, hashed: list[str]) -> None:
    assert failed("rita", times=3) == 200
    before = len(hashed)
    refused = sign_in("rita", PASSWORD, kept="note=three+mails")
    assert (refused.status_code, refused["Retry-After"]) == (429, "1200")
    assert "Too many failed attempts. Try again in 20 minutes." in text_of(refused)
    assert len(hashed) == before
    page = refused.content.decode()
    assert 'value="rita"' in page
    assert 'value="note=three+mails"' in page
    assert PASSWORD not in page
    assert "no-store" in refused["Cache-Control"]


def test_the_wait_is_as_long_as_it_says(rita: User, clock: Callable[..., None]) -> None:
    failed("rita", times=3)
    clock(MINUTE * 20 - timedelta(seconds=1))
    refused = sign_in("rita", PASSWORD)
    assert (refused.status_code, refused["Retry-After"]) == (429, "1")
    assert "Try again in 1 second." in text_of(refused)
    clock(timedelta(seconds=1))
    assert sign_in("rita", PASSWORD).status_code == 302


@pytest.mark.usefixtures("clock")
def test_what_was_refused_is_not_counted(rita: User) -> None:
    failed("rita", times=3)
    assert [sign_in("rita", "x")["Retry-After"] for _ in range(5)] == ["1200"] * 5


@pytest.mark.usefixtures("clock")
def test_a_success_forgets_what_was_held_against_this_name_here(rita: User) -> None:
    for _ in range(3):
        assert failed("rita", times=2) == 200
        assert sign_in("rita", PASSWORD).status_code == 302


@pytest.mark.usefixtures("clock")
def test_a_success_gives_nobody_more_guesses_at_others(rita: User) -> None:
    """An attacker with an account signs in to it between guesses."""
    names = iter(f"somebody {number}" for number in range(100))
    for _ in range(5):
        assert failed(next(names)) == 200
        assert sign_in("rita", PASSWORD).status_code == 302
    assert failed(next(names)) == 429


@pytest.mark.usefixtures("clock")
def test_an_address_that_guesses_at_many_names_is_refused_and_no_other(
    rita: User, hashed: list[str]
) -> None:
    for number in range(5):
        assert failed(f"somebody {number}", address=ELSEWHERE) == 200
    before = len(hashed)
    assert failed("rita", address=ELSEWHERE) == 429
    assert len(hashed) == before
    assert sign_in("rita", PASSWORD).status_code == 302


@pytest.mark.usefixtures("clock")
def test_a_name_that_is_guessed_at_from_many_addresses_is_refused_where_it_is_new(
    rita: User,
) -> None:
    assert sign_in("rita", PASSWORD).status_code == 302
    for number in range(5):
        assert failed("rita", address=f"203.0.113.{number}") == 200
    assert sign_in("rita", PASSWORD, address="198.51.100.1").status_code == 429
    assert sign_in("rita", PASSWORD).status_code == 302


@pytest.mark.usefixtures("clock")
def test_who_has_signed_in_from_here_is_kept_out_by_no_neighbour(rita: User) -> None:
    """Nor by everybody, where a proxy that is not configured makes all addresses one."""
    assert sign_in("rita", PASSWORD).status_code == 302
    assert [failed(f"somebody {number}") for number in range(6)][4:] == [200, 429]
    assert sign_in("rita", PASSWORD).status_code == 302
    assert failed("rita") == 200


@pytest.mark.usefixtures("clock")
def test_at_a_known_address_guesses_are_limited_too(rita: User) -> None:
    assert sign_in("rita", PASSWORD).status_code == 302
    assert failed("rita", times=3) == 200
    assert sign_in("rita", PASSWORD).status_code == 429


@pytest.mark.usefixtures("clock")
def test_no_header_makes_a_client_another_one(rita: User) -> None:
    statuses = []
    for number in range(4):
        browser = Browser(REMOTE_ADDR=HERE, headers={"X-Forwarded-For": f"203.0.113.{number}"})
        form = {"username": "rita", "password": "wrong"}
        statuses.append(browser.post("/admin/login/", form).status_code)
    assert statuses == [200, 200, 200, 429]


@pytest.mark.usefixtures("clock")
def test_behind_a_proxy_clients_are_told_apart(rita: User, settings: Any) -> None:
    settings.PROXY_COUNT = 1
    statuses = []
    for number in range(4):
        browser = Browser(
            REMOTE_ADDR=HERE, headers={"X-Forwarded-For": f"10.1.1.1, 10.0.0.{number}"}
        )
        form = {"username": "rita", "password": "wrong"}
        statuses.append(browser.post("/admin/login/", form).status_code)
    assert statuses == [200, 200, 200, 200]


@pytest.mark.usefixtures("clock")
def test_a_client_has_a_whole_network_of_ipv6(rita: User) -> None:
    statuses = [failed("rita", address=f"2001:db8::{number}") for number in range(1, 5)]
    assert statuses == [200, 200, 200, 429]


@pytest.mark.usefixtures("clock")
def test_a_right_password_of_who_may_not_enter_is_told_from_no_wrong_one(rita: User) -> None:
    User.objects.update(is_staff=False)
    pages = [sign_in("rita", password) for password in (PASSWORD, "wrong", PASSWORD, "wrong")]
    assert [page.status_code for page in pages] == [200, 200, 200, 429]
    assert text_of(pages[0]) == text_of(pages[1])
    assert not KnownAddress.objects.exists()


@pytest.mark.usefixtures("clock")
def test_who_came_under_an_older_secret_is_still_known(rita: User, settings: Any) -> None:
    assert sign_in("rita", PASSWORD).status_code == 302
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another " * 10
    for number in range(5):
        failed("rita", address=f"203.0.113.{number}")
    assert sign_in("rita", PASSWORD).status_code == 302


@pytest.mark.usefixtures("clock")
def test_a_limit_may_be_lifted(rita: User, settings: Any) -> None:
    settings.SIGN_IN_THROTTLES = {"address": None, "name": None, "name_at_address": (3, 3600)}
    for number in range(9):
        assert failed("rita", address=f"203.0.113.{number}") == 200
    settings.SIGN_IN_THROTTLES = dict.fromkeys(settings.SIGN_IN_THROTTLES)
    assert failed("rita", times=4) == 200
    assert sign_in("rita", PASSWORD).status_code == 302


@pytest.mark.usefixtures("clock")
def test_an_old_password_is_not_guessed_in_a_session_that_was_left_open(
    rita: User, hashed: list[str]
) -> None:
    browser = Browser(REMOTE_ADDR=HERE)
    browser.force_login(rita)
    form = {"old_password": "wrong", "new_password1": "staple 17", "new_password2": "staple 17"}
    for _ in range(3):
        assert browser.post("/admin/password_change/", form).status_code == 200
    hashed.clear()
    refused = browser.post("/admin/password_change/", {**form, "old_password": PASSWORD})
    assert (refused.status_code, refused["Retry-After"], hashed) == (429, "1200", [])
    assert "Too many failed attempts. Try again in 20 minutes." in text_of(refused)
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.usefixtures("clock")
def test_what_came_of_each_attempt_is_in_the_log_and_no_password(
    rita: User, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="recruitment.sign_in")
    sign_in("rita", "geheim 1")
    sign_in("geheim 2", "geheim 3")
    sign_in("rita\ngeheim", "geheim 4")
    sign_in("rita", PASSWORD)
    failed("rita", times=4)
    said = [record.getMessage() for record in caplog.records if "sign_in" in record.name]
    assert said == [
        'sign_in_failed user="rita" address="192.0.2.1"',
        'sign_in_failed user="-" address="192.0.2.1"',
        'sign_in_failed user="-" address="192.0.2.1"',
        'signed_in user="rita" address="192.0.2.1"',
        *['sign_in_failed user="rita" address="192.0.2.1"'] * 3,
        'sign_in_refused user="rita" address="192.0.2.1" wait="1200"',
    ]
    assert "geheim" not in caplog.text
    assert PASSWORD not in caplog.text


def test_neither_names_nor_addresses_are_stored(rita: User) -> None:
    failed("rita")
    sign_in("rita", PASSWORD)
    failed("somebody")
    rows = str([*FailedSignIns.objects.values(), *KnownAddress.objects.values()])
    assert FailedSignIns.objects.count() >= 3
    assert not re.search(r"rita|somebody|192\.0\.2", rows)


def test_what_is_forgotten_is_deleted(db: None) -> None:
    for number in range(4):
        attempt(f"somebody {number}", f"203.0.113.{number}", NOW)
    assert FailedSignIns.objects.count() == 12
    attempt("somebody else", HERE, NOW + 21 * MINUTE)
    assert FailedSignIns.objects.count() == 3


def test_a_flood_of_addresses_keeps_no_more_rows_than_there_may_be(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_limits, "MOST_KEPT", 20)
    for number in range(40):
        attempt(f"somebody {number}", f"203.0.113.{number}", NOW)
    assert FailedSignIns.objects.count() <= 20
    # Those that last go last.
    attempt("somebody 39", "203.0.113.39", NOW)
    attempt("somebody 39", "203.0.113.39", NOW)
    with pytest.raises(TooManyFailures):
        attempt("somebody 39", "203.0.113.39", NOW)


def test_of_each_user_a_hundred_addresses_are_known(
    rita: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_in_limits, "MOST_KNOWN", 3)
    for number in range(5):
        at = NOW + number * MINUTE
        succeeded(attempt("rita", f"203.0.113.{number}", at), rita, at)
    seen = KnownAddress.objects.values_list("seen_at", flat=True)
    assert sorted(seen) == [NOW + number * MINUTE for number in (2, 3, 4)]


def test_what_is_known_of_a_user_goes_with_them(rita: User) -> None:
    succeeded(attempt("rita", HERE, NOW), rita, NOW)
    rita.delete()
    assert not KnownAddress.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_attempts_at_the_same_moment_no_more_pass_than_one_after_the_other() -> None:
    tried = together(12, lambda _: attempt("rita", HERE, NOW))
    assert sum(isinstance(one, TooManyFailures) for one in tried) == 9
    assert sum(isinstance(one, sign_in_limits.Attempt) for one in tried) == 3


@pytest.mark.django_db(transaction=True)
def test_many_addresses_names_and_successes_at_once_wait_for_one_another_in_one_order(
    rita: User,
) -> None:
    def work(number: int) -> None:
        for turn in range(5):
            at = NOW + (number + turn) * MINUTE * 30
            tried = attempt("rita", f"203.0.113.{turn % 2}", at)
            succeeded(tried, rita, at)

    raised = [one for one in together(6, work) if one is not None]
    assert [one for one in raised if not isinstance(one, TooManyFailures)] == []


@pytest.mark.django_db(transaction=True)
def test_processes_count_together() -> None:
    code = f"""
from datetime import datetime
from django.conf import settings
from recruitment.sign_in_limits import TooManyFailures, attempt
settings.SIGN_IN_THROTTLES = {{"address": (5, 3600), "name": None, "name_at_address": None}}
try:
    attempt("somebody", "{HERE}", datetime.fromisoformat("{NOW.isoformat()}"))
    print("passed")
except TooManyFailures as error:
    print(error.wait)
"""
    for number in range(4):
        attempt(f"somebody {number}", HERE, NOW)
    assert [run(code).strip() for _ in range(2)] == ["passed", "720"]


def test_a_wait_is_told_in_words() -> None:
    told = {1: "1 second", 59: "59 seconds", 60: "60 seconds", 61: "2 minutes", 1200: "20 minutes"}
    assert {seconds: in_words(seconds) for seconds in told} == told


def test_a_name_may_be_any_text(db: None) -> None:
    for name in ("", "ü" * 150, "'; DROP TABLE", "%s"):
        attempt(name, "-", NOW)
    assert connection.is_usable()
