"""The OpenAPI document: valid, complete, and true of what the API answers."""

import io
import re
from collections.abc import Callable
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
import yaml
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from jsonschema import Draft202012Validator
from rest_framework.test import APIClient

from candidates.application.commands import NoteOnCandidate
from tests.factories import add
from tests.given import given
from tests.scenario import CANDIDATE_ID

URL = "/api/v1/candidates/"


@pytest.fixture(scope="module")
def document() -> Any:
    out = io.StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=out)
    return yaml.safe_load(out.getvalue())


def _operations(document: Any) -> dict[str, Any]:
    return {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
    }


def _validate(document: Any, schema: Any, instance: Any) -> None:
    Draft202012Validator({**schema, "components": document["components"]}).validate(instance)


def _check(document: Any, operation: str, answer: Any) -> Any:
    """That the document describes this answer, its status and its media type."""
    described = _operations(document)[operation]["responses"][str(answer.status_code)]
    content = described["content"][answer["Content-Type"]]
    _validate(document, content["schema"], answer.json())
    return answer


def test_every_operation_has_a_name_that_can_be_read(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    assert "nullable" not in str(document)
    names = "list add read history standby invite reject undo rescore profile note retract"
    assert set(_operations(document)) == {
        *(f"candidates_{name}" for name in names.split()),
        "candidates_commands",
        "candidates_statistics",
        "candidates_what_if",
        "events_feed",
    }


def test_every_operation_says_what_it_does_and_what_can_go_wrong(document: Any) -> None:
    for name, operation in _operations(document).items():
        problems = {s: r for s, r in operation["responses"].items() if s >= "400"}
        expected = {"400", "401", "403", "406", "413", "429"}
        of_many = {f"candidates_{name}" for name in ("list", "statistics", "what_if")}
        reads = {"candidates_read", "candidates_history", *of_many}
        if name not in {"candidates_add", "events_feed", *of_many}:
            expected |= {"404"}
        if name == "events_feed":
            expected |= {"404", "409"}
        elif name not in reads:
            expected |= {"409", "411", "415", "422", "503"}
        if expected >= {"404", "503"}:
            expected |= {"412", "428"}
        assert set(problems) == expected
        assert all(list(r["content"]) == ["application/problem+json"] for r in problems.values())
        assert all(r["description"] for r in problems.values())
        assert re.fullmatch(r"[A-Z].*\.", operation["description"], re.DOTALL)
        assert {"token": []} in operation["security"]
        assert "X-Request-ID" in {parameter["name"] for parameter in operation["parameters"]}
        assert all("X-Request-ID" in r["headers"] for r in operation["responses"].values())
        assert "Retry-After" in problems["429"]["headers"]


def test_the_descriptions_of_bodies_are_for_who_calls_the_api(document: Any) -> None:
    schemas = document["components"]["schemas"]
    assert {name for name in schemas if name.endswith("Body")} == {
        f"{name}Body"
        for name in (
            *(
                "Add",
                "Standby",
                "Invite",
                "Reject",
                "Undo",
                "Rescore",
                "Profile",
                "Note",
                "Retract",
            ),
            "Batch",
        )
    }
    assert not any("description" in schemas[name] for name in schemas if name.endswith("Body"))


def test_examples_are_accepted_and_problems_are_as_they_are_shown(
    document: Any, user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    api = client_of(user_in("Recruiters"))
    operations = _operations(document)

    def example(name: str) -> Any:
        body = operations[name]["requestBody"]["content"]["application/json"]
        return body["examples"]["Example"]["value"]

    url = api.post(URL, example("candidates_add"))["Location"]
    rejected = api.post(f"{url}reject/", example("candidates_reject"))
    undone = api.post(f"{url}undo/", example("candidates_undo"))
    assert (rejected.status_code, undone.status_code) == (200, 200)

    api.post(f"{url}rescore/", {"score": 60, "why": "Second look."})
    for status, headers in ((409, {}), (412, {"If-Match": '"1"'})):
        answer = api.post(f"{url}invite/", headers=headers)
        content = operations["candidates_invite"]["responses"][str(status)]["content"]
        shown = content["application/problem+json"]["example"]
        assert answer.status_code == status
        assert answer.json().keys() == shown.keys()
        assert answer.json()["code"] == shown["code"]


def test_answers_are_as_the_document_says(
    document: Any, user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    api = client_of(user_in("Recruiters"))
    added = _check(document, "candidates_add", api.post(URL, {"profile": {"a": [1]}, "score": 80}))
    url = added["Location"]
    steps: list[tuple[str, dict[str, Any]]] = [
        ("standby", {"until": "2026-09-01"}),
        ("invite", {}),
        ("reject", {"reason": "other"}),
        ("undo", {"version": 4}),
        ("note", {"text": "x"}),
    ]
    for name, body in steps:
        _check(document, f"candidates_{name}", api.post(f"{url}{name}/", body))
        _check(document, "candidates_read", api.get(url))
    for moment in ("version=1", "version=9", "as_of=2020-01-01T00:00:00Z", "known_at=x"):
        _check(document, "candidates_read", api.get(f"{url}?{moment}"))
    _check(document, "candidates_history", api.get(f"{url}history/"))
    _check(document, "candidates_list", api.get(URL))
    api.post(URL, {"profile": {}, "score": 0})
    _check(document, "candidates_list", api.get(f"{URL}?page_size=1"))
    _check(document, "candidates_statistics", api.get("/api/v1/statistics/"))
    early = api.get("/api/v1/statistics/?as_of=2020-01-01T00:00:00Z")
    _check(document, "candidates_statistics", early)
    _check(document, "candidates_statistics", api.get("/api/v1/statistics/?as_of=x"))
    _check(document, "candidates_what_if", api.get("/api/v1/what-if/?threshold=0&page_size=1"))
    _check(document, "candidates_what_if", api.get("/api/v1/what-if/?threshold=x"))
    for answer in (api.post(f"{url}invite/"), api.post(f"{url}invite/", {"x": 1})):
        _check(document, "candidates_invite", answer)


@pytest.mark.django_db(transaction=True)
def test_the_feed_is_as_the_document_says(
    document: Any, user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    api = client_of(user_in("Operators"))
    given(add())
    given(NoteOnCandidate(candidate_id=CANDIDATE_ID, text="x"), command_id=uuid4())
    _check(document, "events_feed", api.get("/api/v1/events/"))
    _check(document, "events_feed", api.get("/api/v1/events/?limit=1&types=candidate.added"))
    _check(document, "events_feed", api.get(f"/api/v1/events/?after={2**62}"))


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["", "?lang=de", "?lang=%00", "?lang=../x", "?version=%0a"])
@pytest.mark.parametrize("accept", ["application/json", "application/yaml", "*/*"])
def test_the_document_is_there_for_everybody(query: str, accept: str) -> None:
    answer = Client().get(f"/api/v1/schema/{query}", headers={"Accept": accept})
    assert answer.status_code == 200
    assert yaml.safe_load(answer.content)["info"]["title"] == "Recruitment API"


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["", "?script="])
def test_the_documentation_page_needs_no_inline_script_and_nothing_from_outside(
    query: str,
) -> None:
    answer = Client().get(f"/api/v1/docs/{query}", headers={"Accept": "text/html,*/*;q=0.8"})
    page = answer.content.decode()
    assert answer.status_code == 200
    if not query:
        assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
        assert not re.search(r"\son\w+=", page)
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page)
    for source in re.findall(r'(?:src|href)="(/static/[^"]+)"', page):
        with closing(Client().get(source)) as static:
            assert static.status_code == 200
