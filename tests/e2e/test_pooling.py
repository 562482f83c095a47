"""Many threads on few connections, and poolers that stand in between."""

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from tests.backends import require
from tests.eventstore.test_away import Site, server, site, template
from tests.postgresql_cluster import OWNER, free_port
from tests.processes import running, until
from tests.serving import served

__all__ = ["server", "site", "template"]

pytestmark = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="These have a PostgreSQL of their own: once is enough."
)
URL = "/api/v1/candidates/"
NEW = {"profile": {"name": "Ann"}, "score": 80}
RECOGNISED = "stands a pooler, PgBouncer or the like"


def connections(site: Site) -> int:
    (found,) = site.server.sql(
        "postgres", f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{site.name}'"
    )
    return int(found)


def test_the_threads_of_a_process_share_the_connections_of_its_pool(site: Site) -> None:
    environment = {**site.environment, "EVENT_DELIVERY": "on_commit", "DATABASE_POOL": "3"}
    with served(environment, workers=1, threads=8) as web:

        def work(_: int) -> tuple[int, int]:
            added = web.call("POST", URL, NEW)
            assert added is not None
            shown = web.call("GET", f"{URL}{added.json()['id']}/")
            assert shown is not None
            return added.status, shown.status

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(work, range(40))) == {(201, 200)}
        assert 0 < connections(site) <= 3
        assert site.events() == site.shown() == 40
        site.server.restart()
        until(lambda: (answer := web.call("GET", URL)) is not None and answer.status == 200)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(work, range(10))) == {(201, 200)}
        assert connections(site) <= 3


def test_without_a_pool_each_thread_has_a_connection_and_none_leaks(site: Site) -> None:
    with served({**site.environment, "EVENT_DELIVERY": "on_commit"}, workers=1, threads=4) as web:
        for _ in range(5):
            with ThreadPoolExecutor(8) as pool:
                found = pool.map(lambda _: web.call("GET", URL), range(16))
            assert {answer.status for answer in found if answer} == {200}
        assert web.call("GET", "/readyz").status == 200  # type: ignore[union-attr]
        assert connections(site) <= 4


@pytest.fixture
def home() -> Iterator[Path]:
    """Not below pytest's own folder, which none but its owner may enter."""
    home = Path(tempfile.mkdtemp(prefix="pgbouncer-", dir="/tmp"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home)


@contextmanager
def pgbouncer(site: Site, home: Path, *lines: str) -> Iterator[str]:
    """The address of the site's database behind it."""
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
    require("pgbouncer", reachable=program is not None)
    assert program is not None
    port = free_port()
    configuration = home / "pgbouncer.ini"
    configuration.write_text(
        "\n".join(
            [
                "[databases]",
                f"* = host=127.0.0.1 port={site.server.port} user=recruitment",
                "[pgbouncer]",
                "listen_addr = 127.0.0.1",
                f"listen_port = {port}",
                "unix_socket_dir =",
                "auth_type = any",
                *lines,
                "",
            ]
        )
    )
    process = subprocess.Popen(
        [program, str(configuration)],
        user=OWNER,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        url = f"postgres://recruitment@127.0.0.1:{port}/{site.name}"
        until(lambda: _answers(port))
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    "lines",
    [
        ("pool_mode = transaction",),
        ("pool_mode = transaction", "ignore_startup_parameters = options"),
        ("pool_mode = session", "ignore_startup_parameters = options"),
    ],
    ids=["transaction", "transaction, options ignored", "session, options ignored"],
)
def test_pgbouncer_is_refused_by_name_when_a_process_starts(
    site: Site, home: Path, lines: tuple[str, ...]
) -> None:
    with pgbouncer(site, home, *lines) as url:
        environment = {**site.environment, "DATABASE_URL": url}
        for command, code in (
            (["manage.py", "follow"], 1),
            (["manage.py", "migrate"], 1),
            (["manage.py", "eventstore_status"], 1),
            (["-c", "import recruitment.wsgi"], 3),
        ):
            with running(*command, **environment) as process:
                _, errors = process.communicate(timeout=60)
            assert process.returncode == code, errors
            assert RECOGNISED in errors
            assert "Traceback" not in errors
