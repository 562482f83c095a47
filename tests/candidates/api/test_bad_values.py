"""A value that will not do is refused by its name, before a row is written."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from eventstore.models import StorageEvent
from tests.candidates.api.requests import URL, errors_of, nested, nothing_is_written, post_text

HUGE = "9" * 5_000
DEEP_LIST = "[" * 5_000 + "]" * 5_000
DEEP_OBJECT = '{"a":' * 5_000 + "1" + "}" * 5_000


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
    answer = post_text(api, URL, f'{{"profile": {{}}, "score": {score}}}')
    assert errors_of(answer) == [("/score", code)]
    assert nothing_is_written()


@pytest.mark.parametrize("score", ["0", "100", "100.0", "1e2", "-0.0", "74.99999999999999"])
def test_a_score_within_them_is_taken(api: APIClient, score: str) -> None:
    assert post_text(api, URL, f'{{"profile": {{}}, "score": {score}}}').status_code == 201


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
        (json.dumps(nested(21)), "/profile" + "/a" * 20, "too_deep"),
        (json.dumps(nested(33)), "/profile" + "/a" * 20, "too_deep"),
        (json.dumps(nested(300)), "/profile" + "/a" * 20, "too_deep"),
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
        (found,) = errors_of(answer)
        assert found[0].startswith(pointer)
        assert found[1] == code
    assert nothing_is_written()


def test_a_profile_within_the_limits_is_taken_and_given_back(api: APIClient) -> None:
    profile = {"deep": nested(19), "big": 2**1000, "emoji": "😀", "": "\u0001\x7f", "n": -1.5e-7}
    answer = post_text(api, URL, json.dumps({"profile": profile, "score": 1}))
    assert answer.status_code == 201
    assert json.loads(api.get(answer["Location"]).content)["profile"] == profile


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
        ("standby", {"until": "2030-W01-1"}, ("/until", "invalid")),
        ("standby", {"until": "2030-001"}, ("/until", "invalid")),
        ("standby", {"until": "20300101"}, ("/until", "invalid")),
        ("standby", {"until": "2030-1-1"}, ("/until", "invalid")),
        ("standby", {"until": "２０３０-01-01"}, ("/until", "invalid")),
        ("standby", {"until": "٢٠٣٠-01-01"}, ("/until", "invalid")),
        ("standby", {"until": "2030-01-01\n"}, ("/until", "invalid")),
        ("standby", {"until": " 2030-01-01"}, ("/until", "invalid")),
        ("standby", {"until": "0000-01-01"}, ("/until", "invalid")),
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
        ("reject", {"reason": nested(400)}, ("/reason", "invalid_choice")),
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
        ("undo", {"version": 2.5}, ("/version", "invalid")),
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
    assert errors_of(post_text(api, f"{url}{name}/", json.dumps(body))) == [found]
    item = {"command": name, "candidate_id": url.split("/")[-2], "body": body}
    in_batch = post_text(api, f"{URL}commands/", json.dumps({"commands": [item]}))
    assert in_batch.status_code == 400 or in_batch.json()["results"][0]["status"] == 400
    assert StorageEvent.objects.count() == 1
    assert api.get(url).content == before


def test_text_is_kept_as_it_was_typed(api: APIClient, add: Callable[..., str]) -> None:
    url = add()
    text = "  \u202eΣ\r\n😀\t\x7f\u0001 "
    assert api.post(f"{url}note/", {"text": text}).status_code == 200
    assert api.get(f"{url}history/").json()["results"][1]["data"] == {"text": text}
