"""What the history of the demo looks like, and how it comes into the log."""

import re
import unicodedata
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat as uuid_utils

from candidates.application.projector import profile_columns
from candidates.application.service import CandidateService, CommandResult
from candidates.domain.events import (
    CandidateAdded,
    CandidateDecisionUndone,
    CandidateInvited,
    CandidateNoted,
    Status,
)
from eventstore import wiring
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.memory import InMemoryEventStore
from eventstore.infrastructure.messaging.local import LocalEventPublisher
from eventstore.models import StorageEvent
from recruitment.demo.history import first_day, planned
from recruitment.demo.loading import load

TODAY = date(2026, 3, 4)


@pytest.fixture(scope="module")
def answers() -> list[CommandResult]:
    """The whole history, carried out in memory at the very start of the day."""
    service = CandidateService(
        store=InMemoryEventStore(
            wiring.mapper(), clock=lambda: datetime(TODAY.year, TODAY.month, TODAY.day, tzinfo=UTC)
        ),
        publisher=LocalEventPublisher(),
        threshold=75.0,
        new_id=uuid_utils.uuid7,
    )
    return [
        service.handle(step.command, step.context)
        for step in planned(first_day(TODAY), count=500, threshold=75.0)
    ]


@pytest.fixture(scope="module")
def events(answers: list[CommandResult]) -> list[RecordedEvent]:
    return [event for answer in answers for event in answer.events]


@pytest.fixture(scope="module")
def names(events: list[RecordedEvent]) -> list[str]:
    added = [recorded.event for recorded in events if isinstance(recorded.event, CandidateAdded)]
    return [str(profile_columns(event.profile)["name"]) for event in added]


def test_500_candidates_end_in_every_status(answers: list[CommandResult]) -> None:
    last: dict[UUID, Status] = {answer.candidate_id: answer.status for answer in answers}
    frequency = Counter(last.values())
    assert frequency.total() == 500
    # Nobody's data is erased in the demo: there would be nothing to look at.
    assert set(frequency) == set(Status) - {Status.ERASED}
    assert min(frequency[status] for status in set(frequency) - {Status.RETRACTED}) > 50


def test_every_kind_of_event_is_there(events: list[RecordedEvent]) -> None:
    frequency = Counter(type(recorded.event) for recorded in events)
    assert len(frequency) == 9
    assert frequency[CandidateDecisionUndone] > 20
    assert frequency[CandidateNoted] > 50


def test_decisions_are_taken_back_and_rejected_candidates_reinstated(
    events: list[RecordedEvent],
) -> None:
    undone = {e.event.undone_type for e in events if isinstance(e.event, CandidateDecisionUndone)}
    assert undone == {"candidate.moved_to_standby", "candidate.invited", "candidate.rejected"}


def test_different_people_decide_and_some_on_behalf_of_others(
    events: list[RecordedEvent],
) -> None:
    decisions = [e.metadata for e in events if isinstance(e.event, CandidateInvited)]
    assert len({metadata.actor for metadata in decisions}) > 3
    assert {metadata.on_behalf_of is None for metadata in decisions} == {True, False}


def test_everything_occurs_in_office_hours_of_the_last_90_days(
    events: list[RecordedEvent],
) -> None:
    times = [event.occurred_at for event in events]
    assert times == sorted(times)
    assert all(at.weekday() < 5 and 8 <= at.hour < 18 for at in times)
    assert times[0].date() >= TODAY - timedelta(days=90)
    assert times[-1].date() < TODAY


@pytest.mark.parametrize("days", range(7))
def test_the_history_fits_between_90_days_ago_and_yesterday_on_any_weekday(days: int) -> None:
    today = TODAY + timedelta(days=days)
    start = first_day(today)
    assert start >= today - timedelta(days=90)
    times = [step.context.occurred_at for step in planned(start, count=500, threshold=75.0)]
    assert times[0] is not None
    assert times[-1] is not None
    assert times[0].date() == start
    assert today - timedelta(days=4) < times[-1].date() < today


def test_names_are_written_in_many_scripts(names: list[str]) -> None:
    letters = {letter for name in names for letter in name if letter.isalpha()}
    scripts = {unicodedata.name(letter).split()[0] for letter in letters}
    assert scripts >= {
        "LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "CJK", "HIRAGANA", "HANGUL",
        "DEVANAGARI", "BENGALI", "TAMIL", "THAI", "GEORGIAN", "ARMENIAN", "ETHIOPIC",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("trait", "pattern"),
    [
        ("straight apostrophe", "'"),
        ("typographic apostrophe", "’"),
        ("hyphen", r"\w-\w"),
        ("emoji", "[\U0001f300-\U0001faff]"),
        ("one word", r"^\w+$"),
        ("very long", r"^.{100,}$"),
        ("markup", "<b>"),
    ],
)
def test_some_names_are_awkward(names: list[str], trait: str, pattern: str) -> None:
    assert [name for name in names if re.search(pattern, name)], trait


@pytest.mark.django_db
def test_a_second_load_stores_nothing() -> None:
    expected = len(planned(first_day(TODAY), count=40, threshold=75.0))
    assert load(today=TODAY, count=40) == expected
    assert load(today=TODAY, count=40) == 0
    assert StorageEvent.objects.count() == expected


@pytest.mark.django_db
def test_a_load_that_was_killed_is_completed_days_later(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = len(planned(first_day(TODAY), count=60, threshold=75.0))
    carry_out = CandidateService.handle
    calls = count(1)

    def killed(self: CandidateService, *args: Any) -> CommandResult:
        if next(calls) == 130:
            raise KeyboardInterrupt
        return carry_out(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(CandidateService, "handle", killed)
        with pytest.raises(KeyboardInterrupt):
            load(today=TODAY, count=60)
    kept = StorageEvent.objects.count()
    assert 0 < kept < expected
    assert load(today=TODAY + timedelta(days=5), count=60) == expected - kept
    assert StorageEvent.objects.count() == expected


@pytest.mark.django_db
@pytest.mark.parametrize("threshold", [0.0, 50.0, 99.99, 100.0])
def test_the_history_keeps_the_rule_of_any_threshold(settings: Any, threshold: float) -> None:
    settings.SCORE_THRESHOLD = threshold
    assert load(today=TODAY, count=30) > 30
