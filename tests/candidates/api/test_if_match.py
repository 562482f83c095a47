"""The version that a command was decided on."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from candidates.application.projector import SCHEMA
from candidates.models import CandidateProjection
from eventstore.models import StorageEvent
from tests.candidates.api.requests import ADD, COMMANDS, URL, errors_of
from tests.threads import all_decide_before_any_appends, together


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
        f'"x", "1-{SCHEMA}"',
        '"x","1"',
        ' , "x" , , W/"1-7",',
        '"7-3", "1"',
        '"a,b", "1"',
        '"1", "1"',
        "*, *",
        "*,",
    ],
)
def test_one_of_a_list_will_do(api: APIClient, add: Callable[..., str], header: str) -> None:
    assert api.post(f"{add()}invite/", headers={"If-Match": header}).status_code == 200


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        (",", None),
        ('"x"', None),
        ('W/"x"', None),
        ('""', None),
        ('"-1"', None),
        ('"1-"', None),
        ('"1.0"', None),
        ('"1-1-gzip"', None),
        ('"²"', None),
        ('"*"', None),
        ('"1\\"', None),
        ('"' + "1" * 10 + '"', None),
        ('"' + "1" * 5_000 + '"', None),
        (", ".join(f'"x{i}"' for i in range(5_000)), None),
        ('"x", "7-3"', 7),
        ('"2", "7"', 7),
        ('"0"', 0),
    ],
    ids=lambda value: str(value)[:20],
)
def test_tags_of_another_version_or_of_something_else_are_stale(
    api: APIClient, add: Callable[..., str], header: str, expected: int | None
) -> None:
    url = add()
    for path in (f"{url}invite/", f"{url}profile/"):
        send = api.patch if path.endswith("profile/") else api.post
        answer = send(path, {}, headers={"If-Match": header})
        assert (answer.status_code, answer.json()["code"]) == (412, "stale_version")
        assert (answer.json()["expected"], answer.json()["current_version"]) == (expected, 1)
    assert StorageEvent.objects.count() == 1


@pytest.mark.parametrize(
    "header",
    [
        *("1", "1-1", '"1', "'1'", 'w/"1"', '"1"\x00', '"1" "2"', '"1";', '"1"x', "*x", '*, "1"'),
        *('"a b"', 'W/ "1"', "**", '"1' * 10_000),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_no_list_of_tags_is_refused_by_name(
    api: APIClient, add: Callable[..., str], header: str
) -> None:
    url = add()
    for answer in (
        api.post(f"{url}invite/", headers={"If-Match": header}),
        api.get(url, headers={"If-Match": header}),
    ):
        (error,) = answer.json()["errors"]
        assert answer.status_code == 400
        assert (error["pointer"], error["code"]) == ("/If-Match", "unreadable_header")
    assert StorageEvent.objects.count() == 1


@pytest.mark.parametrize("method", ["get", "head"])
@pytest.mark.parametrize(
    ("match", "none_match", "status"),
    [
        ("{tag}", None, 200),
        ('"x", {tag}', None, 200),
        ('"2"', None, 200),
        ("W/{tag}", None, 200),
        ("*", None, 200),
        ('"1"', None, 412),
        ('"x"', None, 412),
        ("", None, 412),
        (None, "{tag}", 304),
        (None, "W/{tag}", 304),
        (None, '"x", {tag}', 304),
        (None, '"a,b",{tag}', 304),
        (None, "*", 304),
        (None, '"x"', 200),
        (None, '"2"', 200),
        (None, "", 200),
        (None, "garbage", 200),
        (None, '"2-{schema}', 200),
        # The first of the two decides first.
        ("{tag}", "{tag}", 304),
        ("{tag}", '"x"', 200),
        ('"x"', "{tag}", 412),
        ('"x"', '"x"', 412),
        ("*", "*", 304),
    ],
)
def test_a_read_is_answered_under_its_conditions(
    api: APIClient,
    add: Callable[..., str],
    method: str,
    match: str | None,
    none_match: str | None,
    status: int,
) -> None:
    url = add()
    tag = api.post(f"{url}standby/")["ETag"]
    given = {"If-Match": match, "If-None-Match": none_match}
    headers = {
        name: text.replace("{tag}", tag).replace("{schema}", str(SCHEMA))
        for name, text in given.items()
        if text is not None
    }
    answer = getattr(api, method)(url, headers=headers)
    assert answer.status_code == status
    assert answer.get("ETag") == (None if status == 412 else tag)
    if status == 412 and method == "get":
        assert answer.json()["code"] == "precondition_failed"


@pytest.mark.parametrize(
    "path", ["", "{id}/history/", "{id}/?version=1", "../statistics/", "../what-if/?threshold=1"]
)
def test_what_has_no_tag_matches_none(api: APIClient, add: Callable[..., str], path: str) -> None:
    id = add().split("/")[-2]
    url = URL + path.replace("{id}", id)
    url = url.replace("candidates/../", "")
    assert api.get(url, headers={"If-Match": '"1"'}).status_code == 412
    assert api.get(url, headers={"If-Match": "*"}).status_code == 200
    # A request that is refused for another reason keeps its status, whatever If-Match says.
    assert api.get(f"{url.partition('?')[0]}?x=1", headers={"If-Match": '"1"'}).status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "candidates/",
        "candidates/{id}/",
        "candidates/{id}/?version=1",
        "candidates/{id}/history/",
        "statistics/",
        "what-if/?threshold=1",
        "events/",
        "schema/",
        "docs/",
    ],
)
def test_what_is_no_list_of_tags_is_refused_by_every_read(
    add: Callable[..., str],
    user_in: Callable[..., User],
    client_of: Callable[..., APIClient],
    path: str,
) -> None:
    # The log is not read in the transaction that has appended to it.
    url = "/api/v1/" + (path.replace("{id}", add().split("/")[-2]) if "{id}" in path else path)
    reader = client_of(user_in("Recruiters", "Operators", name="ruth"))
    accept = {"Accept": "text/html"} if path == "docs/" else {}
    for header in ("1", "x", '"1', '"1" "2"', '*, "1"', "W/1"):
        answer = reader.get(url, headers={"If-Match": header, **accept})
        assert errors_of(answer) == [("/If-Match", "unreadable_header")]
    assert reader.get(url, headers={"If-Match": '"x"', **accept}).status_code == 412
    assert reader.get(url, headers={"If-Match": "*", **accept}).status_code == 200


def test_a_candidate_that_is_only_being_added_has_no_version_to_match(api: APIClient) -> None:
    answer = api.post(URL, ADD, headers={"If-Match": "*"})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"] == "/If-Match"
    assert not StorageEvent.objects.exists()


@pytest.mark.parametrize("header", ['"1"', f'"1-{SCHEMA}"', '"0"', '"99"', '"999999999-1"'])
@pytest.mark.parametrize(("name", "body"), COMMANDS.items())
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

    answers: list[Any] = together(2, decide)
    first, second = answers

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
