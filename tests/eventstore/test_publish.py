"""`manage.py publish` as a supervisor runs it, against brokers that are there or are not."""

import io
import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing
from datetime import timedelta
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.utils import timezone

from candidates.application.commands import NoteOnCandidate
from candidates.wiring import candidate_service
from eventstore.application.ports import Checkpoint as Kept
from eventstore.application.ports import EventConsumer, NotPublished
from eventstore.application.relay import CHECKPOINT
from eventstore.domain.events import RecordedEvent
from eventstore.models import Checkpoint, StorageEvent
from eventstore.wiring import checkpoints, decode_message, event_bus, event_store, publisher_status
from tests.contracts.buses import (
    KafkaBus,
    MemoryBus,
    RabbitMQBus,
    kafka_bus,
    rabbitmq_bus,
)
from tests.contracts.test_event_bus import by_stream, first_times, ids, joined
from tests.eventstore.test_follow import RITA, append, stop
from tests.factories import add
from tests.processes import run, running, until

pytestmark = pytest.mark.django_db(transaction=True)
AMQP = "amqp://guest:guest@127.0.0.1:1/"


def publish(*arguments: str) -> str:
    out = io.StringIO()
    call_command("publish", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def log() -> list[RecordedEvent]:
    return event_store().read_all(limit=10**6)


def end() -> int:
    return StorageEvent.objects.latest("position").position


def kept() -> Kept:
    """Where the relay stands, which may not have begun."""
    return checkpoints().all().get(CHECKPOINT, Kept(0, 1, None))


def position() -> int:
    return kept().position


def blocked_by() -> str:
    return kept().blocked_by


def grow(streams: int, *, notes: int) -> None:
    """Candidates whose histories grow side by side."""
    with override_settings(EVENT_DELIVERY="follow"):
        service = candidate_service()
        added = [service.handle(add(candidate_id=None), RITA).candidate_id for _ in range(streams)]
        for number in range(notes):
            for candidate_id in added:
                service.handle(NoteOnCandidate(candidate_id=candidate_id, text=f"{number}"), RITA)


class Broker:
    """Where the settings of this test lead, and what a group gets of it."""

    def __init__(self, bus: RabbitMQBus | KafkaBus) -> None:
        self.bus = bus
        self.environment = {"EVENT_BUS_URL": bus.url, "EVENT_BUS_TOPIC": bus.topic}
        self.settings = {**self.environment, "EVENT_BUS_PARTITIONS": bus.partitions}
        self.environment["EVENT_BUS_PARTITIONS"] = str(bus.partitions)

    def group(self, name: str = "readers") -> "closing[EventConsumer]":
        """It is there from now on."""
        consumer = event_bus().consumer(name)
        joined(consumer)
        return closing(consumer)


def read(consumer: EventConsumer, expected: set[UUID]) -> list[RecordedEvent]:
    """All that the group gets, in the order of its coming, once all of these are among it."""
    events: list[RecordedEvent] = []

    def all_there() -> bool:
        bodies = consumer.receive(limit=500, wait=0.2)
        events.extend(decode_message(body).recorded for body in bodies)
        consumer.acknowledge()
        return ids(events) == expected and consumer.drained()

    until(all_there, seconds=60)
    return events


def is_the_log(events: list[RecordedEvent]) -> bool:
    """Nothing is missing, and no stream is out of order, repeats aside."""
    stored = [event._replace(hash=b"") for event in log()]
    return _said(first_times(events)) == _said(stored)


def _said(events: list[RecordedEvent]) -> dict[UUID, list[object]]:
    """What of an event a message says."""
    return {
        stream_id: [(one.event, one.version, one.position, one.occurred_at) for one in stream]
        for stream_id, stream in by_stream(events).items()
    }


@pytest.fixture(params=["rabbitmq", "kafka"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    brokers: dict[str, Callable[[], AbstractContextManager[RabbitMQBus | KafkaBus]]] = {
        "rabbitmq": rabbitmq_bus,
        "kafka": kafka_bus,
    }
    with brokers[request.param]() as bus:
        broker = Broker(bus)
        with override_settings(**broker.settings):
            yield broker


def test_once_brings_the_log_to_the_broker_and_says_how_far(broker: Broker) -> None:
    grow(5, notes=2)
    with broker.group() as consumer:
        assert publish("--once") == f"done: publisher at {end()}\n"
        assert is_the_log(read(consumer, ids(log())))
        assert publish("--once") == f"done: publisher at {end()}\n"
        assert read(consumer, set()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_relays_what_is_appended_until_it_is_told_to_stop(
    broker: Broker, number: signal.Signals
) -> None:
    append(3)
    with broker.group() as consumer:
        with running("manage.py", "publish", **broker.environment) as process:
            until(lambda: position() == end())
            append(2)
            until(lambda: position() == end())
            told = stop(process, number)
        assert told == f"stopped: publisher at {end()}"
        assert kept().seen_at is not None
        assert is_the_log(read(consumer, ids(log())))


def test_one_group_alone_is_sent_the_past_and_the_relay_stays_where_it_is(
    broker: Broker,
) -> None:
    grow(4, notes=1)
    with broker.group() as consumer:
        publish("--once")
        read(consumer, ids(log()))
        before = checkpoints().all()
        assert publish("--from", "0", "--group", "late") == f"done: late at {end()}\n"
        assert checkpoints().all() == before
        with closing(event_bus().consumer("late")) as late:
            assert is_the_log(read(late, ids(log())))
        assert read(consumer, set()) == []


def test_what_a_broker_has_no_queue_for_shows_where_operators_look(client: Client) -> None:
    append()
    with rabbitmq_bus() as bus:
        broker = Broker(bus)
        with (
            override_settings(**broker.settings),
            running("manage.py", "publish", **broker.environment) as process,
        ):
            until(blocked_by)
            told = f"publisher: from position {end()} on: no queue takes"
            answer = client.get("/readyz?projections=1")
            assert answer.status_code == 503
            problems = answer.json()["problems"]
            assert any(problem.startswith(told) for problem in problems)
            assert any("`manage.py consume` makes those of its group" in one for one in problems)
            with pytest.raises(CommandError, match=told):
                call_command("eventstore_status", stdout=io.StringIO())
            assert client.get("/readyz").status_code == 200
            # Once the group is there, its queues are.
            with closing(event_bus().consumer("readers")) as consumer:
                assert is_the_log(read(consumer, ids(log())))
            until(lambda: position() == end(), seconds=60)
            stop(process, signal.SIGTERM)


# Whom the operators have to call, without a broker: what is looked at is the checkpoint.


@pytest.fixture
def relayed(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryBus]:
    """Everything in the log is with the broker, and the relay is alive."""
    bus = MemoryBus()
    bus.consumer("readers")
    monkeypatch.setattr("eventstore.wiring.event_bus", lambda: bus)
    append()
    call_command("follow", "--once", stdout=io.StringIO(), stderr=io.StringIO())
    with override_settings(EVENT_BUS_URL=AMQP):
        publish("--once")
        yield bus


def problems(client: Client) -> list[str]:
    found: list[str] = client.get("/readyz?projections=1").json()["problems"]
    return found


@pytest.mark.usefixtures("relayed")
def test_a_relay_that_lives_and_has_nothing_to_do_is_no_problem(client: Client) -> None:
    assert problems(client) == []


@pytest.mark.usefixtures("relayed")
def test_a_relay_that_died_shows(client: Client) -> None:
    Checkpoint.objects.filter(pk=CHECKPOINT).update(seen_at=timezone.now() - timedelta(seconds=20))
    (problem,) = problems(client)
    assert problem.startswith("publisher: none has been seen since ")
    assert problem.endswith("Start `manage.py publish`.")


@pytest.mark.usefixtures("relayed")
def test_an_event_that_waits_too_long_for_the_broker_shows(client: Client) -> None:
    Checkpoint.objects.filter(pk=CHECKPOINT).update(position=0, hash=None)
    recorded_at = StorageEvent.objects.latest("position").recorded_at
    now = recorded_at + timedelta(seconds=20)
    status = publisher_status()
    assert status is not None
    assert (status.lag, status.waiting_since) == (1, recorded_at)
    assert any("an event waits for the broker since" in one for one in status.troubles(now))


@pytest.mark.usefixtures("relayed")
def test_the_status_tells_how_the_relay_stands() -> None:
    out = io.StringIO()
    call_command("eventstore_status", stdout=out)
    shown = [line for line in out.getvalue().splitlines() if "publisher" in line]
    assert shown == [f"publisher         checkpoint {end()}, 0 events behind"]
    Checkpoint.objects.filter(pk=CHECKPOINT).update(blocked_by="no queue takes it")
    out = io.StringIO()
    with pytest.raises(CommandError, match="no queue takes it"):
        call_command("eventstore_status", "--json", stdout=out)
    told = json.loads(out.getvalue())["publisher"]
    assert (told["position"], told["lag"], told["waiting_since"]) == (end(), 0, None)
    assert told["blocked_by"] == "no queue takes it"


def test_where_no_broker_is_named_nobody_misses_a_relay(client: Client) -> None:
    append()
    call_command("follow", "--once", stdout=io.StringIO(), stderr=io.StringIO())
    assert publisher_status() is None
    assert problems(client) == []


@pytest.mark.usefixtures("relayed")
def test_a_restored_log_behind_its_relay_is_an_error_with_advice(client: Client) -> None:
    Checkpoint.objects.filter(pk=CHECKPOINT).update(position=10**9)
    assert "older backup" in problems(client)[0]
    with pytest.raises(CommandError, match="older backup"):
        publish("--once")


@pytest.mark.usefixtures("relayed")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "5"], "go together"),
        (["--group", "late"], "go together"),
        (["--from", "-1", "--group", "late"], "not -1"),
        (["--from", "0", "--group", "all of them"], "'all of them' is no name on a broker"),
        (["--from", "999999999", "--group", "late"], "lies beyond the log"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        publish(*arguments)


def test_sending_that_ends_early_says_where_to_go_on(
    relayed: MemoryBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(3)
    positions = [event.position for event in log()]

    class TakesTwo:
        def publish(self, events: Sequence[RecordedEvent]) -> None:
            left = [event for event in events if event.position > positions[1]]
            raise NotPublished(confirmed=len(events) - len(left), reason="full")

        def close(self) -> None: ...

    monkeypatch.setattr(relayed, "publisher", lambda group: TakesTwo())
    monkeypatch.setattr("eventstore.application.relay.GIVE_UP", 0)
    with pytest.raises(CommandError, match=f"full.*go on with --from {positions[1]}"):
        publish("--from", "0", "--group", "late")


def test_without_a_broker_named_it_says_so() -> None:
    with pytest.raises(CommandError, match="EVENT_BUS_URL is not set"):
        publish("--once")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("amqp://host/?heartbeat=often", "EVENT_BUS_URL: .*heartbeat"),
        ("kafka://host/?heartbeats=1", "EVENT_BUS_URL: No such .*heartbeats"),
        ("kafka://host/?acks=often", "EVENT_BUS_URL: Invalid value .*acks"),
    ],
)
def test_a_url_that_the_client_does_not_understand_is_refused(url: str, words: str) -> None:
    with override_settings(EVENT_BUS_URL=url), pytest.raises(CommandError, match=words):
        publish("--once")


def test_a_broker_that_cannot_be_reached_is_told_by_what_and_not_where() -> None:
    append()
    with (
        override_settings(EVENT_BUS_URL=AMQP),
        closing(event_bus().publisher()) as publisher,
        pytest.raises(NotPublished) as refused,
    ):
        publisher.publish(log())
    assert refused.value.confirmed == 0
    assert "out of reach" in refused.value.reason
    assert "127.0.0.1" not in refused.value.reason


LOADED = """
from candidates.wiring import candidate_service
from eventstore import wiring
from django.test import Client
Client().get("/readyz?projections=1")
print([name for name in ("pika", "confluent_kafka") if name in sys.modules])
"""


def test_no_brokers_library_is_loaded_unless_a_setting_asks() -> None:
    assert run(LOADED).strip() == "[]"
    asked = LOADED + "print(type(wiring.event_bus()).__name__)\n" + LOADED
    url = {"EVENT_BUS_URL": "kafka://127.0.0.1:1"}
    assert run(asked, **url).split("\n")[:3] == ["[]", "Kafka", "['confluent_kafka']"]
