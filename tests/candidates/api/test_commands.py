"""Every command by HTTP: what it answers and what is shown afterwards."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from rest_framework.test import APIClient

from candidates.application.projector import SCHEMA
from eventstore.models import StorageEvent
from tests.candidates.api.requests import COMMANDS, URL

Step = tuple[str, dict[str, Any]]
STANDBY: Step = ("standby", {"until": "2026-09-01"})
INVITE: Step = ("invite", {})
REJECT: Step = ("reject", {"reason": "withdrew", "note": "Took another offer."})
STEPS = [
    ([], STANDBY, "STANDBY", "candidate.moved_to_standby"),
    ([], ("standby", {}), "STANDBY", "candidate.moved_to_standby"),
    ([], INVITE, "INVITED", "candidate.invited"),
    ([STANDBY], INVITE, "INVITED", "candidate.invited"),
    ([], REJECT, "REJECTED", "candidate.rejected"),
    ([INVITE], ("reject", {"reason": "no_response"}), "REJECTED", "candidate.rejected"),
    ([INVITE], ("undo", {"version": 2}), "ADDED", "candidate.decision_undone"),
    ([INVITE], ("undo", {"version": 2.0}), "ADDED", "candidate.decision_undone"),
    ([STANDBY, REJECT], ("undo", {"version": 3}), "STANDBY", "candidate.decision_undone"),
    ([], ("rescore", {"score": 12.5, "why": "Second look."}), "ADDED", "candidate.rescored"),
    ([INVITE], ("profile", {"profile": {}}), "INVITED", "candidate.profile_changed"),
    ([REJECT], ("note", {"text": " As typed. "}), "REJECTED", "candidate.noted"),
    ([], ("retract", {"why": "Added twice."}), "RETRACTED", "candidate.retracted"),
]


def test_adding_answers_as_every_command_does_and_says_where_the_candidate_is(
    api: APIClient,
) -> None:
    answer = api.post(URL, {"profile": {"name": "Ann"}, "score": 80})

    event = StorageEvent.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "id": str(event.stream_id),
        "version": 1,
        "status": "ADDED",
        "events": [
            {"event_id": str(event.event_id), "event_type": "candidate.added", "version": 1}
        ],
        "position": event.position,
    }
    assert answer["Location"] == f"http://testserver{URL}{event.stream_id}/"
    assert answer["ETag"] == f'"1-{SCHEMA}"'
    assert api.get(answer["Location"])["ETag"] == answer["ETag"]


@pytest.mark.parametrize(("before", "step", "status", "event_type"), STEPS)
def test_a_command_answers_with_what_it_did(
    api: APIClient,
    add: Callable[..., str],
    before: list[Step],
    step: Step,
    status: str,
    event_type: str,
) -> None:
    url = add(score=80)
    for name, body in before:
        assert api.post(f"{url}{name}/", body).status_code == 200

    answer = api.post(f"{url}{step[0]}/", step[1])

    version = len(before) + 2
    event = StorageEvent.objects.get(version=version)
    assert answer.status_code == 200
    assert answer.json() == {
        "id": str(event.stream_id),
        "version": version,
        "status": status,
        "events": [{"event_id": str(event.event_id), "event_type": event_type, "version": version}],
        "position": event.position,
    }
    assert answer["ETag"] == f'"{version}-{SCHEMA}"'
    shown = api.get(url)
    assert (shown.json()["version"], shown.json()["status"]) == (version, status)
    assert shown["ETag"] == answer["ETag"]


@pytest.mark.parametrize("name", ["standby", "invite"])
def test_a_command_without_values_needs_no_body(
    api: APIClient, add: Callable[..., str], name: str
) -> None:
    assert api.post(f"{add()}{name}/").status_code == 200


@pytest.mark.parametrize(
    ("before", "step", "code", "values"),
    [
        (
            [("rescore", {"score": 74.99, "why": "Second look."})],
            INVITE,
            "score_below_threshold",
            {"score": 74.99, "threshold": 75.0},
        ),
        (
            [INVITE],
            STANDBY,
            "wrong_status",
            {"current_status": "INVITED", "allowed_statuses": ["ADDED"]},
        ),
        ([], ("undo", {"version": 1}), "nothing_to_undo", {}),
        (
            [STANDBY, INVITE],
            ("undo", {"version": 2}),
            "not_the_newest_decision",
            {"named_version": 2, "newest_version": 3},
        ),
        ([STANDBY], ("retract", {"why": "Added twice."}), "decision_stands", {"version": 2}),
        ([("retract", {"why": "Added twice."})], INVITE, "candidate_retracted", {}),
    ],
)
def test_a_rule_that_says_no_is_a_conflict_that_names_what_it_compared(
    api: APIClient,
    add: Callable[..., str],
    before: list[Step],
    step: Step,
    code: str,
    values: dict[str, Any],
) -> None:
    url = add(score=80)
    for name, body in before:
        assert api.post(f"{url}{name}/", body).status_code == 200
    stored = StorageEvent.objects.count()

    answer = api.post(f"{url}{step[0]}/", step[1])

    problem = answer.json()
    assert (answer.status_code, answer["Content-Type"]) == (409, "application/problem+json")
    assert {name: problem.pop(name) for name in values} == values
    assert problem.pop("detail")
    assert problem == {"type": "about:blank", "title": "Conflict", "status": 409, "code": code}
    assert StorageEvent.objects.count() == stored


@pytest.mark.parametrize(("name", "body"), COMMANDS.items())
def test_a_command_on_nobody_is_not_found(api: APIClient, name: str, body: dict[str, Any]) -> None:
    nobody = uuid4()
    answer = api.post(f"{URL}{nobody}/{name}/", body)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["stream_id"] == str(nobody)
    assert not StorageEvent.objects.exists()


def test_every_candidate_gets_an_id_of_its_own(add: Callable[..., str]) -> None:
    ids = {UUID(add().split("/")[-2]) for _ in range(3)}
    assert len(ids) == 3
