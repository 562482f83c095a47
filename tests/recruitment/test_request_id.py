"""Each request has a name, which the answer, the log's lines and the events repeat."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from eventstore.models import StorageEvent

URL = "/api/v1/candidates/"
ADD: dict[str, Any] = {"profile": {"name": "Ann"}, "score": 80}


@pytest.fixture
def api(user_in: Callable[..., User], client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(user_in("Recruiters"))


@pytest.fixture
def lines() -> Iterator[Callable[[], list[str]]]:
    """What the handler that the settings describe has written, the lines of requests aside."""
    handlers = logging.getLogger().handlers
    handler = next(one for one in handlers if type(one) is logging.StreamHandler)
    written = io.StringIO()
    before = handler.setStream(written)
    yield lambda: [line for line in written.getvalue().splitlines() if "request_log" not in line]
    handler.setStream(before)


def _request_ids() -> list[Any]:
    stored = StorageEvent.objects.order_by("position").values_list("metadata", flat=True)
    return [json.loads(metadata)["request_id"] for metadata in stored]


@pytest.mark.django_db
@pytest.mark.parametrize("path", [URL, "/api/nowhere/", "/healthz", "/admin/login/", "/nowhere/"])
@pytest.mark.parametrize("id", ["a", "0190a000-0000-7000-8000-000000000001", "A.b_c-9" * 9 + "z"])
def test_the_clients_own_id_comes_back_with_every_answer(path: str, id: str) -> None:
    assert Client().get(path, headers={"X-Request-ID": id})["X-Request-ID"] == id


@pytest.mark.parametrize("id", [None, "", "a b", "a" * 65, "é", "a,b", "a\nb", "<b>", "Root=1-6"])
def test_a_request_without_an_id_that_will_do_is_given_one(api: APIClient, id: str | None) -> None:
    headers = {} if id is None else {"X-Request-ID": id}
    answers = [api.post(URL, ADD, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    given = [answer["X-Request-ID"] for answer in answers]
    assert len(set(given)) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in given)
    assert _request_ids() == given


def test_a_fault_of_ours_is_answered_with_the_id_that_its_traceback_has(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, lines: Callable[[], list[str]]
) -> None:
    monkeypatch.setattr("candidates.api.views.candidate_service", lambda: 1 / 0)
    api.raise_request_exception = False
    answer = api.post(URL, ADD, headers={"X-Request-ID": "fault-1"})
    assert (answer.status_code, answer["X-Request-ID"]) == (500, "fault-1")
    assert " ERROR django.request [fault-1] Internal Server Error: /api/v1/" in lines()[0]
    assert lines()[-1] == "ZeroDivisionError: division by zero"


def test_every_line_names_its_request_and_only_its_own(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, lines: Callable[[], list[str]]
) -> None:
    def log_and_stop() -> None:
        logging.getLogger("a.library").warning("inside")
        raise PermissionError

    monkeypatch.setattr("candidates.api.views.candidate_service", log_and_stop)
    api.raise_request_exception = False
    api.post(URL, ADD, headers={"X-Request-ID": "one"})
    api.get("/api/nowhere/", headers={"X-Request-ID": "two"})
    logging.getLogger("a.library").warning("outside")
    logged = [line.split(" ", 2)[2] for line in lines() if re.match(r"20\d\d-", line)]
    assert logged == [
        "WARNING a.library [one] inside",
        "ERROR django.request [one] Internal Server Error: /api/v1/candidates/",
        "WARNING django.request [two] Not Found: /api/nowhere/",
        "WARNING a.library [-] outside",
    ]


def test_a_repeat_under_another_id_is_still_the_same_command(api: APIClient) -> None:
    first, repeat = (
        api.post(URL, ADD, headers={"Idempotency-Key": "k", "X-Request-ID": id})
        for id in ("first", "repeat")
    )
    assert (repeat.status_code, repeat.json()) == (201, first.json())
    assert (repeat["Idempotent-Replayed"], repeat["X-Request-ID"]) == ("true", "repeat")
    assert _request_ids() == ["first"]
