"""Whatever dies or falls silent between a log and who is fed from it, the rows are the same.

And of the messages as they arrive: none is missing, and those of a stream are in order, repeats
aside. Each drill runs over each broker, unless it says otherwise.
"""

import io
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings

from eventstore.wiring import event_bus
from tests.contracts.buses import RabbitMQBus
from tests.contracts.test_event_bus import ids
from tests.eventstore.test_consume import System, database, migrated, newest, shown_here, system
from tests.eventstore.test_follow import stop
from tests.eventstore.test_publish import (
    Broker,
    blocked_by,
    broker,
    end,
    grow,
    is_the_log,
    log,
    position,
    publish,
    read,
)
from tests.processes import killed, running, until
from tests.proxy import Proxy
from tests.rabbitmq_node import rabbitmq_node

__all__ = ["broker", "database", "migrated", "system"]

pytestmark = pytest.mark.django_db(transaction=True)
KILLED_BEFORE_THE_CHECKPOINT = """
from django.core.management import call_command
from eventstore.infrastructure.checkpoints import DjangoCheckpoints
DjangoCheckpoints.move = reach
call_command("publish", "--once")
"""


def same_rows(system: System) -> bool:
    call_command("follow", "--once", stdout=io.StringIO(), stderr=io.StringIO())
    return system.shown() == shown_here()


def test_a_publisher_killed_between_confirm_and_checkpoint_publishes_twice_and_loses_nothing(
    broker: Broker, system: System
) -> None:
    grow(6, notes=3)
    with broker.group("others") as consumer:
        killed(KILLED_BEFORE_THE_CHECKPOINT, **broker.environment)
        assert position() == 0
        publish("--once")
        events = read(consumer, ids(log()))
    assert len(events) == 2 * len(log())
    assert is_the_log(events)
    system.consume("--once")
    assert same_rows(system)


def test_connections_that_are_cut_silently_are_noticed_told_and_made_anew(
    broker: Broker, system: System
) -> None:
    with broker.group("others"):
        pass
    with (
        running("manage.py", "publish", **broker.environment) as publisher,
        running("manage.py", "consume", **system.environment) as consumer,
    ):
        grow(5, notes=1)
        until(lambda: position() == end())
        until(lambda: system.versions() == newest(), seconds=60)
        broker.bus.cut()
        grow(5, notes=1)
        until(blocked_by, seconds=60)
        assert position() < end()
        with pytest.raises(CommandError, match=r"publisher: from position \d+ on: "):
            call_command("eventstore_status", stdout=io.StringIO())
        until(system.blocked_by, seconds=60)
        broker.bus.mend()
        until(lambda: position() == end(), seconds=60)
        until(lambda: not blocked_by())
        until(lambda: system.versions() == newest(), seconds=60)
        assert not system.blocked_by()
        stop(publisher, signal.SIGTERM)
        stop(consumer, signal.SIGTERM)
    with closing(event_bus().consumer("others")) as others:
        assert is_the_log(read(others, ids(log())))
    assert same_rows(system)


def test_two_relays_publish_everything_and_repeat_at_most(broker: Broker, system: System) -> None:
    with broker.group("others") as consumer:
        with (
            running("manage.py", "publish", **broker.environment) as one,
            running("manage.py", "publish", **broker.environment) as other,
        ):
            for process in (one, other):
                assert process.stderr is not None
                assert process.stderr.readline() == "Relaying the log\n"
            grow(10, notes=2)
            until(lambda: position() == end(), seconds=60)
            stop(one, signal.SIGTERM)
            stop(other, signal.SIGTERM)
        assert is_the_log(read(consumer, ids(log())))
    system.consume("--once")
    assert same_rows(system)


def test_the_partitions_of_a_consumer_that_has_fallen_silent_are_taken_over(
    system: System,
) -> None:
    with running("manage.py", "consume", **system.environment) as silent:
        grow(3, notes=1)
        publish("--once")
        until(lambda: same_rows(system), seconds=60)
        silent.send_signal(signal.SIGSTOP)
        with running("manage.py", "consume", **system.environment) as successor:
            grow(6, notes=2)
            publish("--once")
            until(lambda: same_rows(system), seconds=60)
            stop(successor, signal.SIGTERM)


def test_a_rabbitmq_that_is_stopped_and_started_has_everything_in_the_end(
    tmp_path: Path, database: Callable[[str], Path]
) -> None:
    """Over RabbitMQ alone: the other broker keeps nothing over its end."""
    with rabbitmq_node(tmp_path) as node, Proxy("127.0.0.1", node.port) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/?heartbeat=1"
        broker = Broker(RabbitMQBus(url, proxy))
        with override_settings(**broker.settings):
            system = System(database("reader.sqlite3"), broker)
            system.consume("--once")
            with (
                running("manage.py", "publish", **broker.environment) as publisher,
                running("manage.py", "consume", **system.environment) as consumer,
            ):
                grow(5, notes=2)
                until(lambda: position() > 0)
                node.stop()
                grow(5, notes=2)
                until(blocked_by)
                node.start()
                grow(2, notes=0)
                until(lambda: position() == end(), seconds=60)
                until(lambda: same_rows(system), seconds=60)
                stop(publisher, signal.SIGTERM)
                stop(consumer, signal.SIGTERM)
