"""A file that cannot be written for a while, under load: nothing acknowledged is lost."""

import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection

from tests.eventstore.test_away import ROWS, Site, is_whole, line
from tests.eventstore.test_follow import stop
from tests.processes import run, running, until
from tests.small_disk import fill, small_disk

__all__ = ["small_disk"]

pytestmark = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="These have an SQLite file of their own: once is enough."
)


class FileSite:
    """One system on a file of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.environment = {
            "DATABASE_URL": f"sqlite:///{path}",
            "EVENT_DELIVERY": "follow",
            "DATABASE_LOCK_TIMEOUT": "1",
        }

    load = Site.load

    def asked(self, statement: str) -> list[str]:
        with closing(sqlite3.connect(self.path, timeout=60)) as database:
            return [str(one) for (one,) in database.execute(statement)]

    def events(self) -> int:
        return int(self.asked("SELECT count(*) FROM eventstore_storageevent")[0])

    def shown(self) -> int:
        return min(int(self.asked(f"SELECT count(*) FROM {rows}")[0]) for rows in ROWS)

    def stored(self) -> list[str]:
        found = self.asked("SELECT stream_id FROM eventstore_storageevent")
        return [str(UUID(hex=one)) for one in found]


def held_by_one(site: FileSite) -> None:
    with closing(sqlite3.connect(site.path, timeout=60)) as database:
        database.execute("BEGIN IMMEDIATE")
        time.sleep(4)
        database.execute("ROLLBACK")


def disk_full(site: FileSite) -> None:
    ballast = fill(site.path.parent)
    time.sleep(4)
    ballast.unlink()


@pytest.mark.parametrize("outage", [held_by_one, disk_full])
def test_commands_and_a_follower_go_on_over_an_outage_of_a_file(
    small_disk: Path, outage: Callable[[FileSite], None]
) -> None:
    site = FileSite(small_disk / "db.sqlite3")
    call = "call_command('migrate', verbosity=0)"
    run(f"from django.core.management import call_command\n{call}", **site.environment)
    with running("manage.py", "follow", **site.environment) as follower:
        assert line(follower).startswith("Following the log")
        with site.load() as acknowledged:
            until(lambda: site.shown() >= 5, seconds=60)
            outage(site)
            before = site.events()
            until(lambda: site.events() >= before + 5, seconds=60)
        until(lambda: site.shown() == site.events(), seconds=60)
        stop(follower, signal.SIGTERM)
    assert is_whole(site, acknowledged)
    with running("manage.py", "replay", "--check", **site.environment) as check:
        out, errors = check.communicate(timeout=120)
    assert check.returncode == 0, out + errors
