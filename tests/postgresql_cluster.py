"""A PostgreSQL server of one test's own: it may be set up, broken and restored as no other."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.backends import require

OWNER = "postgres" if os.getuid() == 0 else None
"""The server refuses to run as root."""


class Cluster:
    """Answers on 127.0.0.1 as the superuser `recruitment`, who needs no password."""

    def __init__(self, programs: Path, home: Path) -> None:
        self._programs = programs
        self.home = home
        self.port = free_port()

    def create(self, *settings: str, base: Path | None = None) -> None:
        """`settings` are lines of postgresql.conf; `base` a base backup, which it recovers from."""
        data = self.home / "data"
        if base is None:
            login = ("--auth=trust", "--username=recruitment")
            self.run("initdb", *login, "--no-sync", "-D", str(data))
        else:
            self.run("/bin/cp", "-a", str(base), str(data))
            self.run("/bin/touch", str(data / "recovery.signal"))
        place = [f"port = {self.port}", "listen_addresses = '127.0.0.1'", "fsync = off"]
        place.append(f"unix_socket_directories = '{self.home}'")
        with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write("\n".join([*place, *settings, ""]))

    def start(self) -> None:
        """Returns once it answers."""
        log = str(self.home / "log")
        self.run("pg_ctl", "start", "--wait", "-D", str(self.home / "data"), "-l", log)

    def stop(self) -> None:
        self.run("pg_ctl", "stop", "--mode=immediate", "-D", str(self.home / "data"))

    def restart(self) -> None:
        """As after a crash: whoever is connected is cut off."""
        self.stop()
        self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Connections stay open, also new ones, and no process of the server does anything."""
        pids = self._processes()
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in reversed(pids):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _processes(self) -> list[int]:
        first = int((self.home / "data" / "postmaster.pid").read_text().splitlines()[0])
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]

    def url(self, database: str) -> str:
        return f"postgres://recruitment@127.0.0.1:{self.port}/{database}"

    def sql(self, database: str, *statements: str) -> list[str]:
        """Runs each statement by itself; returns the rows, columns separated by `|`."""
        commands = [part for statement in statements for part in ("-c", statement)]
        options = ("--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1")
        return self.run("psql", self.url(database), *options, *commands).splitlines()

    def run(self, program: str, *arguments: str) -> str:
        """Runs one of the server's programs, as the server's owner and in its home."""
        # A server that lives on holds on to what it was given to print to.
        with tempfile.TemporaryFile("w+") as out:
            subprocess.run(
                [self._programs / program, *arguments],
                user=OWNER,
                cwd=self.home,
                stdout=out,
                stderr=subprocess.STDOUT,
                check=True,
                timeout=120,
            )
            out.seek(0)
            return out.read()


@contextmanager
def cluster(*settings: str, base: Path | None = None) -> Iterator[Cluster]:
    """Made, started, and thrown away at the end of the block. Skips where there is no server.

    See `Cluster.create`.
    """
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
        server.create(*settings, base=base)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(home)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
