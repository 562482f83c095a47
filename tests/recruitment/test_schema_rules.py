"""The whole OpenAPI document follows these rules, so that every generator can read it."""

import re
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from candidates.domain.events import RejectionReason
from eventstore.wiring import mapper
from recruitment.problems import PROBLEMS
from tests.eventstore.test_message import EVENTS

DOCUMENT: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parent.parent.parent / "recruitment/docs/openapi.yaml").read_text()
)
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
OPERATIONS: dict[str, Any] = {
    operation["operationId"]: operation
    for path in DOCUMENT["paths"].values()
    for operation in path.values()
}
OF_COMMANDS = {
    "add",
    "amend",
    "carry",
    "change",
    "invite",
    "move",
    "note",
    "reject",
    "rescore",
    "retract",
    "undo",
}
OF_READS = {"ask", "list", "read"}


def _nodes(node: Any, place: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the document but the values of examples, with its place."""
    if isinstance(node, dict):
        yield place, node
        for key, value in node.items():
            if key not in {"example", "examples"}:
                yield from _nodes(value, f"{place}/{key.replace('/', '~1')}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _nodes(value, f"{place}/{index}")


def _at(reference: str) -> Any:
    steps = reference.removeprefix("#/").split("/")
    return reduce(lambda node, step: node[step.replace("~1", "/")], steps, DOCUMENT)


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _properties(schema: dict[str, Any]) -> dict[str, Any]:
    """With those of what it refers to, and of all that it is put together from."""
    if "$ref" in schema:
        return _properties(_at(schema["$ref"]))
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found |= _properties(part)
    return found


def test_every_reference_leads_somewhere_and_every_component_is_referred_to() -> None:
    found = {node["$ref"] for _, node in _nodes(DOCUMENT) if "$ref" in node}
    for reference in found:
        assert _at(reference) is not None
    for kind in DOCUMENT["components"].keys() - {"securitySchemes"}:
        for name in DOCUMENT["components"][kind]:
            assert f"#/components/{kind}/{name}" in found, name


def test_the_document_names_a_server_and_a_license() -> None:
    assert all(server["url"] and server["description"] for server in DOCUMENT["servers"])
    assert DOCUMENT["servers"]
    assert DOCUMENT["info"]["license"]["identifier"] == "MIT"


def test_every_operation_has_a_short_summary_of_its_own() -> None:
    summaries = [operation["summary"] for operation in OPERATIONS.values()]
    assert len(set(summaries)) == len(summaries)
    for summary in summaries:
        assert re.fullmatch(r"[A-Z][^.]{5,59}", summary), summary


def test_every_operation_is_named_by_a_verb() -> None:
    for name, operation in OPERATIONS.items():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", name)
        verbs = OF_COMMANDS if operation["tags"] == ["Commands"] else OF_READS
        assert name.partition("_")[0] in verbs, name


def test_every_operation_has_one_tag_and_every_tag_is_described() -> None:
    described = {tag["name"]: tag["description"] for tag in DOCUMENT["tags"]}
    used = [operation["tags"] for operation in OPERATIONS.values()]
    assert all(len(tags) == 1 for tags in used)
    assert {tag for tags in used for tag in tags} == set(described)
    assert all(described.values())


def test_every_command_is_under_its_tag() -> None:
    for path in DOCUMENT["paths"].values():
        for method, operation in path.items():
            assert (method != "get") == (operation["tags"] == ["Commands"])


def test_every_parameter_is_described() -> None:
    for name, operation in OPERATIONS.items():
        for parameter in operation["parameters"]:
            assert parameter.get("description"), (name, parameter["name"])


def test_a_links_body_is_text_and_its_parameters_are_those_of_where_it_leads() -> None:
    """OpenAPI allows a body of any kind, and OpenAPI Generator reads none but text."""
    links = DOCUMENT["components"]["links"]
    assert "undo_decision" in links
    for link in links.values():
        assert isinstance(link.get("requestBody", ""), str)
        target = OPERATIONS[link["operationId"]]
        taken = {f"{one['in']}.{one['name']}" for one in target["parameters"]}
        assert link["parameters"].keys() <= taken


def test_a_choice_is_written_once_and_referred_to_elsewhere() -> None:
    places: dict[frozenset[str], list[str]] = {}
    for place, node in _nodes(DOCUMENT):
        if isinstance(node.get("enum"), list) and len(node["enum"]) > 1:
            assert node["type"] == "string", place
            places.setdefault(frozenset(node["enum"]), []).append(place)
    assert [found for found in places.values() if len(found) > 1] == []


def test_no_value_is_one_of_several_choices() -> None:
    """Clients would be given two lists of words that are put together before they are made."""
    for place, node in _nodes(DOCUMENT):
        for union in (node.get("oneOf", []), node.get("anyOf", [])):
            kinds = [_at(one["$ref"]) if "$ref" in one else one for one in union]
            assert not [kind for kind in kinds if "enum" in kind], place


def test_a_rejection_reason_is_one_choice() -> None:
    said = SCHEMAS["Candidate"]["properties"]["rejection_reason"]
    assert _at(said["$ref"])["enum"] == [*RejectionReason, ""]
    asked = SCHEMAS["RejectBody"]["properties"]["reason"]
    assert _at(asked["$ref"])["enum"] == [*RejectionReason]
    kept = SCHEMAS["CandidateRejected"]["properties"]["reason"]
    assert kept == asked


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_a_problem_says_besides_is_in_a_schema_with_a_name(name: str) -> None:
    response = DOCUMENT["components"]["responses"][name]
    [content] = response["content"].values()
    properties = _properties(content["schema"])
    for example in content["examples"].values():
        assert example["value"].keys() <= properties.keys()
    own = properties.keys() - SCHEMAS["Problem"]["properties"]
    schema = f"{name}Problem" if own else "Problem"
    assert content["schema"] == {"$ref": f"#/components/schemas/{schema}"}


def test_a_stale_version_is_answered_with_all_of_its_members() -> None:
    [_, own] = SCHEMAS["StaleVersionProblem"]["allOf"]
    assert set(own["required"]) == {
        *("stream_id", "expected", "current_version", "projected_version"),
        *("changed_by", "changed_at"),
    }


def test_a_commands_problem_in_a_batch_has_the_members_that_it_has_alone() -> None:
    in_batch = _properties(SCHEMAS["BatchResult"]["properties"]["problem"])
    own = SCHEMAS["Problem"]["properties"].keys()
    count = 0
    for operation in OPERATIONS.values():
        if operation["tags"] != ["Commands"]:
            continue
        for response in operation["responses"].values():
            for content in _at(response["$ref"])["content"].values() if "$ref" in response else ():
                alone = _properties(content["schema"])
                assert alone.items() <= in_batch.items()
                count += bool(alone.keys() - own)
    assert count > 20


def test_variants_are_told_apart_by_a_property_that_each_has_to_have() -> None:
    count = 0
    for _, node in _nodes(DOCUMENT):
        if "discriminator" not in node:
            assert "oneOf" not in node
            continue
        by, mapping = node["discriminator"]["propertyName"], node["discriminator"]["mapping"]
        assert [one["$ref"] for one in node["oneOf"]] == list(mapping.values())
        for word, reference in mapping.items():
            variant = _at(reference)
            own = variant.get("allOf", [variant])[-1]
            assert by in own["required"]
            said = own["properties"][by]
            assert word == said.get("const", *said.get("enum", [None]))
            count += 1
    assert count > 20


@pytest.mark.parametrize(("name", "by"), [("CloudEvent", "type"), ("HistoryEvent", "event_type")])
def test_every_event_type_has_a_schema_of_its_own(name: str, by: str) -> None:
    assert set(SCHEMAS[name]["discriminator"]["mapping"]) == set(mapper().classes)
    assert SCHEMAS[name]["discriminator"]["propertyName"] == by
    assert SCHEMAS["EventType"]["enum"] == sorted(mapper().classes)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_type)
def test_an_events_data_is_as_described_and_has_nothing_else(event: Any) -> None:
    feed = _at(SCHEMAS["CloudEvent"]["discriminator"]["mapping"][event.event_type])
    history = _at(SCHEMAS["HistoryEvent"]["discriminator"]["mapping"][event.event_type])
    in_feed = feed["allOf"][1]["properties"]["data"]["properties"]["event"]
    assert history["allOf"][1]["properties"]["data"] == in_feed
    data = mapper().data_of(event)
    schema = {**_at(in_feed["$ref"]), "components": DOCUMENT["components"]}
    Draft202012Validator({**schema, "additionalProperties": False}).validate(data)
    assert set(schema["properties"]) == set(data)
    open_data = mapper().open_data_of(event)
    Draft202012Validator(schema).validate(open_data)
    personal = {
        name
        for name, described in schema["properties"].items()
        if described.get("description", "").startswith("Personal: absent")
    }
    assert personal >= data.keys() - open_data.keys()


def test_names_are_of_one_form() -> None:
    for name in SCHEMAS:
        assert re.fullmatch(r"([A-Z][a-z]+)+", name), name
        assert not name.endswith("Enum")
