"""Very many candidates, as rows of the read model alone: quick to make, and the same every time."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from candidates.application.projector import profile_columns
from candidates.models import CandidateProjection
from eventstore.application.folding import FoldedStream
from eventstore.infrastructure.tables import ProjectionTable
from recruitment.demo.people import applicant

TABLE = CandidateProjection._meta.db_table
EVENTS = 4
"""Of each candidate, on average: positions in the log are that far apart."""
_FIRST = datetime(2023, 1, 1, tzinfo=UTC)
_EVERY = timedelta(minutes=2)
_STATUSES = ("ADDED", "STANDBY", "INVITED", "REJECTED", "RETRACTED")
_SHARES = (30, 10, 15, 44, 1)
# fmt: off
_SYLLABLES = (
    "ba", "be", "ci", "da", "den", "du", "er", "fi", "gor", "hal", "ing", "ja", "ki", "lo", "lund",
    "man", "mar", "mo", "nes", "o", "pe", "pol", "qui", "ro", "sa", "ska", "sta", "sen", "tu", "va",
    "vi", "wil", "xa", "yan", "zar",
)
# fmt: on
"""So many that no three letters are in the names of one in ten."""
_PHONES = ("+999 ### ### ####", "00999/###-#######", "+999 (0)### ### ## ##", "+999.##########")
"""Of a country's prefix that no country has."""


def crowd(count: int) -> Iterator[tuple[UUID, FoldedStream]]:
    """Candidate 0 was added first. One in ten was added by an import, weeks after it happened."""
    rng = Random(7)
    for number in range(count):
        profile = applicant(rng, number)
        if number % 2:
            # A long tail of names beside the demo's few hundred.
            given, family = _made_up(rng, 2), _made_up(rng, 4)
            profile["name"] = f"{given.capitalize()} {family.capitalize()}"
            profile["email"] = f"{given}.{family}@example.org"
        if "phone" in profile:
            # Of the numbers for fiction there are too few: a thousand people would share each.
            profile["phone"] = re.sub("#", lambda _: rng.choice("0123456789"), rng.choice(_PHONES))
        added_at = _FIRST + number * _EVERY
        if rng.random() < 0.1:
            added_at -= timedelta(days=rng.randrange(40))
        added, status = 1 + number * EVENTS, rng.choices(_STATUSES, _SHARES)[0]
        changed = rng.randrange(number, count) * EVENTS + 1 + rng.randrange(1, EVENTS)
        columns: dict[str, Any] = {
            **profile_columns(profile),
            "position": added if status == "ADDED" else changed,
            "added_position": added,
            "status": status,
            "score": round(rng.triangular(0, 100, 70), 1),
        }
        columns |= dict.fromkeys(("status_since", "changed_at", "added_at"), added_at)
        yield UUID(int=rng.getrandbits(128), version=4), FoldedStream(2, [(1, columns)])


def _made_up(rng: Random, syllables: int) -> str:
    return "".join(rng.choices(_SYLLABLES, k=syllables))


def gather(count: int) -> None:
    """Into the database, which knows afterwards how its values are spread."""
    table = ProjectionTable(CandidateProjection, connection)
    rows = (row for stream in crowd(count) for row in table.rows(*stream))
    columns = ", ".join(f'"{column}"' for column in table.columns)
    with _filled_at_once() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {TABLE} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join(["?"] * len(table.columns))
            connection.connection.executemany(
                f"INSERT INTO {TABLE} ({columns}) VALUES ({marks})", rows
            )


def multiply(times: int) -> None:
    """Everybody so many times, a power of two: it is quicker than to gather as many."""
    fields = CandidateProjection._meta.concrete_fields
    new_id = "gen_random_uuid()" if connection.vendor == "postgresql" else "hex(randomblob(16))"
    moved = {"id": new_id} | {
        name: f"{name} + (SELECT max(position) FROM {TABLE})"
        for name in ("position", "added_position")
    }
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(moved.get(field.attname, f'"{field.column}"') for field in fields)
    with _filled_at_once() as cursor:
        for _ in range(times.bit_length() - 1):
            cursor.execute(f"INSERT INTO {TABLE} ({columns}) SELECT {values} FROM {TABLE}")


@contextmanager
def _filled_at_once() -> Iterator[Any]:
    """PostgreSQL makes an index of many rows in a tenth of the time that they take one by one."""
    with transaction.atomic(), connection.cursor() as cursor:
        indexes: list[tuple[str, str]] = []
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT indexname, indexdef FROM pg_indexes "
                "WHERE tablename = %s AND indexname NOT LIKE '%%pkey'",
                [TABLE],
            )
            indexes = cursor.fetchall()
        for name, _ in indexes:
            cursor.execute(f"DROP INDEX {name}")
        yield cursor
        for _, definition in indexes:
            cursor.execute(definition, None)
        cursor.execute(f"ANALYZE {TABLE}")
