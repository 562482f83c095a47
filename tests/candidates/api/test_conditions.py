"""What a request depends on: the version it was decided on, and whether it came before."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from candidates.application.projector import SCHEMA
from candidates.models import CandidateProjection
from eventstore.models import StorageEvent
from tests.candidates.api.conftest import URL
from tests.threads import all_decide_before_any_appends, together

ADD = {"profile": {"name": "Ann"}, "score": 80}
TWINS = 20
COMMANDS: list[tuple[str, dict[str, Any]]] = [
    ("standby", {"until": "2026-09-01"}),
    ("invite", {}),
    ("reject", {"reason": "other", "note": "Ω"}),
    ("undo", {"version": 2}),
    ("rescore", {"score": 90, "why": "Second look."}),
    ("profile", {"profile": {"name": "Ann", "tags": ["x"]}}),
    ("note", {"text": "Called."}),
    ("retract", {"why": "Added twice."}),
]


def _same(first: Any, again: Any) -> bool:
    return all(
        getattr(first, part) == getattr(again, part) for part in ("status_code", "content")
    ) and all(first.get(name) == again.get(name) for name in ("ETag", "Location", "Content-Type"))


def _ready_for(name: str, api: APIClient, url: str) -> None:
    if name == "undo":
        assert api.post(f"{url}invite/").status_code == 200


# If-Match


@pytest.mark.parametrize(
    "header", [f'"1-{SCHEMA}"', '"1-999"', '"1"', 'W/"1"', f'W/"1-{SCHEMA}"', "*", ' "1" ']
)
def test_a_command_is_carried_out_on_the_version_it_was_decided_on(
    api: APIClient, add: Callable[..., str], header: str
) -> None:
    answer = api.post(f"{add()}invite/", headers={"If-Match": header})
    assert (answer.status_code, answer["ETag"]) == (200, f'"2-{SCHEMA}"')


def test_the_tag_of_an_answer_serves_for_the_next_command(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add()
    tag = api.get(url)["ETag"]
    for name in ("standby", "invite", "reject"):
        body = {"reason": "other"} if name == "reject" else {}
        answer = api.post(f"{url}{name}/", body, headers={"If-Match": tag})
        assert answer.status_code == 200
        tag = answer["ETag"]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "1",
        "1-1",
        '"1',
        "'1'",
        '"x"',
        '"-1"',
        '"1-"',
        '"1.0"',
        '""',
        'w/"1"',
        '"1", "2"',
        '"²"',
        '"1"\x00',
        '"' + "1" * 10 + '"',
        '"' + "1" * 5_000 + '"',
    ],
)
def test_a_tag_that_cannot_be_read_is_refused_by_name(
    api: APIClient, add: Callable[..., str], header: str
) -> None:
    answer = api.post(f"{add()}invite/", headers={"If-Match": header})
    (error,) = answer.json()["errors"]
    assert answer.status_code == 400
    assert (error["pointer"], error["code"]) == ("/If-Match", "unreadable_header")
    assert StorageEvent.objects.count() == 1


def test_a_candidate_that_is_only_being_added_has_no_version_to_match(api: APIClient) -> None:
    answer = api.post(URL, ADD, headers={"If-Match": "*"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/If-Match"
    assert not StorageEvent.objects.exists()


@pytest.mark.parametrize("header", ['"1"', f'"1-{SCHEMA}"', '"0"', '"99"', '"999999999-1"'])
@pytest.mark.parametrize(("name", "body"), COMMANDS)
def test_another_version_is_refused_and_the_answer_says_who_changed_it_and_when(
    api: APIClient,
    add: Callable[..., str],
    user_in: Callable[..., User],
    client_of: Callable[..., APIClient],
    header: str,
    name: str,
    body: dict[str, Any],
) -> None:
    url = add()
    colleague = client_of(user_in("Recruiters", name="rolf"))
    assert colleague.post(f"{url}standby/").status_code == 200

    answer = api.post(f"{url}{name}/", body, headers={"If-Match": header})

    newest = StorageEvent.objects.get(version=2)
    problem = answer.json()
    assert problem.pop("detail")
    assert (answer.status_code, answer["Content-Type"]) == (412, "application/problem+json")
    assert problem == {
        "type": "about:blank",
        "title": "Precondition Failed",
        "status": 412,
        "code": "stale_version",
        "stream_id": str(newest.stream_id),
        "expected": int(header.strip('"').split("-")[0]),
        "current_version": 2,
        "projected_version": 2,
        "changed_by": "rolf",
        "changed_at": f"{newest.recorded_at:%Y-%m-%dT%H:%M:%S.%f}Z",
    }
    assert StorageEvent.objects.count() == 2


def test_a_refusal_says_what_readers_are_shown_where_that_is_behind(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add()
    api.post(f"{url}standby/")
    CandidateProjection.objects.update(version=1)
    stale = api.post(f"{url}invite/", headers={"If-Match": '"1"'}).json()
    assert (stale["current_version"], stale["projected_version"]) == (2, 1)
    CandidateProjection.objects.all().delete()
    stale = api.post(f"{url}invite/", headers={"If-Match": '"1"'}).json()
    assert (stale["current_version"], stale["projected_version"]) == (2, None)


@pytest.mark.django_db(transaction=True)
def test_of_two_callers_with_one_version_one_succeeds_and_the_other_hears_who_did(
    add: Callable[..., str],
    user_in: Callable[..., User],
    client_of: Callable[..., APIClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = add()
    callers = [client_of(user_in("Recruiters", name=name)) for name in ("ada", "ben")]
    all_decide_before_any_appends(monkeypatch, writers=2)

    def decide(number: int) -> Any:
        name, body = [("invite", {}), ("reject", {"reason": "other"})][number]
        return callers[number].post(f"{url}{name}/", body, headers={"If-Match": '"1"'})

    first, second = together(2, decide)

    assert {first.status_code, second.status_code} == {200, 412}
    won, lost = (first, second) if first.status_code == 200 else (second, first)
    winner = "ada" if won is first else "ben"
    assert (lost.json()["current_version"], lost.json()["changed_by"]) == (2, winner)
    events = callers[0].get(f"{url}history/").json()["results"]
    assert [event["actor"] for event in events] == ["rita", winner]
    assert callers[0].get(url).json()["status"] == won.json()["status"]


@pytest.mark.django_db(transaction=True)
def test_callers_who_state_no_version_all_get_their_turn(
    add: Callable[..., str],
    user_in: Callable[..., User],
    client_of: Callable[..., APIClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = add()
    callers = [client_of(user_in("Recruiters", name=f"user{i}")) for i in range(6)]
    all_decide_before_any_appends(monkeypatch, writers=6)
    answers: list[Any] = together(6, lambda i: callers[i].post(f"{url}note/", {"text": f"{i}"}))
    assert [answer.status_code for answer in answers] == [200] * 6
    assert sorted(answer.json()["version"] for answer in answers) == [2, 3, 4, 5, 6, 7]
    events = callers[0].get(f"{url}history/").json()["results"]
    assert sorted(event["data"]["text"] for event in events[1:]) == ["0", "1", "2", "3", "4", "5"]
    assert callers[0].get(url).json()["version"] == 7


# Idempotency-Key


def test_adding_again_with_the_same_key_is_answered_as_the_first_time(api: APIClient) -> None:
    first = api.post(URL, ADD, headers={"Idempotency-Key": "once"})
    api.post(f"{first['Location']}invite/")
    again = api.post(URL, ADD, headers={"Idempotency-Key": "once"})
    assert first.status_code == 201
    assert _same(first, again)
    assert (first.get("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (None, "true")
    assert StorageEvent.objects.count() == 2


@pytest.mark.parametrize(("name", "body"), COMMANDS)
def test_a_command_again_with_the_same_key_is_answered_as_the_first_time(
    api: APIClient, add: Callable[..., str], name: str, body: dict[str, Any]
) -> None:
    url = add()
    _ready_for(name, api, url)
    command = f"{url}{name}/"
    first = api.post(command, body, headers={"Idempotency-Key": "once"})
    assert first.status_code == 200
    stored = StorageEvent.objects.count()
    assert _same(first, api.post(command, body, headers={"Idempotency-Key": "once"}))
    assert StorageEvent.objects.count() == stored
    if name != "retract":
        assert api.post(f"{url}note/", {"text": "Later."}).status_code == 200
        again = api.post(command, body, headers={"Idempotency-Key": "once"})
        assert _same(first, again)
        assert again["Idempotent-Replayed"] == "true"
        assert StorageEvent.objects.count() == stored + 1


def test_a_number_is_the_same_however_it_is_written(api: APIClient) -> None:
    for score in ("80", "80.0", "8e1"):
        answer = api.post(
            URL,
            data=f'{{"score": {score}, "profile": {{"b": 1, "a": 2}}}}',
            content_type="application/json",
            headers={"Idempotency-Key": "once"},
        )
        assert answer.status_code == 201
    assert StorageEvent.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("note/", {"text": "Other."}),
        ("profile/", {"profile": {}}),
        ("invite/", {}),
        ("../", ADD),
    ],
)
def test_a_key_that_was_used_for_another_command_is_refused(
    api: APIClient, add: Callable[..., str], path: str, body: dict[str, Any]
) -> None:
    url = add()
    api.post(f"{url}note/", {"text": "One."}, headers={"Idempotency-Key": "once"})
    target = URL if path == "../" else f"{url}{path}"
    answer = api.post(target, body, headers={"Idempotency-Key": "once"})
    assert (answer.status_code, answer.json()["code"]) == (422, "command_reused")
    assert StorageEvent.objects.count() == 2


def test_a_key_that_was_used_for_another_candidate_is_refused(
    api: APIClient, add: Callable[..., str]
) -> None:
    one, other = add(), add()
    assert api.post(f"{one}invite/", headers={"Idempotency-Key": "once"}).status_code == 200
    assert api.post(f"{other}invite/", headers={"Idempotency-Key": "once"}).status_code == 422
    assert StorageEvent.objects.count() == 3


def test_the_same_key_of_somebody_else_is_another_command(
    api: APIClient, user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    other = client_of(user_in("Recruiters", name="rolf"))
    answers = [
        caller.post(URL, ADD, headers={"Idempotency-Key": "once"}) for caller in (api, other)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["id"] != answers[1].json()["id"]
    assert "Idempotent-Replayed" not in answers[1]


@pytest.mark.parametrize("key", ["a", "~" * 255, "two words", 'a"b', "01a2-#/"])
def test_a_key_is_printable_ascii(api: APIClient, key: str) -> None:
    for _ in range(2):
        assert api.post(URL, ADD, headers={"Idempotency-Key": key}).status_code == 201
    assert StorageEvent.objects.count() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, " a", "a ", "é", "a\tb", "a\x00", "\x7f", "€"])
def test_a_key_that_is_not_is_refused_by_name(
    api: APIClient, add: Callable[..., str], key: str
) -> None:
    url = add()
    for target, body in ((URL, ADD), (f"{url}invite/", {})):
        answer = api.post(target, body, headers={"Idempotency-Key": key})
        (error,) = answer.json()["errors"]
        assert answer.status_code == 400
        assert (error["pointer"], error["code"]) == ("/Idempotency-Key", "unreadable_header")
    assert StorageEvent.objects.count() == 1


def test_a_retry_is_answered_though_its_version_is_stale_by_now(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add()
    headers = {"Idempotency-Key": "once", "If-Match": '"1"'}
    first = api.post(f"{url}invite/", headers=headers)
    api.post(f"{url}note/", {"text": "Later."})
    assert _same(first, api.post(f"{url}invite/", headers=headers))
    headers["Idempotency-Key"] = "another"
    assert api.post(f"{url}invite/", headers=headers).status_code == 412


def test_a_refused_command_leaves_its_key_free(api: APIClient, add: Callable[..., str]) -> None:
    url = add(score=10)
    once = {"Idempotency-Key": "once"}
    refused = api.post(f"{url}invite/", headers=once)
    assert (refused.status_code, refused.json()["code"]) == (409, "score_below_threshold")
    stale = api.post(f"{url}invite/", headers=once | {"If-Match": '"9"'})
    assert stale.status_code == 412
    api.post(f"{url}rescore/", {"score": 90, "why": "Second look."})
    answer = api.post(f"{url}invite/", headers=once)
    assert (answer.status_code, answer.get("Idempotent-Replayed")) == (200, None)


def test_a_retry_mends_a_row_that_was_lost(api: APIClient) -> None:
    first = api.post(URL, ADD, headers={"Idempotency-Key": "once"})
    CandidateProjection.objects.all().delete()
    api.post(URL, ADD, headers={"Idempotency-Key": "once"})
    assert api.get(first["Location"]).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_twins_of_one_add_make_one_candidate_and_get_one_answer(
    recruiter: User, client_of: Callable[..., APIClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = [client_of(User.objects.get(pk=recruiter.pk)) for _ in range(TWINS)]
    all_decide_before_any_appends(monkeypatch, writers=TWINS)
    answers: list[Any] = together(
        TWINS, lambda i: clients[i].post(URL, ADD, headers={"Idempotency-Key": "once"})
    )
    assert {answer.status_code for answer in answers} == {201}
    assert all(_same(answers[0], answer) for answer in answers)
    assert sum("Idempotent-Replayed" not in answer for answer in answers) == 1
    assert StorageEvent.objects.count() == 1
    assert CandidateProjection.objects.get().version == 1


@pytest.mark.django_db(transaction=True)
def test_twins_of_one_invitation_invite_once_and_get_one_answer(
    add: Callable[..., str],
    recruiter: User,
    client_of: Callable[..., APIClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = add()
    clients = [client_of(User.objects.get(pk=recruiter.pk)) for _ in range(TWINS)]
    all_decide_before_any_appends(monkeypatch, writers=TWINS)
    headers = {"Idempotency-Key": "once", "If-Match": '"1"'}
    answers: list[Any] = together(
        TWINS, lambda i: clients[i].post(f"{url}invite/", headers=headers)
    )
    assert {answer.status_code for answer in answers} == {200}
    assert all(_same(answers[0], answer) for answer in answers)
    assert sum("Idempotent-Replayed" not in answer for answer in answers) == 1
    assert StorageEvent.objects.count() == 2
    assert CandidateProjection.objects.get().version == 2
