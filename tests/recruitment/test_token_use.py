"""The list of tokens says when each was used last, and no call waits for that."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from recruitment import token_use
from recruitment.models import ApiToken, TokenUse
from recruitment.token_lookup import tokens_beginning
from recruitment.tokens import issue
from tests.browser import Browser, text_of
from tests.statements import executed
from tests.threads import in_flight, together

URL = "/api/v1/candidates/"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_use, "_paused_until", None)


@pytest.fixture
def issued(user_in: Callable[..., User]) -> tuple[ApiToken, str]:
    return issue(user_in("Viewers", name="ann"))


def call(token: str, status: int = 200) -> None:
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    assert client.get(URL).status_code == status


def found(token: str) -> AuthToken:
    """As a request finds it."""
    ((row, _),) = tokens_beginning(token[:15], now=timezone.now())
    return row


def used_at(token: ApiToken) -> datetime | None:
    return TokenUse.objects.filter(token=token).values_list("used_at", flat=True).first()


def test_a_call_is_the_tokens_last_use(issued: tuple[ApiToken, str]) -> None:
    row, token = issued
    assert used_at(row) is None
    before = timezone.now()
    call(token)
    first = used_at(row)
    assert first is not None
    assert before <= first <= timezone.now()
    assert found(token).use.used_at == first


def test_it_is_stored_again_after_five_minutes_and_not_before(
    issued: tuple[ApiToken, str],
) -> None:
    row, token = issued
    token_use.note_use(found(token), NOW)
    with executed() as statements:
        token_use.note_use(found(token), NOW + 5 * MINUTE - timedelta(seconds=1))
    assert (len(statements), used_at(row)) == (1, NOW)
    token_use.note_use(found(token), NOW + 5 * MINUTE)
    assert used_at(row) == NOW + 5 * MINUTE


def test_a_process_that_looked_before_another_stored_it_stores_nothing(
    issued: tuple[ApiToken, str],
) -> None:
    row, token = issued
    early, late = found(token), found(token)
    token_use.note_use(early, NOW)
    token_use.note_use(late, NOW + MINUTE)
    assert used_at(row) == NOW


def test_what_is_refused_is_no_use(issued: tuple[ApiToken, str]) -> None:
    row, token = issued
    call(token[:-1] + ("0" if token[-1] != "0" else "1"), 401)
    User.objects.update(is_active=False)
    call(token, 401)
    assert used_at(row) is None


def test_the_list_and_the_page_that_revokes_show_it(
    issued: tuple[ApiToken, str], staff: Callable[..., Browser], settings: Any
) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    row, token = issued
    operator = staff("Operators")
    page = f"/admin/recruitment/apitoken/{row.pk}/delete/"
    assert f"{token[:8]}… ann everything" in text_of(operator.get("/admin/recruitment/apitoken/"))
    assert "Last used never" in text_of(operator.get(page))
    TokenUse.objects.create(token=row, used_at=NOW)
    for address in ("/admin/recruitment/apitoken/", page):
        assert "1 Mar 2026, 13:00 CET" in text_of(operator.get(address))


def test_the_list_asks_once_for_all(
    staff: Callable[..., Browser], user_in: Callable[..., User]
) -> None:
    operator, counts = staff("Operators"), []
    for number in range(2):
        for _ in range(5):
            row, _token = issue(user_in(name=f"{number} {_}"))
            TokenUse.objects.create(token=row, used_at=NOW)
        operator.get("/admin/recruitment/apitoken/")
        with executed() as statements:
            operator.get("/admin/recruitment/apitoken/")
        counts.append(len(statements))
    assert counts[0] == counts[1]


@pytest.mark.django_db(transaction=True)
def test_a_token_that_was_revoked_meanwhile_stops_nobody(issued: tuple[ApiToken, str]) -> None:
    row, token = issued
    late = found(token)
    row.delete()
    token_use.note_use(late, NOW)
    assert not TokenUse.objects.exists()


@pytest.fixture
def locked(transactional_db: None, issued: tuple[ApiToken, str]) -> Iterator[None]:
    """Another connection holds what the note would write."""

    def lock() -> None:
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("LOCK TABLE recruitment_tokenuse IN EXCLUSIVE MODE")
            else:
                TokenUse.objects.filter(pk="").delete()

    with in_flight(lock):
        yield


@pytest.mark.usefixtures("locked")
def test_a_call_does_not_wait_for_who_holds_the_table(
    issued: tuple[ApiToken, str], caplog: pytest.LogCaptureFixture
) -> None:
    row, token = issued
    for _ in range(3):
        call(token)
    said = [one for one in caplog.records if one.name == "recruitment.brief_writes"]
    assert [one.levelno for one in said] == [logging.WARNING]
    assert used_at(row) is None


@pytest.mark.django_db(transaction=True)
def test_after_a_failure_it_is_tried_again_a_minute_later(
    issued: tuple[ApiToken, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    row, token = issued
    kept = found(token)
    with monkeypatch.context() as broken:
        broken.setattr(token_use, "_UPSERT", "INSERT INTO recruitment_nothing VALUES (%s, %s, %s)")
        token_use.note_use(kept, NOW)
    token_use.note_use(kept, NOW + MINUTE - timedelta(seconds=1))
    assert used_at(row) is None
    token_use.note_use(kept, NOW + MINUTE)
    assert used_at(row) == NOW + MINUTE


@pytest.mark.django_db(transaction=True)
def test_calls_at_the_same_moment_all_pass(issued: tuple[ApiToken, str]) -> None:
    row, token = issued
    assert together(6, lambda _: call(token)) == [None] * 6
    assert used_at(row) is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no such setting")
def test_the_time_that_writers_wait_is_as_before(issued: tuple[ApiToken, str]) -> None:
    call(issued[1])
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA busy_timeout").fetchone() == (20_000,)


@pytest.mark.django_db
def test_in_a_transaction_a_note_that_fails_breaks_nothing_else(
    issued: tuple[ApiToken, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_use, "_UPSERT", "INSERT INTO recruitment_nothing VALUES (%s, %s, %s)")
    with transaction.atomic():
        token_use.note_use(found(issued[1]), NOW)
        assert AuthToken.objects.count() == 1


def test_no_answer_tells_how_much_of_a_token_is_right(issued: tuple[ApiToken, str]) -> None:
    """64 random characters need no limit on guesses, as long as nothing is learned from one."""
    row, token = issued
    expired, past = issue(row.user, expires=timezone.now() + MINUTE)
    AuthToken.objects.filter(pk=expired.pk).update(expiry=timezone.now())
    bodies = set()
    for guess in (past, token[:15] + "0" * 49, token[:-1], f"{token}0", "0" * 64, "x", "%00", "ü"):
        client = APIClient(headers={"Authorization": f"Bearer {guess}"})
        answer = client.get(URL)
        bodies.add((answer.status_code, answer.content, answer["WWW-Authenticate"]))
    assert len(bodies) == 1
