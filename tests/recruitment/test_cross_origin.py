"""No page of another site may read what the API answers: nothing invites it to."""

from collections.abc import Callable
from contextlib import closing

import pytest
from django.contrib.auth.models import User
from django.test import Client


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/candidates/",
        "/api/v1/events/",
        "/api/v1/schema/",
        "/api/v1/docs/",
        "/api/nowhere/",
        "/admin/login/",
        "/healthz",
    ],
)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver"])
def test_no_answer_lets_another_site_in(
    user_in: Callable[..., User], path: str, method: str, origin: str
) -> None:
    logged_in = Client()
    logged_in.force_login(user_in("Recruiters"))
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    for client in (Client(), logged_in):
        answer = client.generic(method, path, content_type="application/json", headers=headers)
        assert "access-control" not in str(answer.headers).lower()


@pytest.mark.django_db
def test_no_static_file_does_either() -> None:
    headers = {"Origin": "https://evil.example"}
    with closing(Client().get("/static/recruitment/favicon.svg", headers=headers)) as answer:
        assert answer.status_code == 200
        assert "access-control" not in str(answer.headers).lower()
