from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import TestCase, TransactionTestCase
from hypothesis import settings as hypothesis
from rest_framework.test import APIClient

from tests.databases import empty_database
from tests.scenario import Scenario


def _fixture_teardown(self: TransactionTestCase) -> None:
    for alias in self._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
        empty_database(alias)


TransactionTestCase._fixture_teardown = _fixture_teardown  # type: ignore[attr-defined]

# The same examples in every run: a failure is found by who caused it, not by who comes next.
hypothesis.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.load_profile("repeatable")


@pytest.fixture
def scenario() -> Scenario:
    return Scenario()


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def user_in(db: None) -> Callable[..., User]:
    """A user of these groups; each name is one user."""

    def make(*groups: str, name: str = "rita") -> User:
        user = User.objects.create_user(name)
        user.groups.set(Group.objects.filter(name__in=groups))
        return user

    return make


class CommittingClient(APIClient):
    """Runs what waits for a commit, also where the test's own transaction is never committed."""

    def request(self, **kwargs: Any) -> Any:
        with TestCase.captureOnCommitCallbacks(execute=True):
            return super().request(**kwargs)


@pytest.fixture
def client_of() -> Callable[..., CommittingClient]:
    """An API client that is logged in; every callback of a commit runs as it would."""

    def make(user: User | None, **options: Any) -> CommittingClient:
        client = CommittingClient(**options)
        client.force_authenticate(user)
        return client

    return make
