"""Mistakes at the start end in one line on stderr and an exit code, whatever is started."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db import DataError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from recruitment.startup import told_in_one_line
from tests.databases import database_url

ROOT = Path(__file__).parent.parent.parent
NEEDED = {
    "SECRET_KEY": "One-Secret_for.tests" * 3 + "!",
    "PERSONAL_DATA_KEYS": "b25seSBmb3IgdGVzdHMgb25seSBmb3IgdGVzdHMgMTI=",
}
BUS = {"EVENT_DELIVERY": "bus", "EVENT_BUS_URL": "amqp://127.0.0.1"}


def started(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """In a process in whose environment nothing is set but this."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def told(*arguments: str, **environment: str) -> str:
    """The one line that a command of `manage.py` ends with."""
    ended = started("manage.py", *arguments, **environment)
    assert ended.returncode == 1, ended.stderr
    (line,) = ended.stderr.splitlines()
    return line


def told_each(commands: list[list[str]], **environment: str) -> dict[str, str]:
    """The same of many commands, from one process, and what follows upon their announcement."""
    code = """
import contextlib, io, json, os, sys
from recruitment.startup import run_command
os.environ["DJANGO_SETTINGS_MODULE"] = "recruitment.settings"
ends = {}
for command in json.loads(sys.argv[1]):
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            run_command(["manage.py", *command])
            code = 0
        except SystemExit as end:
            code = end.code
    ends[" ".join(command)] = f"{code}: " + errors.getvalue()
print(json.dumps(ends))
"""
    ended = started("-c", code, json.dumps(commands), **environment)
    assert ended.returncode == 0, ended.stderr
    ends: dict[str, str] = json.loads(ended.stdout)
    return ends


@pytest.mark.parametrize(
    "command", ["migrate", "replay", "check", "runserver", "no_such_command", "createsuperuser"]
)
def test_a_missing_setting_is_told_by_every_command(command: str) -> None:
    assert told(command).startswith("Error: SECRET_KEY is not set. ")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"DEBUG": "perhaps"}, "DEBUG is 'perhaps'; it is true or false."),
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set. "),
        ({"PERSONAL_DATA_KEYS": ""}, "PERSONAL_DATA_KEYS is not set. "),
        ({"TIME_ZONE": "Mars/Olympus"}, "TIME_ZONE is 'Mars/Olympus'; it is a name of the IANA"),
        ({"ALLOWED_HOSTS": "https://example.org"}, "ALLOWED_HOSTS has 'https://example.org'"),
        ({"DATABASE_URL": "postgres://u:s3cret@host:port/n"}, "DATABASE_URL cannot be read"),
        ({"DATABASE_URL": "nonsense"}, "DATABASE_URL names no database"),
        ({"DATABASE_URL": "postgres://u:s3cret@host"}, "DATABASE_URL names no database of the ser"),
    ],
)
def test_a_setting_that_will_not_do_is_told(environment: dict[str, str], words: str) -> None:
    line = told("replay", **{**NEEDED, **environment})
    assert line.startswith(f"Error: {words}")
    assert "s3cret" not in line


def test_a_server_is_told_the_same_and_need_not_try_again() -> None:
    ended = started("-c", "import recruitment.wsgi", **NEEDED, READ_ONLY="perhaps")
    assert ended.returncode == 3
    assert ended.stderr == "Error: READ_ONLY is 'perhaps'; it is true or false.\n"


def test_pytest_is_told_the_same() -> None:
    ended = started("-m", "pytest", "-n", "0", "tests/test_backends.py", DEBUG="perhaps")
    assert ended.returncode == 4
    assert ended.stderr == "ERROR: DEBUG is 'perhaps'; it is true or false.\n\n"


def test_whoever_asks_sees_the_traceback() -> None:
    ended = started("manage.py", "replay", "--traceback", **NEEDED, DEBUG="perhaps")
    assert ended.returncode == 1
    assert "Traceback" in ended.stderr


def test_a_package_that_is_not_installed_is_named() -> None:
    hidden = "import sys; sys.modules['knox'] = None; sys.argv = ['manage.py', 'check']; "
    run = "import runpy; runpy.run_path('manage.py', run_name='__main__')"
    ended = started("-c", hidden + run, **NEEDED)
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert re.fullmatch("Error: .*knox.*: install what requirements.txt lists.", line)


COMMANDS = [
    ["replay"],
    ["replay", "--check"],
    ["follow", "--once"],
    ["publish", "--once"],
    ["eventstore_status"],
    ["eventstore_status", "--json"],
    ["verify_log"],
    ["rotate_keys"],
    ["parked", "list"],
    ["issue_token", "rita"],
    ["what_if", "--threshold", "80"],
    ["createsuperuser", "--noinput", "--username", "rita", "--email", "rita@example.org"],
    ["clearsessions"],
]
CONSUMING = [["consume", "--once"], ["strays", "retry"], ["parked", "list"]]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("consumes", [False, True], ids=["log", "bus"])
def test_a_database_without_tables_is_told_to_be_migrated(
    consumes: bool, empty_database: str, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text(
        "case,activity,at,who,mail,years\n1,apply,2026-03-01T12:00:00Z,rita,a@b.org,5\n"
    )
    importing = ["import_history", str(rows), "--map", "tests/candidates/history_map.json"]
    commands, environment = (
        (CONSUMING, BUS)
        if consumes
        else ([*COMMANDS, importing], {"EVENT_BUS_URL": BUS["EVENT_BUS_URL"]})
    )
    ends = told_each(commands, **NEEDED, **environment, DATABASE_URL=empty_database)
    assert len(ends) == len(commands)
    for command, end in ends.items():
        assert re.fullmatch(
            r"1: ((Following|Relaying|Consuming) .*\n)?Error: The database lacks \d+ migrations of "
            r"this version \(.*\): run `manage.py migrate` first\.\n",
            end,
        ), f"{command}: {end}"


@pytest.fixture
def empty_database(tmp_path: Path) -> Iterator[str]:
    """The address of one on the same server in which nothing was made yet."""
    if connection.vendor == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    name = f"{connection.settings_dict['NAME']}_empty"
    with closing(_server()) as server, server.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
        yield database_url(name)
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _server() -> BaseDatabaseWrapper:
    own = connection.copy()
    own.set_autocommit(True)
    return own


def test_a_server_that_does_not_answer_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"postgres://rita:s3cret@127.0.0.1:{port}/name"
    environment = {**NEEDED, "EVENT_BUS_URL": BUS["EVENT_BUS_URL"], "DATABASE_URL": url}
    commands = [*COMMANDS, ["migrate"], ["check", "--database", "default"], ["runserver"]]
    for command, end in told_each(commands, **environment).items():
        assert re.fullmatch(
            r"1: ((Following|Relaying) .*\n)?Error: The database cannot be reached: .*\n", end
        ), f"{command}: {end}"
        assert "s3cret" not in end


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("missing/db.sqlite3", "unable to open database file: No such file or directory"),
        ("file/db.sqlite3", "unable to open database file: Not a directory"),
        ("", "unable to open database file"),
        ("file", "file is not a database"),
    ],
)
def test_a_file_that_cannot_be_the_database_is_named(
    tmp_path: Path, path: str, reason: str
) -> None:
    (tmp_path / "file").write_text("precious " * 100)
    database = f"{tmp_path}/{path}"
    line = told("migrate", **NEEDED, DATABASE_URL=f"sqlite:///{database}")
    assert line == f"Error: The database {database} refused: {reason}."
    assert (tmp_path / "file").read_text() == "precious " * 100


def test_what_may_quote_somebodys_data_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, told_in_one_line():
        raise DataError("value too long\nDETAIL: Key (name)=(Zoë) is too long.")
    assert ended.value.code == 1
    assert re.fullmatch(
        r"Error: The database .*refused: value too long\.\n", capsys.readouterr().err
    )


def test_a_mistake_of_the_code_passes_through() -> None:
    with pytest.raises(ZeroDivisionError), told_in_one_line():
        raise ZeroDivisionError
    with pytest.raises(ModuleNotFoundError), told_in_one_line():
        raise ModuleNotFoundError(name="eventstore.gone")


def test_settings_that_there_are_not_are_named() -> None:
    line = told("replay", "--settings", "nowhere.settings")
    assert line.startswith("Error: No module named 'nowhere', which DJANGO_SETTINGS_MODULE or")


def test_a_port_that_cannot_be_is_told_by_the_development_server() -> None:
    line = told("runserver", "127.0.0.1:65536", **NEEDED)
    assert line == "Error: There is no port 65536: they end with 65535."


def test_a_taken_port_is_told_by_the_development_server(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = {**NEEDED, "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}"}
        ended = started("manage.py", "runserver", "--noreload", port, **environment)
    assert ended.returncode == 1
    assert ended.stderr == "Error: That port is already in use.\n"
