from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient

from tests.candidates.api.requests import URL


@pytest.fixture
def recruiter(user_in: Callable[..., User]) -> User:
    return user_in("Recruiters", name="rita")


@pytest.fixture
def user_with(user_in: Callable[..., User]) -> Callable[..., User]:
    """A user who holds these permissions on candidates and no other."""

    def make(*codenames: str, name: str = "rita") -> User:
        user = user_in(name=name)
        held = Permission.objects.filter(codename__in=codenames)
        user.user_permissions.set(held.filter(content_type__app_label="candidates"))
        return user

    return make


@pytest.fixture
def api(recruiter: User, client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(recruiter)


@pytest.fixture
def add(api: APIClient) -> Callable[..., str]:
    """Adds a candidate and returns its URL."""

    def post(score: float = 80, **profile: Any) -> str:
        answer = api.post(URL, {"profile": profile or {"name": "Ann"}, "score": score})
        assert answer.status_code == 201, answer.content
        return str(answer["Location"])

    return post
