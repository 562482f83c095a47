"""Every failure under /api/ is a problem document, whoever found it; elsewhere it is a page."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.test import Client, override_settings
from rest_framework.exceptions import ErrorDetail, Throttled, ValidationError
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from eventstore.domain.exceptions import ConcurrencyError, InvalidValue, NotPermitted
from recruitment.errors import MOST_ERRORS

URL = "/api/v1/candidates/"


@pytest.fixture(params=[False, True], ids=["DEBUG off", "DEBUG on"])
def debug(request: pytest.FixtureRequest) -> Iterator[bool]:
    with override_settings(DEBUG=request.param):
        yield request.param


@pytest.fixture
def api(user_in: Callable[..., User], client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(user_in("Recruiters"))


def _problem(answer: Any, status: int) -> dict[str, Any]:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    problem: dict[str, Any] = json.loads(answer.content)
    assert list(problem)[:5] == ["type", "title", "status", "code", "detail"]
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert problem["title"] == {413: "Content Too Large"}.get(status, answer.reason_phrase)
    assert problem["detail"].endswith((".", "]")) or "/" in problem["detail"]
    return problem


@pytest.mark.usefixtures("debug")
@pytest.mark.parametrize(
    ("call", "status", "code"),
    [
        (lambda api: api.get(URL, {"x": "1"}), 400, "invalid"),
        (lambda api: api.post(URL, data="{", content_type="application/json"), 400, "parse_error"),
        (lambda api: APIClient().get(URL), 401, "not_authenticated"),
        (lambda api: api.get(f"{URL}{uuid4()}/"), 404, "not_found"),
        (lambda api: api.get(f"{URL}{uuid4()}/hire/"), 404, "not_found"),
        (lambda api: api.get("/api"), 404, "not_found"),
        (lambda api: api.get("/api/"), 404, "not_found"),
        (lambda api: api.post("/api/v2/candidates/"), 404, "not_found"),
        (lambda api: api.get("/api/v1/a%0Ab/"), 404, "not_found"),
        (lambda api: api.get("/api/v1/candidates%0A"), 404, "not_found"),
        (lambda api: api.get("/api/%ED%A0%80%00"), 404, "not_found"),
        (lambda api: api.delete(URL), 405, "method_not_allowed"),
        (lambda api: api.post("/api/v1/schema/"), 405, "method_not_allowed"),
        (lambda api: api.post("/api/v1/docs/"), 405, "method_not_allowed"),
        (lambda api: api.get(URL, headers={"Accept": "text/html"}), 406, "not_acceptable"),
        (lambda api: api.get("/api/v1/docs/", headers={"Accept": "a/b"}), 406, "not_acceptable"),
        (lambda api: api.get("/api/v1/schema/", headers={"Accept": "a/b"}), 406, "not_acceptable"),
        (
            lambda api: api.post(URL, data=" " * 2**21, content_type="application/json"),
            413,
            "body_too_large",
        ),
        (
            lambda api: api.post(URL, data="a=1", content_type="text/plain"),
            415,
            "unsupported_media_type",
        ),
    ],
)
def test_a_failure_is_a_problem_document(
    api: APIClient, call: Callable[[APIClient], Any], status: int, code: str
) -> None:
    assert _problem(call(api), status)["code"] == code


@pytest.mark.usefixtures("debug")
def test_who_may_not_is_told_which_permission_it_takes(
    user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    answer = client_of(user_in("Viewers")).post(URL, {"profile": {}, "score": 1})
    assert _problem(answer, 403)["code"] == "permission_denied"


def _fail() -> None:
    raise RuntimeError("the secret of the database")


def test_a_fault_of_ours_is_a_problem_that_gives_nothing_away(
    api: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("candidates.api.views.candidate_service", _fail)
    api.raise_request_exception = False
    answer = api.post(URL, {"profile": {}, "score": 1})
    assert _problem(answer, 500)["code"] == "internal_error"
    assert b"secret" not in answer.content
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [r.exc_info and str(r.exc_info[1]) for r in errors] == ["the secret of the database"]


def test_a_fault_of_ours_shows_its_traceback_to_who_is_debugging(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candidates.api.views.candidate_service", _fail)
    api.raise_request_exception = False
    with override_settings(DEBUG=True):
        answer = api.post(URL, {"profile": {}, "score": 1})
    assert answer.status_code == 500
    assert b"the secret of the database" in answer.content


@pytest.mark.django_db
def test_a_request_for_another_host_is_a_bad_one() -> None:
    answer = Client().get(URL, headers={"Host": "evil.example"})
    assert _problem(answer, 400)["code"] == "bad_request"
    page = Client().get("/admin/", headers={"Host": "evil.example"})
    assert (page.status_code, page["Content-Type"]) == (400, "text/html; charset=utf-8")


@pytest.mark.django_db
@pytest.mark.usefixtures("debug")
@pytest.mark.parametrize("path", ["/nowhere/", "/apis/", "/admin/nowhere/x"])
def test_elsewhere_a_failure_is_a_page(path: str) -> None:
    answer = Client().get(path)
    assert answer["Content-Type"].startswith("text/html")


@pytest.mark.django_db
def test_a_fault_of_ours_elsewhere_is_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.contrib.auth.views.LoginView.dispatch", lambda *_: _fail())
    answer = Client(raise_request_exception=False).get("/admin/login/")
    assert (answer.status_code, answer["Content-Type"]) == (500, "text/html; charset=utf-8")


def _answer_to(error: Exception) -> Any:
    class Failing(APIView):
        authentication_classes: Any = []
        permission_classes: Any = []

        def get(self, request: Any) -> Any:
            raise error

    answer: Any = Failing.as_view()(APIRequestFactory().get(URL))
    return answer.render()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotPermitted(permission="candidates.decide"), 403, "permission_denied"),
        (ConcurrencyError(stream_id=uuid4(), expected=3), 409, "version_conflict"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "permission_denied"),
        (Throttled(wait=3), 429, "throttled"),
    ],
)
def test_each_kind_of_error_has_its_status_and_code(
    error: Exception, status: int, code: str
) -> None:
    assert _problem(_answer_to(error), status)["code"] == code


@pytest.mark.parametrize("text", ["\ud800", "\x00", "“Ω”", "\U0001f600", "x" * 10])
def test_no_text_breaks_the_answer(text: str) -> None:
    for error in (
        InvalidValue(pointer=f"/{text}", rule="odd", detail=f"{text}."),
        ValidationError({text: [ErrorDetail(f"{text}.", code="odd")]}),
        ValidationError({"a": {text: {"b": [f"{text}."]}}}, code="odd"),
    ):
        (found,) = _problem(_answer_to(error), 400)["errors"]
        assert (found["detail"], found["code"]) == (f"{text}.", "odd")


def test_errors_within_one_another_point_to_where_they_are() -> None:
    error = ValidationError({"a": [{}, {"b/c": ["One."]}], "": ["Two.", "Three."]}, code="odd")
    found = _problem(_answer_to(error), 400)["errors"]
    assert [(e["pointer"], e["detail"]) for e in found] == [
        ("/a/1/b~1c", "One."),
        ("", "Two."),
        ("", "Three."),
    ]


def test_more_errors_than_anybody_reads_are_not_listed() -> None:
    error = ValidationError({f"f{i}": ["No."] for i in range(10_000)})
    assert len(_problem(_answer_to(error), 400)["errors"]) == MOST_ERRORS
