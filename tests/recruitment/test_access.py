"""Who may call what with which token: every role, every set of scopes, every call there is."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admindocs.views import simplify_regex
from django.contrib.auth.models import User
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from eventstore.models import StorageEvent
from recruitment import errors
from recruitment.access import scope_of
from recruitment.models import Scope
from recruitment.tokens import issue

ROLES = ["anonymous", "no group", "Viewers", "Recruiters", "Operators", "superuser"]
READERS = {"Viewers", "Recruiters", "Operators", "superuser"}
RECRUITERS = {"Recruiters", "superuser"}
OPERATORS = {"Operators", "superuser"}
EVERYTHING = None
"""The scopes of a token without a row."""
SCOPES: list[frozenset[str] | None] = [
    EVERYTHING,
    *(frozenset(some) for n in (1, 2, 3) for some in combinations(Scope.values, n)),
]


@dataclass(frozen=True, kw_only=True)
class Call:
    """What a call needs, and what it answers to who has that. Every id in a path is unknown."""

    scope: str
    roles: set[str]
    status: int = 404
    query: str = ""
    body: dict[str, Any] = field(default_factory=dict)


def _command(**body: Any) -> Call:
    return Call(scope="command", roles=RECRUITERS, body=body)


NOTE = {"command": "note", "candidate_id": str(uuid4()), "body": {"text": "x"}}
V1 = "/api/v1"
CALLS: dict[tuple[str, str], Call] = {
    ("GET", f"{V1}/candidates/"): Call(scope="read", roles=READERS, status=200),
    ("GET", f"{V1}/candidates/<id>/"): Call(scope="read", roles=READERS),
    ("GET", f"{V1}/candidates/<id>/history/"): Call(scope="read", roles=READERS),
    ("GET", f"{V1}/statistics/"): Call(scope="read", roles=READERS, status=200),
    ("GET", f"{V1}/what-if/"): Call(scope="read", roles=READERS, status=200, query="?threshold=70"),
    # The log is read outside of a transaction, which a test is.
    ("GET", f"{V1}/events/"): Call(scope="feed", roles=OPERATORS, status=400, query="?limit=0"),
    ("POST", f"{V1}/candidates/"): Call(
        scope="command", roles=RECRUITERS, status=201, body={"profile": {}, "score": 80}
    ),
    ("POST", f"{V1}/candidates/commands/"): Call(
        scope="command", roles=RECRUITERS, status=200, body={"commands": [NOTE]}
    ),
    ("POST", f"{V1}/candidates/<id>/standby/"): _command(),
    ("POST", f"{V1}/candidates/<id>/invite/"): _command(),
    ("POST", f"{V1}/candidates/<id>/reject/"): _command(reason="other"),
    ("POST", f"{V1}/candidates/<id>/undo/"): _command(version=2),
    ("POST", f"{V1}/candidates/<id>/rescore/"): _command(score=80, why="x"),
    ("POST", f"{V1}/candidates/<id>/profile/"): _command(profile={}),
    ("PATCH", f"{V1}/candidates/<id>/profile/"): _command(name="x"),
    ("POST", f"{V1}/candidates/<id>/note/"): _command(text="x"),
    ("POST", f"{V1}/candidates/<id>/retract/"): _command(why="x"),
}
OPEN = {(method, f"{V1}/{page}/") for method in ("GET", "OPTIONS") for page in ("schema", "docs")}
"""What describes the API is there for everybody."""


def _routes(
    patterns: list[URLPattern | URLResolver], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Each path and what answers it."""
    for one in patterns:
        route = prefix + str(one.pattern)
        if isinstance(one, URLResolver):
            yield from _routes(one.url_patterns, route)
        else:
            yield route, one.callback


def _calls() -> set[tuple[str, str]]:
    """Method and path of everything that the URL conf leads to below /api/."""
    return {
        (method.upper(), simplify_regex(route))
        for route, view in _routes(get_resolver().url_patterns)
        if route.lstrip("^").startswith("api") and view is not errors.no_such_path
        for method in set(view.cls.http_method_names) - {"head"}
        if method in getattr(view, "actions", ()) or hasattr(view.cls, method)
    }


def test_each_call_that_there_is_has_its_row_in_the_matrix() -> None:
    assert _calls() == CALLS.keys() | OPEN


def _answer(client: APIClient, method: str, path: str, call: Call) -> tuple[int, str]:
    """Status, and the code of a problem."""
    send = getattr(client, method.lower())
    url = path.replace("<id>", str(uuid4())) + call.query
    answer = send(url) if method in ("GET", "HEAD") else send(url, call.body)
    problem = answer["Content-Type"] == "application/problem+json" and method != "HEAD"
    return answer.status_code, answer.json()["code"] if problem else ""


def _client_of(user: User, scopes: frozenset[str] | None) -> APIClient:
    _, token = issue(user, scopes=[Scope(name) for name in scopes or ()])
    return APIClient(headers={"Authorization": f"Bearer {token}"})


def _expected(role: str, scopes: frozenset[str] | None, call: Call) -> tuple[int, str]:
    if scopes is not EVERYTHING and call.scope not in scopes:
        return 403, f"missing_scope_{call.scope}"
    if role not in call.roles:
        return 403, "permission_denied"
    return call.status, {400: "invalid", 404: "not_found"}.get(call.status, "")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "path"), CALLS)
def test_the_matrix(role: str, method: str, path: str, user_in: Callable[..., User]) -> None:
    call = CALLS[method, path]
    if role == "anonymous":
        assert _answer(APIClient(), method, path, call) == (401, "not_authenticated")
        assert not StorageEvent.objects.exists()
        return
    user = user_in(role, name="somebody")
    user.is_superuser = role == "superuser"
    user.save()
    expected = {scopes: _expected(role, scopes, call) for scopes in SCOPES}
    found = {scopes: _answer(_client_of(user, scopes), method, path, call) for scopes in SCOPES}
    assert found == expected
    if method == "GET":
        heads = [_answer(_client_of(user, scopes), "HEAD", path, call) for scopes in SCOPES]
        assert heads == [(status, "") for status, _ in expected.values()]
    carried_out = sum(status == 201 for status, _ in expected.values())
    assert StorageEvent.objects.count() == carried_out

    session = APIClient()
    session.force_login(user)
    assert _answer(session, method, path, call) == expected[EVERYTHING]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("method", "path"), sorted(OPEN))
def test_what_describes_the_api_is_there_for_everybody(
    role: str, method: str, path: str, user_in: Callable[..., User]
) -> None:
    clients = [APIClient()]
    if role != "anonymous":
        user = user_in(role, name="somebody")
        clients += [_client_of(user, scopes) for scopes in SCOPES]
    for client in clients:
        answer = getattr(client, method.lower())(path, headers={"Accept": "*/*"})
        assert answer.status_code == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"])
@pytest.mark.parametrize("path", sorted({path for _, path in CALLS}))
def test_there_are_no_other_methods(path: str, method: str, user_in: Callable[..., User]) -> None:
    if (method, path) in CALLS:
        return
    session = APIClient()
    session.force_login(user_in("Recruiters", "Operators"))
    answer = session.generic(method, path.replace("<id>", str(uuid4())))
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    ("method", "stated", "scope"),
    [
        ("GET", {}, "read"),
        ("HEAD", {}, "read"),
        ("OPTIONS", {}, "read"),
        ("POST", {}, "command"),
        ("PUT", {}, "command"),
        ("DELETE", {}, "command"),
        ("NONSENSE", {}, "command"),
        ("GET", {"required_scope": "feed"}, "feed"),
        ("POST", {"required_scope": "read"}, "read"),
    ],
)
def test_a_view_may_state_its_scope(method: str, stated: dict[str, str], scope: str) -> None:
    view = type("View", (APIView,), stated)()
    request = view.initialize_request(APIRequestFactory().generic(method, "/"))
    assert scope_of(request, view) == scope
