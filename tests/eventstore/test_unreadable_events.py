"""An error in an upcaster or a decoder makes an event unreadable; every reader names it."""

import io
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from candidates.application.commands import NoteOnCandidate
from candidates.domain.candidate import Candidate
from candidates.models import CandidateProjection
from candidates.wiring import candidate_service, history
from eventstore.application.commands import CommandContext
from eventstore.application.reading import readable
from eventstore.application.repository import AggregateRepository
from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import StoredByNewerCode, UndecodableEvent, WithoutItsKey
from eventstore.infrastructure.mapper import StorageRow
from eventstore.infrastructure.messaging.memory import MemoryEventPublisher
from eventstore.models import Snapshot, StorageEvent
from eventstore.wiring import (
    checkpoints,
    event_store,
    parked_streams,
    relay,
    repair,
    replay,
    silent_publisher,
    trial_store,
)
from tests.broken_upcasters import BROKEN, SECRET, inserted, rejected_long_ago, upcaster
from tests.contracts.buses import MemoryBus, body_of
from tests.factories import add, added, noted
from tests.given import given
from tests.read_models import appended, rebuilt, rows

# Committed, since followers and replays read over connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL has it")


def broken() -> AbstractContextManager[None]:
    return upcaster(BROKEN["IndexError"])


class Log:
    """Three streams; an upcaster fails on the third event of the one in the middle."""

    def __init__(self) -> None:
        self.before = appended(added(), noted())
        self.torn = appended(added(), noted())
        self.row = rejected_long_ago(self.torn)
        self.after = appended(added(), noted())

    @property
    def stored(self) -> StorageEvent:
        return StorageEvent.objects.get(event_id=self.row.event_id)

    def names(self, text: str) -> bool:
        """Type, id and position, and what an exception is called and not what it says."""
        position = self.stored.position
        return (
            f"{self.row.event_id} at position {position}, candidate.rejected version 1" in text
            and "IndexError" in text
            and "tests.broken_upcasters:" in text
        )


@pytest.fixture
def log() -> Log:
    return Log()


def command(name: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command(name, *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def complaint(name: str, *arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        command(name, *arguments)
    assert caught.value.returncode == 1
    return str(caught.value)


@pytest.mark.parametrize("word", BROKEN)
def test_whatever_an_upcaster_does_wrong_is_named_and_quotes_nobody(word: str) -> None:
    torn = appended(added())
    row = rejected_long_ago(torn)
    store = event_store()
    with upcaster(BROKEN[word]):
        for read in (
            lambda: store.read_stream(torn),
            lambda: store.load_stream(torn),
            lambda: store.read_all(limit=9),
            lambda: store.head(torn),
            lambda: trial_store().load_stream(torn),
        ):
            with pytest.raises(UndecodableEvent) as caught:
                read()
            error = caught.value
            assert (error.event_id, error.stream_id, error.version) == (row.event_id, torn, 2)
            assert (error.event_type, error.schema_version) == ("candidate.rejected", 1)
            assert error.position == StorageEvent.objects.get(event_id=row.event_id).position
            assert not isinstance(error, StoredByNewerCode)
            assert word in str(error)
            assert SECRET not in str(error)
            assert (error.__cause__, error.__suppress_context__) == (None, True)
    assert len(store.read_stream(torn)) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit])
def test_what_says_nothing_of_the_event_is_not_taken_for_one(error: type[BaseException]) -> None:
    torn = appended(added())
    rejected_long_ago(torn)

    def upcast(data: Any) -> Any:
        raise error

    store = event_store()
    with upcaster(upcast):
        for read in (
            lambda: store.read_stream(torn),
            lambda: store.load_stream(torn),
            lambda: store.read_all(limit=9),
            lambda: replay(["candidates"]).run(lambda _: None),
        ):
            with pytest.raises(error):
                read()
    assert parked_streams().listed() == []


def test_an_upcaster_that_changes_what_it_is_given_changes_nothing_that_is_kept() -> None:
    torn = appended(added())
    rejected_long_ago(torn)

    def in_place(data: Any) -> Any:
        data["note"] = data.pop("reason")
        data.update(reason="other", score=None, threshold=None)
        return data

    with upcaster(in_place):
        first, second = event_store().read_stream(torn), event_store().read_stream(torn)
        assert first == second
        assert event_store().read_stream(torn)[1].event.note == "too far away"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "columns",
    [{"event_type": "candidate.promoted"}, {"event_type": "candidate.noted", "schema_version": 2}],
)
def test_what_newer_code_wrote_is_another_error_than_what_an_upcaster_raised(
    columns: dict[str, Any],
) -> None:
    torn = appended(added())
    inserted(torn, **columns)
    for read in (
        lambda: event_store().read_stream(torn),
        lambda: event_store().load_stream(torn),
        lambda: readable(event_store(), after=StorageEvent.objects.earliest("position").position),
        lambda: replay(["candidates"]).run(lambda _: None),
    ):
        with pytest.raises(StoredByNewerCode):
            read()


def test_a_load_names_it_and_other_streams_are_loaded(log: Log) -> None:
    repository = AggregateRepository(Candidate, store=event_store(), publisher=silent_publisher())
    with broken():
        with pytest.raises(UndecodableEvent) as caught:
            repository.get(log.torn)
        assert log.names(str(caught.value))
        assert repository.get(log.after).version == 2
        assert repository.get(log.torn, until=2).version == 2
    assert repository.get(log.torn).version == 3


def test_readers_of_the_log_get_all_that_is_before(log: Log) -> None:
    with broken():
        position = 0
        while position < log.stored.position - 1:
            position = readable(event_store(), after=position)[-1].position
        with pytest.raises(UndecodableEvent) as caught:
            readable(event_store(), after=position)
        assert log.names(str(caught.value))


@pytest.mark.parametrize(
    "arguments", [(), ("--check",), ("--stream", "torn"), ("--check", "--stream", "torn")]
)
def test_a_replay_names_it_and_the_old_rows_are_served(
    log: Log, arguments: tuple[str, ...]
) -> None:
    command("replay")
    before = rows()
    assert before == rebuilt()
    named = [str(log.torn) if word == "torn" else word for word in arguments]
    with broken():
        assert log.names(complaint("replay", *named))
    assert rows() == before
    command("replay", *named)


@on_postgresql
def test_workers_of_a_replay_name_it(log: Log) -> None:
    for _ in range(8):
        appended(added())
    with broken():
        assert log.names(complaint("replay", "--workers", "2"))
    command("replay", "--workers", "2")
    assert rows() == rebuilt()


def test_an_upcaster_that_fails_only_now_and_then_is_named_in_a_replay(log: Log) -> None:
    calls: list[Any] = []

    def flaky(data: Any) -> Any:
        calls.append(data)
        return BROKEN["IndexError"](data) if len(calls) == 1 else {}

    with upcaster(flaky):
        assert log.names(complaint("replay"))
    assert len(calls) == 1


def test_a_follower_parks_its_stream_and_goes_on_when_the_upcaster_is_mended(log: Log) -> None:
    last = StorageEvent.objects.latest("position").position
    with broken():
        command("follow", "--once")
        shown = {row["id"]: row["version"] for row in rows("candidates")["candidates"]}
    assert shown == {log.before: 2, log.torn: 2, log.after: 2}
    assert {kept.position for kept in checkpoints().all().values()} == {last}
    for parked in parked_streams().listed():
        assert (parked.stream_id, parked.version) == (log.torn, 3)
        assert log.names(parked.error)
    assert parked_streams().count() == {"candidates": 1, "candidate_spans": 1}
    command("follow", "--once")
    assert (parked_streams().listed(), rows()) == ([], rebuilt())


@pytest.mark.parametrize("way", ["follow", "publish", "repair"])
def test_without_the_wrapping_key_everything_waits_and_nothing_is_parked(
    log: Log, way: str, settings: Any
) -> None:
    keys = settings.PERSONAL_DATA_KEYS
    settings.PERSONAL_DATA_KEYS = [b"k" * 32]
    if way == "follow":
        assert "no wrapping key" in complaint("follow", "--once")
    elif way == "publish":
        with pytest.raises(WithoutItsKey, match="no wrapping key"):
            relay(MemoryBus().publisher()).run(once=True)
    else:
        assert repair("candidates").waiting
        assert "no wrapping key" in checkpoints().all()["candidates"].waits_for
    assert (parked_streams().listed(), rows("candidates")["candidates"]) == ([], [])
    settings.PERSONAL_DATA_KEYS = keys
    command("follow", "--once")
    assert rows() == rebuilt()


def test_the_relay_stops_behind_all_before_and_goes_on_when_it_is_mended(log: Log) -> None:
    sent: list[RecordedEvent] = []

    class Publisher(MemoryEventPublisher):
        def publish(self, events: Any) -> None:
            sent.extend(events)

    publisher = Publisher(MemoryBus(), body_of, None)
    with broken():
        with pytest.raises(UndecodableEvent) as caught:
            relay(publisher).run(once=True)
        assert log.names(str(caught.value))
        assert [one.position for one in sent] == [
            one.position
            for one in StorageEvent.objects.order_by("position")
            if one.position < log.stored.position
        ]
    relay(publisher).run(once=True)
    assert len(sent) == StorageEvent.objects.count()


class Commanded:
    """One candidate whose upcaster fails, and one who is well."""

    def __init__(self) -> None:
        self.torn = given(add(candidate_id=uuid4())).candidate_id
        self.row: StorageRow = rejected_long_ago(self.torn)
        self.well = given(add(candidate_id=uuid4())).candidate_id

    def note(self, candidate_id: UUID) -> None:
        context = CommandContext(actor="rita", door="api", allows=lambda _: True)
        candidate_service().handle(NoteOnCandidate(candidate_id=candidate_id, text="hm"), context)

    @property
    def shown(self) -> dict[UUID, int]:
        return dict(CandidateProjection.objects.values_list("pk", "version"))


@pytest.fixture(params=["on_commit", "in_transaction", "follow"])
def delivered(request: pytest.FixtureRequest) -> Iterator[str]:
    with override_settings(EVENT_DELIVERY=request.param):
        yield request.param


def test_whatever_feeds_the_rows_a_command_on_it_leaves_nothing_and_others_go_on(
    delivered: str,
) -> None:
    both = Commanded()
    count = StorageEvent.objects.count()
    with broken():
        with pytest.raises(UndecodableEvent):
            both.note(both.torn)
        assert StorageEvent.objects.count() == count
        both.note(both.well)
        if delivered != "follow":
            assert both.shown == {both.torn: 1, both.well: 2}
    both.note(both.torn)
    command("follow", "--once")
    assert both.shown == {both.torn: 3, both.well: 2}
    assert rows() == rebuilt()


def test_a_delivery_that_has_to_read_the_stream_is_logged_and_made_good_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    both = Commanded()
    newest = StorageEvent.objects.filter(stream_id=both.torn).latest("version")
    with broken():
        # The rows lack the event in the middle, so this one cannot follow them.
        inserted(both.torn, data='{"text":"later"}')
        stored = event_store().read_stream(both.torn, after=newest.version)
        from eventstore.wiring import publisher

        publisher().publish(stored)
        assert str(both.row.event_id) in caplog.text
        assert SECRET not in caplog.text
        assert both.shown[both.torn] == 1
        assert {one.version for one in parked_streams().listed()} == {newest.version}
    command("follow", "--once")
    assert parked_streams().listed() == []
    assert both.shown[both.torn] == 3


def test_the_past_and_the_history_name_it(log: Log, client_of: Any) -> None:
    command("follow", "--once")
    client = client_of(User.objects.create_superuser("root"))
    at = f"/api/v1/candidates/{log.torn}/"
    asked = [
        f"{at}history/",
        f"{at}?version=2",
        f"{at}?as_of=2026-01-01T00:00:00Z",
        f"{at}?known_at=2026-01-01T00:00:00Z",
        f"/api/v1/events/?subject={log.torn}&after={log.stored.position - 1}",
        f"/api/v1/events/?after={log.stored.position - 1}",
    ]
    with broken():
        for url in asked:
            answer = client.get(url)
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (503, "unreadable_event")
            assert answer["Content-Type"] == "application/problem+json"
            assert answer["Retry-After"]
            assert log.names(problem["detail"])
            assert problem["event_id"] == str(log.row.event_id)
            assert (problem["stream_id"], problem["version"]) == (str(log.torn), 3)
            assert problem["position"] == log.stored.position
        answer = client.post(f"{at}note/", {"text": "t"}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (503, "unreadable_event")
        # Requests that do not need the unreadable event go on.
        assert client.get(at).json()["version"] == 3
        assert len(client.get("/api/v1/candidates/").json()["results"]) == 3
        assert client.get(f"/api/v1/candidates/{log.after}/history/").status_code == 200
        assert client.get("/api/v1/events/").json()["results"]
        subject = client.get(f"/api/v1/events/?subject={log.torn}").json()["results"]
        assert [one["sequence"][-1] for one in subject] == ["1", "2"]
        behind = f"/api/v1/events/?subject={log.torn}&after={log.stored.position}"
        assert client.get(behind).json()["results"] == []
    for url in asked:
        assert client.get(url).status_code != 503
    assert len(history(log.torn)) == 3


def test_an_event_of_newer_code_has_a_code_of_its_own(client_of: Any) -> None:
    torn = appended(added())
    inserted(torn, event_type="candidate.promoted")
    client = client_of(User.objects.create_superuser("root"))
    answer = client.get(f"/api/v1/candidates/{torn}/history/")
    assert (answer.status_code, answer.json()["code"]) == (503, "newer_event")
    assert "nothing is registered for 'candidate.promoted'" in answer.json()["detail"]


def test_the_admin_says_what_cannot_be_read(log: Log, staff: Any) -> None:
    command("follow", "--once")
    browser = staff(superuser=True)
    page = f"/admin/candidates/candidateprojection/{log.torn}/change/"
    with broken():
        shown = browser.get(page)
        assert shown.status_code == 200
        assert str(log.row.event_id) in shown.content.decode()
        then = browser.get(f"{page}?version=2", follow=True)
        assert then.status_code == 200
        assert str(log.row.event_id) in then.content.decode()
        assert browser.get("/admin/candidates/candidateprojection/").status_code == 200
        assert browser.get("/admin/eventstore/storageevent/").status_code == 200
        event = f"/admin/eventstore/storageevent/{log.stored.position}/change/"
        assert browser.get(event).status_code == 200
    assert str(log.row.event_id) not in browser.get(page).content.decode()


NO_DECISION = '{"undone_version":2,"undone_type":"candidate.promoted","status":"ADDED"}'


@pytest.fixture
def unfoldable() -> StorageRow:
    """The third of a stream: it is read, and no projection of candidates can make rows of it."""
    stream_id = appended(added(), noted())
    return inserted(stream_id, event_type="candidate.decision_undone", data=NO_DECISION)


def test_the_past_names_an_event_that_is_read_and_cannot_be_folded(
    unfoldable: StorageRow, client_of: Any
) -> None:
    client = client_of(User.objects.create_superuser("root"))
    at = f"/api/v1/candidates/{unfoldable.stream_id}/"
    now = datetime.now(UTC).isoformat()
    for query in ({"version": "3"}, {"as_of": now}, {"known_at": now}):
        answer = client.get(at, query)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (503, "unreadable_event")
        assert (problem["version"], problem["event_id"]) == (3, str(unfoldable.event_id))
        assert "cannot be folded: KeyError at candidates." in problem["detail"]
        assert "promoted" not in problem["detail"]
    # Before that event there is nothing wrong, and what it says can be told.
    assert client.get(at, {"version": "2"}).json()["version"] == 2
    assert len(client.get(f"{at}history/").json()["results"]) == 3
    assert client.get("/api/v1/events/", {"subject": unfoldable.stream_id}).status_code == 200
    assert client.post(f"{at}note/", {"text": "t"}, format="json").status_code == 200


def test_the_admin_shows_a_candidate_with_an_event_that_cannot_be_folded(
    unfoldable: StorageRow, staff: Any
) -> None:
    command("follow", "--once")
    with suppress(CommandError):
        command("replay")
    (parked,) = parked_streams().listed("candidates")
    assert (parked.stream_id, parked.version) == (unfoldable.stream_id, 3)
    browser = staff(superuser=True)
    page = f"/admin/candidates/candidateprojection/{unfoldable.stream_id}/change/"
    today = browser.get(page)
    assert today.status_code == 200
    assert "the decision of version 2" in today.content.decode()
    assert browser.get(f"{page}?version=2").status_code == 200
    then = browser.get(f"{page}?version=3", follow=True)
    assert then.status_code == 200
    assert str(unfoldable.event_id) in then.content.decode()


def test_a_stream_that_begins_with_another_event_is_never_a_fault_of_ours(
    client_of: Any,
) -> None:
    row = inserted(uuid4(), data='{"text":"t"}')
    client = client_of(User.objects.create_superuser("root"))
    for query in ("?version=1", "history/"):
        answer = client.get(f"/api/v1/candidates/{row.stream_id}/{query}")
        assert answer.status_code in (200, 503)


def test_an_import_refuses_the_rows_of_such_a_candidate_and_takes_all_others(
    tmp_path: Path,
) -> None:
    folder = Path(__file__).parent.parent / "candidates"
    arguments = (f"--map={folder / 'history_map.json'}",)
    command("import_history", str(folder / "history.csv"), *arguments)
    torn = CandidateProjection.objects.get(external_id="A")
    rejected_long_ago(torn.pk)
    more, report = tmp_path / "more.csv", tmp_path / "report.csv"
    text = (folder / "history.csv").read_text()
    for key, activity in (("A", "check"), ("D", "apply")):
        text += f"{key},{activity},2020-02-01T08:00:00+00:00,desk,9,\n"
    more.write_text(text)
    with broken(), suppress(CommandError):
        command("import_history", str(more), *arguments, f"--report={report}")
    assert CandidateProjection.objects.filter(external_id="D").exists()
    refused = [line for line in report.read_text().splitlines() if line.startswith("13,A,")]
    assert [line.split(",")[2] for line in refused] == ["unreadable_event"]


def test_a_snapshot_spares_a_load_what_cannot_be_read_and_nothing_behind_it(
    log: Log,
) -> None:
    """It was taken by code that could read it; without it the event is named again."""
    candidate = appended(added(), *[noted()] * 30)
    row = rejected_long_ago(candidate)
    appended(*[noted()] * 90, stream_id=candidate, expected=32)
    context = CommandContext(actor="rita", door="api", allows=lambda _: True)

    def note() -> int:
        command = NoteOnCandidate(candidate_id=candidate, text="hm")
        return candidate_service().handle(command, context).version

    assert note() == 123
    assert Snapshot.objects.get(stream_id=candidate).version == 123
    with broken():
        assert note() == 124
        Snapshot.objects.all().delete()
        with pytest.raises(UndecodableEvent) as caught:
            note()
        assert caught.value.event_id == row.event_id
    assert note() == 125
    rejected_long_ago(candidate)
    with broken(), pytest.raises(UndecodableEvent) as behind:
        note()
    assert behind.value.version == 126


@pytest.mark.parametrize("atomic", [True, False])
def test_in_a_batch_it_is_one_items_problem_or_undoes_all(client_of: Any, atomic: bool) -> None:
    both = Commanded()
    client = client_of(User.objects.create_superuser("root"))
    count = StorageEvent.objects.count()
    commands = [
        {"command": "note", "candidate_id": str(id), "body": {"text": "t"}}
        for id in (both.well, both.torn, both.well)
    ]
    with broken():
        body = {"commands": commands, "atomic": atomic}
        answer = client.post("/api/v1/candidates/commands/", body, format="json")
    told = answer.json()
    if atomic:
        assert (answer.status_code, told["code"], told["index"]) == (503, "unreadable_event", 1)
        assert StorageEvent.objects.count() == count
        return
    assert [one["status"] for one in told["results"]] == [200, 503, 200]
    assert told["results"][1]["problem"]["event_id"] == str(both.row.event_id)
    assert StorageEvent.objects.count() == count + 2
