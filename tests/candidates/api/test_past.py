"""One candidate as it was: by version, by business time, and by what was known."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from rest_framework.test import APIClient

from candidates.application.commands import InviteCandidate, RejectCandidate
from candidates.domain.events import RejectionReason
from candidates.models import CandidateProjection
from eventstore.domain.events import Metadata
from eventstore.models import StorageEvent
from eventstore.wiring import event_store
from tests import factories
from tests.candidates.api.requests import URL
from tests.given import given

JANUARY = [datetime(2026, 1, day, 12, tzinfo=UTC) for day in range(1, 32)]
TICK = timedelta(microseconds=1)


def text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def id_in(url: str) -> UUID:
    return UUID(url.split("/")[-2])


@pytest.fixture
def entered_late() -> str:
    """Added on 1 January, invited on the 10th, rejected on the 20th; all of it written down now."""
    id = uuid4()
    given(factories.add(candidate_id=id), occurred_at=JANUARY[0])
    given(InviteCandidate(candidate_id=id), occurred_at=JANUARY[9])
    reject = RejectCandidate(candidate_id=id, reason=RejectionReason.WITHDREW)
    given(reject, occurred_at=JANUARY[19])
    return f"{URL}{id}/"


def test_each_version_is_shown_as_it_was_shown_then(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add(score=80, name="Ann", tags=["a"])
    shown = [api.get(url).json()]
    for path, body in [
        ("standby", {"until": "2030-01-31"}),
        ("rescore", {"score": 90, "why": "Second look."}),
        ("invite", {}),
        ("note", {"text": "Called."}),
        ("reject", {"reason": "other", "note": "Ω"}),
        ("undo", {"version": 6}),
        ("profile", {"profile": {"name": "Ann Ω", "nested": [1e16, -0.0]}}),
    ]:
        assert api.post(f"{url}{path}/", body).status_code == 200
        shown.append(api.get(url).json())

    past = [api.get(f"{url}?version={version}") for version in range(1, len(shown) + 1)]

    assert [answer.json() for answer in past] == shown
    assert [answer.status_code for answer in past] == [200] * len(shown)


@pytest.mark.parametrize(
    ("at", "status"),
    [
        (JANUARY[0], "ADDED"),
        (JANUARY[9] - TICK, "ADDED"),
        (JANUARY[9], "INVITED"),
        (JANUARY[15], "INVITED"),
        (JANUARY[30], "REJECTED"),
    ],
)
def test_as_of_a_day_is_what_had_happened_by_then(
    api: APIClient, entered_late: str, at: datetime, status: str
) -> None:
    answer = api.get(f"{entered_late}?as_of={text(at)}")
    assert (answer.status_code, answer.json()["status"]) == (200, status)


def test_known_at_a_time_is_what_had_been_written_down_by_then(
    api: APIClient, entered_late: str
) -> None:
    added, invited, _ = StorageEvent.objects.order_by("version")
    between = api.get(f"{entered_late}?known_at={text(invited.recorded_at - TICK)}")
    assert between.json()["status"] == "ADDED"
    january = api.get(f"{entered_late}?known_at={text(JANUARY[30])}")
    assert (january.status_code, january.json()["code"]) == (404, "did_not_exist_yet")
    assert january.json()["first_event_at"] == text(added.recorded_at)
    newest = StorageEvent.objects.get(version=3)
    now = api.get(f"{entered_late}?known_at={text(newest.recorded_at)}")
    assert now.json() == api.get(entered_late).json()


def test_an_offset_other_than_utc_counts(api: APIClient, entered_late: str) -> None:
    for at in ("2026-01-10T16:59:59%2B05:00", "2026-01-10T06:59-05:00"):
        assert api.get(f"{entered_late}?as_of={at}").json()["status"] == "ADDED"
    assert api.get(f"{entered_late}?as_of=2026-01-10T17:00%2B05:00").json()["status"] == "INVITED"


@pytest.mark.parametrize("name", ["as_of", "known_at"])
@pytest.mark.parametrize("offset", ["+23:59", "-23:59"])
def test_any_offset_that_rfc_3339_has_is_a_time(
    api: APIClient, entered_late: str, name: str, offset: str
) -> None:
    answer = api.get(entered_late, {name: f"2026-01-03T00:00:00{offset}"})
    assert answer.status_code == (200 if name == "as_of" else 404)


def test_before_its_first_event_a_candidate_did_not_exist(
    api: APIClient, entered_late: str
) -> None:
    answer = api.get(f"{entered_late}?as_of={text(JANUARY[0] - TICK)}")
    problem = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert problem["code"] == "did_not_exist_yet"
    assert "did not exist yet at 2026-01-01T11:59:59.999999+00:00" in problem["detail"]
    assert problem["asked_for"] == "2026-01-01T11:59:59.999999Z"
    assert problem["first_event_at"] == "2026-01-01T12:00:00Z"


def test_a_version_that_is_still_to_come_is_not_found(api: APIClient, entered_late: str) -> None:
    answer = api.get(f"{entered_late}?version=4")
    assert (answer.status_code, answer.json()["code"]) == (404, "no_such_version")
    assert answer.json()["newest_version"] == 3


@pytest.mark.parametrize(
    "query", ["version=1", "as_of=2026-01-01T00:00:00Z", "known_at=2026-01-01T00:00:00Z"]
)
def test_nobody_by_that_id_was_never_there(api: APIClient, query: str) -> None:
    answer = api.get(f"{URL}{uuid4()}/?{query}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "errors"),
    [
        ("version=0", [("/version", "out_of_range")]),
        ("version=-1", [("/version", "out_of_range")]),
        ("version=1.0", [("/version", "out_of_range")]),
        ("version=x", [("/version", "out_of_range")]),
        (f"version={2**31}", [("/version", "out_of_range")]),
        ("version=", [("/version", "invalid_parameter")]),
        ("version=1&version=1", [("/version", "invalid_parameter")]),
        ("as_of=2026-01-01", [("/as_of", "unreadable_time")]),
        ("as_of=2026-01-01T00:00:00", [("/as_of", "unreadable_time")]),
        # A plus sign that nobody encoded arrives as a space.
        ("as_of=2026-01-01T00:00:00+00:00", [("/as_of", "unreadable_time")]),
        ("as_of=2026-02-30T00:00:00Z", [("/as_of", "unreadable_time")]),
        ("as_of=2026-01-01T25:00:00Z", [("/as_of", "unreadable_time")]),
        ("as_of=2026-01-01T00:00:00-99:99", [("/as_of", "unreadable_time")]),
        ("as_of=0000-01-01T00:00:00Z", [("/as_of", "unreadable_time")]),
        ("as_of=%D9%A2026-01-01T00:00:00Z", [("/as_of", "unreadable_time")]),
        ("as_of=yesterday", [("/as_of", "unreadable_time")]),
        ("as_of=2026-01-01T00:00:60Z", [("/as_of", "unreadable_time")]),
        ("as_of=%00", [("/as_of", "unreadable_time")]),
        (f"as_of={'9' * 5000}", [("/as_of", "unreadable_time")]),
        ("known_at=1", [("/known_at", "unreadable_time")]),
        ("as_of=9999-12-31T23:59:59-23:59", [("/as_of", "in_future")]),
        ("known_at=2999-01-01T00:00:00Z", [("/known_at", "in_future")]),
        ("at=2026-01-01T00:00:00Z", [("/at", "invalid_parameter")]),
        ("version=1&x=1", [("/x", "invalid_parameter")]),
        (
            "version=1&as_of=2026-01-01T00:00:00Z",
            [("/version", "more_than_one"), ("/as_of", "more_than_one")],
        ),
    ],
)
def test_a_moment_that_cannot_be_meant_is_named(
    api: APIClient, add: Callable[..., str], query: str, errors: list[tuple[str, str]]
) -> None:
    answer = api.get(f"{add()}?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == errors


def test_the_first_instant_of_the_calendar_is_only_long_ago(
    api: APIClient, add: Callable[..., str]
) -> None:
    answer = api.get(f"{add()}?as_of=0001-01-01T00:00:00%2B14:00")
    assert (answer.status_code, answer.json()["code"]) == (404, "did_not_exist_yet")


def test_the_past_does_not_come_from_the_row(api: APIClient, add: Callable[..., str]) -> None:
    url = add()
    api.post(f"{url}invite/")
    shown = api.get(f"{url}?version=1").json()
    CandidateProjection.objects.update(name="wrong", score=1.0, status="REJECTED")
    assert api.get(f"{url}?version=1").json() == shown
    CandidateProjection.objects.all().delete()
    assert api.get(f"{url}?version=1").json() == shown


def test_a_past_state_has_no_tag_that_a_command_or_a_cache_could_use(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add()
    tag = api.get(url)["ETag"]
    for headers in ({}, {"If-None-Match": tag}, {"If-None-Match": "*"}):
        answer = api.get(f"{url}?version=1", headers=headers)
        assert answer.status_code == 200
        assert "ETag" not in answer


@pytest.mark.parametrize("destroyed", [True, False], ids=["key destroyed", "key still there"])
def test_what_was_erased_is_gone_from_the_past_too(
    api: APIClient, add: Callable[..., str], destroyed: bool
) -> None:
    url = add(name="Ann Muñoz", source="fair", email="ann@example.org")
    api.post(f"{url}reject/", {"reason": "other", "note": "Too far from Ann's home."})
    event_store().append(
        "candidate",
        id_in(url),
        [factories.erased()],
        expected=2,
        metadata=Metadata(actor="otto", door="api"),
    )
    if destroyed:
        event_store().erase_personal_data(id_in(url))

    answers = [api.get(f"{url}?version={version}") for version in (1, 2, 3)]

    assert [a.json()["status"] for a in answers] == ["ADDED", "REJECTED", "ERASED"]
    assert [a.json()["profile"] for a in answers] == [{}, {}, {}]
    for answer in answers:
        assert "Ann" not in answer.content.decode()
        assert "Too far" not in answer.content.decode()


def test_who_may_not_read_candidates_reads_no_past(
    add: Callable[..., str],
    user_in: Callable[..., Any],
    client_of: Callable[..., APIClient],
) -> None:
    answer = client_of(user_in(name="nobody")).get(f"{add()}?version=x")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
