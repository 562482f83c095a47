"""The pages say what the code does."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.urls import URLPattern, URLResolver, get_resolver

from candidates.domain.events import ErasureReason, RejectionReason, Status
from eventstore.domain.personal import personal_fields
from eventstore.wiring import mapper
from recruitment.models import Scope
from recruitment.problems import PROBLEMS
from tests.recruitment.codes import field_codes, problem_codes

DOCS = Path(__file__).parent.parent.parent / "recruitment/docs"
API = (DOCS / "api.md").read_text()
DOCUMENT = yaml.safe_load((DOCS / "openapi.yaml").read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
PREFIX = "/api/v1"


def _section(name: str) -> str:
    return re.split(r"^#+ ", API.split(f"# {name}\n")[1], flags=re.M)[0]


def _tables(section: str) -> dict[str, list[list[str]]]:
    """Returns the cells of each table in this section, by the first cell of the table's head."""
    tables = {}
    for head, body in re.findall(r"^\| (.*) \|\n\|[-|]+\|\n((?:\|.*\n)+)", _section(section), re.M):
        rows = re.findall(r"^\| (.*) \|$", body, re.M)
        cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in rows]
        tables[head.partition(" |")[0]] = cells
    return tables


def _rows(section: str) -> list[list[str]]:
    [rows] = _tables(section).values()
    return rows


def _words(schema: dict[str, Any]) -> str:
    """Returns the page's name for a value of this schema."""
    named = {
        "Status": "status",
        "RejectionReason": "rejection reason",
        "RejectionReasonOrEmpty": "rejection reason or empty",
        "ErasureReason": "erasure reason",
        "EventType": "event type",
    }
    formats = {"uuid": "id", "date-time": "time", "date": "date"}
    if "$ref" in schema:
        return named[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        kind, null = schema["anyOf"]
        assert null == {"type": "null"}
        return f"{_words(kind)} or null"
    if isinstance(schema["type"], list):
        kind, null = schema["type"]
        assert null == "null"
        return f"{_words({**schema, 'type': kind})} or null"
    if schema["type"] == "string":
        return formats.get(schema.get("format", ""), "text")
    return "list" if schema["type"] == "array" else str(schema["type"])


def _operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """By method and path as the page writes them."""
    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            yield f"{method.upper()} {path.removeprefix(PREFIX)}", operation


def _routes(patterns: Any, prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + re.sub(r"\(\?P<(\w+)>.*?\)/", r"{\1}/", str(pattern.pattern).strip("^$"))
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, route)
        else:
            assert isinstance(pattern, URLPattern)
            yield re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route).replace("\\Z", "")


def _of_body(operation: dict[str, Any]) -> dict[str, Any]:
    """The body's schema; empty where there is none."""
    content = operation.get("requestBody", {}).get("content", {})
    reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    body: dict[str, Any] = SCHEMAS.get(reference.rpartition("/")[2], {})
    return body


def _named(cell: str) -> tuple[set[str], set[str]]:
    """Whose names stand in a cell: those that are needed, and those that are in brackets."""
    optional = set(re.findall(r"\[`(\w+)`\](?!\()", cell))
    return set(re.findall(r"`(\w+)`", cell)) - optional, optional


def test_every_route_is_a_call_of_the_page() -> None:
    listed = {call.strip("`") for call, *_ in (row for t in _tables("Calls").values() for row in t)}
    paths = {call.split()[1] for call in listed if "/" in call}
    patterns = get_resolver().url_patterns
    routes = {f"/{one}" for one in _routes(patterns)}
    api = {one.removeprefix(PREFIX) for one in routes if one.startswith(f"{PREFIX}/")}
    assert api == paths
    # And each method of each.
    described = dict(_operations()).keys()
    assert described | {"GET /schema/", "GET /docs/"} == {call for call in listed if "/" in call}
    for route in routes - {f"{PREFIX}{path}" for path in api}:
        if not route.startswith("/admin/") and route not in {"/", "/api(?:/[\\s\\S]*)?"}:
            assert f"`GET {route}`" in _section("Calls"), route


def test_every_call_is_listed_with_what_it_takes() -> None:
    tables = _tables("Calls")
    taken = {row[0].strip("`"): row[1] for kind in ("read", "command") for row in tables[kind]}
    for call, operation in _operations():
        query = {one["name"]: one for one in operation["parameters"] if one["in"] == "query"}
        if call == "GET /candidates/":
            for name in query:
                assert f"`{name}" in _section("Lists"), name
        elif call.startswith("GET"):
            needed = {name for name, one in query.items() if one.get("required")}
            assert _named(taken[call]) == (needed, query.keys() - needed), call
        elif call.startswith("POST"):
            body = _of_body(operation)
            needed = set(body.get("required", ()))
            assert _named(taken[call]) == (needed, body["properties"].keys() - needed), call
            for name in query:
                [row] = [row for row in tables["command"] if row[0].strip("`") == call]
                assert f"?{name}=" in row[2]


def test_every_member_of_a_body_is_listed_with_its_type() -> None:
    members = {
        name: _words(schema)
        for _, operation in _operations()
        for name, schema in _of_body(operation).get("properties", {}).items()
    }
    listed = {
        name: kind for names, kind, _ in _tables("Calls")["member"] for name in _named(names)[0]
    }
    assert listed == members


def test_every_field_of_a_candidate_is_listed_with_its_type() -> None:
    fields = {name: _words(one) for name, one in SCHEMAS["Candidate"]["properties"].items()}
    rows = _tables("A candidate")["field"]
    assert {name.strip("`"): kind for name, kind, _ in rows} == fields
    assert set(SCHEMAS["Candidate"]["required"]) == set(fields)
    for _, kind, meaning in rows:
        assert ("null" in kind) <= ("null" in meaning)
        assert ("empty" in kind) <= ("empty" in meaning)


def test_every_status_and_reason_is_listed() -> None:
    tables = _tables("Statuses and reasons")
    assert [row[0].strip("`") for row in tables["status"]] == list(Status)
    assert [row[0].strip("`") for row in tables["rejection reason"]] == list(RejectionReason)


def test_every_event_type_is_listed_with_its_data() -> None:
    listed = {}
    for name, version, data in _rows("Event types"):
        fields = re.findall(r"`(\w+)`(\*?) ([a-z]+(?: or null| reason)?)", data)
        listed[name.strip("`")] = (
            int(version),
            {field: kind for field, _, kind in fields},
            {field for field, star, _ in fields if star},
        )
    assert listed == {
        name: (
            cls.schema_version,
            {
                field: _words(schema)
                for field, schema in SCHEMAS[cls.__name__]["properties"].items()
            },
            set(personal_fields(cls)),
        )
        for name, cls in mapper().classes.items()
    }
    for reason in ErasureReason:
        assert f"`{reason}`" in _section("Event types")


def test_every_attribute_of_the_feed_is_listed_with_its_type() -> None:
    attributes = {
        name: _words(one) for name, one in SCHEMAS["CloudEventEnvelope"]["properties"].items()
    }
    listed = {name: kind for names, kind, _ in _rows("The event feed") for name in _named(names)[0]}
    assert listed == {**attributes, "data": "object"}
    for name in SCHEMAS["EventMetadata"]["properties"]:
        assert f"`{name}`" in _section("The event feed")


def test_every_member_of_a_candidates_events_is_listed_with_its_type() -> None:
    members = {
        name: _words(one) for name, one in SCHEMAS["HistoryEventEnvelope"]["properties"].items()
    }
    rows = _rows("History")
    assert {name.strip("`"): kind for name, kind, _ in rows} == {**members, "data": "object"}
    assert all(("null" in kind) == ("null" in meaning) for _, kind, meaning in rows)


@pytest.mark.parametrize(
    ("section", "schema"),
    [
        ("Answers", "CommandResult"),
        ("Statistics", "Statistics"),
        ("What if", "WhatIf"),
        ("Many at once", "AddCommand"),
        ("Many at once", "NoteCommand"),
        ("Many at once", "BatchAnswer"),
        ("Many at once", "BatchResult"),
    ],
)
def test_every_member_of_an_answer_is_named_in_its_section(section: str, schema: str) -> None:
    for name in SCHEMAS[schema]["properties"]:
        assert re.search(rf"[`{{ \"]{name}[`}},\"]", _section(section)), name


def test_the_apis_page_lists_every_code_with_its_status_and_meaning_and_no_other() -> None:
    rows = _rows("Errors")
    listed = {(int(status), code.strip("`")) for status, code, _ in rows}
    shown = {
        (problem.status, example["code"])
        for problem in PROBLEMS.values()
        for example in problem.examples
    }
    # What a path does not answer to is no operation of the OpenAPI document.
    assert listed == shown | {(405, "method_not_allowed")}
    assert {code for _, code in listed} == problem_codes()
    assert len(rows) == len(listed)
    assert all(meaning for *_, meaning in rows)


def test_the_apis_page_lists_every_code_of_a_field_and_no_other() -> None:
    rows = _rows("What is wrong with a value")
    assert {code.strip("`") for code, _ in rows} == field_codes()
    assert len(rows) == len(field_codes())
    assert all(meaning for _, meaning in rows)


@pytest.mark.parametrize("scope", Scope)
def test_every_scope_is_in_the_apis_page(scope: Scope) -> None:
    assert f"| `{scope}` |" in API
