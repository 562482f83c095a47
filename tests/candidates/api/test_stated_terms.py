"""What a command may state beside its content: when it happened, and for whom it is given."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from tests.candidates.api.requests import ADD, COMMANDS, URL, errors_of, nothing_is_written

PAST = "2020-02-29T12:00:00.000001+05:30"


@pytest.fixture
def backdater(user_with: Callable[..., User], client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(user_with("add_candidate", "view_candidateprojection", "decide", "backdate"))


def test_business_time_may_be_stated_by_who_may_backdate(backdater: APIClient) -> None:
    added = backdater.post(URL, ADD | {"occurred_at": PAST})
    assert added.status_code == 201
    (event,) = backdater.get(f"{added['Location']}history/").json()["results"]
    assert event["occurred_at"] == "2020-02-29T06:30:00.000001Z"
    assert event["recorded_at"] > "2026"


@pytest.mark.parametrize(
    "stated",
    ["2017-01-01t00:00:00z", "2017-01-01T00:00:00-00:00", "2016-12-31t23:59:60.0000009z"],
)
def test_a_stated_time_is_read_as_rfc_3339_writes_it(backdater: APIClient, stated: str) -> None:
    added = backdater.post(URL, ADD | {"occurred_at": stated})
    (event,) = backdater.get(f"{added['Location']}history/").json()["results"]
    assert event["occurred_at"] == "2017-01-01T00:00:00Z"
    batch = {"commands": [{"command": "add", "body": ADD | {"occurred_at": stated}}]}
    assert backdater.post(f"{URL}commands/", batch).json()["results"][0]["status"] == 201


@pytest.mark.parametrize(
    ("stated", "stored"),
    [
        ("2020-02-29T12:00:00+23:59", "2020-02-28T12:01:00Z"),
        ("2020-02-29T12:00:00-23:59", "2020-03-01T11:59:00Z"),
    ],
)
def test_a_stated_time_may_have_any_offset(backdater: APIClient, stated: str, stored: str) -> None:
    added = backdater.post(URL, ADD | {"occurred_at": stated})
    assert added.status_code == 201
    assert backdater.get(added["Location"]).json()["added_at"] == stored


@pytest.mark.parametrize(("name", "body"), COMMANDS.items())
def test_who_may_not_backdate_is_refused(
    api: APIClient, add: Callable[..., str], name: str, body: dict[str, Any]
) -> None:
    url = add()
    answer = api.post(f"{url}{name}/", body | {"occurred_at": PAST})
    assert (answer.status_code, answer.json()["permission"]) == (403, "candidates.backdate")


@pytest.mark.parametrize(
    ("stated", "status", "code"),
    [
        ("2999-01-01T00:00:00Z", 409, "occurred_in_future"),
        ("2020-02-29T06:29:59Z", 409, "occurred_out_of_order"),
    ],
)
def test_a_time_that_cannot_be_is_refused(
    backdater: APIClient, stated: str, status: int, code: str
) -> None:
    url = backdater.post(URL, ADD | {"occurred_at": PAST})["Location"]
    answer = backdater.post(f"{url}invite/", {"occurred_at": stated})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


@pytest.mark.parametrize(
    ("stated", "code"),
    [
        ("2020-02-29T12:00:00", "naive_time"),
        ("2020-02-30T12:00:00Z", "invalid"),
        ("2020-02-29", "naive_time"),
        ("yesterday", "invalid"),
        ("2020-02-29t12:00:60z", "invalid"),
        ("20200229T120000Z", "invalid"),
        ("2020-W09-6T12:00:00Z", "invalid"),
        ("2020-060T12:00:00Z", "invalid"),
        ("2020-02-29 12:00:00Z", "invalid"),
        ("2020-02-29_12:00:00Z", "invalid"),
        ("2020-02-29T12:00:00,5Z", "invalid"),
        ("2020-02-29T12:00:00.Z", "invalid"),
        ("2020-02-29T12Z", "invalid"),
        ("2020-02-29T12:00:00+0100", "invalid"),
        ("2020-02-29T12:00:00+01", "invalid"),
        ("2020-02-29T12:00:00+01:00:30", "invalid"),
        ("2020-02-29T12:00:00+24:00", "invalid"),
        ("2020-02-29T24:00:00Z", "invalid"),
        ("2020-2-9T12:00:00Z", "invalid"),
        ("٢٠٢٠-02-29T12:00:00Z", "invalid"),
        ("2020-02-29T12:00:0０Z", "invalid"),  # a digit of full width
        ("2020-02-29T12:00:00Z\n", "invalid"),
        (" 2020-02-29T12:00:00Z", "invalid"),
        ("2020-02-29T12:00:00Z\x00", "invalid"),
        ("", "invalid"),
        (True, "invalid"),
        (["2020-02-29T12:00:00Z"], "invalid"),
        (1582977600, "invalid"),
        (None, "null"),
    ],
)
def test_what_is_no_instant_is_refused_by_name(
    backdater: APIClient, stated: Any, code: str
) -> None:
    answer = backdater.post(URL, ADD | {"occurred_at": stated})
    assert errors_of(answer) == [("/occurred_at", code)]
    item = {"command": "add", "body": ADD | {"occurred_at": stated}}
    (result,) = backdater.post(f"{URL}commands/", {"commands": [item]}).json()["results"]
    (error,) = result["problem"]["errors"]
    assert (result["status"], error["pointer"].endswith("/occurred_at")) == (400, True)
    assert error["code"] == code
    assert nothing_is_written()
    assert nothing_is_written()


def test_a_stated_time_is_part_of_what_a_key_stands_for(backdater: APIClient) -> None:
    def post(stated: str) -> Any:
        body = ADD | {"occurred_at": stated}
        return backdater.post(URL, body, headers={"Idempotency-Key": "once"})

    first = post(PAST)
    assert post("2020-02-29T06:30:00.000001Z")["Idempotent-Replayed"] == "true"
    assert post("2020-02-29T06:30:00Z").status_code == 422
    assert first.status_code == 201


def test_on_behalf_of_is_kept_beside_the_user_of_the_token(
    user_with: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    gateway = user_with(
        "add_candidate", "view_candidateprojection", "act_on_behalf", name="gateway"
    )
    api = client_of(gateway)
    added = api.post(URL, ADD, headers={"On-Behalf-Of": "rita"})
    (event,) = api.get(f"{added['Location']}history/").json()["results"]
    assert (event["actor"], event["on_behalf_of"]) == ("gateway", "rita")


def test_who_may_not_act_on_behalf_is_refused(api: APIClient) -> None:
    answer = api.post(URL, ADD, headers={"On-Behalf-Of": "rita"})
    assert (answer.status_code, answer.json()["permission"]) == (403, "candidates.act_on_behalf")
    assert nothing_is_written()


@pytest.mark.parametrize("name", ["", " ", "é", "x" * 151, "a\tb"])
def test_a_name_that_cannot_be_read_is_refused_by_the_header(api: APIClient, name: str) -> None:
    answer = api.post(URL, ADD, headers={"On-Behalf-Of": name})
    assert errors_of(answer) == [("/On-Behalf-Of", "unreadable_header")]


def test_where_if_match_is_required_a_command_without_it_is_refused(
    api: APIClient, add: Callable[..., str], settings: Any
) -> None:
    settings.REQUIRE_IF_MATCH = True
    url = add()
    refused = api.post(f"{url}invite/")
    assert (refused.status_code, refused.json()["code"]) == (428, "precondition_required")
    assert api.post(f"{url}standby/", headers={"If-Match": '"1"'}).status_code == 200
    assert api.post(f"{url}invite/", headers={"If-Match": "*"}).status_code == 200


def test_a_repeat_is_answered_before_if_match_is_asked_for(
    api: APIClient, add: Callable[..., str], settings: Any
) -> None:
    settings.REQUIRE_IF_MATCH = True
    url, key = f"{add()}note/", {"Idempotency-Key": "k"}
    assert api.post(url, {"text": "x"}, headers=key).status_code == 428
    first = api.post(url, {"text": "x"}, headers={**key, "If-Match": '"1"'})
    again = api.post(url, {"text": "x"}, headers=key)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again["Idempotent-Replayed"] == "true"
    assert api.post(url, {"text": "y"}, headers=key).status_code == 422
