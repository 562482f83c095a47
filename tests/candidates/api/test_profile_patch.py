"""PATCH of a profile: a JSON Merge Patch (RFC 7396) of what the stream has at that moment."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from rest_framework.test import APIClient

from candidates.domain.values import PROFILE_BYTES, PROFILE_DEPTH
from candidates.models import CandidateProjection
from eventstore import wiring
from eventstore.domain.events import Metadata
from eventstore.infrastructure.keys import Keyring
from eventstore.models import StorageEvent
from tests.candidates.api.requests import URL, errors_of, nested
from tests.factories import erased
from tests.threads import all_decide_before_any_appends, together
from tests.wrapping_keys import put_in_place_of

MERGE_PATCH = "application/merge-patch+json"


def patch(api: APIClient, url: str, body: Any, kind: str = MERGE_PATCH, **headers: str) -> Any:
    text = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return api.patch(f"{url}profile/", data=text, content_type=kind, headers=headers)


def id_in(url: str) -> UUID:
    return UUID(url.split("/")[-2])


def erase(url: str) -> None:
    metadata = Metadata(actor="olga", door="command line")
    wiring.event_store().append("candidate", id_in(url), [erased()], expected=1, metadata=metadata)


def profile(api: APIClient, url: str) -> Any:
    return api.get(url).json()["profile"]


@pytest.mark.parametrize(
    ("before", "sent", "after"),
    # The first of them are those of RFC 7396, appendix A, that have objects for both.
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({"x": 1}, {"a": {"bb": {"ccc": None}}}, {"x": 1, "a": {"bb": {}}}),
        ({"a": {"b": 1}}, {"a": 2}, {"a": 2}),
        ({"a": 2}, {"a": {"b": None, "c": 1}}, {"a": {"c": 1}}),
        ({"x": 1}, {"a": [None, {"b": None}]}, {"x": 1, "a": [None, {"b": None}]}),
        ({"": 1}, {"": None, "/~": {"": 1}}, {"/~": {"": 1}}),
        ({"source": "fair", "name": "Ann"}, {"source": None}, {"name": "Ann"}),
        ({"n": 1}, {"n": 1.0}, {"n": 1.0}),
        ({"n": 1}, {"n": True}, {"n": True}),
        ({"n": 0.0}, {"n": -0.0}, {"n": -0.0}),
    ],
)
def test_what_is_named_changes_and_the_rest_stays(
    api: APIClient, add: Callable[..., str], before: Any, sent: Any, after: Any
) -> None:
    url = add(**before)
    answer = patch(api, url, sent)
    assert (answer.status_code, answer.json()["version"]) == (200, 2), answer.content
    assert [e["event_type"] for e in answer.json()["events"]] == ["candidate.profile_changed"]
    assert answer["ETag"] == api.get(url)["ETag"]
    assert json.dumps(profile(api, url), sort_keys=True) == json.dumps(after, sort_keys=True)
    event = api.get(f"{url}history/").json()["results"][1]
    assert json.dumps(event["data"], sort_keys=True) == json.dumps(
        {"profile": after}, sort_keys=True
    )


@pytest.mark.parametrize("sent", [{}, {"name": "Ann"}, {"none": None}, {"a": {"b": 1}}, ""])
def test_a_patch_that_changes_nothing_stores_nothing(
    api: APIClient, add: Callable[..., str], sent: Any
) -> None:
    url = add(name="Ann", a={"b": 1, "c": 2})
    api.post(f"{url}note/", {"text": "x"})
    answer = patch(api, url, sent, **{"Idempotency-Key": "k"})
    assert (answer.status_code, answer["ETag"]) == (200, api.get(url)["ETag"])
    newest = StorageEvent.objects.order_by("-position").first()
    assert newest is not None
    assert answer.json() == {
        "id": str(newest.stream_id),
        "version": 2,
        "status": "ADDED",
        "events": [],
        "position": newest.position,
    }
    assert StorageEvent.objects.count() == 2
    # Nothing is stored under the key either.
    assert patch(api, url, {"name": "Bo"}, **{"Idempotency-Key": "k"}).json()["version"] == 3


@pytest.mark.parametrize("kind", [MERGE_PATCH, "application/json", f"{MERGE_PATCH}; charset=utf-8"])
def test_a_patch_is_json_under_either_name(
    api: APIClient, add: Callable[..., str], kind: str
) -> None:
    answer = patch(api, add(), {"a": 1}, kind)
    assert answer.status_code == 200
    assert answer["Accept-Patch"] == f"{MERGE_PATCH}, application/json"


@pytest.mark.parametrize(
    "kind", ["application/json-patch+json", "text/plain", "application/xml", "multipart/form-data"]
)
def test_other_kinds_are_refused_and_told_which_will_do(
    api: APIClient, add: Callable[..., str], kind: str
) -> None:
    answer = patch(api, add(), "[]", kind)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert answer["Accept-Patch"] == f"{MERGE_PATCH}, application/json"
    assert StorageEvent.objects.count() == 1


def test_nothing_else_is_patched(api: APIClient, add: Callable[..., str]) -> None:
    url = add()
    for path in (URL, url, f"{url}note/", f"{URL}commands/", "/api/v1/statistics/"):
        answer = api.patch(path, data="{}", content_type=MERGE_PATCH)
        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed"), path
    replaced = api.post(f"{url}profile/", data='{"profile": {}}', content_type=MERGE_PATCH)
    assert replaced.status_code == 415


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ("[]", ("", "not_an_object")),
        ("null", ("", "not_an_object")),
        ('"x"', ("", "not_an_object")),
        ("1", ("", "not_an_object")),
        ('{"a": {"b": "\\u0000"}}', ("/a/b", "nul_character")),
        ('{"a": "\\ud800"}', ("/a", "lone_surrogate")),
        ('{"profile": {"a": "\\ud800"}}', ("/profile/a", "lone_surrogate")),
        ('{"\\u0000": null}', ("/\\x00", "nul_character")),
        ('{"a": NaN}', ("/a", "not_finite")),
        ('{"a": 1e999}', ("/a", "not_finite")),
        ('{"a": 1, "a": 2}', ("/a", "duplicate_key")),
        (json.dumps(nested(PROFILE_DEPTH + 1)), ("/a" * PROFILE_DEPTH, "too_deep")),
        ('{"a":' * 2_000 + "1" + "}" * 2_000, ("/a", "too_deep")),
        (json.dumps({"a": "x" * PROFILE_BYTES}), ("", "too_large")),
        (json.dumps({"b": "x" * (PROFILE_BYTES - 20)}), ("", "too_large")),
    ],
    ids=lambda value: str(value)[:30],
)
@pytest.mark.parametrize("key", ["", "k"])
def test_a_patch_that_will_not_do_is_refused_by_its_own_pointers(
    api: APIClient, add: Callable[..., str], sent: str, error: tuple[str, str], key: str
) -> None:
    headers = {"Idempotency-Key": key} if key else {}
    answer = patch(api, add(name="x" * 20), sent, **headers)
    assert errors_of(answer) == [error]
    assert StorageEvent.objects.count() == 1


def test_the_limits_are_those_of_the_result(api: APIClient, add: Callable[..., str]) -> None:
    url = add(a="x" * (PROFILE_BYTES // 2), b="x" * (PROFILE_BYTES // 2 - 20))
    # More than a profile may have, of which nothing is left.
    removed = {f"{i:06d}": None for i in range(20_000)}
    answer = patch(api, url, removed | {"a": "y" * (PROFILE_BYTES // 2)})
    assert answer.status_code == 200, answer.content
    assert errors_of(patch(api, url, {"c": "x" * 20})) == [("", "too_large")]
    deep = add(a=nested(PROFILE_DEPTH - 1))
    assert patch(api, deep, {"b": 1}).status_code == 200


def test_a_patch_is_repeated_under_its_key(api: APIClient, add: Callable[..., str]) -> None:
    url, key = add(name="Ann"), {"Idempotency-Key": "k"}
    first = patch(api, url, {"a": 1}, **key)
    patch(api, url, {"a": 2})
    again = patch(api, url, {"a": 1}, **key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again["Idempotent-Replayed"] == "true"
    assert profile(api, url) == {"name": "Ann", "a": 2}
    # Where it would change nothing by now, too.
    patch(api, url, {"a": 1})
    third = patch(api, url, {"a": 1}, **key)
    assert (third.json(), third["Idempotent-Replayed"]) == (first.json(), "true")
    for other in ({"a": 3}, {"a": 1, "b": 1}, {"a": 1.0}, {"a": True}):
        reused = patch(api, url, other, **key)
        assert (reused.status_code, reused.json()["code"]) == (422, "command_reused")
    replaced = api.post(f"{url}profile/", {"profile": {"a": 1}}, headers=key)
    assert replaced.status_code == 422


def test_a_patch_holds_for_the_version_that_it_names(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add()
    tag = api.get(url)["ETag"]
    assert patch(api, url, {"a": 1}, **{"If-Match": tag}).status_code == 200
    for sent in ({"a": 2}, {}):
        stale = patch(api, url, sent, **{"If-Match": tag})
        assert (stale.status_code, stale.json()["current_version"]) == (412, 2)
    with override_settings(REQUIRE_IF_MATCH=True):
        assert patch(api, url, {"a": 2}).status_code == 428


def test_a_patch_needs_the_permission_and_the_candidate(
    api: APIClient,
    add: Callable[..., str],
    user_with: Callable[..., User],
    client_of: Callable[..., APIClient],
) -> None:
    url = add()
    viewer = client_of(user_with("view_candidateprojection", "decide", name="vic"))
    assert patch(viewer, url, {"a": 1}).status_code == 403
    assert patch(viewer, url, "{").status_code == 403
    assert patch(api, f"{URL}{UUID(int=7)}/", {"a": 1}).status_code == 404
    assert errors_of(patch(api, f"{URL}7/", {"a": 1})) == [("/id", "invalid_id")]
    with override_settings(READ_ONLY=True):
        assert patch(api, url, {"a": 1}).status_code == 503


def test_a_candidate_who_is_gone_has_no_profile_to_patch(
    api: APIClient, add: Callable[..., str]
) -> None:
    for end, code in (("retracted", "candidate_retracted"), ("erased", "candidate_erased")):
        url = add(name="Ann")
        if end == "retracted":
            api.post(f"{url}retract/", {"why": "twice"})
        else:
            erase(url)
        for sent in ({"a": 1}, {}):
            answer = patch(api, url, sent)
            assert (answer.status_code, answer.json()["code"]) == (409, code)


def test_a_profile_whose_key_was_destroyed_gets_nothing_personal(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add(name="Ann")
    wiring.event_store().erase_personal_data(id_in(url))
    answer = patch(api, url, {"phone": "1"})
    assert (answer.status_code, answer.json()["code"]) == (409, "personal_data_erased")


def test_a_profile_that_cannot_be_read_is_not_replaced(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add(name="Ann")
    api.raise_request_exception = False
    other = Keyring([b"another key, of 32 bytes length."]).new_key(id_in(url))[1]
    put_in_place_of(id_in(url), other)
    answer = patch(api, url, {"a": 1})
    assert (answer.status_code, answer.json()["code"]) == (503, "key_missing")
    assert StorageEvent.objects.count() == 1


def test_a_patch_reads_the_stream_and_not_the_read_model(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add(name="Ann", a=1)
    for number in range(60):
        api.post(f"{url}note/", {"text": f"{number}"})
    CandidateProjection.objects.all().delete()
    assert patch(api, url, {"b": 2}).json()["version"] == 62
    assert api.get(f"{url}?version=62").json()["profile"] == {"name": "Ann", "a": 1, "b": 2}


def test_a_batch_patches_too(api: APIClient, add: Callable[..., str]) -> None:
    url = add(name="Ann")
    item = {"command": "patch_profile", "candidate_id": url.split("/")[-2]}
    answer = api.post(
        f"{URL}commands/",
        {
            "commands": [
                item | {"body": {"profile": {"a": 1}}},
                item | {"body": {"profile": {"b": 2}}, "expected_version": 2},
                item | {"body": {"profile": {"b": 2}}},
                item | {"body": {"profile": []}},
                item | {"body": {"profile": {"a": {"b": "\u0000"}}}},
                item | {"body": {"a": 1}},
            ]
        },
    ).json()["results"]
    assert [one["status"] for one in answer] == [200, 200, 200, 400, 400, 400]
    assert answer[2]["result"]["events"] == []
    assert answer[4]["problem"]["errors"][0]["pointer"] == "/body/profile/a/b"
    assert profile(api, url) == {"name": "Ann", "a": 1, "b": 2}


@pytest.mark.django_db(transaction=True)
def test_those_who_each_own_a_key_do_not_wipe_each_other(
    add: Callable[..., str],
    user_in: Callable[..., User],
    client_of: Callable[..., APIClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = add(name="Ann")
    callers = [client_of(user_in("Recruiters", name=f"user{i}")) for i in range(8)]
    all_decide_before_any_appends(monkeypatch, writers=8)

    def own_key(number: int) -> list[int]:
        sent = ({f"key{number}": {"value": value}} for value in range(5))
        return [patch(callers[number], url, one).status_code for one in sent]

    answers = together(8, own_key)

    assert answers == [[200] * 5] * 8
    assert profile(callers[0], url) == {
        "name": "Ann",
        **{f"key{i}": {"value": 4} for i in range(8)},
    }
    assert StorageEvent.objects.count() == 41
