"""The command that gives a user a token for the API."""

import io
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from knox.models import AuthToken
from rest_framework.test import APIClient


def _issue(user: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("issue_token", user, stdout=out, stderr=err)
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
