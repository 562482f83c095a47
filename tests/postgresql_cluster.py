"""A PostgreSQL server of one test's own: it may be set up, broken and restored as no other."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.backends import require

OWNER = "postgres" if os.getuid() == 0 else None
"""The server refuses to run as root."""


class Cluster:
    """Answers on 127.0.0.1 as the superuser `recruitment`, who needs no password."""

    def __init__(self, programs: Path, home: Path) -> None:
        self._programs = programs
        self._home = home
        self.port = _free_port()

    def create(self, *settings: str) -> None:
        """`settings` are lines of postgresql.conf."""
        data = self._home / "data"
        self._run("initdb", "--auth=trust", "--username=recruitment", "--no-sync", "-D", str(data))
        place = [f"port = {self.port}", "listen_addresses = '127.0.0.1'", "fsync = off"]
        place.append(f"unix_socket_directories = '{self._home}'")
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\n".join([*place, *settings, ""]))

    def start(self) -> None:
        """Returns once it answers."""
        log = str(self._home / "log")
        self._run("pg_ctl", "start", "--wait", "-D", str(self._home / "data"), "-l", log)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--mode=immediate", "-D", str(self._home / "data"))

    def url(self, database: str) -> str:
        return f"postgres://recruitment@127.0.0.1:{self.port}/{database}"

    def sql(self, database: str, *statements: str) -> list[str]:
        """Runs each statement by itself; returns the rows, columns separated by `|`."""
        commands = [part for statement in statements for part in ("-c", statement)]
        options = ("--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1")
        return self._run("psql", self.url(database), *options, *commands).splitlines()

    def _run(self, program: str, *arguments: str) -> str:
        # A server that lives on holds on to what it was given to print to.
        with tempfile.TemporaryFile("w+") as out:
            subprocess.run(
                [self._programs / program, *arguments],
                user=OWNER,
                cwd=self._home,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=120,
            )
            out.seek(0)
            return out.read()


@contextmanager
def cluster(*settings: str) -> Iterator[Cluster]:
    """Made, started, and thrown away at the end of the block. Skips where there is no server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    require("postgresql", reachable=initdb is not None)
    assert initdb is not None
    # Not below pytest's own folder, which none but its owner may enter.
    home = Path(tempfile.mkdtemp(prefix="cluster-", dir="/tmp"))
    try:
        if OWNER:
            shutil.chown(home, OWNER)
        server = Cluster(Path(initdb).parent, home)
        server.create(*settings)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
