"""`manage.py restore`: a backup takes the place of an SQLite database, or nothing happens."""

import io
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from eventstore.domain.exceptions import LogInAnotherPlace
from eventstore.models import StorageEvent
from eventstore.wiring import check_place, log_identity
from recruitment.backups import inspection, sqlite_restore
from recruitment.backups.inspection import Refused
from recruitment.backups.sqlite_backup import back_up
from recruitment.backups.sqlite_restore import restore as restored
from tests.databases import moved_to
from tests.factories import add
from tests.given import given
from tests.little_room import little_room
from tests.processes import BEGIN, killed, running

pytestmark = pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's files")


@pytest.fixture
def database(tmp_path: Path, transactional_db: None) -> Iterator[Path]:
    """Empty but for its tables."""
    (tmp_path / "db").mkdir()
    with moved_to(tmp_path / "db" / "db.sqlite3") as path:
        yield path


@pytest.fixture
def file(database: Path, tmp_path: Path) -> Path:
    """A backup of three candidates; the database has five."""
    candidates(3)
    back_up(database, tmp_path / "backup", replace=False)
    candidates(2)
    connection.close()
    return tmp_path / "backup"


def candidates(count: int) -> None:
    for _ in range(count):
        given(add(candidate_id=None))


def restore(*arguments: str | Path) -> str:
    out = io.StringIO()
    call_command("restore", *map(str, arguments), stdout=out)
    return out.getvalue()


def refused(*arguments: str | Path) -> str:
    with pytest.raises(CommandError) as caught:
        restore(*arguments)
    assert caught.value.returncode == 1
    return str(caught.value)


def events(path: Path) -> int:
    connection.close()
    with closing(sqlite3.connect(path)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (count,) = opened.execute(f"SELECT count(*) FROM {StorageEvent._meta.db_table}").fetchone()
        return int(count)


def test_a_disk_that_takes_no_more_leaves_the_database_as_it_was(
    database: Path, file: Path
) -> None:
    fresh = database.parent / "fresh"
    for place in (database, fresh):
        with pytest.raises(Refused, match=f"^Writing {place} failed: "), little_room():
            restored(file, place, replace=True)
    assert not fresh.exists()
    assert events(database) == 5


@pytest.mark.parametrize("by", ["backup", "sqlite"])
def test_what_was_restored_speaks_to_no_broker_until_somebody_says_so(
    database: Path, tmp_path: Path, by: str
) -> None:
    """It is the same file as before, so nothing else would show it."""
    candidates(1)
    log_identity()
    check_place()
    file = tmp_path / "backup"
    if by == "backup":
        back_up(database, file, replace=False)
    else:
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(file)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    assert "manage.py after_restore" in restore(file, "--replace")
    with pytest.raises(LogInAnotherPlace):
        check_place()
    call_command("after_restore", stdout=io.StringIO())
    check_place()


def test_a_database_that_is_gone_is_there_again(database: Path, file: Path) -> None:
    for left in database.parent.iterdir():
        left.unlink()
    umask = os.umask(0)
    try:
        said = restore(file)
    finally:
        os.umask(umask)
    assert said.startswith(f"restored 3 events up to position 3, from {file}. Next:\n")
    assert {one.name: one.stat().st_mode & 0o777 for one in database.parent.iterdir()} == {
        "db.sqlite3": 0o600
    }
    for step in ("migrate", "verify_log", "replay"):
        assert f"manage.py {step}" in said
    out = io.StringIO()
    call_command("migrate", verbosity=0)
    call_command("follow", once=True, stdout=out, stderr=out)
    call_command("verify_log", full=True, stdout=out, stderr=out)
    call_command("replay", check=True, stdout=out, stderr=out)
    assert "verified 3 events" in out.getvalue()
    candidates(1)
    assert StorageEvent.objects.count() == 4


def test_a_database_that_holds_anything_is_replaced_only_when_that_is_said(
    database: Path, file: Path
) -> None:
    database.chmod(0o640)
    inode = database.stat().st_ino
    said = refused(file)
    assert f"{database} holds 5 events up to position 5; {file} has 3 events" in said
    assert events(database) == 5
    said = restore(file, "--replace")
    assert said.startswith("replaced 5 events up to position 5\nrestored 3 events")
    assert events(database) == 3
    assert database.stat().st_ino == inode
    assert database.stat().st_mode & 0o777 == 0o640


def test_tables_without_events_count_as_something(database: Path, file: Path) -> None:
    connection.close()
    restore(file, "--replace")
    empty = database.parent / "empty"
    with closing(sqlite3.connect(empty)) as other:
        other.execute("CREATE TABLE precious (i)")
    with pytest.raises(Refused, match="holds no events"):
        restored(file, empty, replace=False)


def test_a_database_that_a_process_has_open_is_left_alone(database: Path, file: Path) -> None:
    """Also where that one is idle."""
    code = BEGIN + "from django.db import connection; connection.ensure_connection(); reach()"
    with running("-c", code) as process:
        assert process.stdout is not None
        process.stdout.readline()
        said = refused(file, "--replace")
    assert said.startswith(f"{database} is in use by process {process.pid} (")
    assert said.endswith("stop every process that works on it.")
    assert events(database) == 5
    restore(file, "--replace")
    assert events(database) == 3


KILLED = """
from recruitment.backups import sqlite_restore
{break_off}
from django.core.management import call_command
call_command("restore", {file!r}, replace=True)
"""
HALFWAY = """
def copied(source, target, stopped):
    source.backup(target, pages=20, progress=reach)
sqlite_restore.copied = copied
"""
BEHIND_THE_COMMIT = """
whole = sqlite_restore.check_whole
sqlite_restore.check_whole = lambda one, name: reach() if "db.sqlite3" in name else whole(one, name)
"""


@pytest.mark.parametrize(("break_off", "left"), [(HALFWAY, 5), (BEHIND_THE_COMMIT, 3)])
def test_a_killed_run_leaves_the_old_or_the_new(
    database: Path, file: Path, break_off: str, left: int
) -> None:
    killed(KILLED.format(break_off=break_off, file=str(file)))
    assert events(database) == left
    restore(file, "--replace")
    assert events(database) == 3


def test_a_new_database_is_whole_or_empty(database: Path, file: Path) -> None:
    for one in database.parent.iterdir():
        one.unlink()
    killed(KILLED.format(break_off=HALFWAY, file=str(file)))
    restore(file)
    assert events(database) == 3


def test_a_run_that_is_stopped_changes_nothing(
    database: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "PAGES", 20)
    with pytest.raises(Refused, match="stopped"):
        restored(file, database, replace=True, stopped=lambda: True)
    assert events(database) == 5


def test_a_file_that_is_no_backup_is_told(database: Path, file: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database " * 100)
    (tmp_path / "empty").touch()
    (tmp_path / "cut").write_bytes(file.read_bytes()[:100_000])
    (tmp_path / "damaged").write_bytes(file.read_bytes())
    with (tmp_path / "damaged").open("r+b") as damaged:
        damaged.seek(20 * 4096)
        damaged.write(os.urandom(40 * 4096))
    (tmp_path / "copied").write_bytes(file.read_bytes())
    (tmp_path / "copied-wal").write_bytes(b"x")
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("CREATE TABLE django_migrations (app text, name text)")
        other.execute("INSERT INTO django_migrations VALUES ('shop', '0001_initial')")
        other.commit()
    shutil.copy(file, tmp_path / "newer")
    with closing(sqlite3.connect(tmp_path / "newer")) as newer:
        newer.execute(
            "INSERT INTO django_migrations (app, name, applied) "
            "VALUES ('candidates', '9999_to_come', '2030-01-01')"
        )
        newer.commit()
    said = {
        tmp_path / "missing": f"There is no {tmp_path / 'missing'}.",
        tmp_path: f"{tmp_path} is no file.",
        database: f"{database} is the database itself.",
        tmp_path / "text": f"Reading {tmp_path / 'text'} failed: it is not a database.",
        tmp_path / "empty": "it has nothing of eventstore, candidates, recruitment.",
        tmp_path / "cut": "damaged",
        tmp_path / "damaged": "damaged",
        tmp_path / "copied": "that is a database in use, or a bare copy of one",
        tmp_path / "other": "is no database of this project",
        tmp_path / "newer": "was made by newer code, with candidates.9999_to_come: install that",
    }
    before = {one.name for one in tmp_path.iterdir()}
    for one, text in said.items():
        assert text in refused(one, "--replace"), one
    assert {one.name for one in tmp_path.iterdir()} == before
    assert events(database) == 5


def test_a_backup_that_nobody_may_write_is_restored_and_left_as_it_is(
    database: Path, file: Path
) -> None:
    content = file.read_bytes()
    file.chmod(0o400)
    restore(file, "--replace")
    assert file.read_bytes() == content
    assert events(database) == 3


def test_a_backup_by_sqlite_s_own_command_is_restored_too(database: Path, tmp_path: Path) -> None:
    """It says that it has a log beside it, and has none."""
    candidates(3)
    with (
        closing(sqlite3.connect(database)) as own,
        closing(sqlite3.connect(tmp_path / "copy")) as copy,
    ):
        own.backup(copy)
    connection.close()
    restore(tmp_path / "copy", "--replace")
    assert events(database) == 3


def test_a_place_where_no_database_can_be_is_told(file: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="There is no folder"):
        restored(file, tmp_path / "missing" / "db", replace=False)
    (tmp_path / "text").write_text("no database " * 100)
    with pytest.raises(Refused, match=r"is damaged, or no database .* Move it away"):
        restored(file, tmp_path / "text", replace=True)
    assert (tmp_path / "text").read_text().startswith("no database")
    with pytest.raises(Refused, match="failed"):
        restored(file, tmp_path, replace=True)


def test_a_damaged_database_is_replaced(database: Path, file: Path) -> None:
    with database.open("r+b") as damaged:
        damaged.seek(2 * 4096)
        damaged.write(os.urandom(100 * 4096))
    said = refused(file)
    assert "holds" in said
    restore(file, "--replace")
    assert events(database) == 3


def test_other_pages_are_told(database: Path, file: Path) -> None:
    with closing(sqlite3.connect(file)) as opened:
        opened.execute("PRAGMA page_size=8192")
        opened.execute("VACUUM")
    assert "has pages of 8192 bytes" in refused(file, "--replace")
    assert events(database) == 5
    for one in database.parent.iterdir():
        one.unlink()
    restore(file)
    assert events(database) == 3


def test_a_copy_that_is_not_what_was_copied_is_told(
    database: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_restore, "copied", lambda *_: None)
    assert "has 5 events" in refused(file, "--replace")
