"""Pages of candidates, the newest first."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.candidates.api.requests import URL


def _names(page: Any) -> list[str]:
    return [row["profile"]["name"] for row in page.json()["results"]]


def _names_of_all_pages(api: APIClient, url: str | None, towards: str = "next") -> list[list[str]]:
    pages = []
    while url:
        page = api.get(url)
        assert page.status_code == 200
        pages.append(_names(page))
        url = page.json()[towards]
    return pages


def _cursor(text: str) -> str:
    """As a page's link has it."""
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_a_list_shows_the_newest_first(api: APIClient, add: Callable[..., str]) -> None:
    urls = [add(name=name) for name in "abc"]
    api.post(f"{urls[0]}note/", {"text": "A change moves nobody."})
    page = api.get(URL)
    assert (page.status_code, _names(page)) == (200, ["c", "b", "a"])
    assert (page.json()["next"], page.json()["previous"]) == (None, None)
    assert page.json()["results"][2] == api.get(urls[0]).json()


def test_an_empty_list_is_a_page(api: APIClient) -> None:
    assert api.get(URL).json() == {"next": None, "previous": None, "results": []}


def test_pages_show_each_candidate_once_though_more_are_added_meanwhile(
    api: APIClient, add: Callable[..., str]
) -> None:
    for name in "abcde":
        add(name=name)
    first = api.get(f"{URL}?page_size=2")
    add(name="f")
    assert _names(first) == ["e", "d"]
    assert _names_of_all_pages(api, first.json()["next"]) == [["c", "b"], ["a"]]
    last = api.get(api.get(first.json()["next"]).json()["next"])
    assert _names_of_all_pages(api, last.json()["previous"], "previous") == [
        ["c", "b"],
        ["e", "d"],
        ["f"],
    ]


def test_pages_may_be_filtered(api: APIClient, add: Callable[..., str]) -> None:
    for name in "abcd":
        url = add(name=name)
        if name in "acd":
            api.post(f"{url}invite/")
    pages = _names_of_all_pages(api, f"{URL}?status=INVITED&page_size=2")
    assert pages == [["d", "c"], ["a"]]
    assert _names(api.get(f"{URL}?status=ADDED")) == ["b"]
    assert _names(api.get(f"{URL}?status=REJECTED")) == []


def test_a_retracted_candidate_is_listed_only_on_request(
    api: APIClient, add: Callable[..., str]
) -> None:
    url = add(name="a")
    add(name="b")
    api.post(f"{url}retract/", {"why": "Added twice."})
    assert _names(api.get(URL)) == ["b"]
    assert _names(api.get(f"{URL}?status=RETRACTED")) == ["a"]
    assert api.get(url).json()["status"] == "RETRACTED"


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("search=ab", "/search", "too_short"),
        ("search=%20a%20", "/search", "too_short"),
        ("search=%CC%81%CC%81%CC%81", "/search", "too_short"),  # three accents on nothing
        ("search=%E6%9D%8E", "/search", "too_short"),  # one ideograph
        ("search=%EF%BD%81%EF%BD%82", "/search", "too_short"),  # a and b, wide
        (f"search={'a' * 201}", "/search", "too_long"),
        ("search=ann%00", "/search", "nul_character"),
        ("search=", "/search", "invalid_parameter"),
        ("search=ann&search=bob", "/search", "invalid_parameter"),
        ("source=%20", "/source", "too_short"),
        ("owner=%00", "/owner", "nul_character"),
        ("tag=", "/tag", "invalid_parameter"),
        ("external_id=a&external_id=b", "/external_id", "invalid_parameter"),
        (f"position={'x' * 1001}", "/position", "too_long"),
        ("score_min=-1", "/score_min", "out_of_range"),
        ("score_min=100.1", "/score_min", "out_of_range"),
        ("score_max=nan", "/score_max", "out_of_range"),
        ("score_max=7e2", "/score_max", "out_of_range"),
        ("score_max=%D9%A7", "/score_max", "out_of_range"),
        ("added_after=2026-03-01", "/added_after", "unreadable_time"),
        ("added_after=2026-03-01T12:00:00", "/added_after", "unreadable_time"),
        ("added_before=2026-02-30T12:00:00Z", "/added_before", "unreadable_time"),
        ("added_before=0001-01-01T00:00:00%2B14:00", "/added_before", "unreadable_time"),
        ("changed_after=-1", "/changed_after", "out_of_range"),
        (f"changed_after={2**63}", "/changed_after", "out_of_range"),
        ("changed_after=x", "/changed_after", "out_of_range"),
        ("ordering=name", "/ordering", "invalid_choice"),
        ("ordering=--added", "/ordering", "invalid_choice"),
        ("ordering=", "/ordering", "invalid_parameter"),
        ("count=yes", "/count", "invalid_choice"),
        ("count=", "/count", "invalid_parameter"),
        ("page_size=0", "/page_size", "out_of_range"),
        ("page_size=201", "/page_size", "out_of_range"),
        ("page_size=-1", "/page_size", "out_of_range"),
        ("page_size=x", "/page_size", "out_of_range"),
        ("page_size=%C2%B2", "/page_size", "out_of_range"),
        (f"page_size={'9' * 5000}", "/page_size", "out_of_range"),
        (f"page_size={'0' * 5000}1", "/page_size", "out_of_range"),
        ("page_size=", "/page_size", "invalid_parameter"),
        ("page_size=1&page_size=2", "/page_size", "invalid_parameter"),
        ("status=", "/status", "invalid_parameter"),
        ("status=added", "/status", "invalid_choice"),
        ("status=%00", "/status", "invalid_choice"),
        ("status=%ED%A0%80", "/status", "not_utf8"),
        ("status=ADDED&status=INVITED", "/status", "invalid_parameter"),
        ("stauts=ADDED", "/stauts", "invalid_parameter"),
        ("format=json", "/format", "invalid_parameter"),
        ("%00=1", "/\\x00", "invalid_parameter"),
        ("a/b~c=1", "/a~1b~0c", "invalid_parameter"),
        ("cursor=", "/cursor", "invalid_parameter"),
        ("cursor=x", "/cursor", "invalid_cursor"),
        ("cursor=Zm9v", "/cursor", "invalid_cursor"),  # foo
        ("cursor=%FF", "/cursor", "not_utf8"),
        ("cursor=cD1h", "/cursor", "invalid_cursor"),  # p=a
        ("cursor=cD0x&cursor=cD0x", "/cursor", "invalid_parameter"),
        ("cursor=cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "/cursor", "invalid_cursor"),
        ("cursor=cj14JnA9MQ==", "/cursor", "invalid_cursor"),  # r=x&p=1
        ("cursor=cD0lMDA=", "/cursor", "invalid_cursor"),  # p=%00
        (f"cursor={'A' * 5000}", "/cursor", "invalid_cursor"),
        (f"cursor={_cursor('-added|on|x')}", "/cursor", "invalid_cursor"),
        (f"cursor={_cursor('-added|on')}", "/cursor", "invalid_cursor"),
        (f"cursor={_cursor('-added|on|1|2')}", "/cursor", "invalid_cursor"),
        (f"cursor={_cursor('-added|up|1')}", "/cursor", "invalid_cursor"),
        (f"cursor={_cursor('-added|on|9999999999999999999')}", "/cursor", "invalid_cursor"),
        (f"cursor={_cursor('name|on|1')}", "/cursor", "invalid_cursor"),
        (f"cursor={_cursor('-score|on|80.0|1')}", "/cursor", "invalid_cursor"),
        (f"ordering=score&cursor={_cursor('-score|on|80.0|1')}", "/cursor", "invalid_cursor"),
        (f"ordering=score&cursor={_cursor('score|on|nan|1')}", "/cursor", "invalid_cursor"),
        (f"ordering=score&cursor={_cursor('score|on|80.0')}", "/cursor", "invalid_cursor"),
        (
            f"ordering=added_at&cursor={_cursor('added_at|on|2026-01-01T00:00:00|1')}",
            "/cursor",
            "invalid_cursor",
        ),
        (
            f"ordering=added_at&cursor={_cursor('added_at|on|0001-01-01T00:00:00+14:00|1')}",
            "/cursor",
            "invalid_cursor",
        ),
    ],
)
def test_a_list_refuses_what_it_does_not_understand(
    api: APIClient, query: str, pointer: str, code: str
) -> None:
    answer = api.get(f"{URL}?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


def test_wrong_parameters_are_all_named(api: APIClient) -> None:
    answer = api.get(f"{URL}?score_min=x&added_after=yesterday&search=a")
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert (answer.status_code, pointers) == (400, {"/score_min", "/added_after", "/search"})


def test_a_list_is_counted_on_request_alone(api: APIClient, add: Callable[..., str]) -> None:
    for name in "abc":
        add(name=name)
    assert "count" not in api.get(URL).json()
    assert "count" not in api.get(f"{URL}?count=false").json()
    page = api.get(f"{URL}?count=true&page_size=1").json()
    assert (page["count"], page["count_is_capped"], len(page["results"])) == (3, False, 1)
    # Of the whole list, not of what is left of it.
    page = api.get(page["next"]).json()
    assert (page["count"], page["results"][0]["profile"]["name"]) == (3, "b")


def test_a_count_goes_no_further_than_its_cap(
    api: APIClient, add: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("candidates.api.pagination.COUNTED", 2)
    for name in "abc":
        add(name=name)
    page = api.get(f"{URL}?count=true").json()
    assert (page["count"], page["count_is_capped"], len(page["results"])) == (2, True, 3)
    page = api.get(f"{URL}?count=true&search=nobody").json()
    assert (page["count"], page["count_is_capped"]) == (0, False)
