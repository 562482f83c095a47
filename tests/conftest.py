from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import TransactionTestCase
from rest_framework.test import APIClient

from tests.browser import Browser
from tests.databases import empty_database
from tests.scenario import Scenario


def _fixture_teardown(self: TransactionTestCase) -> None:
    for alias in self._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
        empty_database(alias)


TransactionTestCase._fixture_teardown = _fixture_teardown  # type: ignore[attr-defined]


@pytest.fixture
def scenario() -> Scenario:
    return Scenario()


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def staff(user_in: Callable[..., User]) -> Callable[..., Browser]:
    """A browser in which somebody of these groups is logged in to the admin."""

    def make(*groups: str, name: str = "rita", superuser: bool = False, **options: Any) -> Browser:
        user = user_in(*groups, name=name)
        user.is_staff, user.is_superuser = True, superuser
        user.save()
        browser = Browser(**options)
        browser.force_login(user)
        return browser

    return make


@pytest.fixture
def user_in(db: None) -> Callable[..., User]:
    """A user of these groups; each name is one user."""

    def make(*groups: str, name: str = "rita") -> User:
        user = User.objects.create_user(name)
        user.groups.set(Group.objects.filter(name__in=groups))
        return user

    return make


@pytest.fixture
def client_of() -> Callable[[User], APIClient]:
    """An API client that is logged in; every callback of a commit runs as it would."""

    def make(user: User, **options: Any) -> APIClient:
        client = APIClient(**options)
        client.force_authenticate(user)
        return client

    return make
