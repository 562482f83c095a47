"""What may be decided about a candidate, rule by rule. No database."""

import math
from typing import Any

import pytest

from candidates.domain.candidate import Candidate
from candidates.domain.events import RejectionReason, Status
from candidates.domain.exceptions import (
    CandidateIsRetracted,
    DecisionStands,
    NothingToUndo,
    NotTheNewestDecision,
    ScoreBelowThreshold,
    WrongStatus,
)
from candidates.domain.values import PROFILE_BYTES, TEXT_LENGTH
from eventstore.domain.exceptions import InvalidValue
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
from tests.scenario import CANDIDATE_ID, Scenario

REJECT = {"reason": RejectionReason.NOT_QUALIFIED, "threshold": 75.0}


def test_a_candidate_is_added_with_profile_and_score() -> None:
    candidate = Candidate.add(CANDIDATE_ID, profile={"name": "Ann"}, score=80)
    assert candidate.pending == (added(profile={"name": "Ann"}, score=80.0),)
    assert (candidate.status, candidate.score, candidate.version) == (Status.ADDED, 80.0, 1)


@pytest.mark.parametrize("score", [0, 100, 0.0, 100.0, 74.999])
def test_a_score_from_0_to_100_is_taken(score: float) -> None:
    assert Candidate.add(CANDIDATE_ID, profile={}, score=score).score == score


@pytest.mark.parametrize(
    ("score", "rule"),
    [
        ("75", "not_a_number"),
        (True, "not_a_number"),
        (None, "not_a_number"),
        (math.nan, "not_finite"),
        (math.inf, "not_finite"),
        (-1, "out_of_range"),
        (-0.001, "out_of_range"),
        (100.01, "out_of_range"),
        (10**400, "out_of_range"),
    ],
)
def test_anything_else_is_no_score(score: Any, rule: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        Candidate.add(CANDIDATE_ID, profile={}, score=score)
    assert (caught.value.pointer, caught.value.rule) == ("/score", rule)


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "profile",
    [{}, {"name": "x" * (PROFILE_BYTES - 11)}, _nested(20), {"ü": [1, 1.5, None, True, "ß"]}],
    ids=["empty", "64 KiB", "20 levels", "any JSON"],
)
def test_a_profile_within_the_limits_is_taken(profile: Any) -> None:
    assert Candidate.add(CANDIDATE_ID, profile=profile, score=1).pending[0].profile == profile  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("profile", "pointer", "rule"),
    [
        ([], "/profile", "not_an_object"),
        ("name", "/profile", "not_an_object"),
        ({"name": "x" * (PROFILE_BYTES - 10)}, "/profile", "too_large"),
        (_nested(21), "/profile" + "/a" * 20, "too_deep"),
        (_nested(5000), "/profile" + "/a" * 20, "too_deep"),
        ({"name": "a\x00b"}, "/profile/name", "nul_character"),
        ({"a/b~": {"\x00": 1}}, "/profile/a~1b~0/\\x00", "nul_character"),
        ({"name": "\ud800"}, "/profile/name", "lone_surrogate"),
        ({"\udfff": 1}, "/profile/\\udfff", "lone_surrogate"),
        ({"tags": ["a", math.nan]}, "/profile/tags/1", "not_finite"),
        ({"n": 10**400}, "/profile/n", "too_large"),
        ({1: 2}, "/profile/1", "not_json"),
        ({"when": {1, 2}}, "/profile", "not_json"),
    ],
)
def test_a_profile_that_cannot_be_kept_is_refused_by_name(
    profile: Any, pointer: str, rule: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        Candidate.add(CANDIDATE_ID, profile=profile, score=1)
    assert (caught.value.pointer, caught.value.rule) == (pointer, rule)


def test_who_was_added_can_be_put_on_standby(scenario: Scenario) -> None:
    candidate = scenario.given(added()).when(Candidate.move_to_standby).then(moved_to_standby())
    assert candidate.status is Status.STANDBY


@pytest.mark.parametrize("score", [75.0, 75.001, 100.0])
@pytest.mark.parametrize("before", [(), (moved_to_standby(),)], ids=["added", "on standby"])
def test_who_reaches_the_threshold_can_be_invited(
    scenario: Scenario, score: float, before: tuple[Any, ...]
) -> None:
    given = scenario.given(added(score=score), *before)
    candidate = given.when(Candidate.invite, threshold=75.0).then(invited(score=score))
    assert candidate.status is Status.INVITED


def test_a_weak_candidate_cannot_be_invited(scenario: Scenario) -> None:
    given = scenario.given(added(score=74.9))
    given.when(Candidate.invite, threshold=75.0).then_raises(
        ScoreBelowThreshold, score=74.9, threshold=75.0
    )


def test_history_that_todays_rules_forbid_still_replays(scenario: Scenario) -> None:
    given = scenario.given(added(score=10.0), invited(score=10.0, threshold=5.0))
    given.when(Candidate.reject, **REJECT).then(rejected(score=10.0))


@pytest.mark.parametrize("before", [(), (moved_to_standby(),), (invited(),)])
def test_anybody_who_is_not_rejected_can_be_rejected(
    scenario: Scenario, before: tuple[Any, ...]
) -> None:
    given = scenario.given(added(), *before)
    candidate = given.when(Candidate.reject, note="late", **REJECT).then(rejected(note="late"))
    assert candidate.status is Status.REJECTED


@pytest.mark.parametrize(
    ("events", "command", "values", "status"),
    [
        ((moved_to_standby(),), Candidate.move_to_standby, {}, Status.STANDBY),
        ((invited(),), Candidate.move_to_standby, {}, Status.INVITED),
        ((rejected(),), Candidate.move_to_standby, {}, Status.REJECTED),
        ((invited(),), Candidate.invite, {"threshold": 75.0}, Status.INVITED),
        ((rejected(),), Candidate.invite, {"threshold": 75.0}, Status.REJECTED),
        ((rejected(),), Candidate.reject, REJECT, Status.REJECTED),
        ((invited(),), Candidate.rescore, {"score": 1.0, "why": "w"}, Status.INVITED),
        ((rejected(),), Candidate.rescore, {"score": 1.0, "why": "w"}, Status.REJECTED),
    ],
)
def test_a_status_that_does_not_allow_it_is_named(
    scenario: Scenario, events: Any, command: Any, values: Any, status: Status
) -> None:
    given = scenario.given(added(), *events)
    given.when(command, **values).then_raises(WrongStatus, current_status=status)


@pytest.mark.parametrize(
    ("before", "decision", "returns_to"),
    [
        ((), moved_to_standby(), Status.ADDED),
        ((), invited(), Status.ADDED),
        ((moved_to_standby(),), invited(), Status.STANDBY),
        ((moved_to_standby(), invited()), rejected(), Status.INVITED),
    ],
)
def test_undo_returns_to_the_status_before_the_newest_decision(
    scenario: Scenario, before: tuple[Any, ...], decision: Any, returns_to: Status
) -> None:
    version = len(before) + 2
    given = scenario.given(added(), *before, decision, noted(), profile_changed())
    candidate = given.when(Candidate.undo, version=version).then(
        decision_undone(undone_version=version, undone_type=decision.event_type, status=returns_to)
    )
    assert candidate.status is returns_to


def test_decisions_are_undone_one_by_one_the_newest_first(scenario: Scenario) -> None:
    history = [added(), moved_to_standby(), invited()]
    scenario.given(*history).when(Candidate.undo, version=2).then_raises(
        NotTheNewestDecision, named_version=2, newest_version=3
    )
    history.append(decision_undone(undone_version=3, status=Status.STANDBY))
    scenario.given(*history).when(Candidate.undo, version=2).then(
        decision_undone(
            undone_version=2, undone_type=moved_to_standby().event_type, status=Status.ADDED
        )
    )


@pytest.mark.parametrize(
    "events", [(), (noted(), rescored()), (invited(), decision_undone())], ids=str
)
def test_without_a_standing_decision_there_is_nothing_to_undo(
    scenario: Scenario, events: tuple[Any, ...]
) -> None:
    scenario.given(added(), *events).when(Candidate.undo, version=2).then_raises(NothingToUndo)


def test_after_undo_the_candidate_can_be_decided_anew(scenario: Scenario) -> None:
    given = scenario.given(added(), rejected(), decision_undone(undone_type="candidate.rejected"))
    given.when(Candidate.invite, threshold=75.0).then(invited())


def test_a_new_score_counts_from_then_on(scenario: Scenario) -> None:
    given = scenario.given(added(score=10.0), rescored(score=75.0))
    given.when(Candidate.invite, threshold=75.0).then(invited(score=75.0))


def test_rescoring_records_score_and_why(scenario: Scenario) -> None:
    given = scenario.given(added(), moved_to_standby())
    given.when(Candidate.rescore, score=33, why="test").then(rescored(score=33.0, why="test"))


def test_profile_and_notes_change_in_any_status(scenario: Scenario) -> None:
    given = scenario.given(added(), rejected())
    given.when(Candidate.change_profile, profile={"name": "B"}).then(
        profile_changed(profile={"name": "B"})
    )
    scenario.given(added(), rejected()).when(Candidate.note, text="hm").then(noted(text="hm"))


@pytest.mark.parametrize(
    ("command", "values", "pointer", "rule"),
    [
        (Candidate.note, {"text": " \n"}, "/text", "blank"),
        (Candidate.note, {"text": "\u200b \ufeff"}, "/text", "blank"),
        (Candidate.note, {"text": "x" * (TEXT_LENGTH + 1)}, "/text", "too_long"),
        (Candidate.rescore, {"score": 1, "why": ""}, "/why", "blank"),
        (Candidate.rescore, {"score": math.nan, "why": "w"}, "/score", "not_finite"),
        (Candidate.retract, {"why": ""}, "/why", "blank"),
        (Candidate.change_profile, {"profile": []}, "/profile", "not_an_object"),
        (Candidate.reject, {**REJECT, "note": "x" * (TEXT_LENGTH + 1)}, "/note", "too_long"),
    ],
)
def test_words_and_values_that_will_not_do_are_named(
    scenario: Scenario, command: Any, values: Any, pointer: str, rule: str
) -> None:
    scenario.given(added()).when(command, **values).then_raises(
        InvalidValue, pointer=pointer, rule=rule
    )


@pytest.mark.parametrize("events", [(), (noted(),), (invited(), decision_undone())], ids=str)
def test_a_mistaken_add_is_retracted_while_no_decision_stands(
    scenario: Scenario, events: tuple[Any, ...]
) -> None:
    given = scenario.given(added(), *events)
    candidate = given.when(Candidate.retract, why="twice").then(retracted(why="twice"))
    assert candidate.status is Status.RETRACTED


def test_a_standing_decision_is_in_the_way_of_retracting(scenario: Scenario) -> None:
    given = scenario.given(added(), rejected())
    given.when(Candidate.retract, why="twice").then_raises(DecisionStands, version=2)


@pytest.mark.parametrize(
    ("command", "values"),
    [
        (Candidate.move_to_standby, {}),
        (Candidate.invite, {"threshold": 75.0}),
        (Candidate.reject, REJECT),
        (Candidate.undo, {"version": 2}),
        (Candidate.rescore, {"score": 1, "why": "w"}),
        (Candidate.change_profile, {"profile": {}}),
        (Candidate.note, {"text": "t"}),
        (Candidate.retract, {"why": "w"}),
    ],
)
def test_after_retracting_every_command_is_refused(
    scenario: Scenario, command: Any, values: Any
) -> None:
    scenario.given(added(), retracted()).when(command, **values).then_raises(CandidateIsRetracted)
