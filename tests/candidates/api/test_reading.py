"""One candidate as it is shown, and everything that happened to it."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from candidates.application.projector import SCHEMA
from candidates.models import CandidateProjection
from eventstore.models import StorageEvent
from tests.candidates.api.requests import URL

UNUSED = {
    "standby_at": None,
    "due_on": None,
    "invited_at": None,
    "rejected_at": None,
    "rejection_reason": "",
    "rejection_note": "",
}


def test_one_candidate_is_shown_with_its_decisions(api: APIClient, add: Callable[..., str]) -> None:
    profile = {"name": "Ann", "nested": [{"π": 1e16, "zero": -0.0, "big": 2**70}, None, True]}
    url = add(score=80, **profile)
    api.post(f"{url}standby/", {"until": "2026-09-01"})
    api.post(f"{url}reject/", {"reason": "other", "note": "Ω"})

    shown = api.get(url)

    added, standby, rejected = StorageEvent.objects.order_by("version")
    times = [f"{e.occurred_at:%Y-%m-%dT%H:%M:%S.%f}Z" for e in (added, standby, rejected)]
    assert shown.status_code == 200
    assert shown.json() == UNUSED | {
        "id": str(added.stream_id),
        "version": 3,
        "status": "REJECTED",
        "status_since": times[2],
        "score": 80.0,
        "profile": profile,
        "added_at": times[0],
        "standby_at": times[1],
        "due_on": "2026-09-01",
        "rejected_at": times[2],
        "rejection_reason": "other",
        "rejection_note": "Ω",
        "changed_at": times[2],
        "changed_by": "rita",
        "position": rejected.position,
    }
    assert '"big":1180591620717411303424' in shown.content.decode()
    assert '"zero":-0.0' in shown.content.decode()


def test_times_are_utc_whatever_people_are_shown(
    api: APIClient, add: Callable[..., str], settings: Any
) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"
    url = add()
    assert api.get(url).json()["added_at"].endswith("Z")
    assert api.get(f"{url}history/").json()["results"][0]["occurred_at"].endswith("Z")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f'"1-{SCHEMA}"', 304),
        (f'W/"1-{SCHEMA}"', 304),
        (f'"7-{SCHEMA}", W/"1-{SCHEMA}"', 304),
        ("*", 304),
        (f'"2-{SCHEMA}"', 200),
        (f'"1-{SCHEMA + 1}"', 200),
        ('"1"', 200),
        ("nonsense", 200),
        ("", 200),
    ],
)
def test_what_the_client_has_already_is_not_sent_again(
    api: APIClient, add: Callable[..., str], header: str, status: int
) -> None:
    answer = api.get(add(), headers={"If-None-Match": header})
    assert (answer.status_code, answer["ETag"]) == (status, f'"1-{SCHEMA}"')
    assert bool(answer.content) == (status == 200)


def test_a_change_makes_the_tag_of_an_earlier_read_old(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add()
    tag = api.get(url)["ETag"]
    api.post(f"{url}note/", {"text": "Called."})
    assert api.get(url, headers={"If-None-Match": tag}).status_code == 200


def test_nobody_by_that_id_is_not_found(api: APIClient) -> None:
    for path in ("", "history/"):
        answer = api.get(f"{URL}{uuid4()}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "id",
    [
        "1",
        "x",
        "%00",
        "%ff",
        "00000000-0000-0000-0000-00000000000",
        "00000000-0000-0000-0000-0000000000000",
        "0000000-00000-0000-0000-000000000000",
        "00000000000000000000000000000001",
        "{00000000-0000-0000-0000-000000000001}",
        "urn:uuid:00000000-0000-0000-0000-000000000001",
        "0_0_0_0_0_0_0_0_0_0_0_0_0_0_0_01",
        quote("٠" * 32),
        "1" * 5000,
    ],
)
@pytest.mark.parametrize("path", ["", "history/", "invite/"])
def test_an_id_that_is_no_uuid_is_said_to_be_none(api: APIClient, id: str, path: str) -> None:
    url = f"{URL}{id}/{path}"
    answer = api.post(url) if path == "invite/" else api.get(url)
    assert answer.status_code == 400
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [("/id", "invalid_id")]


def test_an_id_counts_in_capitals_too(api: APIClient, add: Callable[..., str]) -> None:
    head, id, _ = add().rsplit("/", 2)
    assert api.get(f"{head}/{id.upper()}/").status_code == 200


def test_history_says_what_happened_and_who_did_it_when_and_how(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add(score=80)
    body = {"reason": "duplicate"}
    api.post(f"{url}reject/", body, headers={"Idempotency-Key": "once"})

    answer = api.get(f"{url}history/")

    added, rejected = StorageEvent.objects.order_by("version")
    first, second = answer.json()["results"]
    assert answer.status_code == 200
    assert first.pop("data") == {"profile": {"name": "Ann"}, "score": 80.0}
    assert first == {
        "event_id": str(added.event_id),
        "event_type": "candidate.added",
        "version": 1,
        "schema_version": 1,
        "position": added.position,
        "occurred_at": f"{added.occurred_at:%Y-%m-%dT%H:%M:%S.%f}Z",
        "recorded_at": f"{added.recorded_at:%Y-%m-%dT%H:%M:%S.%f}Z",
        "actor": "rita",
        "on_behalf_of": None,
        "door": "api",
        "causation_id": None,
        "correlation_id": None,
    }
    assert second["data"] == {
        "reason": "duplicate",
        "note": "",
        "score": 80.0,
        "threshold": 75.0,
    }
    assert (second["version"], second["schema_version"]) == (2, 2)
    assert second["event_id"] == str(rejected.event_id)
    assert second["causation_id"] is not None


def test_history_comes_in_pages_the_oldest_first(api: APIClient, add: Callable[..., str]) -> None:
    url = add()
    for number in range(2, 6):
        api.post(f"{url}note/", {"text": f"Note {number}."})
    pages, following = [], f"{url}history/?page_size=2"
    while following:
        page = api.get(following).json()
        pages.append([event["version"] for event in page["results"]])
        following = page["next"]
    assert pages == [[1, 2], [3, 4], [5]]
    # Whoever has all of it goes on from there.
    assert api.get(f"{url}history/?cursor=5").json() == {"next": None, "results": []}
    api.post(f"{url}note/", {"text": "Note 6."})
    (newest,) = api.get(f"{url}history/?cursor=5").json()["results"]
    assert newest["data"] == {"text": "Note 6."}
    assert api.get(f"{url}history/?page_size=6").json()["next"] is None


def test_history_tells_a_decision_with_the_terms_of_its_day(
    api: APIClient, add: Callable[..., str], settings: Any
) -> None:
    url = add(score=80)
    api.post(f"{url}invite/")
    settings.SCORE_THRESHOLD = 90.0
    api.post(f"{url}reject/", {"reason": "withdrew", "note": "By phone."})
    _, invited, rejected = api.get(f"{url}history/").json()["results"]
    assert invited["data"] == {"score": 80.0, "threshold": 75.0}
    assert rejected["data"] == {
        "reason": "withdrew",
        "note": "By phone.",
        "score": 80.0,
        "threshold": 90.0,
    }
    assert (rejected["actor"], rejected["door"]) == ("rita", "api")


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("cursor=x", "/cursor", "out_of_range"),
        ("cursor=-1", "/cursor", "out_of_range"),
        (f"cursor={2**31}", "/cursor", "out_of_range"),
        ("cursor=", "/cursor", "invalid_parameter"),
        ("cursor=1&cursor=2", "/cursor", "invalid_parameter"),
        ("page_size=0", "/page_size", "out_of_range"),
        ("page_size=201", "/page_size", "out_of_range"),
        ("after=1", "/after", "invalid_parameter"),
    ],
)
def test_history_refuses_what_it_does_not_understand(
    api: APIClient, add: Callable[..., str], query: str, pointer: str, code: str
) -> None:
    answer = api.get(f"{add()}history/?{query}")
    assert answer.status_code == 400
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


def test_history_of_nobody_is_not_found_from_any_cursor(api: APIClient) -> None:
    assert api.get(f"{URL}{uuid4()}/history/?cursor=1").status_code == 404


def test_history_stays_where_the_row_was_lost(api: APIClient, add: Callable[..., str]) -> None:
    url = add()
    CandidateProjection.objects.all().delete()
    assert api.get(url).status_code == 404
    assert len(api.get(f"{url}history/").json()["results"]) == 1


@pytest.mark.parametrize("path", ["history/", "invite/", "note/"])
def test_other_calls_take_no_parameters(api: APIClient, add: Callable[..., str], path: str) -> None:
    url = f"{add()}{path}?version=1"
    answer = api.post(url, {"text": "Hello."}) if path in ("invite/", "note/") else api.get(url)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/version"
    assert StorageEvent.objects.count() == 1


def test_head_answers_as_get_does(api: APIClient, add: Callable[..., str]) -> None:
    url = add()
    assert api.head(url)["ETag"] == api.get(url)["ETag"]
    assert api.head(URL).status_code == 200


def test_times_of_a_row_are_those_of_its_events(api: APIClient, add: Callable[..., str]) -> None:
    added_at = datetime.fromisoformat(api.get(add()).json()["added_at"])
    assert added_at == StorageEvent.objects.get().occurred_at
    assert added_at.utcoffset() == timedelta(0)
