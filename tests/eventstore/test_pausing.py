"""What an operator holds stands still in every process, says so, and goes on without a gap."""

import io
import json
import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.utils import timezone

from candidates.models import CandidateProjection, StatusSpan
from candidates.wiring import candidate_service
from eventstore.application.pausing import LOOK, Holds
from eventstore.application.ports import Pause
from eventstore.models import Checkpoint, StorageEvent
from eventstore.wiring import holds, pauses, repair_all
from tests.contracts.conftest import Clock
from tests.deliveries import replayed, rows
from tests.eventstore.test_consume import System, database, migrated, newest, system
from tests.eventstore.test_follow import RITA, append, follow, stop
from tests.eventstore.test_publish import Broker, broker, end, grow, position, publish
from tests.factories import add
from tests.processes import running, until

__all__ = ["broker", "database", "migrated", "system"]

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _looks_at_once() -> Iterator[None]:
    holds.look_again()
    yield
    holds._known, holds._look_at = {}, float("inf")


def pause(*work: str, reason: str = "the index is built anew") -> str:
    out = io.StringIO()
    call_command("pause", *work, "--reason", reason, stdout=out)
    return out.getvalue()


def resume(*work: str) -> str:
    out = io.StringIO()
    call_command("resume", *work, stdout=out)
    return out.getvalue()


def command() -> None:
    candidate_service().handle(add(candidate_id=None), RITA)


@pytest.mark.parametrize("delivery", ["on_commit", "in_transaction"])
def test_a_read_model_that_web_processes_feed_stands_still_and_catches_up(delivery: str) -> None:
    with override_settings(EVENT_DELIVERY=delivery):
        command()
        assert pause("--projection", "candidates") == "candidates is paused\n"
        command()
        repair_all()
        assert (CandidateProjection.objects.count(), StatusSpan.objects.count()) == (1, 2)
        assert StorageEvent.objects.count() == 2
        told = resume("--projection", "candidates")
        assert told == "candidates goes on\n1 streams had something to catch up on\n"
        command()
    assert CandidateProjection.objects.count() == 3
    assert rows() == replayed()


def test_a_running_follower_obeys_and_goes_on() -> None:
    with running("manage.py", "follow") as process:
        append()
        until(lambda: CandidateProjection.objects.count() == 1 == StatusSpan.objects.count())
        pause("--projection", "candidates")
        late = timezone.now() + timedelta(seconds=LOOK)
        # It looks again before it does anything, once its heart has beaten after that.
        until(lambda: Checkpoint.objects.filter(pk="candidates", seen_at__gt=late).exists())
        append(3)
        until(lambda: StatusSpan.objects.count() == 4)
        assert CandidateProjection.objects.count() == 1
        resume("--projection", "candidates")
        until(lambda: CandidateProjection.objects.count() == 4)
        stop(process, signal.SIGTERM)
    assert rows() == replayed()


def test_once_leaves_out_what_is_held() -> None:
    append(2)
    pause("--projection", "candidates")
    follow("--once")
    assert (CandidateProjection.objects.count(), StatusSpan.objects.count()) == (0, 2)
    resume("--projection", "candidates")
    follow("--once")
    assert rows() == replayed()


def test_a_relay_that_is_held_publishes_nothing(broker: Broker) -> None:
    grow(3, notes=1)
    with broker.group():
        pause("--relay")
        publish("--once")
        assert position() == 0
        resume("--relay")
        publish("--once")
        assert position() == end()


def test_a_group_that_is_held_receives_nothing(system: System) -> None:
    def manage(*arguments: str) -> None:
        with running("manage.py", *arguments, **system.environment) as process:
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors

    system.consume("--once")
    with running("manage.py", "consume", **system.environment) as consumer:
        grow(2, notes=1)
        publish("--once")
        until(lambda: system.versions() == newest(), seconds=60)
        manage("pause", "--group", "readers", "--reason", "the disk is changed")
        shown = system.versions()
        late = f"{timezone.now() + timedelta(seconds=LOOK):%Y-%m-%d %H:%M:%S.%f}"
        beats = f"SELECT 1 FROM {Checkpoint._meta.db_table} WHERE seen_at > '{late}'"
        until(lambda: system.asked(beats))
        grow(2, notes=1)
        publish("--once")
        assert system.versions() == shown
        manage("resume", "--group", "readers")
        until(lambda: system.versions() == newest(), seconds=60)
        stop(consumer, signal.SIGTERM)


def test_status_and_readiness_say_what_is_held_since_when_and_why(client: Client) -> None:
    command()
    pause("--projection", "candidates")
    pause("--relay", reason="the broker is upgraded")
    since = pauses().all()["candidates"].since
    told = (
        f"candidates: paused since {since:%Y-%m-%d %H:%M:%S} UTC: the index is built anew "
        "(`manage.py resume` lets it go on)"
    )
    out = io.StringIO()
    with pytest.raises(CommandError) as raised:
        call_command("eventstore_status", stdout=out)
    assert told in str(raised.value).splitlines()
    shown = f"paused            candidates since {since:%Y-%m-%d %H:%M:%S} UTC: the index is"
    assert shown in out.getvalue()
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("eventstore_status", "--json", stdout=out)
    held = json.loads(out.getvalue())["paused"]
    assert [(one["name"], one["reason"]) for one in held] == [
        ("candidates", "the index is built anew"),
        ("publisher", "the broker is upgraded"),
    ]
    answer = client.get("/readyz", {"projections": "1"})
    assert answer.status_code == 503
    assert told in answer.json()["problems"]
    assert client.get("/readyz").status_code == 200


def test_a_second_pause_gives_another_reason_and_keeps_the_time() -> None:
    pause("--relay", reason="one")
    since = pauses().all()["publisher"].since
    pause("--relay", reason=f"  another\x00{'x' * 1000}")
    again = pauses().all()["publisher"]
    assert again.since == since
    assert again.reason.startswith("another\\x00xxx")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pause", "--projection", "spans", "--reason", "x"], "no projection spans; there are "),
        (["pause", "--relay", "--reason", " "], "--reason says why"),
        (["pause", "--relay"], "--reason"),
        (["pause", "--reason", "x"], "one of the arguments --projection --relay --group"),
        (["pause", "--group", "readers", "--reason", "x"], "is none, and not readers"),
        (["resume", "--relay"], "publisher is not paused"),
        (["resume", "--projection", "candidates"], "candidates is not paused"),
    ],
)
def test_what_there_is_not_is_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        call_command(*arguments)


def test_the_group_is_that_of_this_system() -> None:
    with (
        override_settings(EVENT_DELIVERY="bus", EVENT_BUS_GROUP="readers"),
        pytest.raises(CommandError, match="is readers, and not others"),
    ):
        call_command("pause", "--group", "others", "--reason", "x")


def test_a_process_looks_once_a_second_however_often_it_asks() -> None:
    class Counted:
        looks = 0

        def all(self) -> Any:
            self.looks += 1
            return {"a": Pause("x", clock.now)}

    clock, counted = Clock(), Counted()
    some = Holds(counted, monotonic=lambda: clock.now.timestamp())  # type: ignore[arg-type]
    assert [some.held("a"), some.held("b"), some.held("a")] == [True, False, True]
    assert counted.looks == 1
    clock.advance(seconds=LOOK)
    assert some.held("a")
    assert counted.looks == 2
