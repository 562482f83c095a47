"""Pages of candidates, the newest first."""

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
        ("status=%ED%A0%80", "/status", "invalid_choice"),
        ("status=ADDED&status=INVITED", "/status", "invalid_parameter"),
        ("stauts=ADDED", "/stauts", "invalid_parameter"),
        ("format=json", "/format", "invalid_parameter"),
        ("%00=1", "/\\x00", "invalid_parameter"),
        ("a/b~c=1", "/a~1b~0c", "invalid_parameter"),
        ("cursor=", "/cursor", "invalid_parameter"),
        ("cursor=x", "/cursor", "invalid_cursor"),
        ("cursor=Zm9v", "/cursor", "invalid_cursor"),  # foo
        ("cursor=%FF", "/cursor", "invalid_cursor"),
        ("cursor=cD1h", "/cursor", "invalid_cursor"),  # p=a
        ("cursor=cD0x&cursor=cD0x", "/cursor", "invalid_parameter"),
        ("cursor=cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "/cursor", "invalid_cursor"),
        ("cursor=cj14JnA9MQ==", "/cursor", "invalid_cursor"),  # r=x&p=1
        ("cursor=cD0lMDA=", "/cursor", "invalid_cursor"),  # p=%00
        (f"cursor={'A' * 5000}", "/cursor", "invalid_cursor"),
    ],
)
def test_a_list_refuses_what_it_does_not_understand(
    api: APIClient, query: str, pointer: str, code: str
) -> None:
    answer = api.get(f"{URL}?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]
