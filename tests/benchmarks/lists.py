"""Lists, filters, searches and deep pages of very many candidates, by the time in the database.

The requests go through the API. What its answer took of the database is asked of the database: on
PostgreSQL every statement of the answer is run again by EXPLAIN ANALYZE, and planning and
execution count. SQLite runs in this process, so there it is how long its statements took.
"""

import base64
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from math import ceil
from random import Random
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from candidates.application.commands import AddCandidate
from candidates.models import CandidateProjection
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.models import StorageEvent
from tests.benchmarks.timing import Figure
from tests.candidates.crowd import EVENTS, TABLE, gather

URL = "/api/v1/candidates/"
REQUESTS = 500
LIMIT = {"postgresql": 5.0, "sqlite": 100.0}
"""Milliseconds, at the 95th percentile: at a million candidates, and at a hundred thousand."""
_TIMES = re.compile(r"(?:Planning|Execution) Time: ([0-9.]+) ms")

Query = dict[str, object]


class _Mix:
    """What is asked, with its share of a hundred requests. The same requests every time."""

    def __init__(self, rows: int) -> None:
        self._rng = Random(11)
        self._rows = rows
        self.kinds: dict[str, tuple[int, Callable[[], Query]]] = {
            "newest": (14, dict),
            "deep page": (12, self._deep),
            "status": (12, self._status),
            "source, position or owner": (8, self._one),
            "two of these": (8, lambda: self._one() | self._status()),
            "tag": (5, lambda: {"tag": self._somebody(tags__contains='"').tags[0]}),
            "external id": (4, self._external_id),
            "scores": (4, lambda: {"score_min": self._rng.choice([60, 75, 90, 99])}),
            "by score, deep": (3, self._by_score),
            "added in a month": (5, self._month),
            "changed after": (6, self._changed),
            "oldest first, deep": (2, lambda: self._deep("added")),
            "search: name": (5, lambda: {"search": self._somebody(name__gt="").name}),
            "search: family name": (3, self._family),
            "search: e-mail": (3, lambda: {"search": self._somebody(email__gt="").email}),
            "search: telephone": (3, lambda: {"search": self._somebody(phone__gt="").phone}),
            "search: nobody": (1, lambda: {"search": f"nobody{self._rng.random():.6f}"}),
            "search and status": (1, lambda: self._family() | self._status()),
            "counted": (1, lambda: self._status() | {"count": "true"}),
        }

    def requests(self, count: int) -> Iterator[tuple[str, Query]]:
        """Each kind as often as its share says, and at least once."""
        for kind, (share, query) in self.kinds.items():
            for _ in range(max(share * count // 100, 1)):
                yield kind, query()

    def _place(self) -> int:
        return 1 + EVENTS * self._rng.randrange(self._rows)

    def _somebody(self, **conditions: Any) -> CandidateProjection:
        those = CandidateProjection.objects.filter(**conditions)
        found = those.filter(added_position__gte=self._place()).order_by("added_position").first()
        return found or those.order_by("added_position")[0]

    def _deep(self, ordering: str = "-added") -> Query:
        return {"ordering": ordering, "cursor": _cursor(ordering, self._place())}

    def _by_score(self) -> Query:
        row = self._somebody()
        return {
            "ordering": "-score",
            "cursor": _cursor("-score", row.score, row.added_position),
        }

    def _status(self) -> Query:
        return {"status": self._rng.choice(["ADDED", "STANDBY", "INVITED", "REJECTED"])}

    def _one(self) -> Query:
        row = self._somebody(owner__gt="")
        return self._rng.choice(
            [{"source": row.source}, {"position": row.applied_position}, {"owner": row.owner}]
        )

    def _external_id(self) -> Query:
        return {"external_id": self._somebody(external_id__gt="").external_id}

    def _month(self) -> Query:
        since = self._somebody().added_at
        return {
            "added_after": since.isoformat(),
            "added_before": (since + timedelta(days=30)).isoformat(),
        }

    def _changed(self) -> Query:
        return {"changed_after": self._somebody().position}

    def _family(self) -> Query:
        return {"search": self._somebody(name__gt="").name.split()[-1].ljust(3, "a")}


def run(rows: int) -> Iterator[Figure]:
    _fill(rows)
    client = APIClient(SERVER_NAME="localhost")
    client.force_authenticate(User.objects.create_superuser("vera"))
    taken: dict[str, list[float]] = {}
    for kind, query in _Mix(rows).requests(REQUESTS):
        taken.setdefault(kind, []).append(_database_time(client, query))
    everything = [one for times in taken.values() for one in times]
    for name, times in {"": everything, **taken}.items():
        reached = _percentile_95(times)
        limit = LIMIT[connection.vendor]
        yield Figure(
            name=f"lists/{connection.vendor}" + (f": {name}" if name else ""),
            ours=max(round(reached, 3), 0.001),
            limit=None,
            ratio=None,
            unit="ms",
            target=f"<= {limit:g}",
            met=reached <= limit,
        )


def _fill(rows: int) -> None:
    """The rows, and behind them one candidate who was really added: the log ends there."""
    gather(rows)
    last = EVENTS * (rows + 1)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sequence = f"{StorageEvent._meta.db_table}_position_seq"
            cursor.execute("SELECT setval(%s, %s)", [sequence, last])
            # As autovacuum leaves the table behind: rows that all can see, an index in order.
            cursor.execute(f"VACUUM ANALYZE {TABLE}")
        else:
            cursor.execute(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)",
                [StorageEvent._meta.db_table, last],
            )
    context = CommandContext(actor="rita", door="api", allows=lambda permission: True)
    candidate_service().handle(AddCandidate(profile={"name": "Last"}, score=80), context)


def _database_time(client: APIClient, query: Query) -> float:
    """In milliseconds. Read once before, so what is read is in memory, as far as it has room."""
    url = f"{URL}?{urlencode(query)}"
    with CaptureQueriesContext(connection) as asked:
        answer = client.get(url)
    assert answer.status_code == 200, (url, answer.content)
    statements = [one["sql"] for one in asked if one["sql"].lstrip().startswith("SELECT")]
    with connection.cursor() as cursor:
        return sum(_run_again(cursor, statement) for statement in statements)


def _run_again(cursor: Any, statement: str) -> float:
    if connection.vendor == "postgresql":
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {statement}", None)
        explained = "\n".join(line for (line,) in cursor.fetchall())
        return sum(map(float, _TIMES.findall(explained)))
    began = time.perf_counter()
    connection.connection.execute(statement).fetchall()
    return (time.perf_counter() - began) * 1000


def _percentile_95(times: list[float]) -> float:
    """By nearest rank."""
    return sorted(times)[ceil(0.95 * len(times)) - 1]


def _cursor(ordering: str, *values: float) -> str:
    text = "|".join([ordering, "on", *map(repr, values)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
