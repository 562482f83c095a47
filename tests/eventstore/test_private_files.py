"""SQLite's files are for their owner only, whatever the umask of who makes them."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.core import checks
from django.db import connection

from eventstore.infrastructure.private_files import PrivateConnection, close_to_others
from tests.processes import ROOT

SUFFIXES = ["", "-shm", "-wal"]
UMASKS = [0o000, 0o022, 0o077, 0o277, 0o777]


def modes(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()}


@pytest.mark.parametrize("umask", UMASKS, ids=oct)
def test_a_connection_makes_files_for_the_owner_only(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "db.sqlite3"
    before = os.umask(umask)
    try:
        with closing(sqlite3.connect(path, factory=PrivateConnection)) as made:
            made.execute("PRAGMA journal_mode=WAL")
            made.execute("CREATE TABLE t (i)")
            assert modes(tmp_path) == {f"db.sqlite3{suffix}": 0o600 for suffix in SUFFIXES}
    finally:
        os.umask(before)


def test_a_file_that_a_link_leads_to_is_for_the_owner_only(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("db")
    with closing(sqlite3.connect(link, factory=PrivateConnection)) as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.execute("CREATE TABLE t (i)")
        assert modes(tmp_path) == {
            "link": 0o600,
            "db": 0o600,
            "db-shm": 0o600,
            "db-wal": 0o600,
        }


def test_a_rollback_journal_is_for_the_owner_only(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "db", factory=PrivateConnection)) as made:
        made.execute("CREATE TABLE t (i)")
        made.execute("BEGIN")
        made.execute("INSERT INTO t VALUES (1)")
        assert modes(tmp_path) == {"db": 0o600, "db-journal": 0o600}


def test_a_database_in_memory_makes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (":memory:", "", "file:shared?mode=memory&cache=shared"):
        with closing(sqlite3.connect(name, uri=True, factory=PrivateConnection)) as made:
            made.execute("CREATE TABLE t (i)")
    assert modes(tmp_path) == {}


def test_everything_that_the_project_makes_is_for_the_owner_only(tmp_path: Path) -> None:
    code = """
from pathlib import Path
import django
django.setup()
from django.core.management import call_command
from django.db import connection
call_command("migrate", verbosity=0)
call_command("replay")
folder = Path(connection.settings_dict["NAME"]).parent
print(*(f"{file.name} {file.stat().st_mode & 0o777:o}" for file in folder.iterdir()), sep="|")
"""
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": f"sqlite:///{tmp_path / 'db'}",
        },
        umask=0,
        check=True,
        capture_output=True,
        text=True,
    )
    assert set(ended.stdout.splitlines()[-1].split("|")) == {
        "db 600",
        "db-shm 600",
        "db-wal 600",
        "db.replay 600",
    }


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="these are SQLite's files")
def test_the_tests_database_is_for_the_owner_only() -> None:
    path = Path(connection.settings_dict["NAME"])
    own = (f"{path.name}-", f"{path.name}.")
    beside = {
        name: oct(mode)
        for name, mode in modes(path.parent).items()
        if name == path.name or name.startswith(own)
    }
    assert path.name in beside
    assert beside == dict.fromkeys(beside, oct(0o600))


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="these are SQLite's files")
def test_a_file_that_others_may_read_is_kept_and_warned_of() -> None:
    path = Path(connection.settings_dict["NAME"])
    path.chmod(0o640)
    try:
        warned = checks.run_checks(databases=["default"])
        assert path.stat().st_mode & 0o777 == 0o640
    finally:
        path.chmod(0o600)
    (warning,) = [message for message in warned if message.id == "eventstore.W002"]
    assert warning.msg == f"Others than its owner have rights to {path} (mode 640)."
    assert str(warning.hint).startswith(f"Run `chmod 600 {path}`")
    assert not checks.run_checks(databases=["default"])


def test_what_was_open_to_others_can_be_closed(tmp_path: Path) -> None:
    names = ["db", "db-wal", "db-shm", "db-journal", "dbx"]
    for name in names:
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o666)
    close_to_others(tmp_path / "db")
    assert modes(tmp_path) == {**dict.fromkeys(names, 0o600), "dbx": 0o666}
