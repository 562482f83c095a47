"""Bytes in a query that are no text are refused by the parameter's name, wherever there is one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from django.contrib.auth.models import User
from rest_framework.test import APIClient

DOCUMENT = Path(__file__).parent.parent.parent / "recruitment/docs/openapi.yaml"
PARAMETERS = [
    (method, path.replace("{id}", str(UUID(int=1))), parameter["name"])
    for path, operations in yaml.safe_load(DOCUMENT.read_text())["paths"].items()
    for method, operation in operations.items()
    for parameter in operation["parameters"]
    if parameter["in"] == "query"
]
NEEDED = {"/api/v1/what-if/": "threshold=1&"}


@pytest.fixture
def api(user_in: Callable[..., User], client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(user_in("Recruiters", "Operators"))


@pytest.mark.parametrize(
    "bytes_", ["%FF", "a%ED%A0%80b", "%C3", "%C0%80", "%F4%90%80%80", "\xff", "%ef%bf%bd%fe"]
)
@pytest.mark.parametrize(("method", "path", "name"), PARAMETERS)
def test_what_is_no_text_is_refused_by_its_parameter(
    api: APIClient, method: str, path: str, name: str, bytes_: str
) -> None:
    needed = NEEDED.get(path, "").removeprefix(f"{name}=1&")
    query = f"{needed}{name}={bytes_}"
    answer: Any = getattr(api, method)(path, QUERY_STRING=query)
    assert answer.status_code == 400, answer.content
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == (f"/{name}", "not_utf8")


@pytest.mark.parametrize(("method", "path", "name"), PARAMETERS)
@pytest.mark.parametrize("bytes_", ["%00", "a%00", "%EF%BF%BD", "%F0%9F%98%80", "%F3%A0%80%81"])
def test_what_is_text_is_never_a_fault_of_ours(
    api: APIClient, method: str, path: str, name: str, bytes_: str
) -> None:
    answer: Any = getattr(api, method)(path, QUERY_STRING=f"{NEEDED.get(path, '')}{name}={bytes_}")
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        assert {error["pointer"] for error in answer.json()["errors"]} == {f"/{name}"}


def test_a_name_that_is_no_text_is_an_unknown_one(api: APIClient) -> None:
    answer = api.get("/api/v1/candidates/", QUERY_STRING="%FF=%FE&search=%FF")
    assert {error["code"] for error in answer.json()["errors"]} == {"invalid_parameter"}


def test_a_query_of_very_many_parameters_is_refused_briefly(api: APIClient) -> None:
    for count in (900, 70_000):
        query = "&".join(f"p{i}=1" for i in range(count))
        answer = api.get("/api/v1/candidates/", QUERY_STRING=query)
        assert answer.status_code == 400
        assert len(answer.json().get("errors", [])) <= 20
