"""An import recognises a row taken before by its content, in any file and on any line."""

import csv
import gzip
import io
import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from candidates import wiring
from candidates.application import history_rows
from candidates.application.commands import (
    AddCandidate,
    CandidateCommand,
    InviteCandidate,
    RetractCandidate,
)
from candidates.application.history_map import HistoryMap
from candidates.application.row_identity import RowIdentity
from candidates.infrastructure.imported_rows import candidates_of
from candidates.models import CandidateProjection, ImportedRow
from eventstore import wiring as eventstore
from eventstore.application.commands import CommandContext
from eventstore.application.ports import WaitingMessage
from eventstore.infrastructure.keys import Keyring
from eventstore.infrastructure.waiting import DjangoWaitingRoom
from eventstore.models import StorageEvent, WrappedSecret
from tests.factories import add
from tests.given import given
from tests.threads import together
from tests.wrapping_keys import fingerprint, put_in_place_of, wrapping_keys

pytestmark = pytest.mark.django_db(transaction=True)

MAP: dict[str, Any] = {
    "system": "cases",
    "stream": "case",
    "activity": "activity",
    "occurred_at": "when",
    "actor": "who",
    "commands": {
        "applied": {"command": "add"},
        "waiting": {"command": "standby"},
        "invited": {"command": "invite"},
        "rejected": {"command": "reject", "reason": "other"},
    },
    "profile": {"name": "name"},
    "score": {"column": "points"},
}
HEADER = "case,activity,when,who,name,points"
ANN = "1,applied,2024-01-03T00:00:00Z,me,Ann,80"
BOB = "2,applied,2024-01-04T00:00:00Z,me,Bob,90"
JANUARY = [ANN, BOB]
FEBRUARY = [
    "1,invited,2024-02-03T00:00:00Z,me,Ann,80",
    "2,rejected,2024-02-04T00:00:00Z,me,Bob,90",
    "3,applied,2024-02-05T00:00:00Z,me,Cid,90",
]


class Importing:
    """Files of one system, each imported as a person would."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.report = folder / "report.csv"
        self.map_file = folder / "map.json"
        self.map_file.write_text(json.dumps(MAP))

    def file(self, rows: list[str], header: str = HEADER) -> Path:
        path = self._folder / f"{uuid4()}.csv"
        path.write_text("".join(f"{line}\n" for line in [header, *rows]))
        return path

    def __call__(self, rows: list[str] | Path, *, header: str = HEADER, **options: Any) -> Any:
        """Runs the import. Returns the counts in its last line that are not 0."""
        path = rows if isinstance(rows, Path) else self.file(rows, header)
        out = io.StringIO()
        arguments = ["import_history", str(path), f"--map={self.map_file}"]
        self.problem = ""
        try:
            call_command(
                *arguments, stdout=out, stderr=io.StringIO(), report=self.report, **options
            )
        except CommandError as error:
            if not out.getvalue():
                raise
            self.problem = str(error)
        self.said = out.getvalue()
        counted = (part.rsplit(" ", 1) for part in self.said.splitlines()[-1].split(", "))
        return {name: int(number) for name, number in counted if number != "0"}

    def reported(self) -> list[tuple[str, str, str]]:
        with self.report.open(newline="") as file:
            return [(row["line"], row["key"], row["code"]) for row in csv.DictReader(file)]


@pytest.fixture
def importing(tmp_path: Path) -> Importing:
    return Importing(tmp_path)


def statuses() -> dict[str, str]:
    rows = CandidateProjection.objects.order_by("external_id")
    return {row.external_id: row.status for row in rows}


def test_a_second_file_adds_to_the_first(importing: Importing) -> None:
    january, february = importing.file(JANUARY), importing.file(FEBRUARY)
    assert importing(january) == {"added": 2}
    assert importing(february) == {"added": 1, "invited": 1, "rejected": 1}
    assert statuses() == {"1": "INVITED", "2": "REJECTED", "3": "ADDED"}
    for again, known in ((january, 2), (february, 3)):
        assert importing(again) == {"known": known}
        assert importing(again, dry_run=True) == {"known": known}
    assert StorageEvent.objects.count() == 5


def test_a_row_that_has_changed_is_said_and_not_carried_out(importing: Importing) -> None:
    importing(JANUARY)
    corrected = importing.file([ANN.replace("80", "85"), BOB])
    for dry_run in (True, False, False):
        assert importing(corrected, dry_run=dry_run) == {"known": 1, "changed": 1}
        assert "1 changed since an earlier run, and not carried out" in importing.said
        assert importing.reported() == [("2", "1", "changed")]
    assert CandidateProjection.objects.get(external_id="1").score == 80.0
    assert StorageEvent.objects.count() == 2


@pytest.mark.parametrize(
    ("taken", "changed"),
    [
        (ANN, ANN.replace("Ann", "Anne")),
        (ANN, ANN.replace("2024-01-03", "2024-01-02")),
        (FEBRUARY[0], FEBRUARY[0].replace("me", "you")),
        (FEBRUARY[0], FEBRUARY[0].replace("80", "85")),
        # The same instant.
        (FEBRUARY[0], "1,invited,2024-02-03T01:00:00+01:00,me,Anne,80"),
    ],
)
def test_what_is_of_the_same_place_and_says_something_else_has_changed(
    importing: Importing, taken: str, changed: str
) -> None:
    importing(list(dict.fromkeys([ANN, taken])))
    assert importing([changed])["changed"] == 1


def test_a_decision_at_another_time_is_another_row(importing: Importing) -> None:
    importing([ANN, FEBRUARY[0]])
    assert importing([FEBRUARY[0].replace("02-03", "02-04")]) == {"refused": 1}
    assert importing.reported() == [("2", "1", "wrong_status")]


def test_what_was_refused_is_refused_again_and_taken_once_it_is_right(
    importing: Importing,
) -> None:
    low, wrong = "4,applied,2024-01-05T00:00:00Z,me,Dan,7", "5,applied,yesterday,me,Eve,90"
    invited = "4,invited,2024-01-06T00:00:00Z,me,Dan,7"
    for known in ({"added": 1}, {"known": 1}):
        assert importing([low, wrong, invited]) == {**known, "refused": 2}
    right = "5,applied,2024-01-05T00:00:00Z,me,Eve,90"
    assert importing([low, right, invited]) == {"known": 1, "added": 1, "refused": 1}
    with override_settings(SCORE_THRESHOLD=5.0):
        assert importing([low, right, invited]) == {"known": 2, "invited": 1}


@pytest.mark.parametrize(
    "arranged",
    [
        lambda rows: rows[::-1],
        lambda rows: [*rows, FEBRUARY[2], "6,applied,2024-02-05T00:00:00Z,me,Fay,90"],
        lambda rows: ["6,applied,2024-01-01T00:00:00Z,me,Fay,90", *rows],
        lambda rows: [*rows[:2], "", *rows[2:], "6,applied,2024-01-01T00:00:00Z,me,Fay,90"],
    ],
    ids=["in another order", "with another file behind it", "a row at the top", "a gap"],
)
def test_a_row_is_known_wherever_it_stands(
    importing: Importing, arranged: Callable[[list[str]], list[str]]
) -> None:
    rows = [*JANUARY, *FEBRUARY[:2]]
    importing(rows)
    counted = importing(arranged(rows))
    assert counted.pop("known") == 4
    assert counted.pop("added", 0) in (0, 1, 2)
    assert counted == {}
    assert StorageEvent.objects.filter(event_type="candidate.added").count() in (2, 3, 4)


def test_rows_that_say_the_same_are_as_many_rows(importing: Importing) -> None:
    twice = [ANN, ANN, FEBRUARY[0]]
    assert importing(twice) == {"added": 1, "invited": 1, "refused": 1}
    assert importing.reported() == [("3", "1", "already_added")]
    assert importing(twice) == {"known": 2, "refused": 1}
    assert importing([ANN]) == {"known": 1}
    # In another file too: it is no other content.
    assert importing([ANN, ANN]) == {"known": 1, "refused": 1}


def test_a_second_one_of_the_same_file_is_refused_by_the_rules(importing: Importing) -> None:
    both = importing.file([ANN, ANN.replace("80", "85")])
    for first in ("added", "known", "known"):
        assert importing(both) == {first: 1, "refused": 1}


MOVED = [FEBRUARY[0], ANN, FEBRUARY[0]]
"""Invited before and after the candidate is there."""


@pytest.mark.parametrize("before", [1, 3])
def test_a_row_that_says_what_a_taken_one_says_has_not_changed(
    importing: Importing, before: int
) -> None:
    rows = [*MOVED[:1] * before, *MOVED[1:]]
    assert importing(rows) == {"added": 1, "invited": 1, "refused": before}
    grown = importing.file([*rows, BOB])
    for counted in ({"added": 1, "known": 2}, {"known": 3}):
        for dry_run in (True, False):
            assert importing(grown, dry_run=dry_run) == {**counted, "refused": before}
            assert {code for _, _, code in importing.reported()} == {"wrong_status"}
    corrected = FEBRUARY[0].replace("80", "85")
    assert importing([corrected]) == {"changed": 1}
    assert StorageEvent.objects.count() == 3


@pytest.mark.parametrize(
    "written",
    [
        gzip.compress,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text + b"\n",
        lambda text: text.replace(b"\n", b"\n\n", 1),
        lambda text: gzip.compress(text.rstrip(b"\n").replace(b"\n", b"\r\n")),
    ],
    ids=["packed", "other line ends", "an empty line behind", "an empty line within", "all"],
)
def test_a_file_that_is_written_otherwise_is_the_same_file(
    importing: Importing, written: Callable[[bytes], bytes]
) -> None:
    file = importing.file([ANN, ANN.replace("80", "85"), *MOVED])
    counted = {"added": 1, "invited": 1, "refused": 3}
    assert importing(file) == counted
    file.write_bytes(written(file.read_bytes()))
    again = importing(file)
    assert "changed" not in again
    assert (again["known"], again["refused"]) == (2, 3)


def test_what_may_happen_twice_is_taken_as_often_as_it_stands_there(importing: Importing) -> None:
    commands = {**MAP["commands"], "called": {"command": "note", "text": "words"}}
    importing.map_file.write_text(json.dumps({**MAP, "commands": commands}))
    header, added = f"{HEADER},words", f"{ANN},"
    called = "1,called,2024-01-05T00:00:00Z,me,Ann,80,"
    first = [added, f"{called}early", f"{called}early", f"{called}late"]
    assert importing(first, header=header) == {"added": 1, "noted": 3}
    assert importing(first, header=header) == {"known": 4}
    assert importing(first[::-1], header=header, dry_run=True) == {"known": 4}
    grown = [*first, f"{called}early", f"{called}later"]
    assert importing(grown, header=header) == {"known": 4, "noted": 1, "changed": 1}
    assert StorageEvent.objects.filter(event_type="candidate.noted").count() == 4


def test_a_dry_run_says_the_same_however_the_rows_are_divided(
    importing: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = {**MAP["commands"], "called": {"command": "note", "text": "name"}}
    importing.map_file.write_text(json.dumps({**MAP, "commands": commands}))
    called = "1,called,2024-01-05T00:00:00Z,me,Ann,80"
    rows = [*JANUARY, called, FEBRUARY[0], FEBRUARY[0], called.replace("Ann", "Anne"), ANN, called]
    rows += [*FEBRUARY, ANN.replace("80", "85"), "4,called,2024-01-05T00:00:00Z,me,Dee,80"]
    importing(JANUARY[:1])
    said = importing(rows, dry_run=True)
    monkeypatch.setattr(history_rows, "ROWS_PER_CHUNK", 1)
    assert importing(rows, dry_run=True) == said
    assert StorageEvent.objects.count() == 1
    assert importing(rows) == said
    assert (said["known"], said["changed"], said["noted"]) == (1, 1, 1)


def test_a_date_that_is_filled_in_later_is_taken_then(importing: Importing) -> None:
    importing.map_file.write_text(
        json.dumps(
            {
                "stream": "case",
                "dates": {
                    "applied": {"command": "add"},
                    "met": [{"command": "invite"}, {"command": "note", "text": "words"}],
                    "left": {"command": "reject", "reason": "withdrew"},
                },
                "profile": {"name": "name"},
                "score": {"column": "points"},
                "time_zone": "UTC",
            }
        )
    )
    header = "case,name,points,applied,met,words,left"
    row = "1,Ann,80,2024-01-03,{met},{words},{left}"
    assert importing([row.format(met="", words="", left="")], header=header) == {"added": 1}
    met = row.format(met="2024-02-03", words="kind", left="")
    assert importing([met], header=header) == {"known": 1, "invited": 1, "noted": 1}
    left = row.format(met="2024-02-03", words="kind", left="2024-03-03")
    assert importing([left], header=header) == {"known": 3, "rejected": 1}
    corrected = left.replace("80", "85").replace("kind", "very kind")
    assert importing([corrected], header=header) == {"known": 2, "changed": 2}
    assert importing.reported() == [("2", "1", "changed")] * 2


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (f"{HEADER},team", f"{ANN},blue"),
        ("points,name,who,when,activity,case", ",".join(reversed(ANN.split(",")))),
        (HEADER, ANN.replace("Ann", " Ann ").replace("80", "80 ")),
        (f"\ufeff{HEADER}", ANN),
        (HEADER, ANN.replace("Z", "+00:00")),
        (HEADER, f'"{ANN.replace(",", chr(34) + "," + chr(34))}"'),
    ],
    ids=[
        "a new column",
        "columns in another order",
        "white space",
        "a mark",
        "an offset",
        "quotes",
    ],
)
def test_how_a_row_is_written_makes_it_no_other(
    importing: Importing, header: str, row: str
) -> None:
    importing([ANN])
    assert importing([row], header=header) == {"known": 1}


def test_another_system_knows_nothing_of_the_first(importing: Importing) -> None:
    importing(JANUARY)
    importing.map_file.write_text(json.dumps({**MAP, "system": "others"}))
    assert importing(JANUARY) == {"added": 2}
    assert set(ImportedRow.objects.values_list("system", flat=True)) == {"cases", "others"}


def test_imports_of_the_same_rows_at_once_store_each_event_once(tmp_path: Path) -> None:
    rows = [
        f"{n},{activity},2024-0{month}-01T00:00:00Z,me,Name {n},90"
        for n in range(60)
        for month, activity in enumerate(("applied", "waiting", "invited"), 1)
    ]
    by_time = sorted(rows, key=lambda row: row.split(",")[2])
    runs = []
    for number, arranged in enumerate((rows, by_time, rows)):
        (tmp_path / str(number)).mkdir()
        importing = Importing(tmp_path / str(number))
        runs.append((importing, importing.file(arranged)))

    def run(number: int) -> Any:
        importing, file = runs[number]
        return importing(file)

    results = together(3, run)
    assert [one for one in results if isinstance(one, Exception)] == []
    counts: list[Any] = list(results)
    for activity in ("added", "standby", "invited"):
        assert sum(one.get(activity, 0) for one in counts) == 60
    assert sum(one.get("known", 0) for one in counts) == 2 * len(rows)
    assert StorageEvent.objects.count() == ImportedRow.objects.count() == len(rows)
    assert set(statuses().values()) == {"INVITED"}


def test_somebody_who_decides_meanwhile_costs_no_row(
    importing: Importing, monkeypatch: pytest.MonkeyPatch
) -> None:
    importing(JANUARY)
    ann = CandidateProjection.objects.get(external_id="1").id
    commands = iter([InviteCandidate(candidate_id=ann)])
    keep = wiring.in_one_transaction

    def beaten(work: Any, **terms: Any) -> Any:
        for command in commands:
            given(command)
        return keep(work, **terms)

    monkeypatch.setattr(wiring, "in_one_transaction", beaten)
    assert importing(FEBRUARY) == {"added": 1, "rejected": 1, "refused": 1}
    assert importing.reported() == [("2", "1", "wrong_status")]
    assert StorageEvent.objects.count() == 5


def carried_out_before(line: int, key: str, command: CandidateCommand, at: str) -> None:
    """As imports did it that knew a row by its line."""
    history_map = HistoryMap.parse(MAP)
    wiring.candidate_service().handle(
        command,
        CommandContext(
            actor="me",
            door="import",
            allows=lambda _: True,
            command_id=history_map.command_id_by_line(key, line),
            correlation_id=uuid4(),
            occurred_at=datetime.fromisoformat(at),
            extra={"source_row": line},
        ),
    )


@pytest.fixture
def old_log() -> None:
    """January as it was imported by its lines."""
    for line, row in enumerate(JANUARY, 2):
        key, _, at, _, name, points = row.split(",")
        candidate_id = HistoryMap.parse(MAP).candidate_id(key)
        profile = {"name": name, "external_id": key}
        command = AddCandidate(candidate_id=candidate_id, profile=profile, score=float(points))
        carried_out_before(line, key, command, at)


@pytest.mark.usefixtures("old_log")
def test_rows_from_before_are_known_by_their_line(importing: Importing) -> None:
    assert importing(JANUARY, dry_run=True) == {"known": 2}
    assert not ImportedRow.objects.exists()
    assert importing(JANUARY) == {"known": 2}
    # From now on by what they say.
    assert importing(JANUARY[::-1]) == {"known": 2}
    assert importing([ANN.replace("80", "85")]) == {"changed": 1}
    assert StorageEvent.objects.count() == 2


@pytest.mark.usefixtures("old_log")
def test_other_rows_on_the_lines_from_before_are_new(importing: Importing) -> None:
    assert importing(FEBRUARY) == {"added": 1, "invited": 1, "rejected": 1}
    assert importing([*JANUARY, *FEBRUARY]) == {"known": 5}


@pytest.mark.usefixtures("old_log")
def test_a_row_from_before_on_another_line_is_not_carried_out_again(importing: Importing) -> None:
    assert importing(["7,other,,,,", ANN]) == {"ignored": 1, "refused": 1}
    assert importing.reported() == [("3", "1", "already_added")]


def test_rows_stay_known_when_keys_are_rotated(importing: Importing) -> None:
    with wrapping_keys(0):
        importing(JANUARY)
    with wrapping_keys(1, 0):
        assert importing(JANUARY) == {"known": 2}
        call_command("rotate_keys", stdout=io.StringIO())
    with wrapping_keys(1):
        assert importing(JANUARY) == {"known": 2}


@pytest.mark.parametrize("dry_run", [True, False])
def test_without_the_key_of_the_secret_nothing_is_imported(
    importing: Importing, dry_run: bool
) -> None:
    with wrapping_keys(0):
        importing([ANN])
    with (
        wrapping_keys(1),
        pytest.raises(CommandError, match="no wrapping key"),
    ):
        importing(JANUARY, dry_run=dry_run)
    assert StorageEvent.objects.count() == 1


def test_a_key_that_was_not_adopted_imports_nothing(importing: Importing) -> None:
    with (
        wrapping_keys(1, adopted=False),
        pytest.raises(CommandError, match="has never been adopted for this log"),
    ):
        importing(JANUARY)
    assert not StorageEvent.objects.exists()
    assert not WrappedSecret.objects.exists()


def test_where_a_streams_key_is_missing_the_import_breaks_off(importing: Importing) -> None:
    noting = {"command": "reject", "reason": "other", "note": "name"}
    commands = {**MAP["commands"], "rejected": noting}
    importing.map_file.write_text(json.dumps({**MAP, "commands": commands}))
    with wrapping_keys(2):
        importing([ANN])
    id = HistoryMap.parse(MAP).candidate_id("1")
    put_in_place_of(id, Keyring([bytes([1]) * 32]).new_key(id)[1])
    with wrapping_keys(2), pytest.raises(CommandError, match=f"key {fingerprint(1)} is configured"):
        importing([FEBRUARY[1].replace("2,", "1,", 1)])
    assert StorageEvent.objects.count() == 1


def test_a_dry_run_makes_no_secret(importing: Importing) -> None:
    assert importing(JANUARY, dry_run=True) == {"added": 2}
    assert not WrappedSecret.objects.exists()


def test_what_is_remembered_is_not_to_be_had_from_the_database_alone(importing: Importing) -> None:
    importing(JANUARY)
    (ann,) = ImportedRow.objects.filter(candidate=HistoryMap.parse(MAP).candidate_id("1"))
    (wrapped,) = WrappedSecret.objects.values_list("wrapped", flat=True)
    for secret, same in ((bytes(wrapped or b"")[-32:], False), (b"", False), (the_secret(), True)):
        identity = RowIdentity(secret, system="cases")
        place = identity.place(ann.candidate, "add", "", None)
        assert (place == ann.place) is same
    events = repr(list(StorageEvent.objects.values_list()))
    for digest in (ann.place, ann.digest):
        assert str(digest) not in events
        assert digest.hex not in events


def the_secret() -> bytes:
    secret = eventstore.existing_secret(wiring.IMPORTED_ROWS)
    assert secret is not None
    return secret


def test_rows_that_were_forgotten_bring_nobody_back(importing: Importing) -> None:
    """As an erasure may forget them."""
    importing([*JANUARY, *FEBRUARY])
    ann = CandidateProjection.objects.get(external_id="1").id
    ImportedRow.objects.filter(candidate=ann).delete()
    before = StorageEvent.objects.count()
    counted = importing([*JANUARY, *FEBRUARY])
    assert counted.get("known", 0) + counted.get("refused", 0) == 5
    assert StorageEvent.objects.count() == before


def test_a_candidate_who_was_retracted_is_not_added_again(importing: Importing) -> None:
    importing([ANN])
    ann = CandidateProjection.objects.get(external_id="1").id
    given(RetractCandidate(candidate_id=ann, why="mistake"))
    assert importing([ANN]) == {"known": 1}
    assert importing([FEBRUARY[0]]) == {"refused": 1}


def test_what_is_remembered_can_be_migrated_back_and_forth(importing: Importing) -> None:
    importing(JANUARY)
    tables = {ImportedRow._meta.db_table, WrappedSecret._meta.db_table}
    try:
        call_command("migrate", "candidates", "0003_contact_keys", verbosity=0)
        call_command("migrate", "eventstore", "0003_waiting_messages", verbosity=0)
        assert not tables & {*connection.introspection.table_names()}
    finally:
        call_command("migrate", verbosity=0)
    assert tables <= {*connection.introspection.table_names()}
    # Nothing is remembered of the rows, but events have ids by what happened to whom and when.
    assert importing(JANUARY) == {"known": 2}
    assert StorageEvent.objects.count() == 2


PROSE = "Ann said, that she was ill"


@pytest.mark.parametrize(
    ("header", "rows"),
    [
        # A stray quote in the key's column.
        (HEADER, ['"' + ANN, BOB]),
        (HEADER, ['"' + ANN + '"']),
        (HEADER, ['"' + ANN, '2",applied,T,me,Bob,90']),
        (HEADER, ['"1', f'{PROSE}",applied,T,me,Bob,90']),
        (HEADER, ["x" * 201 + ",applied,T,me,Bob,90"]),
        # A note whose quote is broken: what stands on its other lines.
        ("case,activity,when,name,points,who", ['1,applied,T,Ann,80,"a "b', PROSE, "and left"]),
        # A row with a column too many or too few.
        (HEADER, [f"{PROSE},{ANN}", "Ann,applied,2024-01-03T00:00:00Z"]),
        (HEADER, [f'{ANN},"{PROSE}"']),
    ],
)
def test_the_report_has_no_key_where_it_may_be_prose(
    importing: Importing, header: str, rows: list[str]
) -> None:
    importing(rows, header=header)
    reported = importing.reported()
    assert reported
    assert {key for _, key, _ in reported} == {""}
    assert "Ann" not in importing.report.read_text()


@pytest.mark.parametrize("key", ["=1+1", "+1", "-1", "@x"])
def test_a_key_is_no_formula_in_the_report(importing: Importing, key: str) -> None:
    importing([f"{key},applied,soon,me,Ann,80", f"{key},invited,2024-01-03T00:00:00Z,me,Ann,80"])
    assert [key for _, key, _ in importing.reported()] == [f"'{key}"] * 2


@pytest.mark.parametrize(
    ("rows", "lines"),
    [
        # The second row has a comma too many, and the quote that closes the first one's.
        (['1,applied,T,me,"Bob,80', '2,applied,T,me,Lee, Jr",80', "5,applied,T,me,Ann,80"], [2, 3]),
        # Rows that would be ignored, and have no time.
        (
            ['1,applied,T,me,"Bob,80', "2,phone,,me,Ann,80", '3,phone,,me,x",80', ANN],
            [2, 3, 4],
        ),
        (['1,applied,T,me,"Bob,80', "2,applied,T,Ann,80", '3,phone,T,me,x",80', ANN], [2, 3, 4]),
        (['1,applied,T,me,"Bob,80', "2,phone,T,me,Ann,80,", '3,phone,T,me,x",80', ANN], [2, 3, 4]),
        # The time is behind the comma too many.
        (['"Bob,1,T,80', 'Lee, Jr",2,T,80', "Cid,5,T,80"], [2, 3]),
    ],
)
def test_rows_that_a_stray_quote_would_swallow_are_all_refused(
    importing: Importing, rows: list[str], lines: list[int]
) -> None:
    header = HEADER
    if len(rows[-1].split(",")) == 4:
        header = "name,case,when,points"
        plain = {key: value for key, value in MAP.items() if key not in ("activity", "actor")}
        plain |= {"commands": {}, "dates": {"when": {"command": "add"}}}
        plain.pop("commands"), plain.pop("occurred_at")
        importing.map_file.write_text(json.dumps(plain))
    dated = [row.replace(",T,", ",2024-01-03T00:00:00Z,") for row in rows]
    assert importing(dated, header=header) == {"added": 1, "refused": len(lines)}
    assert [(line, code) for line, _, code in importing.reported()] == [
        (str(line), "unreadable_row") for line in lines
    ]


@pytest.mark.parametrize(
    "prose",
    [
        "Dear Ann,\nthank you, and all of yours, for coming,\nsee you, Bob",
        "12 High Street,\nFlat 3,\nLondon, N1 9GU,\nUK",
        "One, two, three, four, five, six,\nseven, eight, nine, ten, eleven, twelve\nand, so, on",
        "a,,b,,c,\nDear Ann,phone,,me,you,80\n",
        "On 2024-01-03 I met her, him, them, us, all\nBerlin, 2024-01-03\n1. called, 2. wrote",
        "\n\n,,,,,\n,,,,\n \n",
    ],
)
def test_prose_over_several_lines_is_no_row(importing: Importing, prose: str) -> None:
    row = ANN.replace("Ann", f'"{prose}"')
    assert importing([row, BOB]) == {"added": 2}


def test_white_space_around_key_activity_and_time_makes_no_other_row(importing: Importing) -> None:
    spaced = " 1 , applied, 2024-01-03T00:00:00Z ,me, Ann,80"
    assert importing([ANN]) == {"added": 1}
    assert importing([spaced, "1 ,invited ,2024-02-03T00:00:00Z,me,Ann,80"]) == {
        "known": 1,
        "invited": 1,
    }
    assert statuses() == {"1": "INVITED"}


@pytest.mark.parametrize("others", [[], ["2,phone"]])
def test_a_run_in_which_the_map_meets_no_activity_says_so(
    importing: Importing, others: list[str]
) -> None:
    importing([ANN.replace("applied", "Applied"), *others])
    assert "no row has an activity or a date that the map names" in importing.problem
    importing([ANN.replace("applied", "Applied"), BOB])
    assert importing.problem == ""


@pytest.fixture
def few_values() -> Iterator[None]:
    """As many values in a statement as any SQLite binds."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's driver has no such limit")
    connection.ensure_connection()
    before = connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)
    yield
    connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, before)


@pytest.mark.usefixtures("few_values")
def test_many_commands_of_many_rows_are_asked_for_in_portions(importing: Importing) -> None:
    dates = {f"call {n}": {"command": "note", "text": "name"} for n in range(20)}
    shape = {**MAP, "dates": {"added": {"command": "add"}, **dates}, "time_zone": "UTC"}
    for key in ("activity", "occurred_at", "commands", "actor"):
        del shape[key]
    importing.map_file.write_text(json.dumps(shape))
    header = ",".join(["case", "name", "points", "added", *dates])
    days = ",".join(f"2024-02-{day:02}" for day in range(1, 21))
    rows = [f"{n},Ann,80,2024-01-01,{days}" for n in range(60)]
    counted = {"added": 60, "noted": 1200}
    assert importing(rows, header=header, dry_run=True) == counted
    assert importing(rows, header=header) == counted
    assert importing(rows, header=header) == {"known": 1260}
    assert CandidateProjection.objects.count() == 60


@pytest.mark.usefixtures("few_values")
def test_whatever_is_asked_about_many_at_once_is_asked_in_portions() -> None:
    many = [uuid4() for _ in range(2000)]
    given(add(candidate_id=many[-1]))
    batch = eventstore.event_store().batch()
    batch.fetch(many, command_ids=many)
    assert batch.head(many[-1]).version == 1
    assert eventstore.event_store().carried_out(many) == set()
    parked = eventstore.parked_streams()
    for stream_id in (many[0], many[-1]):
        parked.park("candidates", stream_id, version=1, event_type="x", error=ValueError())
    assert parked.among("candidates", many) == {many[0], many[-1]}
    assert candidates_of(uuid4(), among=many) == set()
    room = DjangoWaitingRoom(clock=timezone.now)
    late = WaitingMessage(version=1999, body=b"{}", erases=False, kept_at=timezone.now())
    room.keep("candidates", many[-1], [late])
    assert room.among("candidates", many) == {many[-1]}
    room.discard("candidates", many[-1], range(2000))
    assert room.among("candidates", many) == set()
