"""Validators that know nothing of one another find nothing wrong with the documents."""

import subprocess
from pathlib import Path

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.backends import node_tools

DOCS = Path(__file__).parent.parent.parent / "recruitment/docs"


def test_openapi_spec_validator_finds_nothing_in_the_openapi_document() -> None:
    document = yaml.safe_load((DOCS / "openapi.yaml").read_text())
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def _found(validator: str, document: Path) -> str:
    tools = node_tools()
    ran = subprocess.run(
        ["node", tools / validator, document], capture_output=True, text=True, timeout=120
    )
    assert not ran.stderr
    return ran.stdout


def test_asyncapis_parser_finds_nothing_in_the_asyncapi_document() -> None:
    assert _found("validate_asyncapi.mjs", DOCS / "asyncapi.json") == ""


def test_redocly_finds_nothing_in_the_openapi_document() -> None:
    assert _found("validate_openapi.mjs", DOCS / "openapi.yaml") == ""


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("      summary: Invite a candidate\n", ""),
        ("    Invited:\n      type: object\n", "    Invited:\n      type: thing\n"),
    ],
)
def test_what_is_wrong_with_the_openapi_document_is_found(
    tmp_path: Path, right: str, wrong: str
) -> None:
    text = (DOCS / "openapi.yaml").read_text()
    assert text.count(right) == 1
    (tmp_path / "openapi.yaml").write_text(text.replace(right, wrong))
    assert _found("validate_openapi.mjs", tmp_path / "openapi.yaml") != ""


def test_what_is_wrong_with_the_asyncapi_document_is_found(tmp_path: Path) -> None:
    text = (DOCS / "asyncapi.json").read_text()
    right = '"type": "direct"'
    assert text.count(right) == 1
    (tmp_path / "asyncapi.json").write_text(text.replace(right, '"type": "straight"'))
    assert _found("validate_asyncapi.mjs", tmp_path / "asyncapi.json") != ""
