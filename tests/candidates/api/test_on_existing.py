"""POST with `on_existing=external_id`: the candidate that there is, or one that is added."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from rest_framework.test import APIClient

from candidates.application.projector import LIFTED_LENGTH, CandidateProjector
from candidates.models import CandidateProjection
from eventstore.models import StorageEvent
from tests.candidates.api.requests import ADD, URL, errors_of
from tests.candidates.api.test_profile_patch import erase
from tests.threads import in_flight, together

KNOWN = f"{URL}?on_existing=external_id"
BATCH = f"{URL}commands/"
DELIVERIES = ("on_commit", "in_transaction", "follow")


def body(external_id: Any = "x-1", **profile: Any) -> dict[str, Any]:
    return {"profile": {"external_id": external_id, **profile}, "score": 80}


def streams() -> int:
    return StorageEvent.objects.values("stream_id").distinct().count()


def test_who_is_not_known_is_added_and_who_is_known_is_answered(api: APIClient) -> None:
    first = api.post(KNOWN, body(name="Ann"))
    assert (first.status_code, first.json()["version"]) == (201, 1)
    url = first["Location"]
    api.post(f"{url}standby/")
    again = api.post(KNOWN, body(name="Somebody else"))
    newest = StorageEvent.objects.order_by("-position").values_list("position", flat=True)[0]
    assert (again.status_code, again["Location"]) == (200, url)
    assert again.json() == {
        "id": first.json()["id"],
        "version": 2,
        "status": "STANDBY",
        "events": [],
        "position": newest,
    }
    assert again["ETag"] == api.get(url)["ETag"]
    assert api.get(url).json()["profile"]["name"] == "Ann"
    assert streams() == 1
    # Without it a candidate is added, whoever is there.
    assert api.post(URL, body()).status_code == 201
    assert api.post(KNOWN, body("x-2")).status_code == 201


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (7, "7", True),
        ("7", 7, True),
        (7.5, "7.5", True),
        (" x ", "x", True),
        ("x", "X", False),
        ("é", "e\u0301", False),
        (7, 7.0, False),
        (0, "0", True),
        ("'; DROP", "'; DROP", True),
        ("%", "x", False),
        ("ı" * LIFTED_LENGTH, "ı" * LIFTED_LENGTH, True),
    ],
)
def test_external_ids_are_compared_as_the_list_shows_them(
    api: APIClient, one: Any, other: Any, same: bool
) -> None:
    assert api.post(KNOWN, body(one)).status_code == 201
    assert api.post(KNOWN, body(other)).status_code == (200 if same else 201)


def test_an_external_id_that_is_the_beginning_of_a_longer_one_is_another(api: APIClient) -> None:
    long = "x" * LIFTED_LENGTH
    assert api.post(URL, body(f"{long}A")).status_code == 201
    first = api.post(KNOWN, body(long))
    assert first.status_code == 201
    again = api.post(KNOWN, body(long))
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


@pytest.mark.parametrize(
    ("profile", "code"),
    [
        ({}, "required"),
        ({"external_id": ""}, "required"),
        ({"external_id": " \t"}, "required"),
        ({"external_id": None}, "required"),
        ({"external_id": True}, "required"),
        ({"external_id": ["x"]}, "required"),
        ({"external_id": {}}, "required"),
        ({"external_id": "x" * (LIFTED_LENGTH + 1)}, "too_long"),
        ({"external_id": 10**LIFTED_LENGTH}, "too_long"),
        ({"external_id": "\x00"}, "nul_character"),
    ],
)
def test_without_an_external_id_there_is_nothing_to_look_for(
    api: APIClient, profile: Any, code: str
) -> None:
    refused = api.post(KNOWN, {"profile": profile, "score": 80})
    assert errors_of(refused) == [("/profile/external_id", code)]
    assert streams() == 0


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("on_existing=external_id", 201),
        ("on_existing=email", 400),
        ("on_existing=External_ID", 400),
        ("on_existing=", 400),
        ("on_existing", 400),
        ("on_existing=external_id&on_existing=external_id", 400),
        ("onexisting=external_id", 400),
        ("on_existing=%FF", 400),
    ],
)
def test_the_parameter_is_taken_strictly(api: APIClient, query: str, status: int) -> None:
    answer = api.post(f"{URL}?{query}", body())
    assert answer.status_code == status
    if status == 400:
        assert errors_of(answer)[0][0] == f"/{query.partition('=')[0]}"
    assert streams() == (status == 201)


def test_what_would_not_be_added_is_refused_also_where_it_is_known(api: APIClient) -> None:
    api.post(KNOWN, body())
    assert errors_of(api.post(KNOWN, {**body(), "score": 101})) == [("/score", "out_of_range")]
    assert errors_of(api.post(KNOWN, {**body(), "x": 1})) == [("/x", "unknown_field")]
    assert api.post(KNOWN, body(), headers={"If-Match": "*"}).status_code == 400


def test_found_is_the_oldest_that_is_neither_retracted_nor_erased(api: APIClient) -> None:
    urls = [api.post(URL, body())["Location"] for _ in range(4)]
    api.post(f"{urls[0]}retract/", {"why": "twice"})
    erase(urls[1])
    assert api.post(KNOWN, body())["Location"] == urls[2]
    api.post(f"{urls[2]}retract/", {"why": "twice"})
    api.post(f"{urls[3]}reject/", {"reason": "other"})
    assert api.post(KNOWN, body())["Location"] == urls[3]
    api.post(f"{urls[3]}undo/", {"version": 2})
    api.post(f"{urls[3]}retract/", {"why": "twice"})
    assert api.post(KNOWN, body()).status_code == 201
    assert streams() == 5


def test_an_external_id_that_was_changed_counts_as_it_is_now(api: APIClient) -> None:
    url = api.post(KNOWN, body("old"))["Location"]
    api.patch(f"{url}profile/", {"external_id": "new"})
    assert api.post(KNOWN, body("new"))["Location"] == url
    other = api.post(KNOWN, body("old"))
    assert other.status_code == 201
    api.patch(f"{url}profile/", {"external_id": None})
    assert api.post(KNOWN, body("new")).status_code == 201


def test_a_key_answers_as_the_first_time(api: APIClient) -> None:
    first = api.post(KNOWN, body(), headers={"Idempotency-Key": "k"})
    again = api.post(KNOWN, body(), headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json(), again["Idempotent-Replayed"]) == (
        201,
        first.json(),
        "true",
    )
    # A look-up that found somebody left its key free.
    found = api.post(KNOWN, body(), headers={"Idempotency-Key": "l"})
    assert (found.status_code, "Idempotent-Replayed" in found) == (200, False)
    for url, sent in ((URL, body()), (KNOWN, body("x-2")), (KNOWN, body(name="Bo"))):
        assert api.post(url, sent, headers={"Idempotency-Key": "k"}).status_code == 422
    api.post(f"{first['Location']}retract/", {"why": "twice"})
    assert api.post(KNOWN, body(), headers={"Idempotency-Key": "k"}).json() == first.json()
    assert api.post(KNOWN, body(), headers={"Idempotency-Key": "l"}).status_code == 201
    assert streams() == 2


def test_it_takes_the_permission_to_add(
    api: APIClient, user_with: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    api.post(KNOWN, body())
    other = client_of(user_with("edit", "decide", "view_candidateprojection", name="vic"))
    assert other.post(KNOWN, body()).status_code == 403
    with override_settings(READ_ONLY=True):
        assert api.post(KNOWN, body()).status_code == 503


def test_where_messages_feed_the_read_model_nobody_can_be_looked_up(api: APIClient) -> None:
    with override_settings(EVENT_DELIVERY="bus"):
        refused = api.post(KNOWN, body())
        assert (refused.status_code, refused.json()["code"]) == (409, "external_ids_not_here")
        assert api.post(URL, body()).status_code == 201


@pytest.mark.parametrize("atomic", [False, True])
def test_a_batch_looks_up_too(api: APIClient, atomic: bool) -> None:
    url = api.post(KNOWN, body("there"))["Location"]
    item = {"command": "add", "on_existing": "external_id"}
    sent = [
        item | {"body": body("there")},
        item | {"body": body("new")},
        item | {"body": body("new")},
        {"command": "add", "body": body("new")},
    ]
    answer = api.post(BATCH, {"commands": sent, "atomic": atomic}).json()["results"]
    assert [one["status"] for one in answer] == [200, 201, 200, 201]
    assert answer[0]["result"]["id"] == url.split("/")[-2]
    assert answer[1]["result"]["id"] == answer[2]["result"]["id"] != answer[3]["result"]["id"]
    assert streams() == 3


@pytest.mark.parametrize(
    "item",
    [
        {"command": "add", "on_existing": "email", "body": body()},
        {"command": "add", "on_existing": None, "body": body()},
        {"command": "add", "on_existing": "external_id", "body": ADD},
        {"command": "add", "on_existing": "external_id", "body": {"profile": 1, "score": 1}},
        {"command": "add", "on_existing": "external_id", "body": body("\ud800")},
        {"command": "add", "on_existing": "external_id", "body": []},
        {"command": "add", "on_existing": "external_id"},
        {"command": "note", "on_existing": "external_id", "body": {"text": "x"}},
    ],
)
@pytest.mark.parametrize("atomic", [False, True])
def test_an_item_that_will_not_do_is_refused(api: APIClient, item: Any, atomic: bool) -> None:
    if item["command"] == "note":
        item |= {"candidate_id": api.post(URL, ADD).json()["id"]}
    text = json.dumps({"commands": [item], "atomic": atomic})
    answer = api.post(BATCH, data=text, content_type="application/json")
    status = answer.status_code if atomic else answer.json()["results"][0]["status"]
    assert status == 400, answer.content


def test_where_the_row_is_missing_old_or_parked_the_log_is_asked(
    api: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("the projector is broken")

    with monkeypatch.context() as broken:
        broken.setattr(CandidateProjector, "changes", fail)
        parked = api.post(KNOWN, body("parked"))
        assert api.post(KNOWN, body("parked"))["Location"] == parked["Location"]
    assert not CandidateProjection.objects.exists()
    assert api.post(KNOWN, body("parked"))["Location"] == parked["Location"]
    old = api.post(KNOWN, body("old"))
    with override_settings(EVENT_DELIVERY="follow"):
        api.patch(f"{old['Location']}profile/", {"external_id": "new"})
        lost = api.post(KNOWN, body("lost"))
        assert api.post(KNOWN, body("lost"))["Location"] == lost["Location"]
    assert api.post(KNOWN, body("new"))["Location"] == old["Location"]
    assert api.post(KNOWN, body("old")).status_code == 201


@pytest.mark.parametrize("delivery", DELIVERIES)
@pytest.mark.django_db(transaction=True)
def test_of_twenty_at_once_one_adds_and_all_are_answered_with_that_one(
    user_in: Callable[..., User], client_of: Callable[..., APIClient], delivery: str
) -> None:
    callers = [client_of(user_in("Recruiters", name=f"user{i}")) for i in range(20)]
    for client in callers:
        client.raise_request_exception = False
    with override_settings(EVENT_DELIVERY=delivery):
        answers: list[Any] = together(20, lambda i: callers[i].post(KNOWN, body(name=f"{i}")))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert StorageEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_batches_that_look_up_crosswise_are_both_carried_out(
    user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    callers = [client_of(user_in("Recruiters", name=f"user{i}")) for i in range(6)]
    ids = [f"x-{i}" for i in range(30)]

    def send(number: int) -> Any:
        order = ids if number % 2 else ids[::-1]
        items = [{"command": "add", "on_existing": "external_id", "body": body(id)} for id in order]
        return callers[number].post(BATCH, {"commands": items, "atomic": number < 4})

    answers: list[Any] = together(6, send)
    assert [answer.status_code for answer in answers] == [200] * 6
    assert streams() == 30


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.django_db(transaction=True)
def test_an_event_of_another_transaction_in_flight_hides_nobody(api: APIClient) -> None:
    """Where the settled log ends before who was added behind it."""
    with (
        in_flight(lambda: api.post(URL, body("in flight")), commit=False),
        override_settings(EVENT_DELIVERY="follow"),
    ):
        first = api.post(KNOWN, body())
        again = api.post(KNOWN, body())
    assert (first.status_code, again.status_code) == (201, 200)
    assert again["Location"] == first["Location"]
