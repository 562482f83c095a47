"""A log that is found in another place than before does not speak to a broker until told."""

import io
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from eventstore.domain.exceptions import LogInAnotherPlace
from eventstore.infrastructure.identity import place as here
from eventstore.models import LogIdentity
from eventstore.wiring import check_place, log_identity
from tests import processes
from tests.postgresql_cluster import Cluster, cluster

pytestmark = pytest.mark.django_db
MIGRATE = "from django.core.management import call_command; call_command('migrate', verbosity=0)\n"
APPEND = """
from uuid import uuid4
from eventstore.domain.events import Metadata
from eventstore.wiring import event_store, log_id
from tests.factories import added
metadata = Metadata(actor="rita", door="api")
event_store().append("candidate", uuid4(), [added()], expected=0, metadata=metadata)
log_id()
"""
NOWHERE = "amqp://guest:guest@127.0.0.1:1/"
ELSEWHERE = "The log is in another place"


class Home(NamedTuple):
    """A database, and what brings a copy of it to another place."""

    url: str
    dumped: Callable[[], "Home"]
    restarted: Callable[[], object]
    swept: Callable[[], object]


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster | None]:
    if connection.vendor == "sqlite":
        yield None
        return
    with cluster() as server:
        yield server


@pytest.fixture
def home(server: Cluster | None, tmp_path: Path) -> Home:
    if server is None:
        return _file(tmp_path / "log.sqlite3")
    return _database(server)


def _file(path: Path) -> Home:
    def dumped() -> Home:
        copy = path.with_name(f"{uuid4()}.sqlite3")
        shutil.copyfile(path, copy)
        return _file(copy)

    url = f"sqlite:///{path}"
    return Home(url, dumped, lambda: None, lambda: processes.run(VACUUM, DATABASE_URL=url))


def _database(server: Cluster) -> Home:
    name = f"log_{uuid4().hex}"
    server.sql("postgres", f"CREATE DATABASE {name}")

    def dumped() -> Home:
        copy = _database(server)
        dump = ["pg_dump", server.url(name)]
        text = subprocess.run(dump, check=True, capture_output=True, text=True).stdout
        restore = ["psql", copy.url, "-q", "-v", "ON_ERROR_STOP=1"]
        subprocess.run(restore, input=text, check=True, capture_output=True, text=True)
        return copy

    def restarted() -> None:
        server.stop()
        server.start()

    return Home(server.url(name), dumped, restarted, lambda: server.sql(name, "VACUUM FULL"))


VACUUM = "from django.db import connection; connection.cursor().execute('VACUUM')"


CHECK = """
from eventstore.domain.exceptions import LogInAnotherPlace
from eventstore.wiring import check_place, log_identity
try:
    check_place()
except LogInAnotherPlace as error:
    print(error)
else:
    print("speaks for", log_identity().log_id)
"""


def place(home: Home) -> str:
    return processes.run(CHECK, DATABASE_URL=home.url).strip()


def test_a_restart_a_vacuum_and_a_migrate_bother_nobody_and_a_dump_elsewhere_does(
    home: Home,
) -> None:
    before = processes.run(MIGRATE + APPEND + CHECK, DATABASE_URL=home.url).strip()
    assert before.startswith("speaks for")
    copy = home.dumped()
    home.swept()
    home.restarted()
    assert processes.run(MIGRATE + CHECK, DATABASE_URL=home.url).strip() == before
    assert place(copy).startswith(ELSEWHERE)
    assert processes.run(AFTER_RESTORE + CHECK, DATABASE_URL=copy.url).strip() == before


AFTER_RESTORE = """
import io
from django.core.management import call_command
call_command("after_restore", stdout=io.StringIO())
"""


@pytest.fixture
def elsewhere(settings: Any) -> None:
    log_identity()
    LogIdentity.objects.update(place="another")
    settings.EVENT_BUS_URL, settings.EVENT_DELIVERY = NOWHERE, "bus"


@pytest.mark.parametrize(
    "command",
    [
        ("publish", "--once"),
        ("publish", "--from", "0", "--group", "g"),
        ("consume", "--once"),
    ],
)
def test_who_would_speak_to_the_broker_asks_what_was_done(
    elsewhere: None, command: tuple[str, ...]
) -> None:
    with pytest.raises(CommandError, match=ELSEWHERE):
        call_command(*command, stdout=io.StringIO(), stderr=io.StringIO())


@pytest.mark.parametrize("way", [(), ("--moved",), ("--another-log",)])
def test_each_answer_says_where_the_log_belongs(elsewhere: None, way: tuple[str, ...]) -> None:
    before = log_identity()
    with pytest.raises(LogInAnotherPlace):
        check_place()
    call_command("after_restore", *way, stdout=io.StringIO())
    check_place()
    after = log_identity()
    assert (after.log_id == before.log_id) == (way != ("--another-log",))
    assert (after.epoch == before.epoch) == (way != ())


@pytest.mark.django_db(transaction=True)
def test_a_log_of_before_places_were_kept_takes_the_one_where_it_is_by_migrate() -> None:
    log_identity()
    try:
        # The column goes and comes back empty, as on a log that is older than it.
        call_command("migrate", "eventstore", "0008_waits_for", verbosity=0)
    finally:
        call_command("migrate", verbosity=0)
    assert LogIdentity.objects.get().place == here()
    check_place()


def test_migrate_does_not_move_a_log_that_belongs_elsewhere(elsewhere: None) -> None:
    call_command("migrate", verbosity=0)
    with pytest.raises(LogInAnotherPlace):
        check_place()


def test_a_system_that_only_shows_is_told_how_it_is_filled_again(
    elsewhere: None, settings: Any
) -> None:
    settings.READ_ONLY, settings.EVENT_BUS_GROUP = True, "reports"
    out = io.StringIO()
    call_command("after_restore", stdout=out)
    assert "`manage.py publish --from 0 --group reports`" in out.getvalue()
    check_place()
    assert log_identity().epoch == 1
    with pytest.raises(CommandError):
        call_command("after_restore", "--another-log", stdout=out)
