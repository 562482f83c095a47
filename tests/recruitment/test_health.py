"""What a load balancer is told."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from eventstore.infrastructure.triggers import drop_triggers

ready = {"ready": True, "problems": [], "warnings": []}


def test_alive_needs_no_database_and_no_token(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"alive": True})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_ready_needs_no_token_and_few_queries(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(11):
        answer = client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, ready)
    assert "no-store" in answer["Cache-Control"]
    assert client.head("/readyz").status_code == 200
    assert client.post("/readyz").status_code == 405


@pytest.mark.django_db
def test_without_its_triggers_it_is_not_ready(client: Client) -> None:
    drop_triggers(connection)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert not answer.json()["ready"]
    assert "eventstore_" in answer.json()["problems"][0]


@pytest.mark.django_db
def test_with_a_migration_to_apply_it_is_not_ready(client: Client) -> None:
    ((app, newest),) = MigrationLoader(None).graph.leaf_nodes("candidates")
    MigrationRecorder(connection).record_unapplied(app, newest)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == [f"Migrations are not applied: candidates.{newest}."]


@pytest.mark.django_db
def test_what_newer_code_has_left_in_the_database_is_a_warning(client: Client) -> None:
    MigrationRecorder(connection).record_applied("eventstore", "9999_of_newer_code")
    # Of an app that this code lacks: it may have been taken out on purpose.
    MigrationRecorder(connection).record_applied("former", "0001_initial")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["problems"]) == (200, [])
    (warning,) = answer.json()["warnings"]
    assert "migrations that this code does not know: eventstore.9999_of_newer_code." in warning


@pytest.fixture
def unreachable(transactional_db: None) -> Iterator[None]:
    kept: dict[str, Any] = connection.settings_dict
    connection.close()
    connection.settings_dict = {**kept, "NAME": "/nowhere/secret", "OPTIONS": {}}
    yield
    connection.close()
    connection.settings_dict = kept


@pytest.mark.usefixtures("unreachable")
def test_without_a_database_it_is_alive_but_not_ready(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["The database does not answer."]
    assert any(record.levelno == logging.ERROR and record.exc_info for record in caplog.records)
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_on_another_database_it_says_what_is_supported(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "vendor", "oracle")
    monkeypatch.setattr(connection, "display_name", "Oracle")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    (problem,) = answer.json()["problems"]
    assert "runs on PostgreSQL and SQLite, not on Oracle" in problem
