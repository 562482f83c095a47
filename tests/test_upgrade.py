"""Two versions of the code on one database, as recruitment/docs/upgrading.md has it."""

import io
import re
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client, override_settings

from candidates.application import commands
from candidates.application.projector import SCHEMA
from candidates.models import CandidateProjection
from eventstore.application import status as status_of_projections
from eventstore.models import StorageEvent
from eventstore.wiring import checkpoints, parked_streams
from tests import factories, newer_code
from tests.contracts.buses import rabbitmq_bus
from tests.eventstore.test_consume import System, database, migrated
from tests.eventstore.test_follow import stop
from tests.eventstore.test_publish import Broker
from tests.given import given
from tests.newer_code import Console
from tests.processes import running, until

__all__ = ["database", "migrated"]

pytestmark = pytest.mark.django_db(transaction=True)
PAGE = (newer_code.ROOT / "recruitment/docs/upgrading.md").read_text()
STAR = """
from uuid import UUID
from candidates.domain.events import CandidateNoted, CandidateStarred
from eventstore.domain.events import Metadata
from eventstore.wiring import event_store
store, metadata = event_store(), Metadata(actor="nora", door="api")
for text, event in (({noted!r}, CandidateNoted(text="new")), ({starred!r}, CandidateStarred())):
    stream = UUID(text)
    expected = store.head(stream).version
    store.append("candidate", stream, [event], expected=expected, metadata=metadata)
"""
PATIENT = """
from datetime import timedelta
from eventstore.application import status
status.PATIENCE = timedelta(hours=1)
"""
SHOWN = """
from candidates.models import CandidateProjection
print(sorted((str(row.pk), row.version, row.starred) for row in CandidateProjection.objects.all()))
"""


@pytest.fixture(scope="module")
def newer_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return newer_code.make(tmp_path_factory.mktemp("newer"))


@pytest.fixture
def newer(newer_version: Path, transactional_db: None) -> Iterator[Callable[..., Console]]:
    """Gives a console of the newer version. What that migrates is taken back in the end."""
    environment: dict[str, str] = {"EVENT_DELIVERY": "follow"}

    def start(**more: str) -> Any:
        environment.update(more)
        return newer_code.console(newer_version, **environment)

    yield start
    with start() as console:
        for app in newer_code.COLUMNS:
            console.manage("migrate", app, newer_code.newest_migration(app), "--verbosity=0")


@pytest.fixture
def follow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # However slow the machine is, nobody takes a follower that is not running for dead.
    monkeypatch.setattr(status_of_projections, "PATIENCE", timedelta(hours=1))
    with override_settings(EVENT_DELIVERY="follow"):
        yield


def candidate() -> UUID:
    return given(factories.add(candidate_id=uuid4())).candidate_id


def command(*arguments: str) -> str:
    out = io.StringIO()
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def ready(query: str = "") -> dict[str, Any]:
    """This version, which is the older one, says that it can serve, and what it has to say else."""
    answer = Client().get(f"/readyz{query}")
    assert answer.status_code == 200, answer.json()
    told: dict[str, Any] = answer.json()
    return told


def versions() -> dict[UUID, int]:
    return dict(CandidateProjection.objects.values_list("pk", "version"))


def position_of(event_type: str, version: int) -> int:
    newest = StorageEvent.objects.filter(event_type=event_type, schema_version=version)
    return newest.latest("position").position


@pytest.mark.usefixtures("follow")
def test_the_page_upgrades_a_system_at_work(
    newer: Callable[..., Any], client_of: Callable[..., Any]
) -> None:
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE, re.S)
    steps = re.findall(r"manage\.py (\w+)", block)
    assert steps == ["migrate", "eventstore_status", "replay"]
    migrate, status, replay = steps
    noted, starred = candidate(), candidate()
    given(commands.NoteOnCandidate(candidate_id=noted, text="old"))
    command("follow", "--once")

    with newer() as console:
        console.manage(migrate, "--verbosity=0")
        # The older code on the newer tables: all that it did before, and a warning.
        told = ready("?projections=1")["warnings"]
        assert len(told) == 1
        assert all(f"{app}.{newer_code.NAME}" in told[0] for app in newer_code.COLUMNS)
        api = client_of(User.objects.create_superuser("root"))
        third = UUID(api.post("/api/v1/candidates/", {"profile": {}, "score": 80}).json()["id"])
        command("follow", "--once")
        assert versions() == {noted: 2, starred: 1, third: 1}
        command("replay")
        assert "0 different, 0 behind" in command("replay", "--check")
        call_command("migrate", verbosity=0)
        assert f"warning           {told[0]}" in command(status)

        # The newer web process is asked for what the older code does not know.
        console.run(STAR.format(noted=str(noted), starred=str(starred)))
        first = position_of("candidate.noted", 2)
        for id, code in ((noted, 503), (starred, 503), (third, 200)):
            answer = api.post(f"/api/v1/candidates/{id}/note/", {"text": "meanwhile"})
            assert (answer.status_code, answer.json().get("code") == "newer_event") == (
                code,
                code == 503,
            )
            assert api.get(f"/api/v1/candidates/{id}/").status_code == 200
            assert api.get(f"/api/v1/candidates/{id}/history/").status_code == code
        assert len(api.get("/api/v1/candidates/").json()["results"]) == 3

        # The older follower waits by name, and shows everybody else.
        with pytest.raises(CommandError, match=f"position {first}, candidate.noted version 2"):
            command("follow", "--once")
        # Which reads the log stream by stream.
        with pytest.raises(CommandError, match=r"candidate\.(noted version 2|starred version 1)"):
            command("replay")
        with running("manage.py", "follow", EVENT_DELIVERY="follow") as process:
            fourth = candidate()
            until(lambda: versions() == {noted: 2, starred: 1, third: 2, fourth: 1}, seconds=60)
            waiting = ready("?projections=1")["warnings"][1:]
            assert [one.partition(":")[0] for one in waiting] == ["candidate_spans", "candidates"]
            assert all(f"position {first}, candidate.noted version 2" in one for one in waiting)
            assert all(f"warning           {one}" in command(status) for one in waiting)
            stop(process, signal.SIGTERM)
        assert {kept.position for kept in checkpoints().all().values()} == {first - 1}
        assert parked_streams().listed() == []

        # Restarted with the new code, it goes on by itself.
        console.run(PATIENT)
        console.manage("follow", "--once")
        assert versions() == {noted: 3, starred: 2, third: 2, fourth: 1}
        assert ready("?projections=1")["warnings"] == told
        assert f"schema {SCHEMA}, the code is of {SCHEMA + 1}" in console.fails(status)
        console.manage(replay)
        assert "warning" not in console.manage(status)
        assert "0 different, 0 behind" in console.manage(replay, "--check")
        assert console.run(SHOWN).count("True") == 1


@pytest.mark.usefixtures("follow")
def test_whoever_goes_back_before_newer_events_builds_the_rows_once_more(
    newer: Callable[..., Any],
) -> None:
    ann = candidate()
    with newer() as console:
        console.manage("migrate", "--verbosity=0")
        console.manage("replay")
    bob = candidate()
    with pytest.raises(CommandError, match=f"of schema {SCHEMA + 1}, and this code is of schema"):
        command("follow", "--once")
    assert versions() == {ann: 1}
    assert any("newer code built them" in one for one in ready("?projections=1")["warnings"])
    command("replay")
    given(commands.NoteOnCandidate(candidate_id=bob, text="back"))
    command("follow", "--once")
    assert versions() == {ann: 1, bob: 2}
    assert len(ready("?projections=1")["warnings"]) == 1


@pytest.fixture
def broker() -> Iterator[Broker]:
    with rabbitmq_bus() as bus:
        broker = Broker(bus)
        with override_settings(**broker.settings):
            yield broker


@pytest.mark.usefixtures("follow")
def test_relay_and_consumer_wait_by_name_and_go_on_after_their_own_upgrade(
    newer: Callable[..., Any], broker: Broker, database: Callable[[str], Path], newer_version: Path
) -> None:
    system = System(database("reader.sqlite3"), broker)
    with broker.group():
        noted, starred = candidate(), candidate()
    with (
        running("manage.py", "publish", **broker.environment) as relay,
        running("manage.py", "consume", **system.environment) as consumer,
        newer(**broker.environment) as console,
    ):
        until(lambda: system.versions() == {noted: 1, starred: 1}, seconds=60)
        console.manage("migrate", "--verbosity=0")
        console.run(STAR.format(noted=str(noted), starred=str(starred)))
        first = position_of("candidate.noted", 2)
        third = candidate()
        until(lambda: checkpoints().all()["publisher"].waits_for, seconds=60)
        assert f"position {first}, candidate.noted" in checkpoints().all()["publisher"].waits_for
        assert any(one.startswith("publisher: waiting") for one in ready()["warnings"])
        # A newer relay beside it; the older one goes on behind what that has published.
        console.manage("publish", "--once")
        fourth = candidate()
        shown = {noted: 1, starred: 1, third: 1, fourth: 1}
        until(lambda: system.versions() == shown, seconds=60)
        assert checkpoints().all()["publisher"].waits_for == ""
        until(lambda: len(_newer(system)) == 4, seconds=60)
        assert system.asked("SELECT count(*) FROM eventstore_parkedstream") == [(0,)]
        stop(relay, signal.SIGTERM)
        stop(consumer, signal.SIGTERM)
    with newer_code.console(newer_version, **system.environment) as console:
        console.manage("migrate", "--verbosity=0")
        console.manage("consume", "--once")
    assert system.versions() == {noted: 2, starred: 2, third: 1, fourth: 1}
    for table in ("parkedstream", "waitingmessage"):
        assert system.asked(f"SELECT count(*) FROM eventstore_{table}") == [(0,)]


def _newer(system: System) -> list[Any]:
    return system.asked(
        "SELECT projection, stream_id FROM eventstore_waitingmessage WHERE waits_for <> ''"
    )
