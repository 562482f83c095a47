"""A log that was put back to an earlier state forks, and whoever has read it is told so by name."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from rest_framework.test import APIClient

from candidates.application.commands import AddCandidate, InviteCandidate
from candidates.domain.candidate import Candidate
from candidates.models import CandidateProjection, ImportedRow
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.domain.events import Cursor, RecordedEvent
from eventstore.domain.exceptions import LogWasRestored
from eventstore.infrastructure import identity as log_identity
from eventstore.infrastructure.identity import identity
from eventstore.models import Checkpoint, LogIdentity, LogSeal, Snapshot
from eventstore.wiring import event_store, projections, repair, shown_end
from tests.contracts.buses import KafkaBus, RabbitMQBus, kafka_bus, rabbitmq_bus
from tests.eventstore.test_publish import Broker
from tests.factories import added, invited, noted
from tests.read_models import LIVES, RITA, appended
from tests.restores import backup, everything

pytestmark = pytest.mark.django_db(transaction=True)
FEED = "/api/v1/events/"
RESTORED = "The log does not hold the event that was read at position"


def run(*command: str) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def append(stream_id: UUID, *events: Any, expected: int) -> list[RecordedEvent]:
    return event_store().append("candidate", stream_id, events, expected=expected, metadata=RITA)


def forked(restore: Callable[[], None], *, longer: bool) -> None:
    """The log as it was, gone on with otherwise; `longer` than it had been or not."""
    end = event_store().settled_end()
    restore()
    appended(added(), noted(text="after the restore"))
    while longer and event_store().settled_end() <= end:
        appended(added(), invited())


@pytest.fixture(params=[False, True], ids=["shorter", "longer"])
def longer(request: pytest.FixtureRequest) -> bool:
    """Whether the log has grown past its old end when somebody looks."""
    return bool(request.param)


def check_rows() -> None:
    """The read models are what the log says."""
    assert run("replay", "--check").splitlines()[-1] == "0 different, 0 behind"


@pytest.mark.parametrize("command", [("follow", "--once"), ("publish", "--once")])
def test_who_follows_the_log_stops_by_name(command: tuple[str, ...], longer: bool) -> None:
    bus = {"EVENT_BUS_URL": "amqp://guest:guest@127.0.0.1:1/", "EVENT_DELIVERY": "follow"}
    with override_settings(**bus):
        appended(added(), noted())
        restore = backup()
        for life in LIVES:
            appended(*life)
        run("follow", "--once")
        newest = event_store().settled_cursor()
        Checkpoint.objects.create(projection="publisher", schema=1, **newest._asdict())
        forked(restore, longer=longer)
        with pytest.raises(CommandError, match=f"{RESTORED} {newest.position}"):
            run(*command)


def test_what_a_repair_and_the_status_find_is_named(client: Client, longer: bool) -> None:
    appended(added(), noted())
    restore = backup()
    appended(added(), invited())
    for name in projections():
        repair(name)
    forked(restore, longer=longer)
    with pytest.raises(LogWasRestored):
        repair("candidates")
    (problem,) = client.get("/readyz?projections=1").json()["problems"]
    assert problem.startswith(RESTORED)
    with pytest.raises(CommandError, match=RESTORED):
        run("eventstore_status")


def test_a_replay_brings_the_rows_to_the_log_that_there_is(longer: bool) -> None:
    appended(added(), noted())
    restore = backup()
    appended(added(), invited())
    run("follow", "--once")
    forked(restore, longer=longer)
    told = run("after_restore")
    for name in projections():
        assert f"{name}: rows tell of events that are gone. Run `manage.py replay`." in told
    run("replay")
    check_rows()
    run("follow", "--once")
    appended(added())
    run("follow", "--once")
    check_rows()


def test_a_restore_of_all_tables_at_once_leaves_nothing_to_replay() -> None:
    appended(added(), noted())
    run("follow", "--once")
    restore = backup(everything())
    appended(added(), invited())
    run("follow", "--once")
    restore()
    appended(added())
    assert "replay" not in run("after_restore")
    run("follow", "--once")
    check_rows()


def test_a_checkpoint_of_before_hashes_were_kept_takes_its_own_when_it_moves() -> None:
    appended(added(), noted())
    run("follow", "--once")
    Checkpoint.objects.update(hash=None)
    run("follow", "--once")
    newest = event_store().settled_cursor()
    kept = Checkpoint.objects.get(pk="candidates")
    assert (kept.position, bytes(kept.hash or b""), kept.epoch) == (*newest, 1)


def test_what_a_process_remembers_of_the_rows_does_not_outlive_a_restore() -> None:
    run("follow", "--once")
    restore = backup(everything())
    for _ in range(3):
        appended(added())
    run("follow", "--once")
    assert shown_end("candidates") == event_store().settled_end()
    restore()
    (first, *_) = [append(uuid4(), added(), noted(), expected=0) for _ in range(3)]
    assert shown_end("candidates") == first[0].position - 1


# The event feed.


@pytest.fixture
def api(user_in: Callable[..., User], client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(user_in("Operators", name="otto"))


def refused(answer: Any, code: str = "log_was_restored") -> bool:
    return (answer.status_code, answer.json()["code"]) == (409, code)


def test_a_reader_of_what_is_gone_is_refused_and_one_of_what_is_there_goes_on(
    api: APIClient, longer: bool
) -> None:
    stream_id = appended(added(), noted())
    early = api.get(FEED).json()["next"]
    of_stream = api.get(FEED, {"subject": str(stream_id)}).json()["next"]
    restore = backup()
    append(stream_id, invited(), expected=2)
    late = api.get(early).json()["next"]
    late_of_stream = api.get(of_stream).json()["next"]
    forked(restore, longer=longer)
    for _ in range(2):
        assert refused(api.get(late))
        assert refused(api.get(late_of_stream))
        assert refused(api.get(f"{late}&types=candidate.added"))
        told = [event["data"]["event"] for event in api.get(early).json()["results"]]
        assert told[1] == {"text": "after the restore"}
        assert api.get(of_stream).json()["results"] == []
        run("after_restore")


def test_a_bare_position_serves_in_the_first_epoch_alone(api: APIClient) -> None:
    appended(added(), noted())
    first = api.get(FEED).json()["results"][0]["logposition"]
    page = api.get(FEED, {"after": first})
    assert [event["sequence"] for event in page.json()["results"]] == ["0000000002"]
    run("after_restore")
    assert refused(api.get(FEED, {"after": first}))
    assert refused(api.get(FEED, {"after": first, "subject": str(uuid4())}))
    assert len(api.get(FEED, {"after": "0"}).json()["results"]) == 2
    assert len(api.get(page.json()["next"]).json()["results"]) == 0


def test_the_cursor_of_an_empty_page_says_which_event_it_is_at(api: APIClient) -> None:
    appended(added())
    end = api.get(FEED).json()["results"][-1]["logposition"]
    assert f"after={end}." in api.get(FEED, {"after": end}).json()["next"]


HASH = "a" * 64


@pytest.mark.parametrize(
    "after",
    [
        "1.1",
        "1.1.",
        "1.1.zz",
        f"1..{HASH}",
        f".1.{HASH}",
        f"1.0.{HASH}",
        f"01.1.{HASH}",
        f"1.1.{HASH.upper()}",
        f"1.1.{HASH[1:]}",
        f"{'9' * 19}.1.{HASH}",
        f"1.1.{HASH}\n",
    ],
)
def test_a_cursor_that_is_none_is_refused(api: APIClient, after: str) -> None:
    answer = api.get(FEED, {"after": after})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/after")


def test_every_event_says_in_which_epoch_it_is_told(api: APIClient) -> None:
    appended(added())
    assert api.get(FEED).json()["results"][0]["logepoch"] == 1
    run("after_restore")
    assert api.get(FEED).json()["results"][0]["logepoch"] == identity().epoch > 1


# What a broker brings to others.


@pytest.fixture(params=[rabbitmq_bus, kafka_bus], ids=["rabbitmq", "kafka"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    make: Callable[[], AbstractContextManager[RabbitMQBus | KafkaBus]] = request.param
    with make() as bus:
        broker = Broker(bus)
        terms = {**broker.settings, "EVENT_DELIVERY": "bus", "EVENT_BUS_GROUP": "readers"}
        with override_settings(**terms):
            with broker.group("readers"):
                pass
            yield broker


def relayed(*, at: Cursor) -> None:
    """The relay's checkpoint, as a backup of this database had it."""
    Checkpoint.objects.filter(pk="publisher").update(**at._asdict())


def brought() -> None:
    run("publish", "--once")
    run("consume", "--once")


def test_consumers_are_told_and_build_anew_by_themselves(broker: Broker, longer: bool) -> None:
    stream_id = appended(added(), noted())
    restore = backup()
    append(stream_id, invited(), expected=2)
    gone = appended(added(), invited(), noted())
    brought()
    assert CandidateProjection.objects.filter(pk=gone).exists()
    forked(restore, longer=longer)
    append(stream_id, noted(text="otherwise"), expected=2)
    with pytest.raises(CommandError, match=RESTORED):
        run("publish", "--once")
    run("after_restore")
    brought()
    check_rows()
    appended(added())
    brought()
    check_rows()


def test_a_consumer_stops_by_name_where_the_relay_was_restored_too(
    broker: Broker, client: Client
) -> None:
    stream_id = appended(added(), noted())
    brought()
    restore, before = backup(), event_store().settled_cursor()
    append(stream_id, invited(), expected=2)
    brought()
    restore()
    relayed(at=before)
    append(stream_id, noted(text="otherwise"), expected=2)
    append(stream_id, invited(), expected=3)
    run("publish", "--once")
    for _ in range(2):
        with pytest.raises(CommandError, match=f"{RESTORED} {before.position + 1}"):
            run("consume", "--once")
        assert dict(CandidateProjection.objects.values_list("pk", "version")) == {stream_id: 3}
    problem, *_ = client.get("/readyz?projections=1").json()["problems"]
    assert problem.startswith(f"candidates: nothing is applied. {RESTORED}")
    consumer = json.loads(_status("--json"))["consumer"]
    assert [one["forked"] for one in consumer["projections"]] == [True, True]
    run("after_restore")
    brought()
    check_rows()
    assert "forked" not in _status()


def _status(*arguments: str) -> str:
    out = io.StringIO()
    try:
        call_command("eventstore_status", *arguments, stdout=out)
    except CommandError as error:
        return out.getvalue() if arguments else str(error)
    return out.getvalue()


def test_the_same_backup_may_be_restored_twice(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows nothing of the epoch that began after the first time."""
    appended(added(), noted())
    brought()
    restore, before = backup(), event_store().settled_cursor()
    epochs, mint = [], log_identity.next_epoch
    for number in range(2):
        restore()
        LogIdentity.objects.update(epoch=1)
        Checkpoint.objects.filter(pk="publisher").update(epoch=1, **before._asdict())
        appended(added(), noted(text=f"restored {number} times before"))
        later = timedelta(minutes=number)
        with monkeypatch.context() as patched:
            patched.setattr(log_identity, "next_epoch", lambda *, now, by=later: mint(now=now + by))
            run("after_restore")
        epochs.append(identity().epoch)
        brought()
        check_rows()
    assert 1 < epochs[0] < epochs[1]


def test_consumers_of_a_log_that_was_restored_to_nothing_show_nothing(broker: Broker) -> None:
    restore = backup()
    appended(added(), noted())
    brought()
    assert CandidateProjection.objects.exists()
    restore()
    run("after_restore")
    brought()
    assert not CandidateProjection.objects.exists()
    appended(added())
    brought()
    check_rows()


def test_a_group_that_is_filled_after_a_restore_meets_old_messages_first(broker: Broker) -> None:
    restore = backup()
    appended(added(), noted())
    run("publish", "--once")
    forked(restore, longer=False)
    run("after_restore")
    run("publish", "--once")
    run("consume", "--once")
    check_rows()
    run("publish", "--from", "0", "--group", "readers")
    run("consume", "--once")
    check_rows()


# What else remembers events: seals, and the rows that imports have taken.


def test_seals_of_what_is_gone_name_a_restore_and_go_with_it(longer: bool) -> None:
    appended(added(), noted())
    run("verify_log")
    restore = backup()
    appended(added(), invited())
    run("verify_log")
    kept, gone = LogSeal.objects.order_by("position")
    restore()
    named = r"older backup, run `manage\.py after_restore`"
    with pytest.raises(CommandError, match=named):
        run("verify_log")
    forked(restore, longer=longer)
    with pytest.raises(CommandError, match=named):
        run("verify_log", "--full")
    assert f"seal {gone} is not met by the log, and is gone" in run("after_restore")
    assert list(LogSeal.objects.all()) == [kept]
    run("verify_log")
    run("verify_log", "--full")
    run("verify_log", "--expect", str(kept))
    with pytest.raises(CommandError, match="after_restore"):
        run("verify_log", "--expect", str(gone))


HISTORY = Path(__file__).parent.parent / "candidates"
IMPORT = (
    "import_history",
    str(HISTORY / "history.csv"),
    "--map",
    str(HISTORY / "history_map.json"),
)


def test_an_import_takes_no_row_for_known_whose_events_are_gone(longer: bool) -> None:
    appended(added())
    restore = backup()
    first = run(*IMPORT)
    imported = ImportedRow.objects.count()
    assert imported
    forked(restore, longer=longer)
    for command in (IMPORT, (*IMPORT, "--dry-run")):
        with pytest.raises(CommandError, match=f"Earlier imports have taken rows .* {RESTORED}"):
            run(*command)
    told = run("after_restore")
    assert f"imported rows: {imported} forgotten, since they told of events that are gone" in told
    run("replay")
    assert run(*IMPORT) == first
    check_rows()


def test_an_import_whose_memory_was_restored_too_goes_on() -> None:
    restore = backup(everything())
    first = run(*IMPORT)
    restore()
    appended(added())
    assert run(*IMPORT) == first
    again = run(*IMPORT)
    assert "known" in again
    run("after_restore")
    assert run(*IMPORT) == again


def test_a_snapshot_of_what_is_gone_decides_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Also where the log has another event at that version by now."""
    every = Candidate.snapshot_every or 0
    rita = CommandContext(actor="rita", door="api", allows=lambda _: True)
    service = candidate_service()
    stream_id = service.handle(AddCandidate(profile={}, score=80.0), rita).candidate_id
    restore = backup()
    append(stream_id, *[noted()] * every, expected=1)
    service.handle(InviteCandidate(candidate_id=stream_id), rita)
    assert Snapshot.objects.get(pk=stream_id).version == every + 2
    restore()
    append(stream_id, *[noted(text="otherwise")] * (every + 5), expected=1)
    result = service.handle(InviteCandidate(candidate_id=stream_id), rita)
    assert result.version == every + 7
    assert "does not belong to the log: discarded" in caplog.text
