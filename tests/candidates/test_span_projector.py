"""The stays of a candidate: what opens and closes one, and what takes it back."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from candidates.application.span_projector import StatusSpanProjector
from candidates.domain.events import CandidateEvent, RejectionReason, Status
from eventstore.application.folding import fold
from eventstore.domain.events import Metadata, RecordedEvent
from tests.factories import (
    added,
    decision_undone,
    erased,
    invited,
    moved_to_standby,
    noted,
    profile_changed,
    rejected,
    rescored,
    retracted,
)

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
TOLD = timedelta(days=100)
"""By how much everything was written down later than it happened."""


@dataclass
class Span:
    """Days by business time, counted from 1."""

    version: int
    status: str
    since: int
    until: int | None = None
    undone: int | None = None
    by_undo: bool = False
    source: str = ""
    reason: str = ""


def spans(*events: CandidateEvent, days: tuple[int, ...] = ()) -> list[Span]:
    """Of a candidate whose events happened a day apart, unless `days` says on which."""
    days = days or tuple(range(1, len(events) + 1))
    stream = [
        RecordedEvent(
            event=event,
            event_id=UUID(int=n),
            stream_type="candidate",
            stream_id=UUID(int=1),
            version=n,
            position=n,
            occurred_at=FIRST + timedelta(days=day - 1),
            recorded_at=FIRST + timedelta(days=day - 1) + TOLD,
            metadata=Metadata(actor="rita", door="api"),
        )
        for n, (event, day) in enumerate(zip(events, days, strict=True), start=1)
    ]
    folded = fold(StatusSpanProjector(), stream)
    assert folded.version == len(events)
    found = []
    for opened, row in folded.rows:
        for time in ("since", "until"):
            assert _day(row[f"recorded_{time}"], TOLD) == _day(row[time])
        assert _day(row["undone_recorded_at"], TOLD) == _day(row["undone_at"])
        found.append(
            Span(
                version=opened,
                status=str(row["status"]),
                since=_day(row["since"]) or 0,
                until=_day(row["until"]),
                undone=_day(row["undone_at"]),
                by_undo=bool(row["by_undo"]),
                source=str(row["source"]),
                reason=str(row["reason"]),
            )
        )
    return found


def _day(time: object, later: timedelta = timedelta()) -> int | None:
    if time is None:
        return None
    assert isinstance(time, datetime)
    return (time - later - FIRST).days + 1


def undone(version: int, status: Status) -> CandidateEvent:
    return decision_undone(undone_version=version, status=status)


def test_each_decision_closes_a_stay_and_opens_the_next() -> None:
    assert spans(
        added(), moved_to_standby(), invited(), rejected(reason=RejectionReason.WITHDREW)
    ) == [
        Span(1, "ADDED", 1, 2),
        Span(2, "STANDBY", 2, 3),
        Span(3, "INVITED", 3, 4),
        Span(4, "REJECTED", 4, reason="withdrew"),
    ]


def test_what_is_no_decision_leaves_the_stay_open() -> None:
    assert spans(added(), rescored(), noted(), profile_changed(), invited(), noted()) == [
        Span(1, "ADDED", 1, 5),
        Span(5, "INVITED", 5),
    ]


def test_an_undone_decision_is_marked_and_the_candidate_returns() -> None:
    assert spans(added(), rejected(), undone(2, Status.ADDED)) == [
        Span(1, "ADDED", 1, 2),
        Span(2, "REJECTED", 2, 3, undone=3, reason="not_qualified"),
        Span(3, "ADDED", 3, by_undo=True),
    ]


def test_undone_twice_down_each_decision_keeps_the_time_at_which_it_was_undone() -> None:
    assert spans(
        added(), moved_to_standby(), invited(), undone(3, Status.STANDBY), undone(2, Status.ADDED)
    ) == [
        Span(1, "ADDED", 1, 2),
        Span(2, "STANDBY", 2, 3, undone=5),
        Span(3, "INVITED", 3, 4, undone=4),
        Span(4, "STANDBY", 4, 5, undone=5, by_undo=True),
        Span(5, "ADDED", 5, by_undo=True),
    ]


def test_what_stood_before_an_undone_decision_stays_as_it_was() -> None:
    first, second = undone(2, Status.ADDED), undone(5, Status.STANDBY)
    assert spans(added(), moved_to_standby(), first, moved_to_standby(), invited(), second) == [
        Span(1, "ADDED", 1, 2),
        Span(2, "STANDBY", 2, 3, undone=3),
        Span(3, "ADDED", 3, 4, by_undo=True),
        Span(4, "STANDBY", 4, 5),
        Span(5, "INVITED", 5, 6, undone=6),
        Span(6, "STANDBY", 6, by_undo=True),
    ]


def test_a_decision_after_an_undone_one_is_a_decision() -> None:
    assert spans(added(), rejected(), undone(2, Status.ADDED), invited())[-1] == (
        Span(4, "INVITED", 4)
    )


def test_a_retraction_takes_everything_back() -> None:
    assert spans(added(), rejected(), undone(2, Status.ADDED), retracted()) == [
        Span(1, "ADDED", 1, 2, undone=4),
        Span(2, "REJECTED", 2, 3, undone=3, reason="not_qualified"),
        Span(3, "ADDED", 3, 4, undone=4, by_undo=True),
        Span(4, "RETRACTED", 4),
    ]


def test_an_erasure_opens_and_closes_nothing() -> None:
    profile = {"source": "fair"}
    before = spans(added(profile=profile), invited())
    assert spans(added(profile=profile), invited(), erased()) == before
    assert before[-1] == Span(2, "INVITED", 2, source="fair")


def test_a_new_source_is_that_of_the_stay_in_which_it_was_stated_and_of_later_ones() -> None:
    assert spans(
        added(profile={"source": "fair"}),
        moved_to_standby(),
        profile_changed(profile={"source": "referral"}),
        invited(),
        profile_changed(profile={}),
        rejected(),
    ) == [
        Span(1, "ADDED", 1, 2, source="fair"),
        Span(2, "STANDBY", 2, 4, source="referral"),
        Span(4, "INVITED", 4, 6),
        Span(6, "REJECTED", 6, reason="not_qualified"),
    ]


def test_stays_begin_and_end_in_business_time_however_late_they_are_written_down() -> None:
    assert spans(added(), moved_to_standby(), invited(), days=(1, 1, 40)) == [
        Span(1, "ADDED", 1, 1),
        Span(2, "STANDBY", 1, 40),
        Span(3, "INVITED", 40),
    ]
