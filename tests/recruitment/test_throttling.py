"""How many calls of each scope a user may make, where the settings set a limit."""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.cache import cache
from rest_framework.test import APIClient
from rest_framework.views import APIView

from recruitment import settings as project
from recruitment.models import Scope
from recruitment.throttling import ScopeThrottle
from recruitment.tokens import issue
from tests.backends import redis_url
from tests.threads import together

URL = "/api/v1/candidates/"
ADD: dict[str, Any] = {"profile": {}, "score": 80}
UNLIMITED = {"read": None, "command": None, "feed": None}


class Clock:
    """Stands still 20 seconds before the end of a minute."""

    now = 1_800_000_040.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("recruitment.throttling.time", clock)
    return clock


@pytest.fixture(params=["memory", "redis"])
def counted(request: pytest.FixtureRequest, settings: Any) -> Iterator[None]:
    """Calls are counted in an empty cache of each kind."""
    url = "" if request.param == "memory" else redis_url()
    settings.CACHES = {"default": {**project.cache(url), "KEY_PREFIX": f"test-{uuid4()}"}}
    yield
    if url:
        client = cache._cache.get_client(write=True)  # type: ignore[attr-defined]
        for key in client.scan_iter(f"{cache.key_prefix}:*"):
            client.delete(key)


@pytest.fixture
def token_of(user_in: Callable[..., User]) -> Callable[..., APIClient]:
    def make(user: User, *scopes: Scope) -> APIClient:
        _, token = issue(user, scopes=scopes)
        return APIClient(headers={"Authorization": f"Bearer {token}"})

    return make


@pytest.mark.usefixtures("counted")
def test_who_calls_too_often_is_told_how_long_to_wait(
    user_in: Callable[..., User],
    client_of: Callable[..., APIClient],
    settings: Any,
    clock: Clock,
) -> None:
    settings.API_THROTTLES = {**UNLIMITED, "read": (2, 60)}
    api = client_of(user_in("Recruiters"))
    assert [api.get(URL).status_code for _ in range(3)] == [200, 200, 429]
    clock.now += 0.5
    refused = api.get(URL)
    assert (refused["Retry-After"], refused["Content-Type"]) == ("20", "application/problem+json")
    assert refused.json()["code"] == "throttled"
    clock.now += int(refused["Retry-After"])
    assert [api.get(URL).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.usefixtures("counted", "clock")
def test_each_scope_has_a_limit_of_its_own(
    user_in: Callable[..., User], client_of: Callable[..., APIClient], settings: Any
) -> None:
    settings.API_THROTTLES = {**UNLIMITED, "read": (1, 60), "command": (2, 60)}
    api = client_of(user_in("Recruiters"))
    assert [api.post(URL, ADD).status_code for _ in range(3)] == [201, 201, 429]
    assert [api.get(URL).status_code for _ in range(2)] == [200, 429]


@pytest.mark.usefixtures("counted", "clock")
def test_the_tokens_and_sessions_of_a_user_count_together_and_each_user_apart(
    user_in: Callable[..., User],
    token_of: Callable[..., APIClient],
    settings: Any,
) -> None:
    settings.API_THROTTLES = {**UNLIMITED, "read": (3, 60)}
    rita, ann = user_in("Viewers", name="rita"), user_in("Viewers", name="ann")
    session = APIClient()
    session.force_login(rita)
    clients = [token_of(rita), token_of(rita, Scope.READ), session]
    assert [client.get(URL).status_code for client in clients] == [200, 200, 200]
    assert [client.get(URL).status_code for client in clients] == [429, 429, 429]
    assert token_of(ann).get(URL).status_code == 200


@pytest.mark.usefixtures("counted", "clock")
def test_who_may_not_call_at_all_is_not_counted(
    user_in: Callable[..., User],
    token_of: Callable[..., APIClient],
    settings: Any,
) -> None:
    settings.API_THROTTLES = {**UNLIMITED, "read": (1, 60)}
    rita = user_in("Viewers")
    for _ in range(2):
        assert token_of(rita, Scope.FEED).get(URL).status_code == 403
        assert APIClient().get(URL).status_code == 401
        assert APIClient().get("/api/v1/schema/").status_code == 200
    assert token_of(rita).get(URL).status_code == 200


def _asking(user: Any) -> Any:
    return SimpleNamespace(user=user, method="GET")


@pytest.mark.usefixtures("counted", "clock")
@pytest.mark.django_db(transaction=True)
def test_of_calls_at_the_same_moment_no_more_pass_than_one_after_the_other(
    settings: Any,
) -> None:
    settings.API_THROTTLES = {**UNLIMITED, "read": (5, 86_400)}
    request = _asking(User(pk=1))
    passed = together(20, lambda _: ScopeThrottle().allow_request(request, APIView()))
    assert sorted(map(str, passed)) == ["False"] * 15 + ["True"] * 5


def test_without_a_limit_nothing_is_counted(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "a.cache.that.does.not.exist"}}
    for user in (User(pk=1), AnonymousUser()):
        assert ScopeThrottle().allow_request(_asking(user), APIView())


@pytest.mark.usefixtures("clock")
def test_a_cache_that_does_not_answer_stops_nobody_and_is_reported(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.API_THROTTLES = {**UNLIMITED, "read": (1, 60)}
    settings.CACHES = {"default": project.cache("redis://127.0.0.1:1/0")}
    for _ in range(2):
        assert ScopeThrottle().allow_request(_asking(User(pk=1)), APIView())
    assert [record.message for record in caplog.records] == [
        "Calls are not counted, and so not limited."
    ] * 2
