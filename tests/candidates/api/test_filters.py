"""Lists of candidates narrowed down, searched, and in another order."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from rest_framework.test import APIClient

from candidates.application.commands import AddCandidate
from candidates.models import CandidateProjection
from tests.candidates.api.requests import URL
from tests.candidates.api.test_listing import _names, _names_of_all_pages
from tests.given import given


def _found(api: APIClient, query: str) -> set[str]:
    page = api.get(f"{URL}?{query}")
    assert page.status_code == 200, page.content
    return set(_names(page))


@pytest.fixture
def people(add: Callable[..., str]) -> None:
    add(
        score=90, name="ann", source="agency", position="Engineer", owner="Rita", tags=["Go", "C++"]
    )
    add(score=60.5, name="bob", source="event", position="Engineer", external_id="JOB-17")
    add(score=60, name="cleo", source="agency", position="Chief Engineer", tags=["Django"])
    add(score=10, name="dan", owner="Hugo", tags=["machine  learning", "Café"])


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("source=agency", {"ann", "cleo"}),
        ("source=Agency", set()),
        ("position=Engineer", {"ann", "bob"}),
        ("position=%20Engineer%20", {"ann", "bob"}),
        ("owner=Rita", {"ann"}),
        ("external_id=JOB-17", {"bob"}),
        ("external_id=JOB-1", set()),
        ("tag=go", {"ann"}),
        ("tag=c%2B%2B", {"ann"}),
        ("tag=Machine%20learning", {"dan"}),
        ("tag=learning", set()),
        ("tag=cafe", {"dan"}),
        ("tag=%25", set()),
        ("score_min=60.5", {"ann", "bob"}),
        ("score_max=60", {"cleo", "dan"}),
        ("score_max=6e1", {"cleo", "dan"}),
        ("score_max=6E%2B1&score_min=1e1", {"cleo", "dan"}),
        ("score_max=600e-1", {"cleo", "dan"}),
        ("score_min=20&score_max=70", {"bob", "cleo"}),
        ("score_min=70&score_max=20", set()),
        ("source=agency&score_max=60&status=ADDED&position=Chief%20Engineer", {"cleo"}),
        ("source=agency&owner=Hugo", set()),
    ],
)
def test_a_list_is_narrowed_down(api: APIClient, people: None, query: str, names: set[str]) -> None:
    assert _found(api, query) == names


def test_a_long_value_is_found_by_all_of_it(api: APIClient, add: Callable[..., str]) -> None:
    add(name="a", position="x" * 300)
    assert _found(api, f"position={'x' * 300}") == {"a"}


@pytest.mark.parametrize("key", ["source", "position", "owner", "external_id", "tag"])
def test_long_values_that_begin_alike_are_not_the_same(
    api: APIClient, add: Callable[..., str], key: str
) -> None:
    long = "é" * 200
    for name, value in [("a", f"{long}A"), ("b", f"\t{long}B\u3000"), ("c", long), ("d", "é")]:
        add(name=name, **({"tags": [value]} if key == "tag" else {key: value}))
    for text, names in [("A", {"a"}), ("B", {"b"}), ("", {"c"}), ("C", set()), ("AA", set())]:
        assert _found(api, f"{key}={quote(long + text)}") == names, text
    assert _found(api, f"{key}={quote('é')}") == {"d"}


@pytest.mark.parametrize("key", ["email", "emails", "phone", "phones"])
@pytest.mark.parametrize("front", [0, 186, 187, 190, 195, 199, 3000])
def test_an_address_or_a_number_is_found_wherever_it_stands_in_a_text(
    api: APIClient, add: Callable[..., str], key: str, front: int
) -> None:
    email = key.startswith("email")
    filler = "ab@x.example, " if email else "+49 30 9018201, "
    text = (filler * 300)[: front // len(filler) * len(filler)].ljust(front)
    whole, cut = ("eve.1@corp.com", "eve.1@corp.co") if email else ("04612345678", "0461234567")
    add(name="eve", **{key: text + whole})
    asked = "email" if email else "phone"
    assert _found(api, f"{asked}={whole}") == {"eve"}
    assert _found(api, f"{asked}={cut}") == set()
    assert _found(api, f"search={whole}") == {"eve"}


@pytest.mark.parametrize("key", ["phone", "phones", "mobile"])
def test_digits_without_end_are_kept_and_are_no_number(
    api: APIClient, add: Callable[..., str], key: str
) -> None:
    digits = "".join(random.Random(5).choices("123456789", k=9000))
    add(name="ann", **{key: digits})
    assert _found(api, f"phone={digits[:200]}") == set()
    assert _found(api, f"phone={digits[:1000]}") == set()


@pytest.mark.parametrize(
    ("typed", "searched"),
    [
        ({"name": "Sinéad O’Brien"}, ["O'Brien", "o’brien", "SINEAD", "brien sinead"]),
        ({"name": "Sinéad O'Brien"}, ["O’Brien", "O`BRIEN", "sinéad o'brien"]),
        ({"name": "Lucía Muñoz"}, ["munoz", "MUÑOZ", "Mun\u0303oz", "lucia muñoz", "uño"]),
        ({"name": "Mun\u0303oz"}, ["muñoz", "Munoz"]),
        ({"name": "Munoz"}, ["Muñoz"]),
        ({"name": "Weiß"}, ["weiss", "WEISS"]),
        ({"name": "Ольга Живаго"}, ["живаго", "ОЛЬГА"]),
        ({"name": "Li Wu"}, ["li wu", "Wu L"]),
        ({"name": "李伟"}, ["李伟"]),
        ({"name": "100 % Ann_x"}, ["100 %", "n_x"]),
        ({"first_name": "Ann", "last_name": "Smith"}, ["ann smith", "smi ann"]),
        ({"email": "Ann.Lee@Example.ORG"}, ["ann.lee@example.org", "ANN.LEE@", "example.org"]),
        (
            {"phone": "+49 (0)30 / 123-456"},
            ["+4930123456", "0049 30 123456", "030 123456", "(030) 123 456", "123-456", "1234"],
        ),
        ({"phone": "030/123456"}, ["030 123456", "٠٣٠ ١٢٣٤٥٦"]),
        (
            {"phone": "030/9018201"},
            [
                "+49 30 9018201",
                "0049 (0)30 9018201",
                "+49 (030) 9018201",
                "+٤٩ ٣٠ ٩٠١٨٢٠١",
                "＋49 30 9018201",
            ],
        ),
        ({"phone": "8 (495) 123-45-67"}, ["+7 495 123-45-67"]),
        ({"phone": "(555) 987-6543"}, ["+1 555 987 6543", "555.987.6543"]),
        ({"phone": "+49 (0171) 8654321"}, ["+49 171 8654321", "+49 (0171) 8654321"]),
        ({"phone": "tel:+49-171-7654321"}, ["tel:+49-171-7654321", "Tel. +49 171 7654321"]),
        (
            {"phone": "+1 (555) 777-6543 ext. 12"},
            ["+1 (555) 777-6543 ext. 12", "555 777 6543 x12", "+15557776543"],
        ),
        ({"external_id": "Job-2026-17"}, ["job-2026-17", "JOB-2026", "2026-17"]),
        ({"position": "Site reliability engineer"}, ["reliability"]),
        ({"location": "Köln"}, ["koln", "KÖLN"]),
        ({"tags": ["Django", "日本語"]}, ["django", "日本語"]),
        ({"name": "Tam", "tags": ["sql", "C#", "中国"]}, ["tam c#", "中国", "tam sq", "tam c"]),
    ],
)
def test_a_search_finds_what_was_typed_in_other_ways(
    api: APIClient, add: Callable[..., str], typed: dict[str, Any], searched: list[str]
) -> None:
    id = add(**typed).rsplit("/", 2)[1]
    add(name="Zed", email="zed@example.com", phone="+1 555 0100")
    for text in searched:
        rows = api.get(f"{URL}?search={quote(text)}").json()["results"]
        assert [row["id"] for row in rows] == [id], text


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("email=Ann@Ex%C3%A4mple.example", {"ann"}),
        ("email=ann@xn--exmple-cua.example", {"ann"}),
        ("email=ann@example.example", set()),
        ("email=ann@x.example", {"ann"}),
        ("email=strasse@x.example", set()),
        ("email=stra%C3%9Fe@X.example", {"bob"}),
        ("phone=%2B44%2020%207946%200018", {"ann", "bob"}),
        ("phone=+44%2020%207946%200018", {"ann", "bob"}),
        ("phone=02079460018", {"ann", "bob"}),
        ("phone=79460018", set()),
        ("phone=07700900123", {"ann"}),
        ("phone=02079460018&email=stra%C3%9Fe@x.example", {"bob"}),
        ("phone=02079460018&status=INVITED", set()),
    ],
)
def test_candidates_are_looked_up_by_any_of_their_addresses_and_numbers(
    api: APIClient, add: Callable[..., str], query: str, names: set[str]
) -> None:
    add(
        name="ann",
        email="ann@exämple.example",
        emails=["ann@x.example"],
        phone=["+44 20 7946 0018", "+44 7700 900123"],
    )
    add(name="bob", email="straße@x.example", phone="020 7946 0018")
    add(name="cleo", email="cleo@x.example", phone="+1 207 946 0018")
    add(name="dan")
    assert _found(api, query) == names


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("email=ann", "invalid_email"),
        ("email=ann@x.example,bob@x.example", "invalid_email"),
        ("phone=none", "invalid_phone"),
        ("phone=%2B", "invalid_phone"),
        ("email=", "invalid_parameter"),
        ("phone=1&phone=2", "invalid_parameter"),
        ("search=%E2%80%8B%C2%AD%E2%80%8E", "too_short"),
        ("search=o'-", "too_short"),
    ],
)
def test_what_nobody_can_be_looked_up_by_is_refused(api: APIClient, query: str, code: str) -> None:
    answer = api.get(f"{URL}?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == code


def test_two_letters_of_a_script_without_spaces_are_enough(
    api: APIClient, add: Callable[..., str]
) -> None:
    add(name="王小明")
    add(name="สมชาย")
    assert _found(api, f"search={quote('小明')}") == {"王小明"}
    assert _found(api, f"search={quote('ชา')}") == {"สมชาย"}


def test_a_search_by_id_finds_one(api: APIClient, add: Callable[..., str]) -> None:
    id = add(name="a").rsplit("/", 2)[1]
    add(name="b")
    assert _found(api, f"search={id.upper()}") == {"a"}


@pytest.mark.parametrize(
    "text",
    [
        "O'Bryan",
        "ann bob",
        "%%%",
        "___",
        "nobody",
        "12345678",
        "+44 30 1234567",
        "+4 1234567",
        "\\\\\\",
    ],
)
def test_a_search_finds_nobody_else(api: APIClient, add: Callable[..., str], text: str) -> None:
    add(name="Ann O'Brien", phone="+49 30 1234567")
    assert _found(api, f"search={quote(text)}") == set()


def test_a_search_of_accents_alone_finds_nobody_in_the_admin_either(
    add: Callable[..., str],
) -> None:
    add(name="a")
    assert not CandidateProjection.objects.search("\u0301\u0301\u0301").exists()


def _added(**hours: int) -> None:
    """Added in this order; each so many hours before noon of a day, in business time."""
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for name, ago in hours.items():
        at = noon - timedelta(hours=ago)
        given(AddCandidate(profile={"name": name}, score=50), occurred_at=at)


def test_times_of_adding_are_business_time_and_so_is_the_order(api: APIClient) -> None:
    _added(a=3, b=1, c=5, d=2)
    assert _names(api.get(URL)) == ["d", "c", "b", "a"]
    after, before = "added_after=2026-03-01T08:00:00Z", "added_before=2026-03-01T10:30:00Z"
    assert _names(api.get(f"{URL}?{after}")) == ["b", "d", "a"]
    assert _names(api.get(f"{URL}?{before}")) == ["d", "a", "c"]
    assert _names(api.get(f"{URL}?{after}&{before}")) == ["d", "a"]
    assert _names(api.get(f"{URL}?{before}&ordering=-score")) == ["d", "c", "a"]
    # Not the very moment, in whatever zone it is written.
    assert _names(api.get(f"{URL}?added_after=2026-03-01T12:00:00%2B01:00")) == []


@pytest.mark.parametrize(
    ("ordering", "names"),
    [
        ("-added", "edcba"),
        # Of equals the one added last, as everywhere where the largest come first.
        ("-score", "dbeac"),
        ("score", "caebd"),
        ("-added_at", "ecbda"),
        ("added_at", "adbce"),
        ("-changed", "aedcb"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 4])
def test_every_order_shows_each_once_forwards_and_backwards(
    api: APIClient, ordering: str, names: str, size: int
) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    added = [("a", 50, 9), ("b", 90, 5), ("c", 10, 2), ("d", 90, 8), ("e", 50, 1)]
    for name, score, ago in added:
        at = noon - timedelta(hours=ago)
        given(AddCandidate(profile={"name": name}, score=score), occurred_at=at)
    first = api.get(URL).json()["results"][-1]
    api.post(f"{URL}{first['id']}/note/", {"text": "a changed."})

    pages = _names_of_all_pages(api, f"{URL}?ordering={ordering}&page_size={size}")

    assert "".join(name for page in pages for name in page) == names
    assert all(len(page) == size for page in pages[:-1])
    url = f"{URL}?ordering={ordering}&page_size={size}"
    while following := api.get(url).json()["next"]:
        url = following
    back = _names_of_all_pages(api, url, "previous")
    assert "".join(name for page in reversed(back) for name in page) == names


def test_a_cursor_is_of_its_own_ordering(api: APIClient, add: Callable[..., str]) -> None:
    for name in "ab":
        add(name=name)
    following = api.get(f"{URL}?ordering=score&page_size=1").json()["next"]
    answer = api.get(following.replace("ordering=score", "ordering=-score"))
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "invalid_cursor")


def test_every_score_that_there_is_has_a_page_behind_it(api: APIClient) -> None:
    scores = [-0.0, 5e-324, 1e-7, 0.1, 1 / 3, 33.333333333333336, 1e-5, 99.99999999999999, 100]
    for score in scores:
        given(AddCandidate(profile={"name": repr(score)}, score=score))
    pages = _names_of_all_pages(api, f"{URL}?ordering=score&page_size=1")
    assert pages == [[repr(score)] for score in sorted(scores)]


ZEROS = ["0", "-0", "-0.0", "0.0", "0e99999", "0e00001", "-0e0", "0E-0", f"0.{'0' * 999}"]
ONES = ["1", "1.0", "1e0", "1e00000", "10e-1", "10E-01", f"1{'0' * 500}e-500"]
NO_NUMBERS = [
    "01",
    "00",
    "-00",
    "+1",
    ".5",
    "1.",
    "1e",
    "0x1",
    "1_0",
    "١",
    "1 ",
    " 1",
    "1\n",
    "nan",
]


@pytest.mark.parametrize(
    ("path", "name"),
    [("candidates", "score_min"), ("candidates", "score_max"), ("what-if", "threshold")],
)
def test_every_number_of_a_query_is_written_as_in_json(
    api: APIClient, path: str, name: str
) -> None:
    url = f"/api/v1/{path}/"
    for text in ZEROS + ONES:
        assert api.get(url, {name: text}).status_code == 200, text
    for text in [*NO_NUMBERS, "-1", "-1e-300", "100.00000000000001", "1e999", "9" * 5000]:
        answer = api.get(url, {name: text})
        assert answer.status_code == 400, text
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{name}"]


@pytest.mark.parametrize("text", ["01", "00", "-0", "1.0", "1e0", "+1", "١"])
@pytest.mark.parametrize("name", ["page_size", "changed_after"])
def test_a_whole_number_of_a_query_is_digits(api: APIClient, name: str, text: str) -> None:
    answer = api.get("/api/v1/candidates/", {name: text})
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{name}"]
