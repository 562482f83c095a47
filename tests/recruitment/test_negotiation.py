"""The API follows `Accept` as RFC 9110 defines it."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

URL = "/api/v1/candidates/"


@pytest.fixture
def api(user_in: Callable[..., User], client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(user_in("Recruiters"))


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        " ",
        ",",
        " , ,",
        "*/*",
        "*",
        "application/*",
        "application/json",
        "Application/JSON",
        "application/json;q=0.001",
        "application/json;q=1.000",
        "application/json ; q=0.5",
        "application/json;Q=0.5",
        "text/html, application/json;q=0.1",
        "text/html, */*;q=0.1",
        "*/*;q=0, application/json",
        "application/*;q=0, application/json;q=0.2",
        "text/*;q=0, */*;q=0.1",
        "application/json;q=0, application/json;q=0.2",
        "application/json;charset=utf-8",
        "application/json;indent=4;q=0.4",
        "application/json;profile=x;q=0, */*",
        "application/json;q=x",
        "application/json;q=",
        "application/json;q=7",
        "application/json;q=-1",
        "application/json;q=nan",
        "application/json; q=x;;;",
        "garbage, application/json",
        "text/html;level=1, text/html;q=0.7, */*;q=0.5",
    ],
)
def test_json_is_sent_to_who_accepts_it(api: APIClient, accept: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = api.get(URL, headers=headers)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        "text/*",
        "application/xml, text/html;q=0.5",
        "*/*;q=0",
        "*;q=0",
        "*/*;q=0.000",
        "application/json;q=0",
        "application/json;q=0.0, */*",
        "application/*;q=0, */*",
        "application/*;q=0",
        "*/*, application/json;q=0",
        "application/problem+json",
        "garbage",
        "application",
        "*/json",
        "/",
        ";",
        "\xff",
        '"application/json"',
    ],
)
def test_who_does_not_accept_json_is_told_so_and_nothing_is_done(
    api: APIClient, accept: str
) -> None:
    for answer in (
        api.get(URL, headers={"Accept": accept}),
        api.post(URL, {"profile": {}, "score": 1}, headers={"Accept": accept}),
    ):
        assert (answer.status_code, answer["Content-Type"]) == (406, "application/problem+json")
        assert answer.json()["code"] == "not_acceptable"
    assert api.get(URL).json()["results"] == []


def test_a_failure_is_a_problem_whatever_is_accepted(api: APIClient) -> None:
    for accept in ("application/json", "application/problem+json, application/json;q=0.1", ""):
        answer = api.get(f"{URL}?x=1", headers={"Accept": accept})
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/vnd.oai.openapi"),
        ("*/*", "application/vnd.oai.openapi"),
        ("application/json", "application/json"),
        ("application/yaml;q=0.4, application/json;q=0.5", "application/json"),
        ("application/yaml;q=0.5, application/json;q=0.4", "application/yaml"),
        ("application/json, */*;q=0.1", "application/json"),
        (
            "*/*, application/vnd.oai.openapi;q=0, application/yaml;q=0.1",
            "application/vnd.oai.openapi+json",
        ),
    ],
)
def test_of_several_kinds_the_one_that_is_liked_best_is_sent(accept: str, kind: str) -> None:
    answer = Client().get("/api/v1/schema/", headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"].partition(";")[0]) == (200, kind)


def test_parameters_are_the_renderers(api: APIClient) -> None:
    indented = api.get(URL, headers={"Accept": "application/json; indent=4"})
    assert indented.content.startswith(b'{\n    "next"')
