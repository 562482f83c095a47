"""Every code that an error of the API may carry, as the code itself knows them."""

import re
from pathlib import Path
from typing import Any

from rest_framework.exceptions import APIException

import candidates.api.views  # so that its errors are known
from eventstore.domain.exceptions import DomainError, KeyFault, UndecodableEvent
from eventstore.infrastructure.outages import Outage
from recruitment import errors
from recruitment.access import MissingScope
from recruitment.models import Scope

APPS = ("eventstore", "candidates", "recruitment")
ROOT = Path(candidates.api.views.__file__).parent.parent.parent
OF_THE_FRAMEWORK = frozenset(
    {"required", "null", "invalid", "blank", "empty", "not_a_list", "not_a_dict"}
    | {"max_length", "min_value", "max_value"}
)
"""Of all that the fields of DRF can say, what a request can meet."""


def descendants(cls: type[Any]) -> set[type[Any]]:
    return {one for child in cls.__subclasses__() for one in {child} | descendants(child)}


def refusals() -> set[type[DomainError]]:
    # Tests make some of their own.
    return {cls for cls in descendants(DomainError) if cls.__module__.startswith(APPS)}


def problem_codes() -> set[str]:
    """Of an answer as a whole."""
    by_the_framework = {
        cls.default_code
        for cls in descendants(APIException)
        if cls.__module__.startswith(("rest_framework.", *APPS)) and cls is not errors.Refusal
    }
    written = set(re.findall('code="([a-z_]+)"', Path(errors.__file__).read_text()))
    scopes = {str(MissingScope(scope).get_codes()) for scope in Scope}
    unreadable = {cls.code for cls in {UndecodableEvent} | descendants(UndecodableEvent)}
    unreadable |= {cls.code for cls in descendants(KeyFault)}
    outages = {outage.code for outage in Outage}
    refused = {cls.code for cls in refusals()}
    return by_the_framework | written | scopes | unreadable | outages | refused


def field_codes() -> set[str]:
    """Of one value, header or parameter, within `errors`."""
    written = r'(?:rule|code)="([a-z0-9_]+)"|_invalid\(\s*"([a-z_]+)"|self\.fail\(\s*"([a-z_]+)"'
    sources = [
        path
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        # The admin and the commands show words; errors.py and problems.py write whole answers.
        if not {"admin", "management", "demo", "admin.py", "errors.py", "problems.py"}
        & set(path.relative_to(ROOT).parts)
        # An import's rows are refused in its own report.
        and not path.name.startswith("history_")
    ]
    found = {code for path in sources for code in re.findall(written, path.read_text())}
    return {part for match in found for part in match if part} | OF_THE_FRAMEWORK
