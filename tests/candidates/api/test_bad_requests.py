"""A request that cannot be meant is refused for what is wrong with it. Never a 500."""

import json
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from eventstore.api.fields import StrictSerializer
from eventstore.api.parameters import MOST_NAMED
from eventstore.api.parsers import MAX_BODY_BYTES
from eventstore.models import StorageEvent
from tests.candidates.api.requests import (
    ADD,
    URL,
    errors_of,
    nested,
    nothing_is_written,
    post_text,
)

HUGE = "9" * 5_000
DEEP_LIST = "[" * 5_000 + "]" * 5_000


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
        (json.dumps({"x": nested(300)}), [("/x", "unknown_field")]),
        ('{"score": 1, "score": 2, "profile": {}}', [("/score", "duplicate_key")]),
        ('{"\\ud800": 1, "\\ud800": 1}', [("/\\ud800", "duplicate_key")]),
        (
            '{"score": 1, "profile": {"tags": ["x", {"a/b": {}, "c": {"d": 1, "d": 2}}]}}',
            [("/profile/tags/1/c/d", "duplicate_key")],
        ),
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
        ("[" * 500 + "]" * 500, [("", "invalid")]),
        ("[" * 501 + "]" * 501, [("", "too_deep")]),
        ("[" * 300_000 + "]" * 300_000, [("", "too_deep")]),
        (f'{{"a": {{"b": 1, "b": 2}}, "c": {DEEP_LIST}}}', [("/c", "too_deep")]),
        (
            f'{{"a": {"[" * 60}[[]], 1, {{"b": {{"c": 1, "c": 2}}}}{"]" * 60}}}',
            [("/a" + "/0" * 59 + "/2/b/c", "duplicate_key")],
        ),
        (f'{{"a": ["b"], "c\\"": {DEEP_LIST}}}', [('/c"', "too_deep")]),
    ],
)
def test_a_body_is_an_object_with_the_fields_of_its_command(
    api: APIClient, body: str, found: list[tuple[str, str]]
) -> None:
    assert errors_of(post_text(api, URL, body)) == found
    assert nothing_is_written()


def test_no_more_unknown_fields_are_looked_at_than_are_named() -> None:
    class Body(StrictSerializer):
        pass

    body = Body(data={f"{i}": 1 for i in range(70_000)})
    assert not body.is_valid()
    assert list(body.errors) == [f"{i}" for i in range(MOST_NAMED)]


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate, identity", "nonsense"])
def test_a_compressed_body_is_refused_and_told_how_to_be_sent(
    api: APIClient, add: Callable[..., str], coding: str
) -> None:
    url = add()
    headers = {"Content-Encoding": coding}
    for answer in (
        api.post(URL, ADD, headers=headers),
        api.post(f"{URL}commands/", {"commands": []}, headers=headers),
        api.post(f"{url}invite/", headers=headers),
        api.patch(f"{url}profile/", {}, headers=headers),
    ):
        assert (answer.status_code, answer["Accept-Encoding"]) == (415, "identity")
        assert answer.json()["code"] == "unsupported_content_encoding"
    assert api.get(url, headers=headers).status_code == 200
    assert StorageEvent.objects.count() == 1


def test_a_body_full_of_mistakes_is_answered_briefly(api: APIClient) -> None:
    body = json.dumps({f"{i:099}": 1 for i in range(5_000)})
    assert {code for _, code in errors_of(post_text(api, URL, body))} == {"unknown_field"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{]",
        b"profile=Ann&score=80",
        b'{"profile": {}, "score": 80,}',
        b'{"profile": {}, "score": 080}',
        b'{"profile": {}, "score": 80} {}',
        b'{"score": 1, "score": 80} {}',
        b'{"profile": {"a": 1, "a": 2},',
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
        answer = post_text(api, URL, body, type)
        assert errors_of(answer) == []
        assert answer.json()["code"] == "parse_error"
        assert "body is not" in answer.json()["detail"]
    assert nothing_is_written()


def test_a_byte_order_mark_does_no_harm(api: APIClient) -> None:
    body = b'\xef\xbb\xbf{"profile": {}, "score": 80}'
    assert post_text(api, URL, body).status_code == 201


def test_a_body_may_be_a_mebibyte_and_no_more(api: APIClient) -> None:
    body = '{"profile": {}, "score": 80}'
    assert post_text(api, URL, body.ljust(MAX_BODY_BYTES)).status_code == 201
    for size in (MAX_BODY_BYTES + 1, 3 * MAX_BODY_BYTES):
        answer = post_text(api, URL, body.ljust(size))
        assert errors_of(answer, status=413) == []
        assert answer.json()["code"] == "body_too_large"
    assert StorageEvent.objects.count() == 1


def test_a_body_in_chunks_is_refused_and_not_taken_for_none(
    api: APIClient, add: Callable[..., str]
) -> None:
    answer = api.post(f"{add()}invite/", headers={"Transfer-Encoding": "chunked"})
    assert errors_of(answer, status=411) == []
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
        answer = post_text(api, path, body, type)
        assert errors_of(answer, status=415) == []
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
    assert errors_of(answer, status=406) == []
    assert answer.json()["code"] == "not_acceptable"
    assert nothing_is_written()


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
        ("trace", "?status=ADDED"),
        ("delete", "{id}/?version=1"),
        ("put", "{id}/invite/?x=1"),
    ],
)
def test_another_method_is_not_allowed_and_the_right_ones_are_named(
    api: APIClient, add: Callable[..., str], method: str, path: str
) -> None:
    id = add().split("/")[-2]
    answer = getattr(api, method)(URL + path.format(id=id))
    assert errors_of(answer, status=405) == []
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
    assert errors_of(answer, status=404) == []
    assert answer.json()["code"] == "not_found"
    assert StorageEvent.objects.count() == 1


def test_a_path_without_its_last_slash_says_what_it_lacks(
    api: APIClient, add: Callable[..., str]
) -> None:
    answer = api.post(f"{add()}invite")
    assert answer.status_code == 404
    assert "slash" in answer.json()["detail"]
