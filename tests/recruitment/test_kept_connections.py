"""Connections that are kept from one request to the next, and what happens under them meanwhile."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

import environ
import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import ConnectionHandler
from rest_framework.test import APIClient

from recruitment.settings import database
from recruitment.tokens import issue
from tests.databases import database_url

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/candidates/"
ROOT = Path(__file__).resolve().parent.parent.parent


def opened(path: Path, **terms: Any) -> BaseDatabaseWrapper:
    """A connection as another process has it."""
    settings = database(environ.Env.db_url_config(f"sqlite:///{path}")) | terms
    handler = ConnectionHandler({"default": settings})
    found: BaseDatabaseWrapper = handler["default"]
    return found


def texts(connection: BaseDatabaseWrapper) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM fact ORDER BY text")
        return [text for (text,) in cursor.fetchall()]


def write(connection: BaseDatabaseWrapper, text: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS fact (text varchar)")
        cursor.execute("INSERT INTO fact VALUES (%s)", [text])


def next_request(*connections: BaseDatabaseWrapper) -> None:
    for one in connections:
        one.close_if_unusable_or_obsolete()


def made(path: Path, *facts: str) -> Path:
    with closing(opened(path)) as own:
        for fact in facts:
            write(own, fact)
    return path


def test_a_connection_serves_the_next_request_too(tmp_path: Path) -> None:
    own = opened(made(tmp_path / "db", "fact"))
    own.ensure_connection()
    first = own.connection
    next_request(own)
    assert texts(own) == ["fact"]
    assert own.connection is first
    own.close()


def test_the_address_may_say_that_none_is_kept() -> None:
    for url in ("sqlite:////db", "postgres://somebody@host/name"):
        assert database(environ.Env.db_url_config(url))["CONN_MAX_AGE"] == 60
        stated = database(environ.Env.db_url_config(f"{url}?conn_max_age=0"))
        assert stated["CONN_MAX_AGE"] == 0


def test_a_connection_that_has_served_its_time_is_closed(tmp_path: Path) -> None:
    own = opened(made(tmp_path / "db", "fact"), CONN_MAX_AGE=0)
    texts(own)
    next_request(own)
    assert own.connection is None


def test_a_file_that_replaced_the_database_is_what_later_requests_see(tmp_path: Path) -> None:
    path = made(tmp_path / "db", "old")
    workers = [opened(path), opened(path), opened(path)]
    for worker in workers:
        # Its log stays beside the file as long as somebody has it open.
        write(worker, "of the log")
    os.replace(made(tmp_path / "restored", "restored"), path)
    for number, worker in enumerate(workers):
        next_request(worker)
        assert texts(worker) == ["restored", *(f"written by {n}" for n in range(number))]
        write(worker, f"written by {number}")
    next_request(*workers)
    after = ["restored", *(f"written by {n}" for n in range(3))]
    assert [texts(worker) for worker in workers] == [after] * 3
    for worker in workers:
        worker.close()
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert len(plain.execute("SELECT text FROM fact").fetchall()) == 4


def test_a_log_that_came_with_the_new_file_is_read(tmp_path: Path) -> None:
    path = made(tmp_path / "db", "old")
    workers = [opened(path), opened(path)]
    for worker in workers:
        write(worker, "of the old log")
    with closing(opened(made(tmp_path / "running", "restored"))) as running:
        write(running, "of its log")
        for suffix in ("", "-wal"):
            shutil.copy(tmp_path / f"running{suffix}", tmp_path / f"copy{suffix}")
    for suffix in ("-wal", ""):
        os.replace(tmp_path / f"copy{suffix}", f"{path}{suffix}")
    next_request(*workers)
    assert [texts(worker) for worker in workers] == [["of its log", "restored"]] * 2
    for worker in workers:
        worker.close()


def test_a_restore_through_the_database_is_seen_at_once(tmp_path: Path) -> None:
    own = opened(made(tmp_path / "db", "old"))
    assert texts(own) == ["old"]
    with (
        closing(sqlite3.connect(made(tmp_path / "backup", "restored"))) as backup,
        closing(sqlite3.connect(tmp_path / "db")) as target,
    ):
        backup.backup(target)
    next_request(own)
    assert texts(own) == ["restored"]
    own.close()


def test_many_that_notice_a_new_file_at_once_lose_nothing(tmp_path: Path) -> None:
    path = made(tmp_path / "db", "old")
    workers = 8

    def serve(number: int) -> None:
        own = opened(path)
        try:
            write(own, "old")
            started.wait()
            replaced.wait()
            next_request(own)
            write(own, f"written by {number}")
        finally:
            own.close()

    started, replaced = Barrier(workers + 1, timeout=60), Barrier(workers + 1, timeout=60)
    with ThreadPoolExecutor(workers) as pool:
        serving = [pool.submit(serve, number) for number in range(workers)]
        started.wait()
        os.replace(made(tmp_path / "restored", "restored"), path)
        replaced.wait()
        for one in serving:
            one.result()
    with closing(opened(path)) as own:
        assert texts(own) == ["restored", *(f"written by {n}" for n in range(workers))]


def test_a_connection_goes_on_after_a_replay_has_exchanged_the_tables(
    user_in: Callable[..., User],
) -> None:
    _, token = issue(user_in("Recruiters"))
    api = APIClient(headers={"Authorization": f"Bearer {token}"})
    added = api.post(URL, {"profile": {"name": "Ann"}, "score": 80})
    detail = f"{URL}{added.json()['id']}/"

    def everything() -> list[Any]:
        return [api.get(detail).json(), api.get(URL).json()]

    before, kept = everything(), connection.connection
    for text in ("one", "two"):
        # In a process of its own, as operators run it.
        subprocess.run(
            [sys.executable, "manage.py", "replay"],
            cwd=ROOT,
            env=os.environ | {"DATABASE_URL": database_url()},
            check=True,
            capture_output=True,
        )
        assert everything() == before
        assert api.post(f"{detail}note/", {"text": text}).status_code == 200
        before = everything()
    assert before[0]["version"] == 3
    assert connection.connection is kept


def test_what_a_migration_adds_is_seen_by_a_kept_connection(tmp_path: Path) -> None:
    own = opened(made(tmp_path / "db", "fact"))
    assert texts(own) == ["fact"]
    with closing(sqlite3.connect(tmp_path / "db")) as migrating:
        migrating.execute("ALTER TABLE fact ADD COLUMN added text DEFAULT 'x'")
        migrating.execute("UPDATE fact SET text = 'other'")
        migrating.commit()
    next_request(own)
    assert texts(own) == ["other"]
    with own.cursor() as cursor:
        cursor.execute("SELECT * FROM fact")
        assert cursor.fetchall() == [("other", "x")]
    own.close()


def test_a_server_that_has_loaded_the_application_holds_no_connection(tmp_path: Path) -> None:
    """A worker that is forked then would share it with the others."""
    code = (
        "import recruitment.wsgi; from django.db import connection; "
        "print(connection.connection, connection.settings_dict['CONN_MAX_AGE'])"
    )
    name = "not-there"
    if connection.vendor == "sqlite":
        # What is missing is looked for in it, which makes the file.
        name = str(tmp_path / name)
    shown = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database_url(name)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert shown.stdout == "None 60\n"
