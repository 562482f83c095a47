"""Calls of the API under gunicorn, beside plain CRUD of Django REST framework.

Each command is held against the rival's PATCH that changes the same columns.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from shutil import which
from statistics import median

from django.contrib.auth.models import Group, User
from django.db import connection, transaction

from candidates.domain.candidate import Candidate
from candidates.models import CandidateProjection
from candidates.wiring import repair
from eventstore.domain.events import DomainEvent, Metadata
from eventstore.wiring import event_store
from recruitment.models import Scope
from recruitment.tokens import issue
from tests.benchmarks.databases import fresh
from tests.benchmarks.people import candidate_id, people
from tests.benchmarks.serving import CONNECTIONS, Call, Reading, Server, served
from tests.benchmarks.timing import Figure
from tests.factories import added, moved_to_standby

URL = "/api/v1/candidates/"
RIVAL = "tests.benchmarks.rivals.crud.settings"
METADATA = Metadata(actor="rita", door="api")
PROFILE = {"name": "Ada O’Neill", "email": "ada@example.org", "source": "fair", "tags": ["new"]}
UNDONE = "undo"
"""The one command that needs a decision before it."""
COMMANDS: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "standby": ({"until": "2027-09-01"}, {"status": "STANDBY", "due_on": "2027-09-01"}),
    "invite": ({}, {"status": "INVITED"}),
    "reject": (
        {"reason": "other", "note": "Not now."},
        {"status": "REJECTED", "rejection_reason": "other", "rejection_note": "Not now."},
    ),
    UNDONE: ({"version": 2}, {"status": "ADDED", "due_on": None}),
    "rescore": ({"score": 90, "why": "Second look."}, {"score": 90}),
    "profile": ({"profile": PROFILE}, {"profile": PROFILE}),
    "note": ({"text": "Called, and will call again."}, {"note": "Called, and will call again."}),
}
"""Bodies: ours, and the rival's."""
READS = {
    "detail": "{id}/",
    "list of 50": "?page_size=50",
    "list of 100": "?page_size=100",
}


def run(rows: int, *, server: str, requests: int, rounds: int) -> Iterator[Figure]:
    """`server` is where the rival's database is made."""
    if which("wrk") is None:
        raise SystemExit("wrk is not installed: it is Debian's package wrk.")
    needed = len(COMMANDS) * (rounds + 1) * (requests + CONNECTIONS)
    if rows < needed:
        raise SystemExit(f"--rows: at least {needed}, since each is given one command and no more.")
    with ExitStack() as stack:
        sides = [_ours(stack, rows)]
        if find_spec("simple_history"):
            sides.append(_rival(stack, server, rows))
        else:
            print('{"rival": "not installed"}', file=sys.stderr)
        yield from _measured(sides, _Calls(rows, requests), rounds)


def _ours(stack: ExitStack, rows: int) -> Server:
    url = os.environ["DATABASE_URL"]
    _fill(rows)
    user = User.objects.create_user("rita")
    user.groups.set(Group.objects.filter(name="Recruiters"))
    _, token = issue(user, scopes=[Scope.READ, Scope.COMMAND])
    connection.close()
    return stack.enter_context(served("recruitment.settings", url, token))


def _rival(stack: ExitStack, server: str, rows: int) -> Server:
    url = stack.enter_context(fresh(server, name="rival"))
    filled = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.rivals.crud.fill", str(rows)],
        env=os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": RIVAL},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return stack.enter_context(served(RIVAL, url, token=filled.stdout.split()[-1]))


def _measured(sides: list[Server], calls: "_Calls", rounds: int) -> Iterator[Figure]:
    """Both in turn, and each first in every other round. The first round warms up."""
    for call in (*READS, "add", *COMMANDS):
        readings: list[list[Reading]] = []
        for number in range(rounds + 1):
            order = [0, 1][: len(sides)][:: -1 if number % 2 else 1]
            found = {side: sides[side].read(calls.of(call, number, side)) for side in order}
            readings.append([found[side] for side in sorted(found)])
        yield from _figures(f"http/{connection.vendor}: {call}", readings[1:])


def _figures(name: str, readings: list[list[Reading]]) -> Iterator[Figure]:
    for field, unit, rises in (
        ("rate", "calls/s", True),
        ("processor", "ms", False),
        ("latency", "ms", False),
    ):
        values = [[getattr(reading, field) for reading in one] for one in readings]
        own = median(one[0] for one in values)
        other = ratio = None
        if len(values[0]) > 1:
            other = round(median(one[1] for one in values), 4)
            ratio = round(median(one[0] / one[1] for one in values), 3)
        yield Figure(
            name=f"{name}, {field}",
            ours=round(own, 4),
            limit=other,
            ratio=ratio,
            unit=unit,
            target=">= 1.00" if rises else "<= 1.00",
            met=ratio is not None and (ratio >= 1 if rises else ratio <= 1),
        )


class _Calls:
    def __init__(self, rows: int, requests: int) -> None:
        self._rows = rows
        self._count = requests + CONNECTIONS

    def of(self, name: str, number: int, side: int) -> list[Call]:
        """Returns the calls of round `number`, for this project (0) or for the rival (1)."""
        if name in READS:
            ids = (candidate_id(place * 37 % self._rows) for place in range(self._count))
            return [("GET", URL + READS[name].format(id=id), "") for id in ids]
        if name == "add":
            body = json.dumps({"profile": PROFILE, "score": 80})
            return [("POST", URL, body)] * self._count
        place, body = list(COMMANDS).index(name), json.dumps(COMMANDS[name][side])
        first = number * self._count
        ids = (
            candidate_id(each * len(COMMANDS) + place) for each in range(first, first + self._count)
        )
        if side:
            return [("PATCH", f"{URL}{id}/", body) for id in ids]
        return [("POST", f"{URL}{id}/{name}/", body) for id in ids]


def _fill(rows: int) -> None:
    decided = list(COMMANDS).index(UNDONE)
    with transaction.atomic():
        for number, (profile, score) in enumerate(people(rows)):
            events: list[DomainEvent] = [added(profile=profile, score=score)]
            if number % len(COMMANDS) == decided:
                events.append(moved_to_standby())
            event_store().append(
                Candidate.stream_type, candidate_id(number), events, expected=0, metadata=METADATA
            )
    repair()
    if CandidateProjection.objects.count() != rows:
        raise RuntimeError("Not every candidate is shown.")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
