"""Every path says who may cache its answer, also if the request is refused."""

import http.client
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django.live_server_helper import LiveServer
from rest_framework.test import APIClient

from recruitment.errors import RETRY_AFTER
from recruitment.tokens import issue
from tests.browser import Browser
from tests.candidates.api.requests import ADD, URL

API = ["Authorization", "Accept", "Cookie"]


def routes(patterns: Any = None, before: str = "") -> Iterator[str]:
    """Every path that the project answers to, as it is written in the URL configuration."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def concrete(route: str, id: str) -> str:
    """With this id, or a 1 where a row of a table is meant, in the place of the parameters."""
    for mark in ("(?P<id>[^/]+)", "<id>"):
        route = route.replace(mark, id)
    for mark in ("<path:object_id>", "<int:content_type_id>"):
        route = route.replace(mark, "1")
    return "/" + route.replace("^", "").replace("\\Z", "").replace("$", "").partition("(?")[0]


def policy(answer: Any) -> set[str]:
    return {part.strip() for part in answer["Cache-Control"].split(",")}


def check(answer: Any, path: str, method: str) -> None:
    said = policy(answer)
    kept = method in ("get", "head") and "ETag" in answer
    assert "private" in said, (path, said)
    assert "no-cache" in said if kept else "no-store" in said, (path, method, said)
    vary = [part.strip() for part in answer.get("Vary", "").split(",")]
    if path.startswith("/api/"):
        assert set(API) <= set(vary), (path, vary)
        assert len({part.lower() for part in vary}) == len(vary)
    if path.startswith("/admin/") and answer.status_code < 500:
        assert "Cookie" in vary, (path, vary)


METHODS = ("get", "head", "post", "patch", "put", "delete", "options")


@pytest.fixture
def api(user_in: Callable[..., User], client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(user_in("Recruiters", "Operators"))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("method", METHODS)
def test_no_answer_is_kept_by_others(
    api: APIClient, staff: Callable[..., Browser], method: str
) -> None:
    id = api.post(URL, ADD).json()["id"]
    stranger, token = Client(raise_request_exception=False), APIClient()
    token.credentials(HTTP_AUTHORIZATION="Bearer x")
    person = staff("Recruiters", name="sue", superuser=True)
    person.raise_request_exception = False
    paths = {concrete(route, id) for route in routes()}
    paths |= {"/api/v1/what-if/?threshold=60", f"{URL}{id}/?version=1", "/nowhere/", "/admin/x/"}
    assert len(paths) > 40
    statuses = set()
    for path in sorted(paths):
        for client in (api, stranger, token, person):
            answer = getattr(client, method)(path)
            check(answer, path, method)
            statuses.add(answer.status_code)
    assert len(statuses) > 2


def test_what_is_served_for_everybody_may_be_kept() -> None:
    answer = Client().get("/static/recruitment/favicon.svg")
    assert "public" in policy(answer)
    answer.close()


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda api: api.get(URL, {"x": "1"}), 400),
        (lambda api: api.post(URL, data="{", content_type="application/json"), 400),
        (lambda api: api.get(f"{URL}1/"), 400),
        (lambda api: APIClient().get(URL), 401),
        (lambda api: api.get(f"{URL}00000000-0000-0000-0000-000000000001/"), 404),
        (lambda api: api.get("/api/v1/nowhere/"), 404),
        (lambda api: api.delete(URL), 405),
        (lambda api: api.get(URL, headers={"Accept": "text/html"}), 406),
        (lambda api: api.get(f"{URL}?changed_after={2**62}"), 409),
        (lambda api: api.get(URL, headers={"If-Match": '"x"'}), 412),
        (
            lambda api: api.post(URL, data=" " * 2**21, content_type="application/json"),
            413,
        ),
        (lambda api: api.post(URL, data="a", content_type="text/plain"), 415),
        (lambda api: api.get(URL, headers={"Host": "evil.example"}), 400),
        (lambda api: api.get(URL, headers={"Content-Length": "x"}), 400),
    ],
)
def test_a_refusal_is_not_kept(
    api: APIClient, call: Callable[[APIClient], Any], status: int
) -> None:
    answer = call(api)
    assert answer.status_code == status
    assert answer["Cache-Control"] == "private, no-store"
    assert set(API) <= {part.strip() for part in answer["Vary"].split(",")}


def test_what_is_not_served_for_now_says_when_to_ask_again(api: APIClient, settings: Any) -> None:
    settings.READ_ONLY = True
    refused = api.post(URL, ADD)
    assert (refused.status_code, refused["Retry-After"]) == (503, str(RETRY_AFTER))


def test_a_process_that_is_not_ready_says_when_to_ask_again(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recruitment.health._problems", lambda: (["Something is in the way."], []))
    answer = Client().get("/readyz")
    assert (answer.status_code, answer["Retry-After"]) == (503, str(RETRY_AFTER))


def test_a_candidate_is_kept_with_its_tag_and_asked_for_again(api: APIClient) -> None:
    url = api.post(URL, ADD)["Location"]
    answer = api.get(url)
    again = api.get(url, headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    for one in (answer, again):
        assert one["Cache-Control"] == "private, no-cache"
        assert set(API) <= {part.strip() for part in one["Vary"].split(",")}
    assert again["ETag"] == answer["ETag"]
    assert "Content-Length" not in again
    assert "Content-Type" not in again
    added = api.post(URL, ADD)
    assert ("ETag" in added, added["Cache-Control"]) == (True, "private, no-store")
    past = api.get(f"{url}?version=1")
    assert ("ETag" in past, past["Cache-Control"]) == (False, "private, no-store")


@pytest.mark.parametrize("path", ["", "{id}/", "{id}/history/", "x/", "?x=1"])
def test_a_head_is_a_get_without_its_body(api: APIClient, path: str) -> None:
    url = URL + path.replace("{id}", api.post(URL, ADD).json()["id"])
    whole, head = api.get(url), api.head(url)
    assert (head.status_code, head.content) == (whole.status_code, b"")
    names = ("Content-Length", "Content-Type", "ETag", "Cache-Control", "Vary")
    assert [head.get(name) for name in names] == [whole.get(name) for name in names]
    assert head["Content-Length"] == str(len(whole.content))
    tag = whole.get("ETag")
    if tag:
        same = api.head(url, headers={"If-None-Match": tag})
        assert (same.status_code, same["ETag"], "Content-Length" in same) == (304, tag, False)


def test_a_head_that_is_refused_at_the_door_has_the_length_of_a_get(api: APIClient) -> None:
    headers = {"Content-Length": str(2**21)}
    whole, head = api.get(URL, headers=headers), api.head(URL, headers=headers)
    assert (whole.status_code, head.status_code, head.content) == (413, 413, b"")
    assert head["Content-Length"] == str(len(whole.content))


@pytest.mark.django_db(transaction=True)
def test_over_the_wire_nothing_follows_a_head_or_a_304(
    live_server: LiveServer, user_in: Callable[..., User]
) -> None:
    _, token = issue(user_in("Recruiters"))
    server = urlsplit(live_server.url)
    wire = http.client.HTTPConnection(str(server.hostname), server.port, timeout=30)
    sign_in = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def call(method: str, path: str, body: str = "", **headers: str) -> Any:
        wire.request(method, path, body or None, {**sign_in, **headers})
        answer = wire.getresponse()
        return answer, answer.read()

    added, _ = call("POST", URL, '{"profile": {}, "score": 1}')
    path = urlsplit(added.headers["Location"]).path
    read, body = call("GET", path)
    head, nothing = call("HEAD", path)
    assert (head.headers["Content-Length"], nothing) == (str(len(body)), b"")
    same, nothing = call("GET", path, **{"If-None-Match": read.headers["ETag"]})
    assert (same.status, same.headers["Content-Length"], nothing) == (304, None, b"")
