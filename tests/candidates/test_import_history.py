"""`manage.py import_history`: another system's log becomes commands, each row at most once."""

import csv
import gzip
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candidates.application import history_rows
from candidates.application.commands import NoteOnCandidate
from candidates.domain.candidate import Candidate
from candidates.domain.events import RejectionReason, Status
from candidates.management.commands import import_history
from candidates.models import CandidateProjection, ImportedRow
from candidates.wiring import statistics, what_if
from eventstore.models import Snapshot, StorageEvent
from tests import deliveries
from tests.databases import database_url, empty_database
from tests.given import given as decided

HERE = Path(__file__).parent
LOG, MAP = HERE / "history.csv", HERE / "history_map.json"
SUMMARY = [
    "11 rows, 5 events stored",
    "added 2, standby 1, invited 1, rejected 1, refused 5, ignored 1",
]
CASES = HERE.parent.parent.parent / "shared" / "cases"
HIRING = HERE.parent.parent.parent / "shared" / "data"

pytestmark = pytest.mark.django_db(transaction=True)


def run(log: Path = LOG, map_file: Path = MAP, **options: Any) -> list[str]:
    """The lines on standard output, of a run that succeeds. Raises CommandError."""
    lines, problem = ended(log, map_file, **options)
    if problem is not None:
        raise CommandError(problem)
    return lines


def ended(log: Path = LOG, map_file: Path = MAP, **options: Any) -> tuple[list[str], str | None]:
    """The lines on standard output, and with which problem the run ended."""
    out, problem = io.StringIO(), None
    arguments = ["import_history", str(log), f"--map={map_file}"]
    try:
        call_command(*arguments, stdout=out, stderr=io.StringIO(), **options)
    except CommandError as error:
        problem = str(error)
    return out.getvalue().splitlines(), problem


def report_of(path: Path) -> list[tuple[int, str, str]]:
    with path.open(newline="") as file:
        return [(int(row["line"]), row["key"], row["code"]) for row in csv.DictReader(file)]


def rows() -> list[dict[str, Any]]:
    return [dict(row) for row in CandidateProjection.objects.order_by("id").values()]


def log() -> list[tuple[Any, ...]]:
    columns = ("event_id", "stream_id", "version", "event_type", "data", "metadata", "occurred_at")
    return list(StorageEvent.objects.order_by("stream_id", "version").values_list(*columns))


def written(tmp_path: Path, *lines: bytes, name: str = "log.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(
        b"case,activity,at,who,years,mail\n" + b"".join(line + b"\n" for line in lines)
    )
    return path


def test_rows_become_commands_in_file_order(tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    assert run(report=report) == SUMMARY
    assert report_of(report) == [
        (6, "B", "score_below_threshold"),
        (9, "B", "wrong_status"),
        (10, "A", "wrong_status"),
        (11, "C", "not_found"),
        (12, "B", "already_added"),
    ]
    candidates = {row["external_id"]: row for row in rows()}
    assert (candidates["A"]["status"], candidates["A"]["score"]) == ("REJECTED", 100.0)
    assert candidates["A"]["profile"] == {
        "email": "ann@example.org",
        "years": "12",
        "external_id": "A",
    }
    assert candidates["A"]["rejection_reason"] == "withdrew"
    assert (candidates["B"]["status"], candidates["B"]["score"]) == ("STANDBY", 50.0)
    assert candidates["B"]["profile"] == {"years": "5", "external_id": "B"}


def test_events_keep_actor_time_door_row_and_batch() -> None:
    run()
    events = StorageEvent.objects.order_by("position")
    kept = [(json.loads(event.metadata), event.occurred_at.isoformat()) for event in events]
    assert [(m["actor"], m["door"], m["source_row"], at) for m, at in kept] == [
        ("desk", "import", 2, "2020-01-01T08:00:00+00:00"),
        ("rita", "import", 3, "2020-01-02T08:00:00+00:00"),
        ("desk", "import", 5, "2020-01-01T08:00:00+00:00"),
        ("rita", "import", 7, "2020-01-03T08:00:00+00:00"),
        ("old tracker", "import", 8, "2020-01-03T07:00:00+00:00"),
    ]
    assert len({event.correlation_id for event in events} - {None}) == 1


def test_gzip_and_plain_files_are_the_same(tmp_path: Path) -> None:
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(LOG.read_bytes()))
    assert run(packed) == SUMMARY
    first = log()
    assert run()[-1].startswith("added 0, standby 0, invited 0, rejected 0")
    assert log() == first


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    assert run(dry_run=True, report=report) == SUMMARY
    assert len(report_of(report)) == 5
    assert not StorageEvent.objects.exists()
    assert not CandidateProjection.objects.exists()


def test_an_import_takes_no_snapshots_and_goes_on_from_those_there_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Candidate, "snapshot_every", 1)
    assert run() == SUMMARY
    assert not Snapshot.objects.exists()
    ann = CandidateProjection.objects.get(external_id="A")
    decided(NoteOnCandidate(candidate_id=ann.id, text="t"))
    assert Snapshot.objects.get().version == 4
    later = written(tmp_path, APPLY, b"A,check,2020-02-01T00:00:00+00:00,rita,12,ann@example.org")
    assert run(later)[-1] == "added 1, standby 0, invited 0, rejected 0, refused 1, ignored 0"


def test_the_same_file_again_stores_nothing_and_says_so(tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    run()
    before = log(), rows()
    again = run(report=report)
    assert again == [
        "11 rows, 0 events stored; 5 decided by an earlier run",
        "added 0, standby 0, invited 0, rejected 0, refused 5, ignored 1, known 5",
    ]
    assert (log(), rows()) == before
    assert run(dry_run=True) == again


def test_a_file_that_has_grown_continues(tmp_path: Path) -> None:
    lines = LOG.read_bytes().splitlines(keepends=True)
    part = tmp_path / "log.csv"
    part.write_bytes(b"".join(lines[:5]))
    run(part)
    part.write_bytes(b"".join(lines))
    run(part)
    assert sorted(json.loads(event[5])["source_row"] for event in log()) == [2, 3, 5, 7, 8]


def test_another_system_with_the_same_keys_is_another_stream(tmp_path: Path) -> None:
    run()
    other = tmp_path / "map.json"
    other.write_text(MAP.read_text().replace("old tracker", "newer tracker"))
    assert run(map_file=other) == SUMMARY
    assert CandidateProjection.objects.filter(external_id="A").count() == 2


ONE_UNREADABLE = (
    "1 row could not be read. Mend the file and run again: what is done is not done twice."
)
APPLY = b"D,apply,2020-01-01T08:00:00+00:00,desk,9,d@example.org"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"E,apply,2020-01-01T08:00:00+00:00,desk", "missing_column"),
        (b"E,apply,2020-01-01T08:00:00+00:00,desk,9,m,more", "surplus_column"),
        (b"E,apply,yesterday,desk,9,m", "unreadable_time"),
        (b"E,apply,,desk,9,m", "unreadable_time"),
        (b"E,apply,2020-01-01T08:00:00,desk,9,m", "unreadable_time"),
        (b"E,apply,2999-01-01T08:00:00+00:00,desk,9,m", "occurred_in_future"),
        (b"E,apply,9999-12-31T23:59:59-23:00,desk,9,m", "occurred_in_future"),
        (b"E,apply,0001-01-01T00:00:00+23:00,desk,9,m", "too_early"),
        (b"E,apply,2020-01-01T08:00:00+00:00,desk,many,m", "unreadable_score"),
        (b"E,apply,2020-01-01T08:00:00+00:00,desk,,m", "unreadable_score"),
        (b"E,apply,2020-01-01T08:00:00+00:00,desk,nan,m", "unreadable_score"),
        (b"E,apply,2020-01-01T08:00:00+00:00,desk,-1,m", "out_of_range"),
        (b"E,apply,2020-01-01T08:00:00+00:00,desk,9,M\xfcller", "not_utf8"),
        (b"\xff\xfe,apply,2020-01-01T08:00:00+00:00,desk,9,m", "not_utf8"),
        (b"E,apply,2020-01-01T08:00:00+00:00,desk,9,a\x00b", "nul_character"),
        (b",apply,2020-01-01T08:00:00+00:00,desk,9,m", "blank_key"),
        (b"E,apply,2020-01-01T08:00:00+00:00,desk,9," + b"x" * 140_000, "unreadable_row"),
        (b"E,apply,2020-01-01T08:00:00+00:00,desk,9," + b"x" * 100_000, "too_large"),
        (b"D,talk,2019-01-01T08:00:00+00:00,rita,9,m", "occurred_out_of_order"),
    ],
)
def test_a_bad_row_is_reported_by_its_line_and_the_rest_goes_on(
    tmp_path: Path, line: bytes, code: str
) -> None:
    bad, report = written(tmp_path, APPLY, line, APPLY.replace(b"D,", b"F,")), tmp_path / "r.csv"
    lines, problem = ended(bad, report=report)
    assert lines[-1] == "added 2, standby 0, invited 0, rejected 0, refused 1, ignored 0"
    # A row that a rule refuses is no fault of the file.
    by_rule = code.startswith(("occurred_", "too_", "out_of_", "nul_"))
    assert problem == (None if by_rule else ONE_UNREADABLE)
    ((number, _, reported),) = report_of(report)
    assert (number, reported) == (3, code)
    assert sorted(row["external_id"] for row in rows()) == ["D", "F"]


def test_a_quoted_line_break_does_not_shift_the_line_numbers(tmp_path: Path) -> None:
    broken = written(tmp_path, APPLY.replace(b"d@example.org", b'"two\nlines"'), b"E,apply,x,y,1,m")
    assert ended(broken, report=tmp_path / "r.csv")[1] == ONE_UNREADABLE
    assert report_of(tmp_path / "r.csv") == [(4, "E", "unreadable_time")]


def test_empty_lines_are_no_rows_and_do_not_shift_the_line_numbers(tmp_path: Path) -> None:
    spaced = written(tmp_path, APPLY, b"", b"", b"E,apply,x,y,1,m")
    lines, problem = ended(spaced, report=tmp_path / "r.csv")
    assert lines[-1] == "added 1, standby 0, invited 0, rejected 0, refused 1, ignored 0"
    assert problem == ONE_UNREADABLE
    assert report_of(tmp_path / "r.csv") == [(5, "E", "unreadable_time")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no column"),
        (b"case,activity,at,who,years,mail,mail\n", "more than one column mail"),
        (b"x" * 140_000, "log cannot be read"),
        (b"\x1f\x8b", "log cannot be read"),
        (b"\x1f\x8b and then no gzip", "log cannot be read"),
    ],
)
def test_a_log_without_a_usable_header_is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    log_file = tmp_path / "log.csv"
    log_file.write_bytes(content)
    with pytest.raises(CommandError, match=words):
        run(log_file)
    assert not StorageEvent.objects.exists()


@pytest.mark.parametrize("which", ["log", "map"])
def test_a_report_never_overwrites_what_is_read(tmp_path: Path, which: str) -> None:
    files = {"log": tmp_path / "log.csv", "map": tmp_path / "map.json"}
    files["log"].write_bytes(LOG.read_bytes())
    files["map"].write_bytes(MAP.read_bytes())
    with pytest.raises(CommandError, match="would overwrite"):
        run(files["log"], files["map"], report=files[which])
    assert (files["log"].read_bytes(), files["map"].read_bytes()) == (
        LOG.read_bytes(),
        MAP.read_bytes(),
    )


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    quotes=st.booleans(),
    edits=st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.integers(0, 3),
            st.sampled_from([b'"', b"\n", b",", b"\r", b"\xff", b"", b"x", b'""', b"2999"]),
        ),
        max_size=10,
    ),
)
def test_whatever_the_bytes_are_every_row_is_in_one_of_the_numbers(
    tmp_path: Path, quotes: bool, edits: list[tuple[int, int, bytes]]
) -> None:
    header, _, body = LOG.read_bytes().partition(b"\n")
    if quotes:
        body = body.replace(b"ann@example.org", b'"ann, or\nAnn"').replace(b"12", b'"12"')
    edited = bytearray(body)
    for at, length, piece in edits:
        at %= len(edited) + 1
        edited[at : at + length] = piece
    log_file, report = tmp_path / "log.csv", tmp_path / "r.csv"
    log_file.write_bytes(header + b"\n" + edited)
    lines, problem = ended(log_file, dry_run=True, report=report)
    said = {word: int(count) for word, count in (one.split() for one in lines[1].split(", "))}
    refused = report_of(report)
    assert lines[0].startswith(f"{sum(said.values())} row")
    assert said["refused"] == len(refused)
    # Quotes join lines, and nothing else does: without them each filled line is a row.
    filled = [line for line in re.split(rb"\r\n|\r|\n", edited) if line]
    if b'"' not in edited:
        assert sum(said.values()) == len(filled)
    unreadable = {code for _, _, code in refused} & UNREADABLE
    done = sum(said.values()) - said["ignored"] - said["refused"]
    assert (problem is not None) == bool(unreadable or (refused and not done))


UNREADABLE = {
    "blank_key",
    "missing_column",
    "not_utf8",
    "surplus_column",
    "unreadable_row",
    "unreadable_score",
    "unreadable_time",
}


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    marked = tmp_path / "log.csv"
    marked.write_bytes(b"\xef\xbb\xbf" + LOG.read_bytes())
    assert run(marked) == SUMMARY


def test_report_events_and_ignored_rows_are_all_the_rows(tmp_path: Path) -> None:
    run(report=tmp_path / "r.csv")
    everything = len(report_of(tmp_path / "r.csv")) + StorageEvent.objects.count() + 1
    assert everything == len(LOG.read_text().splitlines()) - 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"score": None}, "lacks score"),
        ({"occurred_at": None}, "lacks occurred_at"),
        ({"activity": None}, "lacks activity"),
        ({"extra": 1}, "mean nothing: extra"),
        ({"stream": 5}, "stream is not a text"),
        ({"commands": {"talk": {"command": "promote"}}}, "talk: command is one of"),
        ({"commands": {"talk": {"command": "reject", "reason": "tired"}}}, "talk: reason is one"),
        ({"commands": {"talk": {"command": "add", "x": 1}}}, "talk: x means nothing"),
        ({"commands": {"talk": {"command": "reject", "x": 1}}}, "talk: x means nothing"),
        ({"commands": []}, "commands is not a JSON object"),
        ({"score": {"column": "years", "factor": "2"}}, "factor is not a number"),
        ({"score": {"column": "years", "factor": 10**400}}, "factor is not a number"),
        ({"score": {"column": "years", "maximum": float("nan")}}, "maximum is not a number"),
        ({"score": {"column": "years", "maximun": 9}}, "score: maximun means nothing"),
        ({"profile": {"mail": 7}}, "mail is not a text"),
        ({"actor": "nobody"}, "no column nobody"),
    ],
)
def test_a_map_that_will_not_do_is_refused_by_name(
    tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    plain = {**json.loads(MAP.read_text()), **change}
    broken = tmp_path / "map.json"
    broken.write_text(json.dumps({k: v for k, v in plain.items() if v is not None}))
    with pytest.raises(CommandError, match=words):
        run(map_file=broken)
    assert not StorageEvent.objects.exists()


def test_a_map_that_says_a_key_twice_is_refused(tmp_path: Path) -> None:
    twice = tmp_path / "map.json"
    twice.write_text(MAP.read_text().replace('"check":', '"talk":'))
    with pytest.raises(CommandError, match="says talk more than once"):
        run(map_file=twice)


@pytest.mark.parametrize("content", ["{", "[]", "\udcff", "1" * 5000, "[" * 100_000])
def test_a_map_that_is_no_map_is_refused(tmp_path: Path, content: str) -> None:
    broken = tmp_path / "map.json"
    broken.write_text(content, errors="surrogateescape")
    with pytest.raises(CommandError, match="JSON"):
        run(map_file=broken)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(CommandError, match="log cannot be read"):
        run(missing)
    with pytest.raises(CommandError, match="map cannot be read"):
        run(map_file=missing)
    with pytest.raises(CommandError, match="report cannot be written"):
        run(report=missing / "report.csv")


@pytest.mark.parametrize(
    "damage",
    [
        lambda packed: packed[:-2000],
        lambda packed: packed[:-1],
        lambda packed: packed[:-2000] + b"\xff" * 2000,
        lambda packed: packed[:-8] + bytes([packed[-8] ^ 1]) + packed[-7:],
        lambda packed: packed + b"more",
        lambda packed: packed + packed[:-1],
    ],
    ids=[
        "cut off",
        "a byte short",
        "overwritten",
        "other checksum",
        "more behind",
        "half a member",
    ],
)
def test_of_a_gzip_that_is_damaged_anywhere_nothing_is_taken(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    lines = LOG.read_bytes() + b"".join(
        b"G%d,apply,2020-01-01T08:00:00+00:00,desk,%d,%x\n" % (n, n % 10, hash(n) ** 3)
        for n in range(5000)
    )
    broken = tmp_path / "log.csv.gz"
    broken.write_bytes(damage(gzip.compress(lines, mtime=0)))
    with pytest.raises(CommandError, match="gzip is cut off or damaged, or more follows its end"):
        run(broken)
    assert not StorageEvent.objects.exists()


def test_a_gzip_of_several_members_is_read_to_its_end(tmp_path: Path) -> None:
    lines = LOG.read_bytes().splitlines(keepends=True)
    packed = tmp_path / "log.csv.gz"
    members = (b"".join(lines[:4]), b"", b"".join(lines[4:]))
    packed.write_bytes(b"".join(map(gzip.compress, members)) + bytes(512))
    assert run(packed) == SUMMARY


def test_a_run_of_which_a_rule_refuses_every_row_has_not_succeeded(tmp_path: Path) -> None:
    talk = b"%d,talk,2020-01-01T08:00:00+00:00,rita,9,m"
    refused = written(tmp_path, talk % 1, talk % 2, b"3,interview,,,,")
    lines, problem = ended(refused)
    assert lines == [
        "3 rows, 0 events stored",
        "added 0, standby 0, invited 0, rejected 0, refused 2, ignored 1",
    ]
    assert problem == "Nothing was done: 2 rows refused."


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the project")
def test_quotes_swallow_nobody(tmp_path: Path) -> None:
    report = tmp_path / "r.csv"
    lines, problem = ended(CASES / "quotes.csv", CASES / "map.json", report=report)
    assert lines == [
        "10 rows, 7 events stored",
        "added 7, standby 0, invited 0, rejected 0, refused 3, ignored 0",
    ]
    assert problem is not None
    assert problem.startswith("3 rows could not be read")
    assert report_of(report) == [(n, "", "unreadable_row") for n in (3, 5, 10)]
    assert "would swallow lines 4 to 5" in report.read_text()
    names = {row["external_id"]: row["profile"]["name"] for row in rows()}
    assert names == {
        "1": "Ann",
        "3": "Cid",
        "5": "Eve",
        "6": "5'11\" Fay",
        "7": "Gus",
        "10": "Joe",
        "8": 'Hal \\"quoted\\"',
    }


def test_dates_of_one_row_become_events_in_their_order(tmp_path: Path) -> None:
    map_file, people = tmp_path / "map.json", tmp_path / "people.csv"
    plain = {
        "stream": "id",
        "dates": {
            "declined": {"command": "reject", "reason": {"column": "why"}, "note": "why"},
            "talked": [{"command": "note", "text": ["why", "id"]}, {"command": "invite"}],
            "applied": {"command": "add"},
        },
        "date_format": "%d.%m.%Y",
        "time_zone": "UTC",
        "score": 80,
    }
    map_file.write_text(json.dumps(plain))
    people.write_text(
        "id,applied,talked,declined,why\n"
        "1,01.02.2024,03.02.2024,02.02.2024,withdrew\n"
        "2,01.02.2024,,,\n"
        "3,,,,\n"
        "4,01.02.2024,yesterday,,\n"
    )
    lines, problem = ended(people, map_file)
    assert lines == [
        "7 outcomes of 4 rows, 4 events stored",
        "added 2, standby 0, invited 0, rejected 1, refused 2, ignored 1, noted 1",
    ]
    assert problem == ONE_UNREADABLE
    stored = StorageEvent.objects.order_by("stream_id", "version")
    kinds = Counter((event.event_type, event.occurred_at.day) for event in stored)
    assert kinds == {
        ("candidate.added", 1): 2,
        ("candidate.rejected", 2): 1,
        ("candidate.noted", 3): 1,
    }
    before = log()
    ended(people, map_file)
    assert log() == before


def test_rows_that_cannot_be_read_are_named_with_line_and_row(tmp_path: Path) -> None:
    err = io.StringIO()
    quotes = written(tmp_path, APPLY, b"", b'E,apply,2020-01-01T08:00:00+00:00,desk,9,"m', b"F")
    report = tmp_path / "r.csv"
    with pytest.raises(CommandError, match="2 rows could not be read"):
        call_command(
            "import_history",
            str(quotes),
            f"--map={MAP}",
            report=report,
            stdout=io.StringIO(),
            stderr=err,
        )
    assert err.getvalue().splitlines()[-2:] == [
        "line 4 (row 2): A quote opens that would swallow line 5.",
        "line 5 (row 3): The row has 1 columns, the header 6.",
    ]
    with report.open(newline="") as file:
        assert [tuple(row.values()) for row in csv.DictReader(file)] == [
            ("4", "", "unreadable_row", "A quote opens that would swallow line 5."),
            ("5", "", "missing_column", "The row has 1 columns, the header 6."),
        ]


@pytest.mark.django_db(transaction=True)
def test_a_killed_run_started_again_ends_as_one_that_was_not(tmp_path: Path) -> None:
    """SIGKILL between two commits and in the middle of a chunk, then run to the end."""
    big = written(
        tmp_path,
        *(
            line % n
            for n in range(3000)
            for line in (
                b"K%d,apply,2020-01-01T08:00:00+00:00,desk,9,m",
                b"K%d,talk,2020-01-02T08:00:00+00:00,rita,9,m",
                b"K%d,talk,2020-01-03T08:00:00+00:00,rita,9,m",
            )
        ),
    )
    command = [sys.executable, "manage.py", "import_history", str(big), "--map", str(MAP)]
    environment = {**os.environ, "DATABASE_URL": database_url()}
    for stored in (1, 2500):
        process = subprocess.Popen(
            command,
            cwd=HERE.parent.parent,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while StorageEvent.objects.count() < stored and time.monotonic() < deadline:
            assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        # An event and what is remembered of its row are one transaction.
        assert ImportedRow.objects.count() == StorageEvent.objects.count()
    assert 2500 <= StorageEvent.objects.count() < 6000

    run(big)
    interrupted = log()
    assert len(interrupted) == 6000
    assert {row["status"] for row in rows()} == {"INVITED"}
    assert len(rows()) == 3000
    # What a run that nobody disturbs stores, to the last id, row number and time.
    empty_database()
    assert (
        run(big)[-1] == "added 3000, standby 0, invited 3000, rejected 0, refused 3000, ignored 0"
    )
    assert log() == interrupted


@pytest.mark.skipif(not HIRING.is_dir(), reason="the hiring log is not beside the project")
def test_the_hiring_log(tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    lines = run(HIRING / "hiring_log.csv.gz", HIRING / "hiring_map.json", report=report)
    assert lines == [
        "63869 rows, 24283 events stored",
        "added 10000, standby 1028, invited 4372, rejected 8883, refused 6269, ignored 33317",
    ]
    assert len(report_of(report)) == 6269
    codes = Counter(code for _, _, code in report_of(report))
    assert codes == {"score_below_threshold": 4427, "wrong_status": 1071 + 771}
    assert StorageEvent.objects.count() == 24_283
    before = rows()
    assert Counter(row["status"] for row in before) == {
        "ADDED": 439,
        "STANDBY": 105,
        "INVITED": 573,
        "REJECTED": 8883,
    }
    assert sum(row["score"] == 75.0 for row in before) == 1350

    # Asked of the same candidates, since an import takes its time.
    lower, higher = what_if(60.0), what_if(80.0)
    assert lower.would_pass == {Status.ADDED: 240, Status.STANDBY: 56}
    assert lower.would_not_pass == {Status.INVITED: 0}
    assert higher.would_not_pass == {Status.INVITED: 146}
    assert higher.candidates == {Status.ADDED: 439, Status.STANDBY: 105, Status.INVITED: 573}

    found = statistics()
    assert found.now == Counter(row["status"] for row in before)
    assert found.ever == {
        Status.ADDED: 10_000,
        Status.STANDBY: 1028,
        Status.INVITED: 4372,
        Status.REJECTED: 8883,
    }
    assert sum(sum(day.reached.values()) for day in found.days) == 24_283
    assert found.reasons[RejectionReason.NOT_QUALIFIED] == 8883
    ended = {status: stays.ended for status, stays in found.stays.items()}
    assert ended == {status: found.ever[status] - found.now[status] for status in found.now}

    for threshold in (75.0, 90.0):
        out = io.StringIO()
        with override_settings(SCORE_THRESHOLD=threshold):
            call_command("replay", stdout=out, stderr=io.StringIO())
        assert out.getvalue().startswith("replayed 24283 events into 34283 rows in ")
        assert rows() == before


@pytest.mark.skipif(not HIRING.is_dir(), reason="the hiring log is not beside the project")
@pytest.mark.parametrize(
    "lines", [2_000, pytest.param(None, marks=pytest.mark.long)], ids=["a part", "all of it"]
)
def test_the_hiring_log_makes_the_same_rows_by_every_delivery(
    tmp_path: Path, lines: int | None
) -> None:
    part = tmp_path / "log.csv"
    with gzip.open(HIRING / "hiring_log.csv.gz", "rb") as whole:
        part.write_bytes(b"".join(islice(whole, lines)))
    run(part, HIRING / "hiring_map.json")
    imported = deliveries.rows()
    expected = deliveries.replayed()
    assert expected == imported
    assert len(expected["CandidateProjection"]) > 100
    for seed, delivery in enumerate(deliveries.DELIVERIES):
        assert deliveries.delivered(delivery, seed=seed) == expected


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_a_report_on_a_full_disk_is_said_before_any_row_is_taken() -> None:
    with pytest.raises(CommandError, match=r"The report cannot be written: .*No space"):
        run(report=Path("/dev/full"))
    assert not StorageEvent.objects.exists()


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_report_that_fails_on_the_way_leaves_the_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    pipe = tmp_path / "report"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    chunks = history_rows.chunks

    def after_the_reader_has_gone(rows: Any) -> Any:
        os.close(reader)
        yield from chunks(rows)

    monkeypatch.setattr(import_history, "chunks", after_the_reader_has_gone)
    lines, problem = ended(report=pipe, dry_run=dry_run)
    assert lines == SUMMARY
    assert problem is not None
    assert "The report ends after 11 rows: it cannot be written (" in problem
    assert "Broken pipe" in problem
    assert ("Those are imported" in problem) is not dry_run
    assert (len(rows()), StorageEvent.objects.count()) == ((0, 0) if dry_run else (2, 5))
