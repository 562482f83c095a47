"""Processes of their own on the test database, which can be killed at any point of their work."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.databases import database_url

ROOT = Path(__file__).parent.parent
REACHED = "reached"
SETUP = """
import os, sys, time
import django
django.setup()
"""
BEGIN = f"""{SETUP}
def reach(*_, **__):
    print({REACHED!r}, flush=True)
    time.sleep(600)
"""


def until(condition: Callable[[], object], *, seconds: float = 30) -> None:
    """Fails where it does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


@contextmanager
def running(*command: str, **environment: str) -> Iterator["subprocess.Popen[str]"]:
    """Killed where it still runs at the end of the block."""
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": database_url(),
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def run(code: str, **environment: str) -> str:
    """What the code prints; it has Django set up."""
    with running("-c", BEGIN + code, **environment) as process:
        out, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    return out


def killed(code: str, **environment: str) -> None:
    """Run the code until it calls `reach()`, and kill it there as a power cut would."""
    with running("-c", BEGIN + code, **environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert line.strip() == REACHED, errors
    assert process.returncode == -signal.SIGKILL
