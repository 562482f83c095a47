from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import TransactionTestCase
from hypothesis import settings as hypothesis
from rest_framework.test import APIClient

from eventstore import wiring
from recruitment import bounded
from tests.browser import Browser, Committing
from tests.databases import empty_database
from tests.scenario import Scenario

T = TypeVar("T")


def _fixture_teardown(self: TransactionTestCase) -> None:
    for alias in self._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
        empty_database(alias)


TransactionTestCase._fixture_teardown = _fixture_teardown  # type: ignore[attr-defined]

# The same examples in every run: a failure is found by who caused it, not by who comes next.
hypothesis.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.load_profile("repeatable")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Removes what a run that was killed, or of another version, left beside SQLite's file."""
    if connection.vendor == "sqlite":
        for suffix in ("-wal", "-shm", "-journal", ".replay"):
            Path(f"{connection.settings_dict['TEST']['NAME']}{suffix}").unlink(missing_ok=True)


@pytest.fixture(autouse=True, scope="session")
def _no_repair_on_the_side() -> None:
    """A thread that goes on into the next test finds an empty database, or none at all."""
    wiring.repair_once.start = lambda: None  # type: ignore[method-assign]


@pytest.fixture(autouse=True, scope="session")
def _health_is_asked_in_the_test_itself() -> None:
    """A thread with a connection of its own does not see what a test has not committed."""
    bounded.ask = _asked_here


def _asked_here(act: Callable[[], T], *, seconds: float) -> T:
    return act()


@pytest.fixture(autouse=True, scope="session")
def _nothing_is_paused() -> None:
    """What every process looks up once a second would be one query more in any test."""
    wiring.holds._look_at = float("inf")


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


class CommittingClient(Committing, APIClient):
    """An API client whose commands are shown by the read model at once."""


@pytest.fixture
def client_of() -> Callable[..., CommittingClient]:
    """An API client that is logged in; every callback of a commit runs as it would."""

    def make(user: User | None, **options: Any) -> CommittingClient:
        client = CommittingClient(**options)
        client.force_authenticate(user)
        return client

    return make
