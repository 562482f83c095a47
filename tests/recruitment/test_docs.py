"""The pages say what the code does."""

import re
from pathlib import Path

import pytest

from recruitment.models import Scope
from recruitment.problems import PROBLEMS
from tests.recruitment.codes import field_codes, problem_codes

API = (Path(__file__).parent.parent.parent / "recruitment/docs/api.md").read_text()


def _rows(section: str) -> list[list[str]]:
    """Of the table in this section: what each of its cells says."""
    text = re.split(r"^#+ ", API.split(f"# {section}\n")[1], flags=re.M)[0]
    rows = re.findall(r"^\| (.*) \|$", text, re.M)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)] for row in rows[1:]]


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
