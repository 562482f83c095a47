"""A replay of everything while people work: how long they wait, and how much memory it takes.

So many candidates of one event each; `manage.py replay` in a process of its own, and here one
command after another, each noting something on the next candidate. On SQLite the write lock is
asked for between them, as somebody would who only wants to begin.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from uuid import UUID

import uuid_utils.compat as uuid_utils
from django.db import connection

from candidates.application.commands import NoteOnCandidate
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.wiring import event_store, projections, repair
from tests.benchmarks import events
from tests.benchmarks.timing import Figure, seconds

_WEIGHED = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
"""Runs a command and says how many kB of memory it took. In a small process, since what its parent
has when it begins counts as its own."""
ROOT = Path(__file__).resolve().parent.parent.parent
RITA = CommandContext(actor="rita", door="api", allows=lambda permission: True)
PAUSE = 0.005
"""Seconds between two commands: people, not a second load."""
MEGABYTES = {"postgresql": 200, "sqlite": 400}


def run(stored: int) -> Iterator[Figure]:
    vendor = connection.vendor
    candidates = list(_candidates(stored))
    for name in projections():
        repair(name)
    service, turn = candidate_service(), cycle(candidates)

    def note() -> None:
        service.handle(NoteOnCandidate(candidate_id=next(turn), text="called"), RITA)

    note()
    commands, locks = [0.0], [0.0]
    replaying = subprocess.Popen(
        [sys.executable, "-c", _WEIGHED, sys.executable, "manage.py", "replay"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    while replaying.poll() is None:
        commands.append(seconds(note))
        if vendor == "sqlite":
            locks.append(seconds(_locked))
        time.sleep(PAUSE)
    said, _ = replaying.communicate()
    if replaying.returncode:
        raise RuntimeError(f"The replay ended with {replaying.returncode}.")
    peak = int(said) / 1024
    yield _figure("longest-command", max(commands), 3, "s")
    if vendor == "sqlite":
        yield _figure("longest-wait-for-the-lock", max(locks), 1, "s")
    yield _figure("memory", peak, MEGABYTES[vendor], "MB")


def _candidates(count: int) -> Iterator[UUID]:
    store: Callable[..., object] = event_store().append
    for _ in range(count):
        stream_id = uuid_utils.uuid7()
        store("candidate", stream_id, [events.ADDED], expected=0, metadata=events.METADATA)
        yield stream_id


def _locked() -> None:
    driver = connection.connection
    driver.execute("BEGIN IMMEDIATE").close()
    driver.execute("ROLLBACK").close()


def _figure(what: str, reached: float, limit: float, unit: str) -> Figure:
    return Figure(
        name=f"live/{connection.vendor}/{what}",
        ours=round(reached, 6),
        limit=None,
        ratio=None,
        unit=unit,
        target=f"<= {limit:g}",
        met=reached <= limit,
    )
