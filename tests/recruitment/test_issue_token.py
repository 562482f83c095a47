"""The command that gives a user a token for the API."""

import io
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient


def _issue(user: str, *options: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("issue_token", user, *options, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_the_token_stands_alone_on_standard_output_and_works(user_in: Callable[..., User]) -> None:
    user_in("Viewers", name="ann")
    out, err = _issue("ann")
    token = out.removesuffix("\n")
    assert token.isalnum()
    assert token not in err
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    assert client.get("/api/v1/candidates/").status_code == 200
    assert client.post("/api/v1/candidates/", {}).status_code == 403


def test_each_call_issues_another_token_and_earlier_ones_stay_good(
    user_in: Callable[..., User],
) -> None:
    user_in("Viewers", name="ann")
    tokens = {_issue("ann")[0].strip() for _ in range(2)}
    assert len(tokens) == 2
    for token in tokens:
        client = APIClient(headers={"Authorization": f"Bearer {token}"})
        assert client.get("/api/v1/candidates/").status_code == 200


def test_a_token_is_kept_as_a_digest_only(user_in: Callable[..., User]) -> None:
    user_in(name="ann")
    token = _issue("ann")[0].strip()
    assert token not in str(AuthToken.objects.values().get())


@pytest.mark.django_db
def test_nobody_gets_no_token() -> None:
    with pytest.raises(CommandError, match="There is no user 'ann': make one"):
        _issue("ann")


def test_who_is_not_active_gets_no_token(user_in: Callable[..., User]) -> None:
    user = user_in(name="ann")
    user.is_active = False
    user.save()
    with pytest.raises(CommandError, match="'ann' is not active"):
        _issue("ann")
    assert not AuthToken.objects.exists()


@pytest.mark.parametrize(
    ("options", "reads", "adds"),
    [
        (["--scope", "read"], 200, 403),
        (["--scope", "command"], 403, 201),
        (["--scope", "feed"], 403, 403),
        (["--scope", "read", "--scope", "command"], 200, 201),
        (["--scope=read", "--scope=read"], 200, 403),
        ([], 200, 201),
    ],
)
def test_a_token_is_good_for_the_scopes_that_it_was_issued_with(
    user_in: Callable[..., User], options: list[str], reads: int, adds: int
) -> None:
    user_in("Recruiters", name="ann")
    token = _issue("ann", *options)[0].strip()
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    assert client.get("/api/v1/candidates/").status_code == reads
    add = {"profile": {}, "score": 80}
    assert client.post("/api/v1/candidates/", add).status_code == adds


def test_a_token_is_good_until_the_instant_that_was_named(user_in: Callable[..., User]) -> None:
    user_in("Viewers", name="ann")
    named = timezone.now() + timedelta(days=90)
    token = _issue("ann", "--expires", named.isoformat())[0].strip()
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    assert client.get("/api/v1/candidates/").status_code == 200
    assert AuthToken.objects.get().expiry == named
    AuthToken.objects.update(expiry=timezone.now())
    answer = client.get("/api/v1/candidates/")
    assert (answer.status_code, answer.json()["code"]) == (401, "authentication_failed")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scope", "write"], "invalid choice: 'write'"),
        (["--expires", "tomorrow"], "'tomorrow' is no time with an offset"),
        (["--expires", "2127-01-31"], "is no time with an offset"),
        (["--expires", "2127-01-31T00:00"], "is no time with an offset"),
        (["--expires", "9999-12-31T23:59-12:00"], "is no time with an offset"),
        (["--expires", "9999-12-31T00:00Z"], "before the year 9999"),
        (["--expires", "2020-01-31T00:00Z"], "is past"),
    ],
)
def test_what_makes_no_token_is_named(
    user_in: Callable[..., User], options: list[str], words: str
) -> None:
    user_in("Viewers", name="ann")
    with pytest.raises(CommandError, match=words):
        _issue("ann", *options)
    assert not AuthToken.objects.exists()
