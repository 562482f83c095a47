"""Many commands in one request, each with a result of its own."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from rest_framework.test import APIClient

from candidates.domain.candidate import Candidate
from candidates.models import CandidateProjection
from eventstore.infrastructure.keys import Keyring
from eventstore.models import StorageEvent
from eventstore.wiring import event_store
from tests.candidates.api.requests import ADD, URL, errors_of, nothing_is_written
from tests.candidates.api.test_profile_patch import id_in
from tests.threads import together
from tests.wrapping_keys import put_in_place_of

BATCH = f"{URL}commands/"


def item(url: str, command: str, **rest: Any) -> dict[str, Any]:
    return {"command": command, "candidate_id": url.rstrip("/").rsplit("/", 1)[-1], **rest}


def statuses(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "application/json"
    return [result["status"] for result in answer.json()["results"]]


def test_each_command_is_carried_out_and_answered_as_its_own_path_would(
    api: APIClient, add: Callable[..., str]
) -> None:
    ann, bob = add(), add()
    answer = api.post(
        BATCH,
        {
            "commands": [
                {"command": "add", "body": ADD},
                item(ann, "invite"),
                item(bob, "reject", body={"reason": "withdrew", "note": "By phone."}),
                item(ann, "note", body={"text": "Called."}, expected_version=2),
            ]
        },
    )
    assert statuses(answer) == [201, 200, 200, 200]
    added, invited, rejected, noted = (r["result"] for r in answer.json()["results"])
    assert api.get(f"{URL}{added['id']}/").json()["status"] == "ADDED"
    assert (invited["status"], invited["version"]) == ("INVITED", 2)
    assert rejected["events"][0]["event_type"] == "candidate.rejected"
    assert noted["version"] == 3


@pytest.mark.django_db(transaction=True)
def test_one_that_is_refused_does_not_undo_the_others(
    api: APIClient, add: Callable[..., str]
) -> None:
    weak, strong = add(score=10), add()
    answer = api.post(
        BATCH,
        {
            "commands": [
                item(weak, "invite"),
                item(strong, "invite"),
                item(strong, "invite", expected_version=1),
                item(f"{URL}{uuid4()}/", "invite"),
                item(strong, "reject", body={"reason": "no such", "why": 1}),
                {"command": "dance"},
                {"command": "note"},
                {"command": "add", "body": {"profile": {"name": "\0"}, "score": 1}},
                item(strong, "note", body={"text": "Called."}),
            ]
        },
    )
    assert statuses(answer) == [409, 200, 412, 404, 400, 400, 400, 400, 200]
    problems = [r.get("problem") for r in answer.json()["results"]]
    assert problems[0]["code"] == "score_below_threshold"
    assert (problems[2]["current_version"], problems[2]["projected_version"]) == (2, 2)
    pointers = [[e["pointer"] for e in problem["errors"]] for problem in problems[4:8]]
    assert pointers == [
        ["/body/why"],
        ["/command"],
        ["/candidate_id"],
        ["/body/profile/name"],
    ]
    assert [row.status for row in CandidateProjection.objects.order_by("added_position")] == [
        "ADDED",
        "INVITED",
    ]


def test_all_events_of_a_batch_share_its_id(api: APIClient, add: Callable[..., str]) -> None:
    url = add()
    answer = api.post(BATCH, {"commands": [item(url, "standby"), {"command": "add", "body": ADD}]})
    batch_id = answer.json()["correlation_id"]
    batch = StorageEvent.objects.filter(correlation_id=batch_id)
    assert [event.event_type for event in batch.order_by("position")] == [
        "candidate.moved_to_standby",
        "candidate.added",
    ]


@pytest.mark.django_db(transaction=True)
def test_atomic_carries_out_all_or_none(api: APIClient, add: Callable[..., str]) -> None:
    weak, strong = add(score=10), add()
    sent = {"atomic": True, "commands": [item(strong, "invite"), item(weak, "invite")]}
    refused = api.post(BATCH, sent)
    assert (refused.status_code, refused.json()["code"]) == (409, "score_below_threshold")
    assert refused.json()["index"] == 1
    assert StorageEvent.objects.count() == 2
    assert {row.status for row in CandidateProjection.objects.all()} == {"ADDED"}

    sent["commands"] = [item(strong, "invite"), item(weak, "reject", body={"reason": "other"})]
    assert statuses(api.post(BATCH, sent)) == [200, 200]
    shown = CandidateProjection.objects.order_by("added_position")
    assert [row.status for row in shown] == ["REJECTED", "INVITED"]


def test_an_atomic_refusal_points_at_the_command(api: APIClient, add: Callable[..., str]) -> None:
    url = add()
    sent = [item(url, "invite"), item(url, "note", body={"text": ""})]
    answer = api.post(BATCH, {"atomic": True, "commands": sent})
    assert errors_of(answer) == [("/commands/1/body/text", "blank")]
    sent[1] = item(url, "reject", body={"reason": "sleepy"})
    answer = api.post(BATCH, {"atomic": True, "commands": sent})
    assert errors_of(answer) == [("/commands/1/body/reason", "invalid_choice")]


def test_a_batch_sent_again_with_its_key_is_answered_as_the_first_time(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add()
    sent = {"commands": [{"command": "add", "body": ADD}, item(url, "invite")]}
    first = api.post(BATCH, sent, headers={"Idempotency-Key": "once"})
    again = api.post(BATCH, sent, headers={"Idempotency-Key": "once"})
    assert statuses(first) == statuses(again) == [201, 200]
    assert [r["replayed"] for r in first.json()["results"]] == [False, False]
    assert [r["replayed"] for r in again.json()["results"]] == [True, True]
    assert first.json()["correlation_id"] == again.json()["correlation_id"]
    assert [r["result"] for r in first.json()["results"]] == [
        r["result"] for r in again.json()["results"]
    ]
    assert StorageEvent.objects.count() == 3


def test_a_key_of_an_item_is_that_of_the_commands_own_path(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add()
    alone = api.post(f"{url}invite/", headers={"Idempotency-Key": "once"})
    answer = api.post(BATCH, {"commands": [item(url, "invite", idempotency_key="once")]})
    (result,) = answer.json()["results"]
    assert (result["replayed"], result["result"]) == (True, alone.json())
    other = api.post(
        BATCH, {"commands": [item(url, "note", body={"text": "x"}, idempotency_key="once")]}
    )
    assert statuses(other) == [422]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, [("/commands", "required")]),
        ({"commands": []}, [("/commands", "empty")]),
        ({"commands": {}}, [("/commands", "not_a_list")]),
        ({"commands": [{}] * 1001}, [("/commands", "max_length")]),
        ({"commands": [{}], "atomic": "yes"}, [("/atomic", "invalid")]),
        ({"commands": [{}], "atom": True}, [("/atom", "unknown_field")]),
    ],
)
def test_a_body_that_is_no_batch_is_refused_as_a_whole(
    api: APIClient, body: Any, expected: list[tuple[str, str]]
) -> None:
    assert errors_of(api.post(BATCH, body)) == expected
    assert nothing_is_written()


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"candidate_id": "x"}, "/candidate_id"),
        ({"candidate_id": 7}, "/candidate_id"),
        ({"expected_version": 0}, "/expected_version"),
        ({"expected_version": "1"}, "/expected_version"),
        ({"idempotency_key": "é"}, "/idempotency_key"),
        ({"idempotency_key": ""}, "/idempotency_key"),
        ({"body": []}, "/body"),
        ({"vresion": 1}, "/vresion"),
    ],
)
def test_an_item_that_cannot_be_read_is_refused_by_name(
    api: APIClient, add: Callable[..., str], wrong: dict[str, Any], pointer: str
) -> None:
    answer = api.post(BATCH, {"commands": [item(add(), "invite") | wrong]})
    assert statuses(answer) == [400]
    (error,) = answer.json()["results"][0]["problem"]["errors"]
    assert error["pointer"] == pointer


@pytest.mark.parametrize("name", ["candidate_id", "expected_version"])
def test_who_is_only_being_added_has_no_id_and_no_version(api: APIClient, name: str) -> None:
    value = str(uuid4()) if name == "candidate_id" else 1
    answer = api.post(BATCH, {"commands": [{"command": "add", "body": ADD, name: value}]})
    assert statuses(answer) == [400]
    assert nothing_is_written()


def test_what_the_user_may_not_do_is_refused_command_by_command(
    add: Callable[..., str],
    user_in: Callable[..., User],
    client_of: Callable[..., APIClient],
    user_with: Callable[..., User],
) -> None:
    viewer = client_of(user_in("Viewers", name="vera"))
    decider = client_of(user_with("decide", name="dora"))
    sent = {"commands": [item(add(), "standby"), {"command": "add", "body": ADD}]}
    assert statuses(decider.post(BATCH, sent)) == [200, 403]
    assert viewer.post(BATCH, sent).status_code == viewer.post(BATCH, {}).status_code == 403


def test_where_a_version_is_required_each_command_states_it(
    api: APIClient, add: Callable[..., str], settings: Any
) -> None:
    url = add()
    settings.REQUIRE_IF_MATCH = True
    sent = [item(url, "standby"), item(url, "standby", expected_version=1)]
    assert statuses(api.post(BATCH, {"commands": sent})) == [428, 200]


@pytest.mark.django_db(transaction=True)
def test_batches_that_cross_are_both_carried_out(
    recruiter: User, client_of: Callable[..., APIClient], add: Callable[..., str]
) -> None:
    urls = [add() for _ in range(6)]

    def note(writer: int) -> int:
        order = urls[::-1] if writer % 2 else urls
        commands = [item(url, "note", body={"text": "x"}) for url in order]
        sent = {"atomic": True, "commands": commands}
        return int(client_of(recruiter).post(BATCH, sent).status_code)

    assert together(8, note) == [200] * 8
    assert {row.version for row in CandidateProjection.objects.all()} == {9}


def _keyed(api: APIClient, commands: list[Any], **rest: Any) -> Any:
    return api.post(BATCH, {"commands": commands, **rest}, headers={"Idempotency-Key": "k"})


def test_a_key_with_other_commands_than_were_carried_out_is_refused_as_a_whole(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add()
    refused = {"command": "add", "body": ADD | {"score": 500}}
    added, noted = {"command": "add", "body": ADD}, item(url, "note", body={"text": "x"})
    sent = [refused, added, noted]
    first = _keyed(api, sent)
    assert statuses(first) == [400, 201, 200]
    api.post(f"{url}standby/", headers={"Idempotency-Key": "used"})
    stored = StorageEvent.objects.count()
    others: list[tuple[int, list[Any]]] = [
        (1, [added, noted]),
        (1, [added]),
        (1, [added, refused, noted]),
        (2, [refused, added, item(url, "note", body={"text": "y"})]),
        (1, [refused, added | {"idempotency_key": "own"}, noted]),
        (1, [refused, item(url, "standby", idempotency_key="used"), noted]),
        (1, [refused, 5, noted]),
    ]
    for index, other in others:
        answer = _keyed(api, other)
        assert (answer.status_code, answer.json()["code"]) == (422, "command_reused"), other
        assert answer.json()["index"] == index
    assert StorageEvent.objects.count() == stored
    again = _keyed(api, sent).json()["results"]
    assert [result.get("replayed") for result in again] == [None, True, True]
    assert again[1:] == [r | {"replayed": True} for r in first.json()["results"][1:]]


def test_what_was_refused_may_be_put_right_under_the_same_key(
    api: APIClient, add: Callable[..., str]
) -> None:
    added = {"command": "add", "body": ADD}
    assert statuses(_keyed(api, [added, 5])) == [201, 400]
    answer = _keyed(api, [added, item(add(), "invite")])
    assert statuses(answer) == [201, 200]
    assert [result["replayed"] for result in answer.json()["results"]] == [True, False]


def test_who_may_do_less_by_now_is_told_so_and_not_that_the_key_was_used(
    api: APIClient, add: Callable[..., str], recruiter: User, client_of: Callable[..., APIClient]
) -> None:
    sent = [{"command": "add", "body": ADD}, item(add(), "invite")]
    assert statuses(_keyed(api, sent)) == [201, 200]
    recruiter.groups.clear()
    recruiter.user_permissions.set(Permission.objects.filter(codename="decide"))
    answer = _keyed(client_of(User.objects.get(pk=recruiter.pk)), sent)
    assert statuses(answer) == [403, 200]


@pytest.mark.parametrize("wrong", [5, None, "add", [], {}, {"command": "hire"}])
def test_an_item_that_is_no_command_has_a_result_of_its_own(api: APIClient, wrong: Any) -> None:
    answer = api.post(BATCH, {"commands": [wrong, {"command": "add", "body": ADD}]})
    assert statuses(answer) == [400, 201]


def test_a_command_without_its_candidate_says_what_is_missing(api: APIClient) -> None:
    answer = api.post(BATCH, {"commands": [{"command": "note", "body": {"text": "x"}}]})
    (error,) = answer.json()["results"][0]["problem"]["errors"]
    assert (error["pointer"], error["code"]) == ("/candidate_id", "required")


def broken_by_newer_code(url: str) -> None:
    """Stores an event of a type that this code does not know."""
    recorded = event_store().read_stream(id_in(url))[-1]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {StorageEvent._meta.db_table} (event_id, stream_id, event_type, version, "
            "stream_type, schema_version, data, metadata, occurred_at, recorded_at, hash) "
            "SELECT %s, stream_id, 'candidate.unheard', version + 1, stream_type, schema_version, "
            f"data, metadata, occurred_at, recorded_at, hash FROM {StorageEvent._meta.db_table} "
            "WHERE position = %s",
            [uuid4().hex if connection.vendor == "sqlite" else uuid4(), recorded.position],
        )


def broken_by_a_lost_key(url: str) -> None:
    other = Keyring([b"another key, of 32 bytes length."]).new_key(id_in(url))[1]
    put_in_place_of(id_in(url), other)


@pytest.mark.parametrize(
    ("break_it", "command", "body", "code"),
    [
        (broken_by_newer_code, "note", {"text": "x"}, "newer_event"),
        (broken_by_newer_code, "reject", {"reason": "other"}, "newer_event"),
        (broken_by_a_lost_key, "patch_profile", {"profile": {"a": 1}}, "key_missing"),
        (broken_by_a_lost_key, "note", {"text": "x"}, "key_unavailable"),
    ],
)
@pytest.mark.parametrize("keyed", [False, True])
def test_a_candidate_whose_events_cannot_be_read_is_one_commands_error(
    api: APIClient,
    add: Callable[..., str],
    break_it: Callable[[str], None],
    command: str,
    body: Any,
    code: str,
    keyed: bool,
) -> None:
    ann, bob, cid = add(), add(), add()
    break_it(bob)
    sent = {
        "commands": [
            item(ann, "note", body={"text": "x"}),
            item(bob, command, body=body),
            item(cid, "note", body={"text": "x"}),
        ]
    }
    headers = {"Idempotency-Key": "k"} if keyed else {}
    answer = api.post(BATCH, sent, headers=headers)
    status = 500 if code == "internal_error" else 503
    assert statuses(answer) == [200, status, 200]
    refused = answer.json()["results"][1]["problem"]
    assert (refused["status"], refused["code"]) == (status, code)
    if keyed:
        assert statuses(api.post(BATCH, sent, headers=headers)) == [200, status, 200]
    alone = api.post(f"{bob}{command}/", body) if status == 503 and command == "note" else None
    assert alone is None or (alone.status_code, alone.json()["code"]) == (status, code)


def test_what_was_carried_out_and_cannot_be_read_again_is_one_commands_error(
    api: APIClient, add: Callable[..., str]
) -> None:
    ann, bob = add(), add()
    sent = {"commands": [item(one, "note", body={"text": "x"}) for one in (ann, bob)]}
    key = {"Idempotency-Key": "k"}
    assert statuses(api.post(BATCH, sent, headers=key)) == [200, 200]
    broken_by_newer_code(bob)
    again = api.post(BATCH, sent, headers=key)
    assert statuses(again) == [200, 503]
    assert again.json()["results"][0]["replayed"] is True


def test_an_atomic_batch_names_the_place_of_what_cannot_be_read(
    api: APIClient, add: Callable[..., str]
) -> None:
    ann, bob = add(), add()
    broken_by_newer_code(bob)
    stored = StorageEvent.objects.count()
    sent = [item(one, "note", body={"text": "x"}) for one in (ann, bob)]
    answer = api.post(BATCH, {"commands": sent, "atomic": True})
    assert (answer.status_code, answer.json()["code"]) == (503, "newer_event")
    assert answer.json()["index"] == 1
    assert StorageEvent.objects.count() == stored


def test_whatever_fails_in_one_command_is_logged_and_the_others_are_carried_out(
    api: APIClient,
    add: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError("the secret of the rule")

    monkeypatch.setattr(Candidate, "invite", fail)
    url = add()
    sent = [item(url, "invite"), item(url, "note", body={"text": "x"})]
    answer = api.post(BATCH, {"commands": sent})
    assert statuses(answer) == [500, 200]
    assert answer.json()["results"][0]["problem"]["code"] == "internal_error"
    assert b"secret" not in answer.content
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert [r.exc_info and str(r.exc_info[1]) for r in errors] == ["the secret of the rule"]


def test_items_are_counted_before_one_is_looked_at(api: APIClient) -> None:
    refused = api.post(BATCH, {"commands": [0] * 300_000})
    assert errors_of(refused) == [("/commands", "max_length")]


def test_what_a_batch_does_not_know_is_refused_and_named(api: APIClient) -> None:
    sent = {"commands": [{"command": "add", "body": ADD}]}
    unknown = api.post(f"{BATCH}?x=1", sent)
    header = api.post(BATCH, sent, headers={"If-Match": '"1"'})
    assert nothing_is_written()
    assert errors_of(unknown) == [("/x", "invalid_parameter")]
    assert errors_of(header) == [("/If-Match", "unreadable_header")]


def test_a_repeat_needs_no_version_where_one_is_required(
    api: APIClient, add: Callable[..., str], settings: Any
) -> None:
    settings.REQUIRE_IF_MATCH = True
    url = add()
    first = item(url, "note", body={"text": "x"}, idempotency_key="n")
    assert statuses(api.post(BATCH, {"commands": [first | {"expected_version": 1}]})) == [200]
    again = api.post(BATCH, {"commands": [first]})
    assert statuses(again) == [200]
    assert again.json()["results"][0]["replayed"] is True
