"""`manage.py backup`: a whole copy of an SQLite database that is in use, or none at all."""

import io
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from eventstore.models import StorageEvent
from recruitment.backups import inspection, postgresql, sqlite_backup
from recruitment.backups.inspection import Refused
from recruitment.backups.sqlite_backup import back_up
from recruitment.backups.sqlite_restore import restore
from tests.acknowledged import check_sound, events_of, writers
from tests.databases import moved_to
from tests.factories import add
from tests.given import given
from tests.little_room import little_room
from tests.processes import killed

on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="about SQLite's files")


@pytest.fixture
def database(tmp_path: Path, transactional_db: None) -> Iterator[Path]:
    """With three candidates."""
    (tmp_path / "db").mkdir()
    with moved_to(tmp_path / "db" / "db.sqlite3") as path:
        for _ in range(3):
            given(add(candidate_id=None))
        yield path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups"


def backup(*arguments: str | Path) -> str:
    out = io.StringIO()
    call_command("backup", *map(str, arguments), stdout=out)
    return out.getvalue().strip()


def refused(*arguments: str | Path) -> str:
    with pytest.raises(CommandError) as caught:
        backup(*arguments)
    assert caught.value.returncode == 1
    return str(caught.value)


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def rows(path: Path, table: str = StorageEvent._meta.db_table) -> list[Any]:
    with closing(sqlite3.connect(path)) as opened:
        return opened.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


@on_sqlite
def test_a_backup_is_one_whole_file_for_its_owner(database: Path, folder: Path) -> None:
    umask = os.umask(0)
    try:
        said = backup(folder / "monday")
    finally:
        os.umask(umask)
    assert said == f"backed up 3 events up to position 3, into {folder / 'monday'}"
    assert names(folder) == {"monday"}
    assert (folder / "monday").stat().st_mode & 0o777 == 0o600
    connection.close()
    assert rows(folder / "monday") == rows(database)
    with closing(sqlite3.connect(folder / "monday")) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert opened.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@on_sqlite
def test_what_was_committed_last_is_in_it_and_what_is_not_committed_is_not(
    database: Path, folder: Path
) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("INSERT INTO auth_group (name) VALUES ('committed')")
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO auth_group (name) VALUES ('in flight')")
        backup(folder / "monday")
        other.execute("ROLLBACK")
    groups = {name for _, name in rows(folder / "monday", "auth_group")}
    assert "committed" in groups
    assert "in flight" not in groups


@on_sqlite
def test_a_copy_of_the_file_alone_is_no_backup(database: Path, folder: Path) -> None:
    """What was acknowledged last stands in the log beside it as long as anybody has it open."""
    shutil.copy(database, folder / "cp")
    backup(folder / "backup")
    assert len(rows(folder / "backup")) == 3
    copied: list[Any] = []
    with suppress(sqlite3.DatabaseError):
        copied = rows(folder / "cp")
    assert len(copied) < 3


@on_sqlite
def test_a_file_that_is_there_is_replaced_only_when_that_is_said(
    database: Path, folder: Path
) -> None:
    (folder / "monday").write_text("precious")
    said = refused(folder / "monday")
    assert said == f"{folder / 'monday'} is there already: name another file, or say --replace."
    assert (folder / "monday").read_text() == "precious"
    backup(folder / "monday", "--replace")
    assert len(rows(folder / "monday")) == 3
    assert (folder / "monday").stat().st_mode & 0o777 == 0o600
    assert names(folder) == {"monday"}


@on_sqlite
def test_a_file_that_appears_meanwhile_stays(
    database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(_: Path) -> None:
        (folder / "monday").write_text("precious")

    for link in (os.link, None):
        monkeypatch.setattr(sqlite_backup, "_sync", meanwhile)
        if link is None:

            def no_links(*_: object) -> None:
                raise PermissionError

            monkeypatch.setattr(os, "link", no_links)
        assert "has appeared meanwhile" in refused(folder / "monday")
        assert (folder / "monday").read_text() == "precious"
        assert names(folder) == {"monday"}
        (folder / "monday").unlink()
    monkeypatch.setattr(sqlite_backup, "_sync", lambda _: None)
    backup(folder / "monday")
    assert names(folder) == {"monday"}
    assert len(rows(folder / "monday")) == 3


@on_sqlite
def test_slips_are_told_and_leave_everything_as_it_was(database: Path, folder: Path) -> None:
    (folder / "file").write_text("x")
    (folder / "dangling").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    (folder / "used-wal").write_text("x")
    before = names(folder), database.read_bytes()
    said = {
        folder / "missing" / "monday": f"There is no folder {folder / 'missing'}.",
        folder / "file" / "monday": f"There is no folder {folder / 'file'}.",
        folder: f"{folder} is a folder: name a file in it.",
        database: f"{database} is the database itself.",
        folder / "used": f"{folder / 'used-wal'} is there: SQLite would take it for part of the "
        "backup.",
        folder / ("n" * 300): f"Writing {folder / ('n' * 300)} failed: File name too long.",
    }
    for place, text in said.items():
        assert refused(place) == text
        assert refused(place, "--replace") == text
    assert "is there already" in refused(folder / "dangling")
    for file in ("dangling", "pipe"):
        assert "is no file, and is not replaced" in refused(folder / file, "--replace")
    assert (names(folder), database.read_bytes()) == before


@on_sqlite
def test_a_source_that_is_none_is_told(database: Path, folder: Path) -> None:
    place = database.parent
    (place / "text").write_text("no database " * 100)
    (place / "empty").touch()
    with closing(sqlite3.connect(place / "other")) as other:
        other.execute("CREATE TABLE django_migrations (app text, name text)")
        other.execute("INSERT INTO django_migrations VALUES ('shop', '0001_initial')")
        other.commit()
    said = {
        "text": f"Reading {place / 'text'} failed: it is not a database.",
        "empty": "is no database of this project: it has nothing of eventstore, candidates, "
        "recruitment.",
        "other": "is no database of this project",
        "missing": f"There is no database {place / 'missing'}, which DATABASE_URL names.",
    }
    for name, text in said.items():
        with pytest.raises(Refused) as caught:
            back_up(place / name, folder / "monday", replace=False)
        assert text in str(caught.value)
    assert not names(folder)
    assert not (place / "missing").exists()
    for name in ("", ":memory:", "file:x?mode=memory"):
        with pytest.raises(Refused, match="in memory"):
            inspection.file_of(name)


@on_sqlite
def test_a_damaged_database_gives_no_backup(database: Path, folder: Path) -> None:
    connection.close()
    with database.open("r+b") as file:
        file.seek(8 * 4096)
        file.write(os.urandom(40 * 4096))
    said = refused(folder / "monday")
    assert "damaged" in said
    assert not names(folder)


@on_sqlite
def test_too_little_room_is_told_before_anything_is_written(
    database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1))
    assert f"and {folder} has 1 left" in refused(folder / "monday")
    assert not names(folder)


@on_sqlite
@pytest.mark.parametrize("replace", [False, True])
def test_a_disk_that_takes_no_more_leaves_no_file(
    database: Path, folder: Path, replace: bool
) -> None:
    if replace:
        (folder / "monday").write_text("precious")

    file = folder / "monday"
    with pytest.raises(Refused, match=f"^Writing {file} failed: "), little_room():
        back_up(database, file, replace=replace)
    assert names(folder) == ({"monday"} if replace else set())
    assert not replace or (folder / "monday").read_text() == "precious"


KILLED = """
from recruitment.backups import sqlite_backup
sqlite_backup.{step} = reach
from django.core.management import call_command
call_command("backup", {file!r}, replace=True)
"""


@on_sqlite
@pytest.mark.parametrize(("step", "before"), [("check_whole", False), ("_put", True)])
def test_a_killed_run_leaves_no_half_file_under_that_name(
    database: Path, folder: Path, step: str, before: bool
) -> None:
    if before:
        backup(folder / "monday")
    killed(KILLED.format(step=step, file=str(folder / "monday")))
    left = names(folder) - ({"monday"} if before else set())
    assert "monday" not in left
    for name in left:
        assert name.startswith(".monday.")
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert not before or len(rows(folder / "monday")) == 3


@on_sqlite
def test_a_run_that_is_stopped_leaves_nothing(
    database: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "PAGES", 20)
    with pytest.raises(Refused, match="It was stopped, and nothing is left of it"):
        back_up(database, folder / "monday", replace=False, stopped=lambda: True)
    assert not names(folder)


@on_sqlite
def test_no_key_is_in_it(database: Path, folder: Path, settings: Any) -> None:
    backup(folder / "monday")
    content = (folder / "monday").read_bytes()
    for key in settings.PERSONAL_DATA_KEYS:
        assert key not in content
    assert os.environ["PERSONAL_DATA_KEYS"].encode() not in content


@on_sqlite
@pytest.mark.parametrize(
    ("rounds", "more"), [(2, 15), pytest.param(30, 100, marks=pytest.mark.long)]
)
def test_a_backup_under_writers_brings_back_what_was_acknowledged_before(
    database: Path,
    folder: Path,
    tmp_path: Path,
    rounds: int,
    more: int,
    record_property: Callable[[str, object], None],
) -> None:
    connection.close()
    known = {position for position, *_ in rows(database)}
    url = f"sqlite:///{database}"
    taken: list[tuple[Path, int]] = []
    with writers(2, url) as acknowledged:
        for number in range(rounds):
            before = len(acknowledged.wait_for(more))
            back_up(database, folder / str(number), replace=False)
            taken.append((folder / str(number), before))
        acknowledged.wait_for(more)
    commands = acknowledged.commands
    expected = [event_id.hex for event_id in events_of(commands)]
    lost = 0
    for file, before in taken:
        found = [event_id for position, event_id, *_ in rows(file) if position not in known]
        assert len(set(found)) == len(found)
        assert set(expected[:before]) <= set(found)
        lost = len(set(expected) - set(found))
    file, before = taken[-1]
    # Nothing is lost but what was acknowledged since.
    assert more <= lost <= len(commands) - before
    record_property("acknowledged", len(commands))
    record_property("acknowledged before the last backup", before)
    record_property("lost with it", lost)

    again = tmp_path / "again.sqlite3"
    restore(file, again, replace=False)
    # Clients repeat what they have no answer to, and what was lost.
    check_sound(f"sqlite:///{again}", given_again=commands)
    found = [event_id for position, event_id, *_ in rows(again) if position not in known]
    assert len(set(found)) == len(found)
    assert set(expected) <= set(found)
    # Beside them, at most what each writer had given when it was killed.
    assert len(found) <= len(expected) + 2


def test_on_postgresql_it_says_by_which_command() -> None:
    settings = {
        "HOST": "db.example.org",
        "PORT": "5433",
        "USER": "rita@hr",
        "PASSWORD": "s3cret",
        "NAME": "tracker",
        "OPTIONS": {"sslmode": "require", "prepare_threshold": 0},
    }
    address = "postgresql://rita%40hr@db.example.org:5433/tracker?sslmode=require"
    for said in (
        postgresql.backup_commands(settings, "my file"),
        postgresql.restore_commands(settings, "my file"),
    ):
        assert f"'{address}'" in said
        assert "'my file'" in said
        assert "s3cret" not in said


@pytest.mark.skipif(connection.vendor != "postgresql", reason="about PostgreSQL")
@pytest.mark.parametrize("command", ["backup", "restore"])
def test_on_postgresql_nothing_is_done(command: str, folder: Path) -> None:
    with pytest.raises(CommandError, match=r"pg_(dump|restore) ") as caught:
        call_command(command, str(folder / "monday"))
    assert "recruitment/docs/backups.md" in str(caught.value)
    assert not names(folder)
