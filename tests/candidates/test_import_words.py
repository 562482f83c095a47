"""An import's messages, on the screen and in the report, quote nothing of the file's rows."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

HERE = Path(__file__).parent
MAP = HERE / "history_map.json"
HEADER = b"case,activity,at,who,years,mail\n"
MARK = "ZEBRA"
"""In every cell that could be somebody's, and in no word of ours."""

pytestmark = pytest.mark.django_db


def said(path: Path, report: Path, **options: Any) -> tuple[str, list[str]]:
    """Everything on the screen, and the words of the report."""
    out, err = io.StringIO(), io.StringIO()
    arguments = ["import_history", str(path), f"--map={MAP}", f"--report={report}", "--dry-run"]
    try:
        call_command(*arguments, stdout=out, stderr=err, **options)
    except CommandError as error:
        err.write(str(error))
    details = []
    if report.exists():
        with report.open(newline="") as file:
            details = [row["code"] + row["detail"] for row in csv.DictReader(file)]
    return out.getvalue() + err.getvalue(), details


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    edits=st.lists(
        st.tuples(
            st.integers(0, 10_000),
            st.integers(0, 3),
            st.sampled_from([b'"', b"\n", b",", b"\xff", b"", b"\x00", b";", b'""']),
        ),
        max_size=12,
    ),
    with_header=st.booleans(),
)
def test_nothing_of_a_row_is_said_whatever_the_bytes_are(
    tmp_path: Path, edits: list[tuple[int, int, bytes]], with_header: bool
) -> None:
    line = "%d,apply,2020-01-01T08:00:00+00:00,MARK,9,MARK\n".replace("MARK", MARK)
    odd = "%d,MARK,MARK,MARK,MARK,MARK\n%d,apply,MARK,MARK,MARK,MARK\n".replace("MARK", MARK)
    body = bytearray("".join([line % 1, odd % (2, 3), line % 4]).encode())
    for at, length, piece in edits:
        at %= len(body) + 1
        body[at : at + length] = piece
    path, report = tmp_path / "log", tmp_path / "report.csv"
    report.unlink(missing_ok=True)
    path.write_bytes(HEADER * with_header + bytes(body))
    screen, details = said(path, report)
    # A piece of it is enough to tell somebody.
    for word in (MARK, MARK[:3], MARK[-3:]):
        assert word not in screen
        assert not any(word in detail for detail in details)


@pytest.mark.parametrize(
    "content",
    [
        f"{MARK};{MARK};{MARK}\n",
        f'{{"name": "{MARK}", "name": "{MARK}"}}\n',
        f'[{{"name": "{MARK}"}}]',
        f"<log><{MARK}></log>",
        f"<html>{MARK}</html>",
        f"{MARK}\x00{MARK}\n",
        f"PK\x03\x04{MARK}",
        f"%PDF{MARK}",
        f'"{MARK}\n',
        f"\x1f\x8b{MARK}",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_nothing_of_a_file_of_another_kind_is_said(
    tmp_path: Path, content: str, encoding: str
) -> None:
    path = tmp_path / "log"
    path.write_bytes(content.encode(encoding))
    screen, _ = said(path, tmp_path / "report.csv")
    assert screen.startswith("The log")
    assert MARK not in screen
