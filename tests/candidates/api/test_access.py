"""Who may do what, and that nobody learns anything before it is known who they are."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from knox.models import AuthToken
from rest_framework.test import APIClient

from eventstore.models import StorageEvent
from tests.candidates.api.requests import URL

READS = ["", "{id}/", "{id}/history/"]
WRITES: dict[str, tuple[dict[str, Any], str]] = {
    "": ({"profile": {}, "score": 80}, "add_candidate"),
    "{id}/standby/": ({}, "decide"),
    "{id}/invite/": ({}, "decide"),
    "{id}/reject/": ({"reason": "other"}, "decide"),
    "{id}/undo/": ({"version": 2}, "decide"),
    "{id}/rescore/": ({"score": 80, "why": "x"}, "edit"),
    "{id}/profile/": ({"profile": {}}, "edit"),
    "{id}/note/": ({"text": "x"}, "edit"),
    "{id}/retract/": ({"why": "x"}, "edit"),
}
ALL = [("get", path) for path in READS] + [("post", path) for path in WRITES]


def _call(client: Any, method: str, path: str, id: str) -> Any:
    body = WRITES[path][0] if method == "post" else None
    return getattr(client, method)(URL + path.format(id=id), body)


@pytest.fixture
def id(add: Callable[..., str]) -> str:
    return add().split("/")[-2]


@pytest.mark.parametrize(("method", "path"), ALL)
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer x",
        "Bearer x y",
        "Bearer \xff",
        "Bearer a\x00b",
        "Bearer " + "a" * 64,
        "Bearer " + "z" * 8_000,
        "Basic cml0YTpyaXRh",
        "Token x",
    ],
)
def test_who_shows_no_token_that_is_good_is_asked_for_one(
    id: str, method: str, path: str, header: str | None
) -> None:
    client = APIClient(headers={} if header is None else {"Authorization": header})
    answer = _call(client, method, path, id)
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer.json()["code"] in ("not_authenticated", "authentication_failed")
    assert StorageEvent.objects.count() == 1


def test_a_token_stands_for_its_user(user_in: Callable[..., User]) -> None:
    user = user_in("Recruiters")
    _, token = AuthToken.objects.create(user)
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    assert client.get(URL).status_code == 200
    user.is_active = False
    user.save()
    answer = client.get(URL)
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")


def test_a_token_changed_or_withdrawn_is_worth_nothing(user_in: Callable[..., User]) -> None:
    kept, token = AuthToken.objects.create(user_in("Recruiters"))
    client = APIClient(headers={"Authorization": f"Bearer {token}0"})
    assert client.get(URL).status_code == 401
    kept.delete()
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    assert client.get(URL).status_code == 401


@pytest.mark.parametrize(("method", "path"), ALL)
@pytest.mark.parametrize(
    ("groups", "reads", "writes"),
    [
        ([], False, False),
        (["Viewers"], True, False),
        (["Operators"], True, False),
        (["Recruiters"], True, True),
    ],
)
def test_each_group_may_do_what_it_is_for(
    id: str,
    user_in: Callable[..., User],
    client_of: Callable[..., APIClient],
    method: str,
    path: str,
    groups: list[str],
    reads: bool,
    writes: bool,
) -> None:
    client = client_of(user_in(*groups, name="somebody"))
    answer = _call(client, method, path, id)
    if reads if method == "get" else writes:
        # Without a decision that stands, undo is refused by its rule.
        assert answer.status_code in (200, 201) or "undo" in path
    else:
        assert (answer.status_code, answer["Content-Type"]) == (403, "application/problem+json")
        assert answer.json()["code"] == "permission_denied"
        assert StorageEvent.objects.count() == 1


@pytest.mark.parametrize(("path", "write"), WRITES.items())
def test_one_permission_is_enough_for_its_commands_and_for_no_others(
    id: str,
    user_in: Callable[..., User],
    client_of: Callable[..., APIClient],
    path: str,
    write: tuple[dict[str, Any], str],
) -> None:
    for codename in ("add_candidate", "decide", "edit", "view_candidateprojection", "backdate"):
        user = user_in(name=codename)
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label="candidates", codename=codename)
        )
        answer = _call(client_of(user), "post", path, id)
        assert (answer.status_code == 403) == (codename != write[1])


@pytest.mark.parametrize("path", [path for path in WRITES if path])
@pytest.mark.parametrize("name", ["unknown", "malformed"])
def test_who_may_not_hears_nothing_about_the_candidate_or_the_body(
    user_in: Callable[..., User], client_of: Callable[..., APIClient], path: str, name: str
) -> None:
    viewer = client_of(user_in("Viewers"))
    id = str(uuid4()) if name == "unknown" else "x"
    for body in ("{", '{"unknown": 1}'):
        answer = viewer.post(
            URL + path.format(id=id) + "?x=1",
            data=body,
            content_type="application/json",
            headers={"If-Match": "x", "Idempotency-Key": ""},
        )
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("path", READS)
def test_who_may_not_read_hears_nothing_of_the_question(
    user_in: Callable[..., User], client_of: Callable[..., APIClient], path: str
) -> None:
    nobody = client_of(user_in())
    for id in (str(uuid4()), "x"):
        assert nobody.get(URL + path.format(id=id) + "?x=1").status_code == 403


def test_a_session_serves_too_with_a_csrf_token(user_in: Callable[..., User]) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_in("Recruiters"))
    assert client.get(URL).status_code == 200
    add = {"data": {"profile": {}, "score": 80}, "content_type": "application/json"}

    refused = client.post(URL, **add)  # type: ignore[arg-type]
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")
    assert "CSRF" in refused.json()["detail"]
    assert not StorageEvent.objects.exists()

    client.get("/admin/login/")
    client.cookies["csrftoken"] = secret = "a" * 32
    answer = client.post(URL, **add, headers={"X-CSRFToken": secret})  # type: ignore[arg-type]
    assert answer.status_code == 201
    assert StorageEvent.objects.count() == 1
