"""A database that goes away under load, in every way that it can: nothing acknowledged is lost.

Each drill has a PostgreSQL of its own, a process that gives commands and writes down which of them
were answered, and whoever follows. Nobody starts anything again.
"""

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from django.db import connection

from tests.eventstore.test_follow import stop
from tests.postgresql_cluster import Cluster, cluster
from tests.processes import run, running, until
from tests.proxy import Proxy
from tests.small_disk import fill, small_disk

__all__ = ["small_disk"]

pytestmark = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="These have a PostgreSQL of their own: once is enough."
)

COMMANDS = """
from uuid import uuid4
from django.db import Error, connections
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.infrastructure.limits import limit
from tests.factories import add

limit(connections["default"].settings_dict, lock=2)
service = candidate_service()
while True:
    context = CommandContext(actor="rita", door="api", allows=lambda _: True, command_id=uuid4())
    while True:
        try:
            candidate_id = service.handle(add(candidate_id=None), context).candidate_id
        except Error:
            connections.close_all()
            time.sleep(0.05)
        else:
            print(candidate_id, flush=True)
            break
    time.sleep(0.005)
"""


ROWS = ("candidates_candidateprojection", "candidates_statusspan")


class Site:
    """One system on a server of its own."""

    def __init__(self, server: Cluster, name: str) -> None:
        self.server = server
        self.name = name
        self.environment = {
            "DATABASE_URL": server.url(name),
            "EVENT_DELIVERY": "follow",
            "DATABASE_CONNECT_TIMEOUT": "2",
            "DATABASE_LOCK_TIMEOUT": "2",
        }

    def through(self, proxy: Proxy) -> dict[str, str]:
        url = f"postgres://recruitment@127.0.0.1:{proxy.port}/{self.name}"
        return {**self.environment, "DATABASE_URL": url}

    def count(self, table: str, where: str = "true") -> int:
        (found,) = self.server.sql(self.name, f"SELECT count(*) FROM {table} WHERE {where}")
        return int(found)

    def events(self) -> int:
        return self.count("eventstore_storageevent")

    def shown(self) -> int:
        """By both read models."""
        return min(map(self.count, ROWS))

    def stored(self) -> list[str]:
        return self.server.sql(self.name, "SELECT stream_id FROM eventstore_storageevent")

    @contextmanager
    def load(self: Any) -> Iterator[list[str]]:
        """Gives what is acknowledged so far; complete at the end of the block."""
        acknowledged: list[str] = []
        with running("-c", _SET_UP + COMMANDS, **self.environment) as process:
            assert process.stdout is not None
            told = process.stdout
            # All the time: a pipe that is full would hold the process up.
            reader = Thread(target=lambda: acknowledged.extend(one.strip() for one in told))
            reader.start()
            yield acknowledged
            process.send_signal(signal.SIGKILL)
            reader.join(30)


_SET_UP = "import time\nimport django\ndjango.setup()\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    with cluster("max_connections = 20") as server:
        yield server


@pytest.fixture(scope="module")
def template(server: Cluster) -> str:
    server.sql("postgres", "CREATE DATABASE migrated")
    migrate = (
        "from django.core.management import call_command\ncall_command('migrate', verbosity=0)"
    )
    run(migrate, DATABASE_URL=server.url("migrated"))
    return "migrated"


@pytest.fixture
def site(server: Cluster, template: str, request: pytest.FixtureRequest) -> Site:
    name = f"site{abs(hash(request.node.nodeid)) % 10**9}"
    server.sql("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
    return Site(server, name)


def line(process: "subprocess.Popen[str]") -> str:
    assert process.stderr is not None
    return process.stderr.readline().strip()


def is_whole(site: Any, acknowledged: list[str]) -> bool:
    """Every command that was answered is there once, and nothing is there twice."""
    stored = site.stored()
    assert len(set(acknowledged)) == len(acknowledged)
    assert len(set(stored)) == len(stored)
    # The last one may be stored without its answer having been read.
    return set(acknowledged) <= set(stored) and len(stored) <= len(acknowledged) + 1


def away(site: Site) -> None:
    site.server.stop()
    time.sleep(1)
    site.server.start()


def frozen(site: Site) -> None:
    with site.server.frozen():
        # Longer than it takes to notice: an answer's time, and that of a second connection.
        time.sleep(6)


def read_only(site: Site) -> None:
    change = f"ALTER DATABASE {site.name}"
    site.server.sql("postgres", f"{change} SET default_transaction_read_only = on")
    cut_off(site)
    time.sleep(2)
    site.server.sql("postgres", f"{change} RESET default_transaction_read_only")
    cut_off(site)


def cut_off(site: Site) -> None:
    site.server.sql(
        "postgres",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{site.name}'",
    )


def held(site: Site) -> None:
    """For longer than anybody waits for a lock."""
    with psycopg.connect(site.server.url(site.name)) as other:
        other.execute("LOCK TABLE eventstore_checkpoint, eventstore_storageevent")
        time.sleep(4)


def crowded(site: Site) -> None:
    """Whoever is cut off finds no connection left."""
    taken: list[psycopg.Connection] = []
    cut_off(site)
    try:
        with suppress(psycopg.OperationalError):
            while True:
                taken.append(psycopg.connect(site.server.url("postgres")))
        time.sleep(3)
    finally:
        for one in taken:
            one.close()


LONG = pytest.mark.long
OUTAGES = [
    away,
    frozen,
    pytest.param(read_only, marks=LONG),
    pytest.param(held, marks=LONG),
    pytest.param(crowded, marks=LONG),
]
"""Each takes a quarter of a minute: those that say the most are part of every run."""


@pytest.mark.parametrize("outage", OUTAGES)
def test_commands_and_a_follower_go_on_over_an_outage(
    site: Site, outage: Callable[[Site], None]
) -> None:
    with running("manage.py", "follow", **site.environment) as follower:
        assert line(follower).startswith("Following the log")
        with site.load() as acknowledged:
            until(lambda: site.shown() >= 5, seconds=60)
            outage(site)
            before = site.events()
            until(lambda: site.events() >= before + 5, seconds=60)
        until(lambda: site.shown() == site.events(), seconds=60)
        follower.send_signal(signal.SIGTERM)
        _, errors = follower.communicate(timeout=30)
    assert follower.returncode == 0, errors
    assert is_whole(site, acknowledged)
    told = errors.splitlines()
    # Once that it waits, whatever it came upon, and once that it goes on. A server that thaws as
    # the second connection is tried has only been slow.
    assert len(told) <= 5
    if outage is not frozen:
        assert [one for one in told if one.endswith("Waiting for it, and going on by itself.")]
    with running("manage.py", "replay", "--check", **site.environment) as check:
        out, errors = check.communicate(timeout=120)
    assert check.returncode == 0, out + errors
    with running("manage.py", "verify_log", "--full", **site.environment) as verify:
        _, errors = verify.communicate(timeout=120)
    assert verify.returncode == 0, errors


@pytest.mark.parametrize("work", ["follow", "publish", "consume"])
def test_who_waits_for_the_database_ends_at_once(site: Site, work: str) -> None:
    """The address answers and says nothing: the longest that a connection can take."""
    with Proxy("127.0.0.1", site.server.port) as proxy:
        proxy.cut()
        environment = {
            **site.through(proxy),
            "EVENT_BUS_URL": "amqp://guest:guest@127.0.0.1:1/",
            "EVENT_DELIVERY": "bus" if work == "consume" else "follow",
            "DATABASE_CONNECT_TIMEOUT": "600",
        }
        with running("manage.py", work, **environment) as process:
            assert re.match("Following|Relaying|Consuming", line(process))
            process.send_signal(signal.SIGTERM)
            out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "stopped while waiting\n"), errors


def test_a_worker_that_is_started_before_its_database_waits_for_it(site: Site) -> None:
    site.server.stop()
    with running("manage.py", "follow", **site.environment) as follower:
        assert line(follower).startswith("Following the log")
        assert line(follower).startswith("The database does not answer. (")
        site.server.start()
        assert line(follower) == "Nothing is in the way any more: going on."
        stop(follower, signal.SIGTERM)


def test_a_slow_statement_is_not_taken_for_a_frozen_server(site: Site) -> None:
    """It takes longer than an answer may, and the server answers others meanwhile."""
    code = """
from django.db import connection
with connection.cursor() as cursor:
    cursor.execute("SELECT pg_sleep(5), 'slept'")
    print(cursor.fetchone()[1])
"""
    assert run(code, **site.environment) == "slept\n"


def test_a_full_disk_is_waited_for(server: Cluster, template: str, small_disk: Path) -> None:
    space = small_disk / "space"
    space.mkdir(mode=0o700)
    shutil.chown(space, "postgres")
    site = Site(server, "on_small_disk")
    server.sql("postgres", f"CREATE TABLESPACE small LOCATION '{space}'")
    try:
        server.sql("postgres", f"CREATE DATABASE {site.name} TEMPLATE {template} TABLESPACE small")
        with running("manage.py", "follow", **site.environment) as follower:
            assert line(follower).startswith("Following the log")
            with site.load() as acknowledged:
                until(lambda: site.shown() >= 5, seconds=60)
                ballast = fill(small_disk)
                # Until both have come upon it.
                time.sleep(5)
                before = site.events()
                ballast.unlink()
                until(lambda: site.events() >= before + 5, seconds=60)
            until(lambda: site.shown() == site.events(), seconds=60)
            stop(follower, signal.SIGTERM)
        assert is_whole(site, acknowledged)
    finally:
        cut_off(site)
        server.sql("postgres", f"DROP DATABASE IF EXISTS {site.name} WITH (FORCE)")
        server.sql("postgres", "DROP TABLESPACE small")
