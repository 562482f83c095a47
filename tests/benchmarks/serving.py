"""A WSGI application under gunicorn, loaded by wrk, and what that takes of the processor."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import Request, urlopen

import psycopg

WORKERS = 2
CONNECTIONS = 4
PATIENCE = 60.0
"""Seconds, for a server to start and for the requests of one reading."""
LISTED = "/api/v1/candidates/"
SCRIPT = Path(__file__).with_name("load.lua")
Call = tuple[str, str, str]
"""Method, path and body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    rate: float
    """Requests a second."""
    processor: float
    """Milliseconds of one request: of the server's workers and the database's backends."""
    latency: float
    """The median, in milliseconds."""


class Server:
    def __init__(
        self, process: "subprocess.Popen[bytes]", port: int, *, database_url: str, token: str
    ) -> None:
        self._process = process
        self._port = port
        self._url = database_url
        self._token = token

    def wait_until_it_answers(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        request = Request(f"http://127.0.0.1:{self._port}{LISTED}", headers=headers)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                urlopen(request, timeout=PATIENCE).close()
                return
            except (URLError, ConnectionError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.05)

    def read(self, calls: Sequence[Call]) -> Reading:
        """Have each carried out once, several at a time. Raises where one of them failed.

        As many as there are connections are left over: what is under way when the others are
        answered is not waited for.
        """
        with TemporaryDirectory() as folder:
            file = Path(folder) / "calls"
            file.write_text("".join("\t".join(call) + "\n" for call in calls))
            wanted = len(calls) - CONNECTIONS
            before = self._used()
            found = _wrk(self._port, [str(file), str(wanted), self._token])
            used = self._used()
        if found["failed"]:
            raise RuntimeError(f"{found['failed']} of {wanted} calls failed: {calls[0]}")
        spent = sum(seconds - before.get(process, 0) for process, seconds in used.items())
        return Reading(
            rate=found["requests"] / found["seconds"],
            processor=spent / found["requests"] * 1000,
            latency=found["median"],
        )

    def _used(self) -> dict[int, float]:
        """Seconds of the processor, by process."""
        return {pid: _processor_time(pid) for pid in [*self._workers(), *_backends(self._url)]}

    def _workers(self) -> list[int]:
        master = self._process.pid
        return [
            int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()
        ]


@contextmanager
def served(settings: str, database_url: str, token: str) -> Iterator[Server]:
    """As in production, but for whom it listens to."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--workers",
        str(WORKERS),
        "--log-level",
        "warning",
    ]
    command += ["--no-control-socket", "--bind", f"127.0.0.1:{port}"]
    process = subprocess.Popen(
        [*command, "django.core.wsgi:get_wsgi_application()"],
        env={
            **os.environ,
            "ALLOWED_HOSTS": "127.0.0.1",
            "DEBUG": "false",
            "DATABASE_URL": database_url,
            "DJANGO_SETTINGS_MODULE": settings,
        },
    )
    try:
        server = Server(process, port, database_url=database_url, token=token)
        server.wait_until_it_answers()
        yield server
    finally:
        process.terminate()
        process.wait()


def _wrk(port: int, arguments: Sequence[str]) -> dict[str, float]:
    """Stopped when the script has said that it is done: wrk itself goes by the clock."""
    process = subprocess.Popen(
        [
            *("wrk", "--threads", "1", "--connections", str(CONNECTIONS)),
            *("--duration", f"{PATIENCE:.0f}s", "--timeout", "30s", "--script", str(SCRIPT)),
            *(f"http://127.0.0.1:{port}", "--", *arguments),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for said in process.stdout:
        if said == "done\n":
            process.send_signal(signal.SIGINT)
    if process.wait():
        raise RuntimeError("wrk failed.")
    found: dict[str, float] = json.loads(said)
    return found


def _processor_time(pid: int) -> float:
    """In seconds, to the nanosecond, where /proc counts in hundredths of a second.

    The clock of a process by its id: see CPUCLOCK_SCHED in Linux' posix-timers.
    """
    return time.clock_gettime((~pid << 3) | 2)


def _backends(url: str) -> list[int]:
    if not url.startswith("postgres"):
        return []
    with psycopg.connect(url) as connection:
        asked = (
            "SELECT pid FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return [pid for (pid,) in connection.execute(asked)]
