"""The pages say what the code does."""

from pathlib import Path

import pytest

import candidates.domain.exceptions  # noqa: F401  # so that its errors are known
from eventstore.domain.exceptions import DomainError
from recruitment.access import MissingScope
from recruitment.models import Scope

API = (Path(__file__).parent.parent.parent / "recruitment/docs/api.md").read_text()


def refusals(cls: type[DomainError] = DomainError) -> set[type[DomainError]]:
    below = {one for child in cls.__subclasses__() for one in refusals(child)}
    return below | set(cls.__subclasses__())


@pytest.mark.parametrize("code", sorted({cls.code for cls in refusals()}))
def test_every_code_that_a_rule_may_give_is_in_the_apis_page(code: str) -> None:
    assert f"`{code}`" in API


@pytest.mark.parametrize("scope", Scope)
def test_every_scope_and_the_code_of_its_want_are_in_the_apis_page(scope: Scope) -> None:
    assert f"| `{scope}` |" in API
    assert f"`{MissingScope(scope).get_codes()}`" in API
