"""What cannot be meant is refused by name, before a row is written. Never a 500."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from candidates.models import CandidateProjection
from eventstore.api.parsers import MAX_BODY_BYTES
from eventstore.models import StorageEvent
from tests.candidates.api.conftest import URL

HUGE = "9" * 5_000
DEEP_LIST = "[" * 5_000 + "]" * 5_000
DEEP_OBJECT = '{"a":' * 5_000 + "1" + "}" * 5_000


def _nested(levels: int) -> Any:
    return {"a": _nested(levels - 1)} if levels else 1


def _post(api: APIClient, url: str, body: str | bytes, type: str = "application/json") -> Any:
    return api.post(url, data=body, content_type=type)


def _found(answer: Any, status: int = 400) -> list[tuple[str, str]]:
    """Pointer and code of every error that a problem document names."""
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    problem = json.loads(answer.content.decode("utf-8"))
    assert problem["status"] == status
    assert problem["detail"]
    assert len(answer.content) < 10_000
    return [(error["pointer"], error["code"]) for error in problem.get("errors", [])]


def _nothing_is_written() -> bool:
    return not (StorageEvent.objects.exists() or CandidateProjection.objects.exists())


@pytest.mark.parametrize(
    ("score", "code"),
    [
        ('"75"', "invalid"),
        ("true", "invalid"),
        ("[]", "invalid"),
        ("{}", "invalid"),
        (DEEP_LIST, "too_deep"),
        ("null", "null"),
        ("NaN", "not_finite"),
        ("Infinity", "not_finite"),
        ("-Infinity", "not_finite"),
        ("1e999", "not_finite"),
        ("-1e999", "not_finite"),
        (HUGE, "not_finite"),
        ("1" + "0" * 309, "not_finite"),
        ("1" + "0" * 300, "out_of_range"),
        ("100.01", "out_of_range"),
        ("100.00000000000001", "out_of_range"),
        ("101", "out_of_range"),
        ("-1", "out_of_range"),
        ("-1e-300", "out_of_range"),
    ],
)
@pytest.mark.parametrize("key", [None, "once"])
def test_a_score_is_a_number_from_0_to_100(
    api: APIClient, score: str, code: str, key: str | None
) -> None:
    if key:
        api.credentials(HTTP_IDEMPOTENCY_KEY=key)
    answer = _post(api, URL, f'{{"profile": {{}}, "score": {score}}}')
    assert _found(answer) == [("/score", code)]
    assert _nothing_is_written()


@pytest.mark.parametrize("score", ["0", "100", "100.0", "1e2", "-0.0", "74.99999999999999"])
def test_a_score_within_them_is_taken(api: APIClient, score: str) -> None:
    assert _post(api, URL, f'{{"profile": {{}}, "score": {score}}}').status_code == 201


@pytest.mark.parametrize(
    ("profile", "pointer", "code"),
    [
        ("null", "/profile", "null"),
        ("[]", "/profile", "not_a_dict"),
        ('[["name", "Ann"]]', "/profile", "not_a_dict"),
        ('"Ann"', "/profile", "not_a_dict"),
        ("1", "/profile", "not_a_dict"),
        ("true", "/profile", "not_a_dict"),
        (DEEP_OBJECT, "/profile", "too_deep"),
        (DEEP_LIST, "/profile", "too_deep"),
        (json.dumps(_nested(21)), "/profile" + "/a" * 20, "too_deep"),
        (json.dumps(_nested(33)), "/profile" + "/a" * 20, "too_deep"),
        (json.dumps(_nested(300)), "/profile" + "/a" * 20, "too_deep"),
        (json.dumps({"x": "y" * 200_000}), "/profile", "too_large"),
        (json.dumps({"x": ["y"] * 50_000}), "/profile", "too_large"),
        (f'{{"x": {HUGE}}}', "/profile/x", "too_large"),
        (f'{{"x": [1, -{HUGE}]}}', "/profile/x/1", "too_large"),
        ('{"x": [{"y": NaN}]}', "/profile/x/0/y", "not_finite"),
        ('{"x": 1e999}', "/profile/x", "not_finite"),
        ('{"name": "\\u0000"}', "/profile/name", "nul_character"),
        ('{"name": ["Ann", "\\ud800"]}', "/profile/name/1", "lone_surrogate"),
        ('{"name": "\\udc00\\ud800"}', "/profile/name", "lone_surrogate"),
        ('{"\\u0000": 1}', "/profile/\\x00", "nul_character"),
        ('{"a": {"\\ud800": 1}}', "/profile/a/\\ud800", "lone_surrogate"),
        ('{"a/b": {"~": NaN}}', "/profile/a~1b/~0", "not_finite"),
        ('{"": NaN}', "/profile/", "not_finite"),
        (json.dumps({"k" * 10_000: math.nan}), "/profile/" + "k" * 100, "not_finite"),
    ],
)
def test_a_profile_is_an_object_that_can_be_kept_as_it_is(
    api: APIClient, profile: str, pointer: str, code: str
) -> None:
    for key in ({}, {"Idempotency-Key": "once"}):
        answer = api.post(
            URL,
            data=f'{{"score": 80, "profile": {profile}}}',
            content_type="application/json",
            headers=key,
        )
        (found,) = _found(answer)
        assert found[0].startswith(pointer)
        assert found[1] == code
    assert _nothing_is_written()


def test_a_profile_within_the_limits_is_taken_and_given_back(api: APIClient) -> None:
    profile = {"deep": _nested(19), "big": 2**1000, "emoji": "😀", "": "\u0001\x7f", "n": -1.5e-7}
    answer = _post(api, URL, json.dumps({"profile": profile, "score": 1}))
    assert answer.status_code == 201
    assert json.loads(api.get(answer["Location"]).content)["profile"] == profile


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("{}", [("/profile", "required"), ("/score", "required")]),
        ('{"profile": {}}', [("/score", "required")]),
        ('{"score": 80}', [("/profile", "required")]),
        ('{"profile": {}, "score": 1, "Score": 1}', [("/Score", "unknown_field")]),
        ('{"\\u0000": 1}', [("/\\x00", "unknown_field")]),
        ('{"\\ud800": "\\ud800"}', [("/\\ud800", "unknown_field")]),
        ('{"non_field_errors": 1}', [("/non_field_errors", "unknown_field")]),
        ('{"__proto__": 1}', [("/__proto__", "unknown_field")]),
        (json.dumps({"k" * 10_000: 1}), [("/" + "k" * 100, "unknown_field")]),
        (json.dumps({"x": _nested(300)}), [("/x", "unknown_field")]),
        ('{"score": 1, "score": 2, "profile": {}}', [("/score", "duplicate_key")]),
        ('{"\\ud800": 1, "\\ud800": 1}', [("/\\ud800", "duplicate_key")]),
        ("null", [("", "null")]),
        ("[]", [("", "invalid")]),
        ('[{"profile": {}, "score": 80}]', [("", "invalid")]),
        ('"x"', [("", "invalid")]),
        ('"\\ud800"', [("", "invalid")]),
        ("1", [("", "invalid")]),
        ("true", [("", "invalid")]),
        ("NaN", [("", "invalid")]),
        (HUGE, [("", "invalid")]),
        (DEEP_LIST, [("", "too_deep")]),
        (f'["x", {DEEP_LIST}]', [("", "too_deep")]),
        (f'{{"a": ["b"], "c\\"": {DEEP_LIST}}}', [('/c"', "too_deep")]),
    ],
)
def test_a_body_is_an_object_with_the_fields_of_its_command(
    api: APIClient, body: str, found: list[tuple[str, str]]
) -> None:
    assert _found(_post(api, URL, body)) == found
    assert _nothing_is_written()


def test_a_body_full_of_mistakes_is_answered_briefly(api: APIClient) -> None:
    body = json.dumps({f"{i:099}": 1 for i in range(5_000)})
    assert {code for _, code in _found(_post(api, URL, body))} == {"unknown_field"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{]",
        b"profile=Ann&score=80",
        b'{"profile": {}, "score": 80,}',
        b'{"profile": {}, "score": 080}',
        b'{"profile": {}, "score": 80} {}',
        b"{'profile': {}, 'score': 80}",
        b'{"profile": {"name": "\x00"}, "score": 80}',
        b'{"profile": {"name": "\xff"}, "score": 80}',
        b'{"profile": {"name": "\xed\xa0\x80"}, "score": 80}',
        b'{"profile": {"name": "\\ud8"}, "score": 80}',
        b"\xff\xfe",
        b"\x00",
        b" ",
        '{"profile": {}, "score": 80}'.encode("utf-16"),
        '{"profile": {}, "score": 80}'.encode("utf-16-le"),
        '{"profile": {}, "score": 80}'.encode("utf-32"),
        '{"profile": {"name": "é"}, "score": 80}'.encode("latin-1"),
    ],
)
def test_a_body_that_is_not_json_in_utf_8_is_said_to_be_none(api: APIClient, body: bytes) -> None:
    for type in ("application/json", "application/json; charset=utf-16", "application/JSON;x"):
        answer = _post(api, URL, body, type)
        assert _found(answer) == []
        assert answer.json()["code"] == "parse_error"
        assert "body is not" in answer.json()["detail"]
    assert _nothing_is_written()


def test_a_byte_order_mark_does_no_harm(api: APIClient) -> None:
    body = b'\xef\xbb\xbf{"profile": {}, "score": 80}'
    assert _post(api, URL, body).status_code == 201


def test_a_body_may_be_a_mebibyte_and_no_more(api: APIClient) -> None:
    body = '{"profile": {}, "score": 80}'
    assert _post(api, URL, body.ljust(MAX_BODY_BYTES)).status_code == 201
    for size in (MAX_BODY_BYTES + 1, 3 * MAX_BODY_BYTES):
        answer = _post(api, URL, body.ljust(size))
        assert _found(answer, status=413) == []
        assert answer.json()["code"] == "body_too_large"
    assert StorageEvent.objects.count() == 1


def test_a_body_in_chunks_is_refused_and_not_taken_for_none(
    api: APIClient, add: Callable[..., str]
) -> None:
    answer = api.post(f"{add()}invite/", headers={"Transfer-Encoding": "chunked"})
    assert _found(answer, status=411) == []
    assert answer.json()["code"] == "length_required"
    assert StorageEvent.objects.count() == 1


@pytest.mark.parametrize(
    "type",
    [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "multipart/form-data",
        "text/plain",
        "application/jsonp",
        "application/merge-patch+json",
        "nonsense",
    ],
)
@pytest.mark.parametrize("session", [False, True])
def test_a_body_of_another_type_is_refused(
    api: APIClient, recruiter: User, add: Callable[..., str], type: str, session: bool
) -> None:
    url = add()
    if session:
        api.force_authenticate(None)
        api.force_login(recruiter)
    for path, body in ((URL, "profile=Ann&score=80"), (f"{url}invite/", "x=1")):
        answer = _post(api, path, body, type)
        assert _found(answer, status=415) == []
        assert answer.json()["code"] == "unsupported_media_type"
    assert StorageEvent.objects.count() == 1


@pytest.mark.parametrize(
    "accept", ["text/html", "application/xml", "application/json; indent=x, text/*;q=0"]
)
def test_only_json_is_given(api: APIClient, add: Callable[..., str], accept: str) -> None:
    if "json" in accept:
        assert api.get(add(), headers={"Accept": accept}).status_code == 200
        return
    answer = api.post(URL, {"profile": {}, "score": 80}, headers={"Accept": accept})
    assert _found(answer, status=406) == []
    assert answer.json()["code"] == "not_acceptable"
    assert _nothing_is_written()


@pytest.mark.parametrize(
    ("name", "body", "found"),
    [
        ("standby", {"until": "soon"}, ("/until", "invalid")),
        ("standby", {"until": "2026-02-30"}, ("/until", "invalid")),
        ("standby", {"until": "2026-09-01T00:00:00Z"}, ("/until", "invalid")),
        ("standby", {"until": "99999-01-01"}, ("/until", "invalid")),
        ("standby", {"until": ""}, ("/until", "invalid")),
        ("standby", {"until": 20260901}, ("/until", "invalid")),
        ("standby", {"until": True}, ("/until", "invalid")),
        ("standby", {"until": ["2026-09-01"]}, ("/until", "invalid")),
        ("standby", {"until": "\ud800"}, ("/until", "invalid")),
        ("standby", {"until": "2026-09-01\x00"}, ("/until", "invalid")),
        ("standby", {"untill": "2026-09-01"}, ("/untill", "unknown_field")),
        ("invite", {"threshold": 0}, ("/threshold", "unknown_field")),
        ("invite", [], ("", "invalid")),
        ("invite", None, ("", "null")),
        ("reject", {}, ("/reason", "required")),
        ("reject", {"reason": None}, ("/reason", "null")),
        ("reject", {"reason": ""}, ("/reason", "invalid_choice")),
        ("reject", {"reason": "NOT_QUALIFIED"}, ("/reason", "invalid_choice")),
        ("reject", {"reason": "\ud800"}, ("/reason", "invalid_choice")),
        ("reject", {"reason": "\x00"}, ("/reason", "invalid_choice")),
        ("reject", {"reason": "x" * 100_000}, ("/reason", "invalid_choice")),
        ("reject", {"reason": ["other"]}, ("/reason", "invalid_choice")),
        ("reject", {"reason": _nested(400)}, ("/reason", "invalid_choice")),
        ("reject", {"reason": 1}, ("/reason", "invalid_choice")),
        ("reject", {"reason": math.nan}, ("/reason", "invalid_choice")),
        ("reject", {"reason": "other", "note": None}, ("/note", "null")),
        ("reject", {"reason": "other", "note": 1}, ("/note", "invalid")),
        ("reject", {"reason": "other", "note": ["x"]}, ("/note", "invalid")),
        ("reject", {"reason": "other", "note": "\x00"}, ("/note", "nul_character")),
        ("reject", {"reason": "other", "note": "\ud800"}, ("/note", "lone_surrogate")),
        ("reject", {"reason": "other", "note": "x" * 10_001}, ("/note", "max_length")),
        ("undo", {}, ("/version", "required")),
        ("undo", {"version": "2"}, ("/version", "invalid")),
        ("undo", {"version": 2.0}, ("/version", "invalid")),
        ("undo", {"version": True}, ("/version", "invalid")),
        ("undo", {"version": math.inf}, ("/version", "invalid")),
        ("undo", {"version": 0}, ("/version", "min_value")),
        ("undo", {"version": -(10**400)}, ("/version", "min_value")),
        ("undo", {"version": 2**31}, ("/version", "max_value")),
        ("undo", {"version": 10**400}, ("/version", "max_value")),
        ("rescore", {"score": "75", "why": "x"}, ("/score", "invalid")),
        ("rescore", {"score": 101, "why": "x"}, ("/score", "out_of_range")),
        ("rescore", {"score": 80}, ("/why", "required")),
        ("rescore", {"score": 80, "why": ""}, ("/why", "blank")),
        ("rescore", {"score": 80, "why": " \n\u2003"}, ("/why", "blank")),
        ("rescore", {"score": 80, "why": "\x00"}, ("/why", "nul_character")),
        ("profile", {}, ("/profile", "required")),
        ("profile", {"profile": []}, ("/profile", "not_a_dict")),
        ("profile", {"profile": {"x": "y" * 200_000}}, ("/profile", "too_large")),
        ("profile", {"profile": {"x": "\ud800"}}, ("/profile/x", "lone_surrogate")),
        ("note", {"text": ""}, ("/text", "blank")),
        ("note", {"text": "\udfff"}, ("/text", "lone_surrogate")),
        ("note", {"text": 75}, ("/text", "invalid")),
        ("note", {"text": False}, ("/text", "invalid")),
        ("note", {"text": "x" * 10_001}, ("/text", "max_length")),
        ("retract", {}, ("/why", "required")),
        ("retract", {"why": None}, ("/why", "null")),
    ],
)
def test_every_command_names_the_field_that_will_not_do(
    api: APIClient, add: Callable[..., str], name: str, body: Any, found: tuple[str, str]
) -> None:
    url = add(score=80)
    before = api.get(url).content
    assert _found(_post(api, f"{url}{name}/", json.dumps(body))) == [found]
    assert StorageEvent.objects.count() == 1
    assert api.get(url).content == before


def test_text_is_kept_as_it_was_typed(api: APIClient, add: Callable[..., str]) -> None:
    url = add()
    text = "  \u202eΣ\r\n😀\t\x7f\u0001 "
    assert api.post(f"{url}note/", {"text": text}).status_code == 200
    assert api.get(f"{url}history/").json()["results"][1]["data"] == {"text": text}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("put", ""),
        ("patch", ""),
        ("delete", ""),
        ("post", "{id}/"),
        ("put", "{id}/"),
        ("delete", "{id}/"),
        ("get", "{id}/invite/"),
        ("put", "{id}/invite/"),
        ("post", "{id}/history/"),
        ("delete", "{id}/history/"),
        ("trace", ""),
        ("options", ""),
        ("options", "{id}/invite/"),
    ],
)
def test_another_method_is_not_allowed_and_the_right_ones_are_named(
    api: APIClient, add: Callable[..., str], method: str, path: str
) -> None:
    id = add().split("/")[-2]
    answer = getattr(api, method)(URL + path.format(id=id))
    assert _found(answer, status=405) == []
    assert answer.json()["code"] == "method_not_allowed"
    assert method.upper() not in answer["Allow"]
    assert StorageEvent.objects.count() == 1


@pytest.mark.parametrize(
    "path", ["{id}/hire/", "{id}/Invite/", "{id}/invite/now/", "{id}//invite/"]
)
def test_an_unknown_command_is_not_found(
    api: APIClient, add: Callable[..., str], path: str
) -> None:
    answer = api.post(URL + path.format(id=add().split("/")[-2]))
    assert _found(answer, status=404) == []
    assert answer.json()["code"] == "not_found"
    assert StorageEvent.objects.count() == 1


def test_a_path_without_its_last_slash_says_what_it_lacks(
    api: APIClient, add: Callable[..., str]
) -> None:
    answer = api.post(f"{add()}invite")
    assert answer.status_code == 404
    assert "slash" in answer.json()["detail"]
