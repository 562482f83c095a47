"""How many candidates are where, how far they got and how long it took: now, and as of then."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from candidates.application.commands import (
    CandidateCommand,
    ChangeProfile,
    InviteCandidate,
    MoveCandidateToStandby,
    NoteOnCandidate,
    RejectCandidate,
    RetractCandidate,
    UndoDecision,
)
from candidates.application.span_projector import StatusSpanProjector
from candidates.application.statistics import COUNTED, DayCounts, Statistics, Stays
from candidates.domain.events import RejectionReason, Status
from candidates.models import StatusSpan
from candidates.wiring import history, statistics
from eventstore.application.folding import fold
from eventstore.application.past import AsOf, KnownAt
from eventstore.domain.events import Metadata
from eventstore.domain.exceptions import InvalidValue
from eventstore.infrastructure.rows import DjangoProjectionRows
from eventstore.models import StorageEvent
from eventstore.wiring import event_store, projections
from tests.factories import add, erased
from tests.given import given

URL = "/api/v1/statistics/"
PAGE = "/admin/candidates/candidateprojection/statistics/"
FIRST = datetime(2026, 1, 1, 9, tzinfo=UTC)
NOTHING = dict.fromkeys(COUNTED, 0)

pytestmark = pytest.mark.django_db


def on(day: int) -> datetime:
    """Counted from 1, at nine."""
    return FIRST + timedelta(days=day - 1)


def added(day: int = 1, **profile: Any) -> UUID:
    command = add(candidate_id=uuid4(), profile=profile, score=80.0)
    return given(command, occurred_at=on(day)).candidate_id


def at(day: int, command: CandidateCommand) -> None:
    given(command, occurred_at=on(day))


def standby(id: UUID) -> CandidateCommand:
    return MoveCandidateToStandby(candidate_id=id)


def invite(id: UUID) -> CandidateCommand:
    return InviteCandidate(candidate_id=id)


def reject(id: UUID, reason: RejectionReason = RejectionReason.OTHER) -> CandidateCommand:
    return RejectCandidate(candidate_id=id, reason=reason)


def undo(id: UUID, version: int) -> CandidateCommand:
    return UndoDecision(candidate_id=id, version=version)


def retract(id: UUID) -> CandidateCommand:
    return RetractCandidate(candidate_id=id, why="added twice")


def counts(**by_status: int) -> dict[Status, int]:
    return NOTHING | {Status(name): count for name, count in by_status.items()}


def test_without_candidates_every_count_is_there_and_zero() -> None:
    assert statistics() == Statistics(
        now=NOTHING,
        ever=NOTHING,
        stays=dict.fromkeys(COUNTED, Stays()),
        sources=[],
        reasons=dict.fromkeys(RejectionReason, 0),
        days=[],
    )


def test_each_candidate_is_in_one_status_and_ever_was_in_several() -> None:
    first, second, third = added(), added(), added()
    at(2, standby(first))
    at(3, invite(first))
    at(3, invite(second))
    at(4, reject(third, RejectionReason.WITHDREW))
    found = statistics()
    assert found.now == counts(INVITED=2, REJECTED=1)
    assert found.ever == counts(ADDED=3, STANDBY=1, INVITED=2, REJECTED=1)
    assert found.reasons[RejectionReason.WITHDREW] == 1
    assert sum(found.reasons.values()) == 1


def test_an_undone_decision_was_never_taken() -> None:
    first, second = added(), added()
    at(2, reject(first))
    at(3, undo(first, 2))
    at(2, standby(second))
    at(3, invite(second))
    at(4, undo(second, 3))
    found = statistics()
    assert found.now == counts(ADDED=1, STANDBY=1)
    assert found.ever == counts(ADDED=2, STANDBY=1)
    assert set(found.reasons.values()) == {0}
    assert [day.reached for day in found.days] == [counts(ADDED=2), counts(STANDBY=1)]


def test_a_decision_that_is_taken_again_counts_once_for_the_candidate() -> None:
    id = added()
    at(2, invite(id))
    at(3, undo(id, 2))
    at(4, invite(id))
    assert statistics().ever == counts(ADDED=1, INVITED=1)
    assert [(day.day.day, day.reached) for day in statistics().days] == [
        (1, counts(ADDED=1)),
        (4, counts(INVITED=1)),
    ]


def test_a_retracted_candidate_is_in_no_figure_but_was_before() -> None:
    id = added(source="fair")
    at(2, standby(id))
    at(3, undo(id, 2))
    at(5, retract(id))
    empty = statistics()
    assert (empty.now, empty.ever, empty.sources, empty.days) == (NOTHING, NOTHING, [], [])
    assert empty.stays == dict.fromkeys(COUNTED, Stays())
    assert statistics(AsOf(on(4))).now == counts(ADDED=1)
    assert statistics(AsOf(on(2))).ever == counts(ADDED=1, STANDBY=1)
    assert statistics(AsOf(on(5))) == empty


def test_an_erased_candidate_stays_counted() -> None:
    id = added(source="fair", name="Ann")
    at(2, invite(id))
    before = statistics()
    metadata = Metadata(actor="olga", door="command line")
    recorded = event_store().append("candidate", id, [erased()], expected=2, metadata=metadata)
    projections()["candidate_spans"].handle(recorded)
    assert statistics() == before
    assert before.now == counts(INVITED=1)


def test_how_long_stays_took_is_told_by_nearest_rank() -> None:
    for days in range(1, 11):
        id = added()
        at(1 + days, invite(id))
    added()
    assert statistics().stays[Status.ADDED] == Stays(
        ended=10, median=timedelta(days=5), percentile_90=timedelta(days=9)
    )
    assert statistics().stays[Status.INVITED] == Stays()


@pytest.mark.parametrize(("ended", "median", "percentile_90"), [(1, 1, 1), (2, 1, 2), (11, 6, 10)])
def test_a_rank_is_rounded_up(ended: int, median: int, percentile_90: int) -> None:
    for days in range(1, ended + 1):
        at(1 + days, invite(added()))
    stays = statistics().stays[Status.ADDED]
    assert stays.median == timedelta(days=median)
    assert stays.percentile_90 == timedelta(days=percentile_90)


def test_a_stay_by_a_decision_that_was_undone_is_none() -> None:
    id = added()
    at(2, standby(id))
    at(4, undo(id, 2))
    at(7, invite(id))
    stays = statistics().stays
    assert stays[Status.STANDBY] == Stays()
    # Before the mistake and after it.
    assert (stays[Status.ADDED].ended, stays[Status.ADDED].percentile_90) == (2, timedelta(days=3))


def test_a_candidate_counts_under_the_source_of_its_newest_stay() -> None:
    first, second = added(source="fair"), added()
    at(2, invite(first))
    at(3, ChangeProfile(candidate_id=first, profile={"source": "referral"}))
    at(3, reject(second))
    found = statistics()
    assert [(one.source, one.now, one.ever) for one in found.sources] == [
        ("", counts(REJECTED=1), counts(ADDED=1, REJECTED=1)),
        ("referral", counts(INVITED=1), counts(ADDED=1, INVITED=1)),
    ]
    (_, then) = statistics(AsOf(on(1))).sources
    assert (then.source, then.now) == ("fair", counts(ADDED=1))


def test_days_are_those_of_utc() -> None:
    for hour in (23, 24):
        command = add(candidate_id=uuid4())
        given(command, occurred_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour))
    assert statistics().days == [
        DayCounts(day=date(2026, 1, day), reached=counts(ADDED=1)) for day in (1, 2)
    ]


@pytest.fixture
def lives() -> list[UUID]:
    """Candidates with undone, retracted, back-dated and simultaneous events."""
    ids = [added(day, source=source) for day, source in [(1, "fair"), (1, ""), (2, "x"), (5, "x")]]
    first, second, third, fourth = ids
    at(2, standby(first))
    at(3, invite(first))
    at(4, undo(first, 3))
    at(6, undo(first, 2))
    at(6, reject(first, RejectionReason.WITHDREW))
    at(3, reject(second))
    at(3, undo(second, 2))
    at(4, retract(second))
    for command in (standby(third), invite(third), reject(third)):
        at(4, command)
    given(NoteOnCandidate(candidate_id=third, text="x"))
    at(8, invite(fourth))
    return ids


@pytest.mark.parametrize("kind", [AsOf, KnownAt])
def test_the_past_is_what_the_log_would_show_if_it_ended_there(
    lives: list[UUID], kind: type[AsOf] | type[KnownAt]
) -> None:
    streams = [history(id) for id in lives]

    def time_of(event: Any) -> datetime:
        time: datetime = event.occurred_at if kind is AsOf else event.recorded_at
        return time

    moments = {
        time_of(event) + later
        for stream in streams
        for event in stream
        for later in (timedelta(), -timedelta(microseconds=1))
    }
    answers = {moment: statistics(kind(moment)) for moment in moments}
    assert len({str(answer) for answer in answers.values()}) > 5
    for moment, answer in answers.items():
        StatusSpan.objects.all().delete()
        cut = ([event for event in stream if time_of(event) <= moment] for stream in streams)
        DjangoProjectionRows(StatusSpan).add_missing(
            (stream[0].stream_id, fold(StatusSpanProjector(), stream)) for stream in cut if stream
        )
        assert statistics() == answer, moment


def test_today_is_as_of_the_newest_event(lives: list[UUID]) -> None:
    newest = StorageEvent.objects.latest("recorded_at")
    assert statistics(AsOf(newest.occurred_at)) == statistics()
    assert statistics(KnownAt(newest.recorded_at)) == statistics()


@pytest.mark.parametrize(
    "early", [on(1) - timedelta(microseconds=1), datetime.min.replace(tzinfo=UTC)]
)
@pytest.mark.parametrize("kind", [AsOf, KnownAt])
def test_before_the_first_event_there_was_nobody(
    lives: list[UUID], kind: type[AsOf] | type[KnownAt], early: datetime
) -> None:
    found = statistics(kind(early))
    assert (found.now, found.ever, found.sources, found.days) == (NOTHING, NOTHING, [], [])


def test_the_future_is_not_known() -> None:
    with pytest.raises(InvalidValue, match="lies in the future"):
        statistics(AsOf(datetime(9999, 12, 31, tzinfo=UTC)))


@pytest.fixture
def api(user_in: Callable[..., User], client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(user_in("Viewers"))


def test_the_api_answers_with_every_figure(api: APIClient) -> None:
    id = added(source="fair")
    at(3, reject(id, RejectionReason.WITHDREW))
    zero = {"ADDED": 0, "STANDBY": 0, "INVITED": 0, "REJECTED": 0}
    no_stay = {"ended": 0, "median_seconds": None, "percentile_90_seconds": None}
    two_days = {"ended": 1, "median_seconds": 172800.0, "percentile_90_seconds": 172800.0}
    now, ever = zero | {"REJECTED": 1}, zero | {"ADDED": 1, "REJECTED": 1}
    answer = api.get(URL)
    assert answer.json() == {
        "now": now,
        "ever": ever,
        "stays": dict.fromkeys(zero, no_stay) | {"ADDED": two_days},
        "reasons": {reason.value: int(reason == "withdrew") for reason in RejectionReason},
        "sources": [{"source": "fair", "now": now, "ever": ever}],
        "days": [
            {"day": "2026-01-01", "reached": zero | {"ADDED": 1}},
            {"day": "2026-01-03", "reached": zero | {"REJECTED": 1}},
        ],
    }
    then = api.get(f"{URL}?as_of=2026-01-03T09:59:59.999999%2B01:00").json()
    assert then["now"] == zero | {"ADDED": 1}
    assert api.get(f"{URL}?as_of=2026-01-03T10:00:00%2B01:00").content == answer.content
    assert api.get(f"{URL}?known_at=2026-01-03T10:00:00Z").json()["ever"] == zero


def test_what_no_figure_tells_changes_no_answer(api: APIClient) -> None:
    id = added()
    before = api.get(URL).content
    given(NoteOnCandidate(candidate_id=id, text="called"))
    assert api.get(URL).content == before


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("as_of=", "/as_of", "invalid_parameter"),
        ("as_of=2026-01-01", "/as_of", "unreadable_time"),
        ("as_of=2026-01-01T00:00:00", "/as_of", "unreadable_time"),
        ("as_of=2026-02-30T00:00:00Z", "/as_of", "unreadable_time"),
        ("known_at=%00", "/known_at", "unreadable_time"),
        ("as_of=9999-12-31T23:59:59-14:00", "/as_of", "in_future"),
        ("version=1", "/version", "invalid_parameter"),
        ("status=ADDED", "/status", "invalid_parameter"),
    ],
)
def test_the_api_names_what_will_not_do(
    api: APIClient, query: str, pointer: str, code: str
) -> None:
    answer = api.get(f"{URL}?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


def test_only_one_of_the_two_times_can_be_given(api: APIClient) -> None:
    answer = api.get(f"{URL}?as_of=2026-01-01T00:00:00Z&known_at=2026-01-01T00:00:00Z")
    assert {error["code"] for error in answer.json()["errors"]} == {"more_than_one"}


def test_the_calendars_first_day_is_a_time_too(api: APIClient) -> None:
    added()
    answer = api.get(f"{URL}?as_of=0001-01-01T00:00:00%2B14:00")
    assert (answer.status_code, sum(answer.json()["ever"].values())) == (200, 0)


@pytest.mark.parametrize("offset", ["+16:00", "-16:00", "+23:59", "-23:59"])
@pytest.mark.parametrize("name", ["as_of", "known_at"])
def test_any_offset_that_rfc_3339_has_is_a_time(api: APIClient, name: str, offset: str) -> None:
    added()
    answer = api.get(URL, {name: f"2026-11-01T12:00:00{offset}"})
    assert answer.status_code == 200
    assert answer.json() == api.get(URL, {name: _utc(f"2026-11-01T12:00:00{offset}")}).json()


def _utc(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()


def test_who_may_read_candidates_may_ask(
    user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    assert client_of(None).get(URL).status_code == 401
    assert client_of(user_in()).get(f"{URL}?x=1").status_code == 403
    for group in ("Recruiters", "Viewers", "Operators"):
        api = client_of(user_in(group, name=group))
        assert api.get(URL).status_code == 200
        assert api.post(URL).status_code == 405
