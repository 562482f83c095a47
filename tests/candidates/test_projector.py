"""What people see of a candidate, and the keys that find it."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest

from candidates.application.compare import search_key, tag_key, word_key
from candidates.application.letters import folded
from candidates.application.projector import LIFTED_LENGTH, CandidateProjector
from candidates.domain.events import CandidateEvent, Status
from candidates.models import CandidateProjection
from eventstore.domain.events import Metadata, RecordedEvent
from tests.factories import (
    added,
    decision_undone,
    invited,
    moved_to_standby,
    noted,
    profile_changed,
    rejected,
    rescored,
    retracted,
)

DAY = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 11)]


def shown(*events: CandidateEvent) -> dict[str, Any]:
    """The columns after these events, the first on 1 January at position 10, one a day."""
    columns: dict[str, Any] = {}
    for n, event in enumerate(events):
        recorded = RecordedEvent(
            event=event,
            event_id=UUID(int=n),
            stream_type="candidate",
            stream_id=UUID(int=1),
            version=n + 1,
            position=10 + n,
            occurred_at=DAY[n],
            recorded_at=DAY[9],
            metadata=Metadata(actor=f"actor {n + 1}", door="api"),
        )
        columns |= CandidateProjector().changes(recorded)
    return columns


def test_an_added_candidate_shows_profile_score_and_business_times() -> None:
    row = shown(added(profile={"name": "Ann", "source": "fair"}, score=80.0))
    assert (row["status"], row["score"], row["name"], row["source"]) == (
        "ADDED",
        80.0,
        "Ann",
        "fair",
    )
    assert row["added_at"] == row["status_since"] == row["changed_at"] == DAY[0]
    assert (row["position"], row["added_position"], row["changed_by"]) == (10, 10, "actor 1")


def test_each_decision_shows_when_it_was_taken() -> None:
    row = shown(added(), moved_to_standby(until=date(2026, 2, 1)), invited(), rejected(note="n"))
    assert (row["standby_at"], row["invited_at"], row["rejected_at"]) == (DAY[1], DAY[2], DAY[3])
    assert (row["due_on"], row["rejection_reason"]) == (date(2026, 2, 1), "not_qualified")
    assert (row["status"], row["status_since"], row["rejection_note"]) == ("REJECTED", DAY[3], "n")
    assert (row["position"], row["added_position"], row["changed_by"]) == (13, 10, "actor 4")


@pytest.mark.parametrize(
    ("decision", "cleared"),
    [
        (moved_to_standby(until=date(2026, 2, 1)), {"standby_at": None, "due_on": None}),
        (invited(), {"invited_at": None}),
        (
            rejected(note="n"),
            {"rejected_at": None, "rejection_reason": "", "rejection_note": ""},
        ),
    ],
)
def test_an_undone_decision_leaves_no_trace_but_its_event(
    decision: CandidateEvent, cleared: dict[str, Any]
) -> None:
    undone = decision_undone(undone_type=decision.event_type, status=Status.ADDED)
    row = shown(added(), decision, undone)
    assert (row["status"], row["status_since"]) == ("ADDED", DAY[2])
    assert {name: row[name] for name in cleared} == cleared


def test_notes_scores_and_profiles_do_not_change_since_when_the_status_is() -> None:
    row = shown(added(), noted(), rescored(score=1.0), profile_changed(profile={"name": "B"}))
    assert (row["status_since"], row["changed_at"]) == (DAY[0], DAY[3])
    assert (row["score"], row["name"], row["email"]) == (1.0, "B", "")


def test_a_retracted_candidate_shows_as_such() -> None:
    assert shown(added(), retracted())["status"] == "RETRACTED"


def test_every_column_is_set_by_the_first_event() -> None:
    columns = {field.attname for field in CandidateProjection._meta.fields}
    assert set(shown(added())) | {"id", "version"} == columns


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        ({"name": "Ann"}, "Ann"),
        ({"first_name": "Ann", "last_name": "O’Brien"}, "Ann O’Brien"),
        ({"last_name": "Pelé"}, "Pelé"),
        ({"name": " Ann ", "first_name": "Bea"}, "Ann"),
        ({"name": 5}, "5"),
        ({"name": ["Ann"]}, ""),
        ({}, ""),
    ],
)
def test_the_name_is_lifted_from_either_spelling(profile: Any, name: str) -> None:
    assert shown(added(profile=profile))["name"] == name


def test_the_profile_stays_exactly_as_typed_beside_what_is_lifted() -> None:
    profile = {
        "email": " Ann@Example.ORG ",
        "phone": "+49 (0)30 / 12-34",
        "tags": ["a", 7, None, ["x"], ""],
        "position": "Engineer",
        "owner": True,
        "resume_url": "https://example.org/" + "x" * 500,
        "other": {"deep": [1.0]},
    }
    row = shown(added(profile=profile))
    assert row["profile"] == profile
    assert row["email"] == "Ann@Example.ORG"
    assert row["phone"] == "+49 (0)30 / 12-34"
    assert (row["tags"], row["owner"]) == (["a", "7"], "")
    assert row["applied_position"] == "Engineer"
    assert len(row["resume_url"]) == LIFTED_LENGTH
    assert row["search_key"] == " engineer ann@example.org 49301234\n a\n 7\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("O'Brien", "O’Brien"),
        ("Muñoz", "Munoz"),
        ("Mun\u0303oz", "MUÑOZ"),
        ("Straße", "STRASSE"),
        ("Łukasz  Müller", "Lukasz Muller"),
        ("ÅNGSTRÖM", "angstrom"),
        ("Jean–Luc", "Jean-Luc"),
        ("ﬁn", "fin"),
        ("가나", "가나"),
    ],
)
def test_what_people_call_the_same_name_is_found_as_the_same(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_other_names_stay_apart() -> None:
    assert len({folded(name) for name in ["Ann", "Anna", "李", "王", "Иван", "محمد"]}) == 6


def test_a_search_key_has_each_word_behind_a_space_and_each_tag_on_a_line() -> None:
    key = search_key(["Ann  Muñoz", ""], ["ann@example.org"], ["Machine  Learning", "Go"])
    assert key == " ann munoz ann@example.org\n machine learning\n go\n"
    assert tag_key("GO") in key
    assert tag_key("learning") not in key
    assert search_key(["", ""], [], []) == ""
    assert search_key([], [], ["Go"]) == tag_key("Go")


def test_a_short_word_counts_at_the_beginning_of_others() -> None:
    key = search_key(["Li Wu", "Shanghai"], [], [])
    assert [word_key(word) in key for word in ("li", "wu", "ha", "hai")] == [
        True,
        True,
        False,
        True,
    ]
