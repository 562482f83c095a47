"""`manage.py consume` as a supervisor runs it: a system that has messages and no log."""

import io
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka import Producer
from django.core.management import call_command
from django.db import connection, models

from candidates.models import CandidateProjection
from candidates.wiring import statistics
from eventstore.infrastructure.messaging.partitions import partition_of
from eventstore.models import Checkpoint, ParkedStream, StorageEvent, WaitingMessage
from eventstore.wiring import message_encoder
from recruitment.demo.loading import load
from tests.contracts.buses import kafka_bus
from tests.deliveries import rows
from tests.eventstore.test_follow import stop
from tests.eventstore.test_publish import Broker, broker, log, publish
from tests.processes import killed, run, running, until

__all__ = ["broker"]

pytestmark = pytest.mark.django_db(transaction=True)
HISTORY = Path(__file__).parent.parent / "candidates"
SHOWN = """
from candidates.wiring import statistics
from tests.deliveries import rows
print([rows(), statistics()])
"""

HIRING = Path(__file__).resolve().parents[3] / "shared" / "data"


def written() -> None:
    """A history as another system's log and our own commands tell it."""
    files = [str(HISTORY / "history.csv"), "--map", str(HISTORY / "history_map.json")]
    call_command("import_history", *files, stdout=io.StringIO(), stderr=io.StringIO())
    load(today=date(2026, 11, 1), count=40)
    call_command("follow", "--once", stdout=io.StringIO(), stderr=io.StringIO())


def newest() -> dict[UUID, int]:
    return {event.stream_id: event.version for event in log()}


def shown_here() -> str:
    return str([rows(), statistics()])


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with tables and nothing in them."""
    path = tmp_path_factory.mktemp("migrated") / "empty.sqlite3"
    code = "from django.core.management import call_command\ncall_command('migrate', verbosity=0)"
    run(code, DATABASE_URL=f"sqlite:///{path}")
    return path


class System:
    """A consuming one, with a database of its own, empty at first."""

    def __init__(self, database: Path, broker: Broker) -> None:
        self.path = database
        self.environment = {
            **broker.environment,
            "DATABASE_URL": f"sqlite:///{database}",
            "EVENT_DELIVERY": "bus",
            "READ_ONLY": "true",
            "EVENT_BUS_GROUP": "readers",
        }

    def consume(self, *arguments: str) -> str:
        with running("manage.py", "consume", *arguments, **self.environment) as process:
            out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        return out

    def shown(self) -> str:
        return run(SHOWN, **self.environment).strip()

    def asked(self, statement: str) -> list[tuple[Any, ...]]:
        """From outside: a process for each look would take seconds."""
        with closing(sqlite3.connect(self.path)) as database:
            return database.execute(statement).fetchall()

    def counted(self, model: type[models.Model]) -> int:
        ((count,),) = self.asked(f"SELECT count(*) FROM {model._meta.db_table}")
        return int(count)

    def versions(self) -> dict[UUID, int]:
        """Candidates, and what is shown of them. Other projections are written with these."""
        statement = f"SELECT id, version FROM {CandidateProjection._meta.db_table}"
        return {UUID(hex=id): version for id, version in self.asked(statement)}

    def blocked_by(self) -> str:
        """Why the broker gives it nothing."""
        statement = f"SELECT max(blocked_by) FROM {Checkpoint._meta.db_table}"
        ((obstacle,),) = self.asked(statement)
        return str(obstacle)

    def ever_waited(self) -> bool:
        """Whether a message was ever out of its turn: numbers once drawn are remembered."""
        table = WaitingMessage._meta.db_table
        return bool(self.asked(f"SELECT 1 FROM sqlite_sequence WHERE name = '{table}' AND seq > 0"))


@pytest.fixture
def database(tmp_path: Path, migrated: Path) -> Callable[[str], Path]:
    return lambda name: Path(shutil.copy(migrated, tmp_path / name))


@pytest.fixture
def system(broker: Broker, database: Callable[[str], Path]) -> System:
    # So that the broker holds what is published from now on.
    with broker.group():
        return System(database("reader.sqlite3"), broker)


def test_a_history_is_shown_elsewhere_as_it_is_shown_here(system: System) -> None:
    written()
    publish("--once")
    told = system.consume("--once")
    last = log()[-1].position
    assert told == f"done: candidates at {last}, candidate_spans at {last}\n"
    assert system.shown() == shown_here()
    assert [system.counted(model) for model in (StorageEvent, WaitingMessage)] == [0, 0]
    # Everything once more, to that group alone, changes nothing.
    publish("--from", "0", "--group", "readers")
    system.consume("--once")
    assert system.shown() == shown_here()


@pytest.mark.skipif(connection.vendor == "sqlite", reason="it is written on PostgreSQL")
@pytest.mark.skipif(not HIRING.is_dir(), reason="the hiring log is not beside the project")
def test_the_hiring_log_is_shown_elsewhere_as_it_is_shown_here(system: System) -> None:
    files = [str(HIRING / "hiring_log.csv.gz"), "--map", str(HIRING / "hiring_map.json")]
    call_command("import_history", *files, stdout=io.StringIO(), stderr=io.StringIO())
    publish("--once")
    system.consume("--once")
    assert system.shown() == shown_here()
    assert system.counted(StorageEvent) == 0


def test_killed_between_the_rows_and_the_acknowledgement_it_goes_on_as_if_nothing_had_been(
    system: System,
) -> None:
    written()
    publish("--once")
    killed(
        "from django.core.management import call_command\n"
        "from eventstore.application.intake import Intake\n"
        "take = Intake.take\n"
        "def taken(*arguments):\n"
        "    take(*arguments)\n"
        "    reach()\n"
        "Intake.take = taken\n"
        "call_command('consume')\n",
        **system.environment,
    )
    assert system.versions()
    until(lambda: system.consume("--once") and system.versions() == newest(), seconds=60)
    assert system.shown() == shown_here()
    assert [system.counted(model) for model in (ParkedStream, WaitingMessage)] == [0, 0]


def test_it_shows_what_is_published_until_it_is_told_to_stop(system: System) -> None:
    with running("manage.py", "consume", **system.environment) as process:
        written()
        publish("--once")
        until(lambda: system.versions() == newest(), seconds=60)
        told = stop(process, signal.SIGTERM)
    assert told.startswith("stopped: candidates at ")
    assert system.shown() == shown_here()


def test_two_processes_hold_half_of_the_partitions_each(
    broker: Broker, database: Callable[[str], Path]
) -> None:
    halves = (0, 1), (2, 3)
    systems = [System(database(f"half{number}.sqlite3"), broker) for number in range(2)]
    with broker.group():
        written()
    publish("--once")
    expected = [
        {
            stream_id: version
            for stream_id, version in newest().items()
            if partition_of(stream_id, broker.bus.partitions) in half
        }
        for half in halves
    ]
    assert all(expected)
    with (
        running("manage.py", "consume", *_options(halves[0]), **systems[0].environment) as first,
        running("manage.py", "consume", *_options(halves[1]), **systems[1].environment) as second,
    ):
        until(lambda: [system.versions() for system in systems] == expected, seconds=60)
        stop(first, signal.SIGTERM)
        stop(second, signal.SIGTERM)
    # Each candidate's messages came in order: none ever waited for another.
    assert not any(system.ever_waited() for system in systems)


def _options(partitions: tuple[int, ...]) -> list[str]:
    return [text for number in partitions for text in ("--partition", str(number))]


def test_a_topic_that_has_grown_keeps_each_candidate_in_order(
    database: Callable[[str], Path],
) -> None:
    """Two partitions at first, then four: the later events of a stream are in another one."""
    with kafka_bus() as bus:
        system = System(database("reader.sqlite3"), Broker(bus))
        written()
        events, encode = log(), message_encoder()
        producer = Producer(bus.configuration)
        for number, event in enumerate(events):
            partitions = 2 if number < len(events) // 2 else 4
            partition = partition_of(event.stream_id, partitions)
            producer.produce(bus.topic, encode(event), partition=partition)
        assert producer.flush(30) == 0
        # The new ones are read first, as where the old have a backlog.
        system.consume("--once", "--partition", "2", "--partition", "3")
        assert system.counted(WaitingMessage) > 0
        system.consume("--once")
        assert system.shown() == shown_here()
        assert [system.counted(model) for model in (WaitingMessage, ParkedStream)] == [0, 0]
