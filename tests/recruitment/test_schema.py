"""The OpenAPI document: valid, complete, and true of what the API answers."""

import re
from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from jsonschema import Draft202012Validator, FormatChecker
from rest_framework.test import APIClient

from candidates.api import examples
from candidates.application.commands import NoteOnCandidate
from eventstore.domain.exceptions import InvalidValue, NotPermitted
from recruitment.problems import PROBLEMS
from tests.alike import check_alike
from tests.factories import add
from tests.given import given
from tests.recruitment.codes import problem_codes, refusals
from tests.scenario import CANDIDATE_ID

URL = "/api/v1/candidates/"
COMMITTED = Path("recruitment/docs/openapi.yaml")
RENEW = f"manage.py spectacular --validate --fail-on-warn --file {COMMITTED}"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("schema") / COMMITTED.name
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(file))
    return file.read_text()


@pytest.fixture(scope="module")
def document(generated: str) -> Any:
    return yaml.safe_load(generated)


def test_the_committed_document_is_the_one_that_is_served(generated: str) -> None:
    committed = (Path(__file__).parent.parent.parent / COMMITTED).read_text()
    assert committed == generated, f"{COMMITTED} is out of date. Renew it: {RENEW}"


def _operations(document: Any) -> dict[str, Any]:
    return {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
    }


def _validate(document: Any, schema: Any, instance: Any) -> None:
    schema = {**schema, "components": document["components"]}
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(instance)


def _responses(document: Any, operation: str) -> dict[str, Any]:
    """By status; those that operations share are looked up."""
    shared = document["components"]["responses"]
    return {
        status: shared[response["$ref"].rpartition("/")[2]] if "$ref" in response else response
        for status, response in _operations(document)[operation]["responses"].items()
    }


def _check(document: Any, operation: str, answer: Any) -> Any:
    """That the document describes this answer, its status and its media type."""
    described = _responses(document, operation)[str(answer.status_code)]
    content = described["content"][answer["Content-Type"]]
    _validate(document, content["schema"], answer.json())
    return answer


def test_every_operation_has_a_name_that_can_be_read(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    assert "nullable" not in str(document)
    assert set(_operations(document)) == {
        "list_candidates",
        "read_candidate",
        "read_candidate_history",
        "add_candidate",
        "move_candidate_to_standby",
        "invite_candidate",
        "reject_candidate",
        "undo_decision",
        "rescore_candidate",
        "change_profile",
        "amend_profile",
        "note_on_candidate",
        "retract_candidate",
        "carry_out_commands",
        "read_statistics",
        "ask_what_if",
        "read_events",
    }


def test_every_operation_says_what_it_does_and_what_can_go_wrong(document: Any) -> None:
    for name, operation in _operations(document).items():
        answers = _responses(document, name)
        problems = {s: r for s, r in answers.items() if s >= "400"}
        expected = {"400", "401", "403", "406", "413", "429", "500", "503"}
        of_many = {"list_candidates", "read_statistics", "ask_what_if"}
        reads = {"read_candidate", "read_candidate_history", *of_many}
        if name not in {"add_candidate", "read_events", *of_many}:
            expected |= {"404"}
        if name == "read_events":
            expected |= {"404", "409"}
        elif name == "list_candidates":
            # With `changed_after`, as of the feed.
            expected |= {"409"}
        elif name not in reads:
            expected |= {"409", "411", "415", "422"}
        if expected >= {"404", "422"}:
            expected |= {"412", "428"}
        if name in reads | {"read_events"}:
            # With `If-Match`.
            expected |= {"412"}
        assert set(problems) == expected
        assert all(list(r["content"]) == ["application/problem+json"] for r in problems.values())
        assert all(r["description"] for r in problems.values())
        assert re.fullmatch(r"[A-Z].*\.", operation["description"], re.DOTALL)
        assert {"token": []} in operation["security"]
        assert "X-Request-ID" in {parameter["name"] for parameter in operation["parameters"]}
        assert all("X-Request-ID" in r["headers"] for r in answers.values())
        assert all(r["description"] for r in answers.values())
        assert "Retry-After" in problems["429"]["headers"]
        assert "WWW-Authenticate" in problems["401"]["headers"]
        parameters = {parameter["name"] for parameter in operation["parameters"]}
        if "422" in problems:
            assert parameters >= {"Idempotency-Key", "On-Behalf-Of"}
        if name not in reads | {"add_candidate", "carry_out_commands", "read_events"}:
            assert "If-Match" in parameters
            assert set(answers["200"]["headers"]) > {"ETag", "Idempotent-Replayed"}
    assert {"ETag", "Location"} < set(_responses(document, "add_candidate")["201"]["headers"])
    assert "ETag" in _responses(document, "read_candidate")["304"]["headers"]


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
                "ProfilePatch",
                "Note",
                "Retract",
            ),
            "Batch",
        )
    }
    assert not any("description" in schemas[name] for name in schemas if name.endswith("Body"))


def test_every_example_is_what_its_schema_says(document: Any) -> None:
    count = 0
    for name, operation in _operations(document).items():
        described = [operation.get("requestBody"), *_responses(document, name).values()]
        contents = [part["content"] for part in described if part and "content" in part]
        for content in (one for part in contents for one in part.values()):
            assert content["examples"], name
            for example in content["examples"].values():
                _validate(document, content["schema"], example["value"])
                count += 1
        for parameter in operation["parameters"]:
            for example in parameter.get("examples", {}).values():
                _validate(document, parameter["schema"], example["value"])
    assert count > 100


def test_the_examples_tell_a_story_that_happens(
    user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    api = client_of(user_in("Recruiters"))
    url, given = "", {}
    for name, body in examples.BODIES.items():
        if name == "retract":
            continue
        answer = api.post(f"{url}{name}/" if url else URL, body)
        url = url or answer["Location"]
        given[name] = answer.json()
    patched = api.patch(f"{url}profile/", examples.PATCH)
    given["patch_profile"] = patched.json()
    check_alike({name: examples.RESULTS[name] for name in given}, given)
    check_alike(examples.CANDIDATE, api.get(url).json())
    check_alike(examples.HISTORY, api.get(f"{url}history/").json())
    check_alike(examples.STATISTICS, api.get("/api/v1/statistics/").json())

    batch: Any = deepcopy(examples.BATCH)
    ann = api.get(url).json()["id"]
    batch["commands"][1]["candidate_id"] = ann
    answered = api.post(f"{URL}commands/", batch).json()
    answered["results"][1]["problem"]["detail"] = examples.STALE["detail"]
    check_alike(examples.BATCH_RESULTS, answered)
    bo = answered["results"][0]["result"]["id"]
    check_alike(examples.WHAT_IF, api.get("/api/v1/what-if/?threshold=60").json())
    retracted = api.post(f"{URL}{bo}/retract/", examples.BODIES["retract"])
    check_alike(examples.RESULTS["retract"], retracted.json())


def test_problems_have_the_members_that_they_are_shown_with(document: Any) -> None:
    """Of a rule that refuses: the values that it compared."""
    by_code = {cls.code: cls for cls in refusals()}
    for name, problem in PROBLEMS.items():
        for example in problem.examples:
            extra = set(example) - {"code", "detail", "errors"}
            refusal = by_code.get(example["code"])
            if refusal not in (None, InvalidValue, NotPermitted):
                assert extra == {field.name for field in fields(refusal)}, name


def test_every_code_of_the_document_is_one_that_the_api_may_answer_with(document: Any) -> None:
    shown = {
        example["value"]["code"]
        for response in document["components"]["responses"].values()
        for content in response["content"].values()
        for example in content["examples"].values()
    }
    used = {
        name.rpartition("/")[2]
        for operation in _operations(document).values()
        for name in (r.get("$ref", "") for r in operation["responses"].values())
    } - {""}
    assert used == set(document["components"]["responses"])
    assert shown == problem_codes() - {"method_not_allowed"}


def test_answers_are_as_the_document_says(
    document: Any, user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    api = client_of(user_in("Recruiters"))
    added = _check(document, "add_candidate", api.post(URL, {"profile": {"a": [1]}, "score": 80}))
    url = added["Location"]
    steps: list[tuple[str, str, dict[str, Any]]] = [
        ("standby", "move_candidate_to_standby", {"until": "2026-09-01"}),
        ("invite", "invite_candidate", {}),
        ("reject", "reject_candidate", {"reason": "other"}),
        ("undo", "undo_decision", {"version": 4}),
        ("note", "note_on_candidate", {"text": "x"}),
    ]
    for name, operation, body in steps:
        _check(document, operation, api.post(f"{url}{name}/", body))
        _check(document, "read_candidate", api.get(url))
    for moment in ("version=1", "version=9", "as_of=2020-01-01T00:00:00Z", "known_at=x"):
        _check(document, "read_candidate", api.get(f"{url}?{moment}"))
    _check(document, "read_candidate_history", api.get(f"{url}history/"))
    _check(document, "list_candidates", api.get(URL))
    api.post(URL, {"profile": {}, "score": 0})
    _check(document, "list_candidates", api.get(f"{URL}?page_size=1"))
    _check(document, "read_statistics", api.get("/api/v1/statistics/"))
    early = api.get("/api/v1/statistics/?as_of=2020-01-01T00:00:00Z")
    _check(document, "read_statistics", early)
    _check(document, "read_statistics", api.get("/api/v1/statistics/?as_of=x"))
    _check(document, "ask_what_if", api.get("/api/v1/what-if/?threshold=0&page_size=1"))
    _check(document, "ask_what_if", api.get("/api/v1/what-if/?threshold=x"))
    for answer in (api.post(f"{url}invite/"), api.post(f"{url}invite/", {"x": 1})):
        _check(document, "invite_candidate", answer)


@pytest.mark.django_db(transaction=True)
def test_the_feed_is_as_the_document_says(
    document: Any, user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    api = client_of(user_in("Operators"))
    given(add())
    given(NoteOnCandidate(candidate_id=CANDIDATE_ID, text="x"), command_id=uuid4())
    _check(document, "read_events", api.get("/api/v1/events/"))
    _check(document, "read_events", api.get("/api/v1/events/?limit=1&types=candidate.added"))
    _check(document, "read_events", api.get(f"/api/v1/events/?after={2**62}"))


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


def test_every_read_may_be_asked_for_under_a_condition(document: Any) -> None:
    reads = [call["get"] for call in document["paths"].values() if "get" in call]
    assert len(reads) == 6
    for read in reads:
        assert read["responses"]["412"] == {"$ref": "#/components/responses/PreconditionFailed"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "name", "code"),
    [
        ("x=1", "x", "invalid_parameter"),
        ("lang=", "lang", "invalid_parameter"),
        ("version=", "version", "invalid_parameter"),
        ("lang=de&lang=en", "lang", "invalid_parameter"),
        ("%FF=1", "\ufffd", "invalid_parameter"),
        ("lang=%FF", "lang", "not_utf8"),
        ("version=%C3", "version", "not_utf8"),
    ],
)
@pytest.mark.parametrize("path", ["schema", "docs"])
def test_the_document_and_its_page_refuse_parameters_that_they_do_not_have(
    path: str, query: str, name: str, code: str
) -> None:
    accept = "text/html" if path == "docs" else "application/json"
    answer = Client().get(f"/api/v1/{path}/", QUERY_STRING=query, headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(f"/{name}", code)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "query", "kind"),
    [
        ("schema", "format=json", "application/vnd.oai.openapi"),
        ("schema", "format=yaml&lang=en&version=1", "application/vnd.oai.openapi"),
        ("docs", "lang=en&version=1", "text/html"),
        ("docs", "script=&lang=en", "application/javascript"),
        ("docs", "format=html", "text/html"),
    ],
)
def test_the_document_and_its_page_take_those_that_they_have(
    path: str, query: str, kind: str
) -> None:
    answer = Client().get(f"/api/v1/{path}/?{query}")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith(kind)
