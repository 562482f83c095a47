"""What the demo keeps to itself: its users, its secret, its database."""

import base64
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command

from eventstore.models import StorageEvent
from recruitment.demo import database
from recruitment.demo.environment import secrets_in
from recruitment.demo.logins import draw_passwords


@pytest.mark.django_db
def test_each_start_draws_passwords_that_replace_the_earlier_ones() -> None:
    earlier = draw_passwords()
    passwords = draw_passwords()
    users = {name: authenticate(username=name, password=passwords[name]) for name in passwords}
    assert all(user is not None and user.is_staff for user in users.values())
    assert not any(authenticate(username=name, password=earlier[name]) for name in earlier)
    allowed = {
        name: [
            p for p in ("add_candidate", "decide", "backdate") if user.has_perm(f"candidates.{p}")
        ]
        for name, user in users.items()
        if user is not None
    }
    assert allowed == {
        "recruiter": ["add_candidate", "decide"],
        "viewer": [],
        "operator": ["backdate"],
    }


@pytest.mark.parametrize("given", [None, ""])
def test_a_secret_is_drawn_once_and_only_its_owner_can_read_it(
    tmp_path: Path, given: str | None
) -> None:
    path = tmp_path / "secret"
    if given is not None:
        path.write_text(given)
    drawn = secrets_in(path)
    assert len(drawn["SECRET_KEY"]) >= 50
    assert len(base64.b64decode(drawn["PERSONAL_DATA_KEYS"])) == 32
    assert secrets_in(path) == drawn
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_secret_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("SECRET_KEY=known\n")
    path.chmod(0o644)
    assert secrets_in(path) == {"SECRET_KEY": "known"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_database_is_its_own_from_when_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "demo.sqlite3"
    database.claim(path)
    assert path.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t (i)")
    path.chmod(0o644)
    database.claim(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not database.is_loaded(path)
    database.mark_loaded(path)
    assert database.is_loaded(path)


@pytest.mark.parametrize("kind", ["sqlite", "text"])
def test_a_file_that_the_demo_did_not_make_is_refused_and_left_alone(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "demo.sqlite3"
    if kind == "sqlite":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE precious (i)")
    else:
        path.write_text("precious " * 100)
    before = path.read_bytes()
    with pytest.raises(database.ForeignDatabase, match=r"demo\.sqlite3"):
        database.claim(path)
    assert path.read_bytes() == before


@pytest.mark.django_db
def test_the_command_refuses_to_run_on_the_projects_database() -> None:
    with pytest.raises(CommandError, match="a database of its own"):
        call_command("demo")
    assert not StorageEvent.objects.exists()
