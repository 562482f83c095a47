"""A database that is away, read-only, full or held by somebody: people are told, and nothing more.

What fails is a statement of the database, not a stand-in for it.
"""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from candidates.models import CandidateProjection
from eventstore.infrastructure.outages import Outage
from eventstore.models import StorageEvent
from recruitment.tokens import issue
from tests.browser import Browser
from tests.candidates.test_admin_decisions import chosen, confirmed
from tests.factories import add
from tests.given import given

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/candidates/"
NEW = {"profile": {"name": "Ann"}, "score": 80}


def run(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone() if cursor.description else None


@contextmanager
def read_only() -> Iterator[None]:
    sqlite = connection.vendor == "sqlite"
    run("PRAGMA query_only = on" if sqlite else "SET default_transaction_read_only = on")
    try:
        yield
    finally:
        connection.close()


@contextmanager
def full() -> Iterator[None]:
    """SQLite alone can be told how large it may get; PostgreSQL needs a disk that is full."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL is filled up in a drill with a disk of its own.")
    run("VACUUM")
    (pages,) = run("PRAGMA page_count")
    run(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        connection.close()


@contextmanager
def held() -> Iterator[None]:
    """By a transaction of somebody else, for longer than anybody waits."""
    with closing(connection.copy()) as other, other.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
            run("PRAGMA busy_timeout = 50")
        else:
            cursor.execute("BEGIN")
            cursor.execute(f"LOCK TABLE {StorageEvent._meta.db_table} IN ACCESS EXCLUSIVE MODE")
            run("SET lock_timeout = '50ms'")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")
            connection.close()


@contextmanager
def away() -> Iterator[None]:
    kept: dict[str, Any] = connection.settings_dict
    connection.close()
    connection.settings_dict = {**kept, "NAME": "/nowhere/secret", "HOST": "127.0.0.1"}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = kept


OUTAGES = [
    (Outage.READ_ONLY, read_only),
    (Outage.FULL, full),
    (Outage.BUSY, held),
    (Outage.AWAY, away),
]


@pytest.mark.parametrize(("outage", "during"), OUTAGES, ids=[one.name for one, _ in OUTAGES])
def test_a_command_is_answered_with_when_to_come_again_and_stores_nothing(
    outage: Outage,
    during: Callable[[], Any],
    user_in: Callable[..., User],
    client_of: Callable[..., APIClient],
) -> None:
    api = client_of(user_in("Recruiters"))
    # So much that it does not fit into a page that is there.
    large = {"profile": {"name": "Ann", "source": "x" * 200}, "score": 80}
    with during():
        answer = api.post(URL, large)
        # Until what was free in the pages that are there is used up.
        while answer.status_code == 201:
            answer = api.post(URL, large)
    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    told = json.loads(answer.content)
    assert (told["code"], told["detail"]) == (outage.code, outage.text)
    assert answer["Retry-After"] == str(outage.retry_after)
    assert "secret" not in answer.content.decode()
    # What found room for its event and not for its row was acknowledged, and is brought now.
    call_command("follow", "--once", stdout=io.StringIO(), stderr=io.StringIO())
    stored = StorageEvent.objects.count()
    assert stored == CandidateProjection.objects.count()
    assert api.post(URL, NEW).status_code == 201
    assert StorageEvent.objects.count() == stored + 1


@pytest.mark.parametrize("during", [read_only, held], ids=["read-only", "held"])
def test_reads_go_on_where_only_writing_is_not_possible(
    during: Callable[[], Any], user_in: Callable[..., User]
) -> None:
    _, token = issue(user_in("Recruiters"))
    api = APIClient(headers={"Authorization": f"Bearer {token}"})
    added = api.post(URL, NEW).json()["id"]
    with during():
        if connection.vendor == "sqlite" or during is read_only:
            assert api.get(URL).status_code == 200
            assert api.get(f"{URL}{added}/history/").status_code == 200
        assert Client().get("/healthz").status_code == 200


def test_a_page_says_so_in_the_look_of_the_admin() -> None:
    browser = Client(raise_request_exception=False)
    browser.cookies["sessionid"] = "x" * 32
    with away():
        answer = browser.get("/admin/")
        posted = browser.post("/admin/login/", {"username": "rita", "password": "wrong"})
    page = answer.content.decode()
    assert (answer.status_code, answer["Content-Type"]) == (503, "text/html; charset=utf-8")
    assert answer["Retry-After"] == str(Outage.AWAY.retry_after)
    assert "<title>Not available at the moment" in page
    assert Outage.AWAY.text in page
    assert "secret" not in page
    # Light and dark, as every other page.
    for wanted in ("admin/css/base.css", "admin/css/dark_mode.css", "admin/js/theme.js"):
        assert wanted in page
    assert "What you sent" not in page
    assert posted.status_code == 503
    assert "What you sent may have been stored" in posted.content.decode()


def test_a_decision_on_a_read_only_database_is_a_page_with_503(
    staff: Callable[..., Browser],
) -> None:
    browser = staff("Recruiters", raise_request_exception=False)
    candidate_id = given(add(candidate_id=uuid4())).candidate_id
    with read_only():
        # Everything is shown, up to the question whether it is meant.
        page = chosen(browser, "invite", candidate_id)
        assert page.status_code == 200
        answer = confirmed(browser, page)
    assert answer.status_code == 503
    assert Outage.READ_ONLY.text in answer.content.decode()
    assert "What you sent may have been stored" in answer.content.decode()
    assert answer["Retry-After"] == "60"
    assert StorageEvent.objects.count() == 1


def test_without_a_database_it_is_alive(client: Client) -> None:
    with away():
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 503
        told = client.get("/readyz", {"projections": "1"}).json()
    assert told == {"ready": False, "problems": [Outage.AWAY.text], "warnings": []}
