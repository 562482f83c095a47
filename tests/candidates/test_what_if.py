"""What another threshold would change: asked by command and API, changing nothing."""

import csv
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from candidates.application.commands import (
    InviteCandidate,
    MoveCandidateToStandby,
    RejectCandidate,
    RetractCandidate,
    UndoDecision,
)
from candidates.application.what_if import WhatIf, read_threshold
from candidates.domain.events import RejectionReason, Status
from candidates.models import CandidateProjection
from candidates.wiring import what_if
from eventstore.domain.exceptions import InvalidValue
from eventstore.models import StorageEvent
from tests.factories import add
from tests.given import given

URL = "/api/v1/what-if/"
HEADER = ["id", "name", "status", "score", "outcome"]

pytestmark = pytest.mark.django_db
BAD_THRESHOLDS = [
    *("nan", "inf", "-inf", "", " ", "x", "75%", "7,5", "1_0", " 75", "75 ", "+75", "1e", "0x10"),
    *(
        "٧٥",
        "¾",
        "75.",
        ".5",
        "--",
        "75\n",
        "\x00",
        "75\x00",
        "-1",
        "100.0001",
        "101",
        "9" * 5000,
        "1e3",
        "1e999",
    ),
]


def candidate(name: str, score: float, *decisions: Callable[[UUID], Any]) -> UUID:
    id = given(add(candidate_id=uuid4(), profile={"name": name}, score=score)).candidate_id
    for decide in decisions:
        given(decide(id))
    return id


def standby(id: UUID) -> Any:
    return MoveCandidateToStandby(candidate_id=id)


def invite(id: UUID) -> Any:
    return InviteCandidate(candidate_id=id)


def reject(id: UUID) -> Any:
    return RejectCandidate(candidate_id=id, reason=RejectionReason.OTHER)


def undo(id: UUID) -> Any:
    return UndoDecision(candidate_id=id, version=2)


def retract(id: UUID) -> Any:
    return RetractCandidate(candidate_id=id, why="Added twice.")


@pytest.fixture
def candidates() -> dict[str, UUID]:
    """By name, which says status and score, in the order in which they were added."""
    return {
        name: candidate(name, score, *decisions)
        for name, score, decisions in [
            ("added 59.9", 59.9, ()),
            ("added 60", 60.0, ()),
            ("added 90", 90.0, ()),
            ("standby 60", 60.0, (standby,)),
            ("standby 59", 59.0, (standby,)),
            ("invited 75", 75.0, (invite,)),
            ("invited 80", 80.0, (standby, invite)),
            ("undone 80", 80.0, (invite, undo)),
            ("rejected 90", 90.0, (reject,)),
            ("retracted 90", 90.0, (retract,)),
        ]
    }


@pytest.fixture
def api(user_in: Callable[..., User], client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(user_in("Viewers"))


def run(threshold: str, **options: Any) -> list[str]:
    """The lines on standard output."""
    out = io.StringIO()
    call_command("what_if", f"--threshold={threshold}", stdout=out, **options)
    return out.getvalue().splitlines()


def lines_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@pytest.fixture
def everything_stays() -> Iterator[None]:
    def look() -> tuple[Any, ...]:
        rows = CandidateProjection.objects.order_by("pk").values_list()
        return StorageEvent.objects.count(), list(rows)

    before = look()
    yield
    assert look() == before


def test_a_lower_threshold_is_passed_by_more_who_wait_for_a_decision(
    candidates: dict[str, UUID], everything_stays: None
) -> None:
    assert what_if(60.0) == WhatIf(
        threshold=60.0,
        would_pass={Status.ADDED: 3, Status.STANDBY: 1},
        would_not_pass={Status.INVITED: 0},
        candidates={Status.ADDED: 4, Status.STANDBY: 2, Status.INVITED: 2},
    )


def test_a_higher_threshold_is_not_passed_by_some_who_are_invited(
    candidates: dict[str, UUID], everything_stays: None
) -> None:
    assert what_if(80.0) == WhatIf(
        threshold=80.0,
        would_pass={Status.ADDED: 2, Status.STANDBY: 0},
        would_not_pass={Status.INVITED: 1},
        candidates={Status.ADDED: 4, Status.STANDBY: 2, Status.INVITED: 2},
    )


@pytest.mark.parametrize(("threshold", "passing"), [(0.0, (4, 2)), (100.0, (0, 0))])
def test_the_ends_of_the_scale_are_thresholds_too(
    candidates: dict[str, UUID], threshold: float, passing: tuple[int, int]
) -> None:
    assert tuple(what_if(threshold).would_pass.values()) == passing


def test_without_candidates_every_count_is_there_and_zero() -> None:
    answer = what_if(75.0)
    assert set(answer.candidates.values()) == {0}
    assert run("75") == [
        "at 75.0, 0 of 0 ADDED and 0 of 0 STANDBY would pass",
        "at 75.0, 0 of 0 INVITED would not pass",
    ]


def test_the_command_says_how_many(candidates: dict[str, UUID], everything_stays: None) -> None:
    assert run("80") == [
        "at 80.0, 2 of 4 ADDED and 0 of 2 STANDBY would pass",
        "at 80.0, 1 of 2 INVITED would not pass",
    ]


def test_the_command_writes_down_who_they_are_the_highest_score_first(
    candidates: dict[str, UUID], everything_stays: None, tmp_path: Path
) -> None:
    file = tmp_path / "what if.csv"
    assert run("80", file=file)[-1] == f"3 candidates written to {file}"
    assert lines_of(file) == [
        HEADER,
        [str(candidates["added 90"]), "added 90", "ADDED", "90.0", "would pass"],
        [str(candidates["undone 80"]), "undone 80", "ADDED", "80.0", "would pass"],
        [str(candidates["invited 75"]), "invited 75", "INVITED", "75.0", "would not pass"],
    ]
    assert os.listdir(tmp_path) == ["what if.csv"]


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "what_if.csv"
    run("80", file=file)
    assert lines_of(file) == [HEADER]
    assert file.stat().st_mode & 0o777 == 0o600


def test_names_come_as_they_are_and_never_as_a_formula(tmp_path: Path) -> None:
    for name in ('Ann "Ω" Müller, Dr.', "=1+1", "@SUM(A1)", "-1", "+1", "a=1", "two\nlines", ""):
        candidate(name, 80)
    file = tmp_path / "what_if.csv"
    run("80", file=file)
    assert [line[1] for line in lines_of(file)[1:]] == [
        *('Ann "Ω" Müller, Dr.', "'=1+1", "'@SUM(A1)", "'-1", "'+1", "a=1", "two\nlines", ""),
    ]


def test_a_file_that_is_there_is_replaced_as_a_whole(
    candidates: dict[str, UUID], tmp_path: Path
) -> None:
    file, link = tmp_path / "what_if.csv", tmp_path / "link.csv"
    file.write_text("something longer than what comes\n" * 1000)
    link.symlink_to(file)
    run("80", file=link)
    assert len(lines_of(file)) == 4
    assert link.is_symlink()


def test_what_breaks_off_leaves_the_file_as_it_was(
    candidates: dict[str, UUID], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "what_if.csv"
    file.write_text("as it was")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CommandError, match=r"what_if\.csv cannot be written: No space left"):
        run("80", file=file)
    assert file.read_text() == "as it was"
    assert os.listdir(tmp_path) == ["what_if.csv"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("missing/what_if.csv", "No such file or directory"),
        (".", "it is not a file"),
        ("file/what_if.csv", "Not a directory"),
        ("pipe", "it is not a file"),
        ("x" * 300, "File name too long"),
    ],
)
def test_a_file_that_cannot_be_written_is_named_with_the_reason(
    tmp_path: Path, path: str, words: str
) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CommandError, match=f"cannot be written: {words}"):
        run("80", file=tmp_path / path)
    assert sorted(os.listdir(tmp_path)) == ["file", "pipe"]


@pytest.mark.parametrize("text", BAD_THRESHOLDS)
def test_a_threshold_is_a_plain_number_from_0_to_100(text: str) -> None:
    with pytest.raises(InvalidValue, match="number from 0 to 100"):
        read_threshold(text)


@pytest.mark.parametrize("text", ["nan", "101", "-1", "text", ""])
def test_the_command_refuses_a_threshold_that_will_not_do(text: str) -> None:
    with pytest.raises(CommandError, match="--threshold: A threshold is a number from 0 to 100"):
        run(text)


def test_the_command_needs_a_threshold() -> None:
    with pytest.raises(CommandError, match="--threshold"):
        call_command("what_if")


@pytest.mark.parametrize(
    ("text", "number"), [("0", 0.0), ("75", 75.0), ("72.5", 72.5), ("100.0", 100.0), ("7e0", 7.0)]
)
def test_a_number_in_digits_is_a_threshold(text: str, number: float) -> None:
    assert read_threshold(text) == number


def test_the_api_counts_and_lists_them_page_by_page(
    api: APIClient, candidates: dict[str, UUID], everything_stays: None
) -> None:
    first = api.get(f"{URL}?threshold=80&page_size=2").json()
    second = api.get(first["next"]).json()
    counts = {
        "threshold": 80.0,
        "would_pass": {"ADDED": 2, "STANDBY": 0},
        "would_not_pass": {"INVITED": 1},
        "candidates": {"ADDED": 4, "STANDBY": 2, "INVITED": 2},
    }
    assert counts.items() <= first.items()
    assert counts.items() <= second.items()
    assert second["next"] is None
    assert [row["name"] for row in first["results"]] == ["undone 80", "invited 75"]
    assert second["results"] == [
        {"id": str(candidates["added 90"]), "name": "added 90", "status": "ADDED", "score": 90.0}
    ]


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("", "/threshold", "required"),
        ("threshold=", "/threshold", "invalid_parameter"),
        ("threshold=60&threshold=80", "/threshold", "invalid_parameter"),
        ("threshold=nan", "/threshold", "not_a_number"),
        ("threshold=1e2x", "/threshold", "not_a_number"),
        ("threshold=1e3", "/threshold", "out_of_range"),
        ("threshold=-1e-1", "/threshold", "out_of_range"),
        ("threshold=%00", "/threshold", "not_a_number"),
        ("threshold=%ED%A0%80", "/threshold", "not_utf8"),
        ("threshold=101", "/threshold", "out_of_range"),
        ("threshold=-1", "/threshold", "out_of_range"),
        (f"threshold={'9' * 5000}", "/threshold", "out_of_range"),
        ("threshold=60&page_size=0", "/page_size", "out_of_range"),
        ("threshold=60&cursor=x", "/cursor", "invalid_cursor"),
        ("threshold=60&status=ADDED", "/status", "invalid_parameter"),
        ("treshold=60", "/treshold", "invalid_parameter"),
    ],
)
def test_the_api_names_what_will_not_do(
    api: APIClient, query: str, pointer: str, code: str
) -> None:
    answer = api.get(f"{URL}?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]


@pytest.mark.parametrize("written", ["80", "80.0", "8e1", "8E1", "8e%2B1", "800e-1", "0.8e2"])
def test_a_threshold_is_a_number_however_json_writes_it(api: APIClient, written: str) -> None:
    assert api.get(f"{URL}?threshold={written}").json()["threshold"] == 80.0


def test_who_may_read_candidates_may_ask(
    user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    assert client_of(None).get(f"{URL}?threshold=80").status_code == 401
    assert client_of(user_in()).get(f"{URL}?x=1").status_code == 403
    for group in ("Recruiters", "Viewers", "Operators"):
        api = client_of(user_in(group, name=group))
        assert api.get(f"{URL}?threshold=80").status_code == 200
        assert api.post(f"{URL}?threshold=80").status_code == 405
