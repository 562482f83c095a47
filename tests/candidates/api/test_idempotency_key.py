"""A command that comes again is answered again and carried out once."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from candidates.models import CandidateProjection
from eventstore.models import StorageEvent
from tests.candidates.api.requests import ADD, COMMANDS, URL
from tests.processes import killed
from tests.threads import all_decide_before_any_appends, together

TWINS = 20


def _same(first: Any, again: Any) -> bool:
    return all(
        getattr(first, part) == getattr(again, part) for part in ("status_code", "content")
    ) and all(first.get(name) == again.get(name) for name in ("ETag", "Location", "Content-Type"))


def _ready_for(name: str, api: APIClient, url: str) -> None:
    if name == "undo":
        assert api.post(f"{url}invite/").status_code == 200


def test_adding_again_with_the_same_key_is_answered_as_the_first_time(api: APIClient) -> None:
    first = api.post(URL, ADD, headers={"Idempotency-Key": "once"})
    api.post(f"{first['Location']}invite/")
    again = api.post(URL, ADD, headers={"Idempotency-Key": "once"})
    assert first.status_code == 201
    assert _same(first, again)
    assert (first.get("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (None, "true")
    assert StorageEvent.objects.count() == 2


@pytest.mark.parametrize(("name", "body"), COMMANDS.items())
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


def _killed_before_the_answer(url: str, body: dict[str, Any], key: str) -> None:
    """A process that carries the command out for rita and is killed behind the commit."""
    killed(f"""
from django.contrib.auth.models import User
from rest_framework.test import APIClient
from eventstore.infrastructure.messaging.local import LocalEventPublisher
LocalEventPublisher.publish = reach
client = APIClient(SERVER_NAME="localhost")
client.force_authenticate(User.objects.get(username="rita"))
client.post({url!r}, {body!r}, headers={{"Idempotency-Key": {key!r}}})
""")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("batch", [False, True])
def test_who_sends_again_what_was_killed_before_its_answer_gets_that_answer(
    api: APIClient, batch: bool
) -> None:
    url = f"{URL}commands/" if batch else URL
    body = {"commands": [{"command": "add", "body": ADD}]} if batch else ADD
    _killed_before_the_answer(url, body, "once")
    assert (StorageEvent.objects.count(), CandidateProjection.objects.count()) == (1, 0)

    first = api.post(url, body, headers={"Idempotency-Key": "once"})
    again = api.post(url, body, headers={"Idempotency-Key": "once"})

    added = StorageEvent.objects.get()
    result = first.json()["results"][0]["result"] if batch else first.json()
    assert first.status_code == (200 if batch else 201)
    assert (result["id"], result["position"]) == (str(added.stream_id), added.position)
    assert _same(first, again)
    # What the killed process did not show is shown now.
    row = CandidateProjection.objects.get()
    assert (row.pk, row.version) == (added.stream_id, 1)

    _killed_before_the_answer(f"{URL}{row.pk}/invite/", {}, "twice")
    api.post(f"{URL}{row.pk}/note/", {"text": "Meanwhile."})
    invited = api.post(f"{URL}{row.pk}/invite/", headers={"Idempotency-Key": "twice"})
    assert (invited.json()["version"], invited["Idempotent-Replayed"]) == (2, "true")
    assert StorageEvent.objects.count() == 3
    assert CandidateProjection.objects.get().version == 3
