"""The form of what benchmarks print. How fast anything is, no test says."""

import json
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest
from django.db import connection

from tests.databases import database_url

ROOT = Path(__file__).resolve().parent.parent
FIELDS = ["name", "ours", "limit", "ratio", "unit", "target", "met"]


@pytest.mark.parametrize(
    "name",
    [
        *("append", "rehydrate", "read", "command", "replay", "live", "lists", "publish"),
        *("consume", "rotate"),
    ],
)
def test_a_benchmark_prints_one_figure_a_line(name: str) -> None:
    figures = [json.loads(line) for line in run(name, "--json").splitlines()]

    assert figures
    for figure in figures:
        assert list(figure) == FIELDS
        assert f"/{connection.vendor}" in figure["name"]
        assert figure["ours"] > 0
        assert (figure["limit"] is None) == (figure["ratio"] is None)
        assert figure["target"].startswith((">= ", "<= "))
        assert isinstance(figure["met"], bool)
    assert len({figure["name"] for figure in figures}) == len(figures)


@pytest.mark.skipif(which("wrk") is None, reason="wrk is not installed")
def test_calls_over_http_are_given_to_ours_and_to_the_rival() -> None:
    lines = run("http", "--json", "--requests", "1", "--rounds", "1", "--rows", "80").splitlines()
    figures = [json.loads(line) for line in lines]

    assert len(figures) == 11 * 3
    for figure in figures:
        assert list(figure) == FIELDS
        assert figure["name"].startswith(f"http/{connection.vendor}: ")
        assert figure["ours"] > 0
        assert figure["limit"] > 0
    assert len({figure["name"] for figure in figures}) == len(figures)


def test_a_benchmark_over_http_says_how_many_rows_it_needs() -> None:
    with pytest.raises(subprocess.CalledProcessError) as error:
        run("http", "--rounds", "2", "--requests", "10")

    assert error.value.stderr.strip().endswith(
        "--rows: at least 294, since each is given one command and no more."
    )


def test_a_benchmark_prints_a_table_for_people() -> None:
    line = run("read")

    assert line.startswith(f"read/{connection.vendor} ")
    assert line.rstrip().endswith((" met", " missed"))


def run(name: str, *options: str) -> str:
    """What it prints about the tests' kind of database, with hardly an event in it."""
    url = "sqlite:///" if connection.vendor == "sqlite" else database_url("postgres")
    command = [sys.executable, "-m", "tests.benchmarks", name, "--database-url", url]
    done = subprocess.run(
        [*command, "--events", "20", "--rows", "50", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout
