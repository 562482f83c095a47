from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connections, transaction
from django.test import TransactionTestCase
from rest_framework.test import APIClient

from eventstore.infrastructure.triggers import drop_triggers
from tests.scenario import Scenario


def _empty_databases(self: TransactionTestCase) -> None:
    """Django's flush between tests, past the triggers that forbid it; migrate's signal,
    which the flush sends, brings them back."""
    for alias in self._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
        with transaction.atomic(using=alias):
            drop_triggers(connections[alias])
            call_command(
                "flush", verbosity=0, interactive=False, database=alias, reset_sequences=False
            )


TransactionTestCase._fixture_teardown = _empty_databases  # type: ignore[attr-defined]


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


@pytest.fixture
def client_of() -> Callable[[User], APIClient]:
    """An API client that is logged in; every callback of a commit runs as it would."""

    def make(user: User, **options: Any) -> APIClient:
        client = APIClient(**options)
        client.force_authenticate(user)
        return client

    return make
