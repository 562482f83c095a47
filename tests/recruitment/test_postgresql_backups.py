"""PostgreSQL's own backups bring everything back that was acknowledged before, exactly once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from django.db import connection

from eventstore.models import StorageEvent
from tests import processes
from tests.acknowledged import candidates_of, check_sound, events_of, writers
from tests.postgresql_cluster import Cluster, cluster

pytestmark = pytest.mark.skipif(connection.vendor == "sqlite", reason="about PostgreSQL")
LOG = StorageEvent._meta.db_table
MIGRATE = "from django.core.management import call_command; call_command('migrate', verbosity=0)"


@contextmanager
def served(*settings: str) -> Iterator[Cluster]:
    """A server with the project's database `tracker`."""
    with cluster(*settings) as server:
        server.sql("postgres", "CREATE DATABASE tracker")
        processes.run(MIGRATE, DATABASE_URL=server.url("tracker"))
        yield server


def stored(server: Cluster) -> list[UUID]:
    """The ids of all events in the log."""
    return [UUID(id) for id in server.sql("tracker", f"SELECT event_id FROM {LOG}")]


def shown(server: Cluster) -> list[UUID]:
    return [
        UUID(id) for id in server.sql("tracker", "SELECT id FROM candidates_candidateprojection")
    ]


def lost(server: Cluster, commands: list[UUID]) -> list[UUID]:
    """Those that the log does not hold."""
    kept = set(stored(server))
    ids = events_of(commands)
    return [command for command, id in zip(commands, ids, strict=True) if id not in kept]


def check_each_once(server: Cluster, commands: list[UUID], *, writers: int) -> None:
    """In the log and in the read model; beside them, at most what each writer was about to give."""
    for found, expected in (
        (stored(server), events_of(commands)),
        (shown(server), candidates_of(commands)),
    ):
        assert len(found) == len(set(found))
        assert set(expected) <= set(found)
        assert len(found) <= len(expected) + writers


@pytest.mark.parametrize("more", [20, pytest.param(500, marks=pytest.mark.long)])
def test_a_dump_made_under_writers_is_restored_into_another_cluster(
    more: int, record_property: Callable[[str, object], None]
) -> None:
    """Takes its time: two servers are made, and five processes start."""
    with served() as first:
        with writers(2, first.url("tracker")) as acknowledged:
            before = acknowledged.wait_for(more)
            url = first.url("tracker")
            first.run("pg_dump", "--format=custom", "--file=dump", f"--dbname={url}")
            acknowledged.wait_for(more)
        commands = acknowledged.commands
        with cluster() as second:
            second.sql("postgres", "CREATE DATABASE tracker")
            url = second.url("tracker")
            whole = ("--exit-on-error", "--single-transaction", "--no-owner")
            dump = first.home / "dump"
            second.run("pg_restore", *whole, f"--dbname={url}", str(dump))
            gone = lost(second, commands)
            assert not set(gone) & set(before)
            # Given when the dump had begun.
            assert more <= len(gone) <= len(commands) - len(before)
            record_property("acknowledged", len(commands))
            record_property("acknowledged before the dump", len(before))
            record_property("lost with it", len(gone))
            check_sound(url, given_again=commands)
            check_each_once(second, commands, writers=2)


@pytest.mark.parametrize("more", [20, pytest.param(500, marks=pytest.mark.long)])
def test_a_base_backup_and_the_archive_bring_back_any_point_in_time(
    more: int, record_property: Callable[[str, object], None]
) -> None:
    """Takes its time: three servers are made, and six processes start."""
    with served("archive_mode = on", "archive_command = 'cp %p ../%f'") as first:
        with writers(2, first.url("tracker")) as acknowledged:
            acknowledged.wait_for(more)
            address = f"--dbname={first.url('postgres')}"
            first.run("pg_basebackup", address, "--pgdata=base", "--checkpoint=fast")
            first.run("pg_verifybackup", "base")
            before = acknowledged.wait_for(more)
            first.sql("postgres", "SELECT pg_create_restore_point('before the mistake')")
            acknowledged.wait_for(more)
        commands = acknowledged.commands
        last = first.sql("postgres", "SELECT pg_walfile_name(pg_switch_wal())")[0]
        archived = f"SELECT last_archived_wal >= '{last}' FROM pg_stat_archiver"
        processes.until(lambda: first.sql("postgres", archived) == ["t"], seconds=120)
        fetch = f"restore_command = 'cp {first.home}/%f %p'"
        base = first.home / "base"

        target = "recovery_target_name = 'before the mistake'"
        with cluster(fetch, target, "recovery_target_action = promote", base=base) as second:
            check_promoted(second)
            gone = lost(second, commands)
            assert not set(gone) & set(before)
            assert more <= len(gone) <= len(commands) - len(before)
            record_property("acknowledged", len(commands))
            record_property("acknowledged before the point", len(before))
            record_property("lost behind it", len(gone))
            check_sound(second.url("tracker"), given_again=commands)
            check_each_once(second, commands, writers=2)

        with cluster(fetch, base=base) as third:
            check_promoted(third)
            assert lost(third, commands) == []
            check_sound(third.url("tracker"))
            check_each_once(third, commands, writers=2)


def check_promoted(server: Cluster) -> None:
    """Waits until it has recovered and takes commands."""
    recovering = "SELECT pg_is_in_recovery()"
    processes.until(lambda: server.sql("postgres", recovering) == ["f"], seconds=120)
