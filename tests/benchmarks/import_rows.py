"""Importing history: rows of half as many people, and the bare driver that copies the same rows."""

import csv
import io
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from django.core.management import call_command
from django.db import connection

from tests.benchmarks.timing import Figure

BEHIND = 2_000
"""People between somebody's first row and the second: it is in another commit."""
BEFORE = 725
"""Rows a second: SQLite's when each row was a commit, of 100,000 rows on two slow cores."""
COLUMNS = ("case", "activity", "when", "who", "name", "mail", "points")
MAP = {
    "stream": "case",
    "activity": "activity",
    "occurred_at": "when",
    "actor": "who",
    "commands": {"applied": {"command": "add"}, "invited": {"command": "invite"}},
    "profile": {"name": "name", "email": "mail"},
    "score": {"column": "points"},
}


def run(rows: int, *, rounds: int) -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log.csv"
        _write(log, rows // 2)
        readings = []
        for number in range(rounds + 1):
            map_file = Path(folder) / "map.json"
            map_file.write_text(json.dumps({**MAP, "system": f"round {number}"}))
            ours, limit = _imported(log, map_file), _copied(log, number)
            # The first one warms up.
            readings += [(ours, limit)] if number else []
    own = median(rows / wall for (wall, _, _), _ in readings)
    bare = median(rows / wall for _, wall in readings)
    yield Figure(
        name=f"import/{connection.vendor}",
        ours=round(own, 1),
        limit=round(bare, 1),
        ratio=round(median(wall / ours[0] for ours, wall in readings), 4),
        unit="rows/s",
        target=f">= {BEFORE}",
        met=own >= BEFORE,
    )
    for number, name in ((1, "processor time"), (2, "of the server")):
        spent = median(ours[number] for ours, _ in readings) / rows * 1e6
        yield Figure(
            name=f"import/{connection.vendor}, {name}",
            ours=round(spent, 1),
            limit=None,
            ratio=None,
            unit="µs/row",
            target="<= 1000",
            met=spent <= 1000,
        )


def _write(path: Path, people: int) -> None:
    def row(number: int, activity: str, day: int) -> tuple[Any, ...]:
        when = f"2024-0{day}-{number % 28 + 1:02}T08:00:00+00:00"
        name, mail = f"Ada Person {number}", f"ada{number}@example.org"
        return number, activity, when, "desk", name, mail, 75 + number % 25

    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(people + BEHIND):
            if number < people:
                writer.writerow(row(number, "applied", 1))
            if 0 <= number - BEHIND < people:
                writer.writerow(row(number - BEHIND, "invited", 2))


def _imported(log: Path, map_file: Path) -> tuple[float, float, float]:
    """Seconds by the clock, of this process, and of the server's that works for it."""
    wall, own, server = time.perf_counter(), time.process_time(), _server_seconds()
    arguments = ["import_history", str(log), f"--map={map_file}"]
    call_command(*arguments, stdout=io.StringIO(), stderr=io.StringIO())
    return (
        time.perf_counter() - wall,
        time.process_time() - own,
        _server_seconds() - server,
    )


def _server_seconds() -> float:
    """0 where there is no server, or where it is on another machine."""
    if connection.vendor != "postgresql":
        return 0.0
    connection.ensure_connection()
    pid = connection.connection.info.backend_pid
    with suppress(OSError):
        spent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, spent[11:13])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def _copied(log: Path, number: int) -> float:
    """Seconds that the bare driver takes for the rows of the file, as text and without an index."""
    with log.open(newline="") as file:
        rows = csv.reader(file)
        started = time.perf_counter()
        if connection.vendor == "postgresql":
            _copy(rows, f"bare_{number}")
        else:
            _execute_many(rows, f"bare_{number}")
        return time.perf_counter() - started


def _copy(rows: Iterator[list[str]], table: str) -> None:
    parameters = connection.get_connection_params()
    wanted = ("host", "port", "user", "password", "dbname")
    given = {name: parameters[name] for name in wanted if name in parameters}
    with psycopg.connect(**given) as driver, driver.cursor() as cursor:
        columns = ", ".join(f'"{name}" text' for name in COLUMNS)
        cursor.execute(f"CREATE TABLE {table} ({columns})")
        with cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


def _execute_many(rows: Iterator[list[str]], table: str) -> None:
    driver = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    driver.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
    driver.execute(f"CREATE TABLE {table} ({', '.join(f'{name!r}' for name in COLUMNS)})")
    driver.execute("BEGIN IMMEDIATE")
    marks = ", ".join("?" for _ in COLUMNS)
    driver.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
    driver.execute("COMMIT")
    driver.close()
