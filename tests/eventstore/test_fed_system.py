"""A system that messages feed: what its operators type, see and are told."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer
from threading import Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from pytest_django.live_server_helper import LiveServer
from rest_framework.test import APIClient

from candidates.application.projector import SCHEMA as CANDIDATES
from candidates.models import CandidateProjection
from eventstore.application.ports import FeedUnavailable
from eventstore.application.received import PATIENCE
from eventstore.domain.events import DomainEvent, RecordedEvent
from eventstore.infrastructure.feed import HTTPEventFeed
from eventstore.infrastructure.memory import InMemoryEventStore
from eventstore.models import Checkpoint, LogIdentity, ParkedStream, StorageEvent, WaitingMessage
from eventstore.wiring import (
    cloud_events,
    consumer_status,
    consumption,
    deliveries,
    event_store,
    mapper,
    projections,
)
from recruitment.models import Scope
from recruitment.tokens import issue
from tests.broken_upcasters import BROKEN, upcaster
from tests.contracts.buses import MemoryBus, body_of, kafka_bus, rabbitmq_bus
from tests.contracts.conftest import Clock
from tests.eventstore.test_message import LOG
from tests.factories import added, erased, invited, noted, rejected
from tests.read_models import LIVES, RITA, appended

pytestmark = pytest.mark.django_db(transaction=True)
FEED = "/api/v1/events/"
AMQP = "amqp://guest:guest@127.0.0.1:1/"


class Fed:
    """The log is somewhere else; this system has what its messages say."""

    def __init__(self) -> None:
        self.bus = MemoryBus()
        self.bus.consumer("readers")
        self.log = InMemoryEventStore(mapper(), clock=Clock())

    def stored(self, *events: DomainEvent, stream_id: UUID | None = None) -> list[RecordedEvent]:
        return self.log.append("candidate", stream_id or uuid4(), events, expected=0, metadata=RITA)

    def sent(self, *recorded: RecordedEvent) -> None:
        for one in recorded:
            self.bus.put("readers", 0, body_of(one))

    def sent_lives(self) -> list[RecordedEvent]:
        recorded = [one for life in LIVES for one in self.stored(*life)]
        self.sent(*recorded)
        return recorded


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fed]:
    system = Fed()
    monkeypatch.setattr("eventstore.wiring.event_bus", lambda: system.bus)
    with override_settings(
        EVENT_DELIVERY="bus", READ_ONLY=True, EVENT_BUS_GROUP="readers", EVENT_BUS_URL=AMQP
    ):
        yield system


def consume(*arguments: str) -> str:
    out = io.StringIO()
    call_command("consume", "--once", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def problems(client: Client) -> list[str]:
    found: list[str] = client.get("/readyz?projections=1").json()["problems"]
    return found


def status(*arguments: str) -> str:
    out = io.StringIO()
    call_command("eventstore_status", *arguments, stdout=out)
    return out.getvalue()


def shown() -> dict[UUID, int]:
    return dict(CandidateProjection.objects.values_list("pk", "version"))


def test_once_handles_what_the_broker_holds_and_says_how_far(fed: Fed, client: Client) -> None:
    recorded = fed.sent_lives()
    assert consume() == "done: candidates at 10, candidate_spans at 10\n"
    assert shown() == {one.stream_id: one.version for one in recorded}
    assert LogIdentity.objects.get().log_id == LOG
    assert not StorageEvent.objects.exists()
    assert problems(client) == []


def test_one_read_model_may_be_built_alone(fed: Fed) -> None:
    fed.sent_lives()
    assert consume("--projection", "candidate_spans") == "done: candidate_spans at 10\n"
    assert shown() == {}


def test_some_partitions_may_be_consumed_alone(fed: Fed) -> None:
    fed.sent(*fed.stored(added()))
    consume("--partition", "1", "--partition", "2")
    assert shown() == {}
    consume("--partition", "0")
    assert len(shown()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--partition", "8"], "There is no partition 8: they are 0 to 7"),
        (["--partition", "-1"], "There is no partition -1"),
        (["--projection", "people"], "There is no projection people"),
        (["--bootstrap"], "set EVENT_FEED_URL"),
    ],
)
def test_what_makes_no_sense_is_refused(fed: Fed, arguments: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        consume(*arguments)


def test_where_another_delivery_feeds_the_rows_nothing_is_consumed(fed: Fed) -> None:
    with (
        override_settings(EVENT_DELIVERY="follow"),
        pytest.raises(CommandError, match="EVENT_DELIVERY is follow"),
    ):
        consume()


def test_without_a_broker_named_it_says_so() -> None:
    with (
        override_settings(EVENT_DELIVERY="bus", EVENT_BUS_URL=""),
        pytest.raises(CommandError, match="EVENT_BUS_URL is not set"),
    ):
        consume()


def test_who_takes_commands_is_fed_by_no_other_log(fed: Fed) -> None:
    fed.sent_lives()
    with (
        override_settings(READ_ONLY=False),
        pytest.raises(CommandError, match=f"comes from the log {LOG}: .*Set READ_ONLY=true"),
    ):
        consume()
    assert (shown(), LogIdentity.objects.exists()) == ({}, False)


def test_the_first_log_that_is_met_is_the_only_one(fed: Fed) -> None:
    fed.sent_lives()
    consume()
    before = shown()
    other = uuid4()
    body = json.loads(body_of(fed.stored(added())[0])) | {"source": other.urn}
    fed.bus.put("readers", 0, json.dumps(body).encode())
    with pytest.raises(CommandError, match=f"the log {other}: .* built from the log {LOG}"):
        consume()
    assert shown() == before


def test_a_system_with_a_log_of_its_own_may_be_fed_by_it_and_by_no_other(fed: Fed) -> None:
    stream_id = appended(added(), noted())
    with override_settings(READ_ONLY=False):
        for event in cloud_events(event_store().read_stream(stream_id)):
            fed.bus.put("readers", 0, json.dumps(event).encode())
        consume()
        assert shown() == {stream_id: 2}
        fed.sent_lives()
        with pytest.raises(CommandError, match="A message comes from the log"):
            consume()


def test_its_rows_are_repaired_from_messages_and_never_from_a_log(fed: Fed) -> None:
    first, second, third = fed.stored(added(), noted(), invited())
    fed.sent(first, third)
    consume()
    age = WaitingMessage.objects.get(projection="candidates").kept_at - PATIENCE
    WaitingMessage.objects.update(kept_at=age)
    consume()
    with pytest.raises(CommandError, match="event 2 never came; attempt 2"):
        call_command("parked", "retry", stdout=io.StringIO())
    parked = set(ParkedStream.objects.values_list("projection", "version", "error"))
    error = "EventsMissing: event 2 never came"
    assert parked == {("candidates", 2, error), ("candidate_spans", 2, error)}
    fed.sent(second)
    consume()
    assert shown() == {first.stream_id: 3}
    assert not ParkedStream.objects.exists()


def test_what_cannot_be_read_is_skipped_by_hand(fed: Fed) -> None:
    first, second, third = fed.stored(added(), noted(), invited())
    poison = json.loads(body_of(second))
    poison["data"]["event"] = {"text": 5}
    fed.sent(first)
    fed.bus.put("readers", 0, json.dumps(poison).encode())
    fed.sent(third)
    consume()
    assert shown() == {first.stream_id: 1}
    for name in projections():
        call_command("parked", "skip", name, str(first.stream_id), stdout=io.StringIO())
    assert shown() == {first.stream_id: 3}
    assert not WaitingMessage.objects.exists()


def test_an_erasure_behind_what_cannot_be_read_is_let_through_by_hand(fed: Fed) -> None:
    first, second, third, last = fed.stored(added(), noted(), noted(), erased())
    poison = json.loads(body_of(second))
    poison["data"]["event"] = {"text": 5}
    fed.sent(first)
    consume()
    fed.bus.put("readers", 0, json.dumps(poison).encode())
    fed.sent(third, last)
    consume()
    assert CandidateProjection.objects.get().profile != {}
    WaitingMessage.objects.update(kept_at="2026-01-01T00:00Z")
    consume()
    for name in projections():
        call_command("parked", "skip", name, str(first.stream_id), stdout=io.StringIO())
    row = CandidateProjection.objects.get()
    assert (row.version, row.status, row.profile) == (4, "ERASED", {})
    assert not WaitingMessage.objects.exists()


def test_the_status_tells_how_the_consumer_stands(fed: Fed, client: Client) -> None:
    first, _, third = fed.stored(added(), noted(), invited())
    fed.sent(first, third)
    consume()
    since = WaitingMessage.objects.get(projection="candidates").kept_at
    told = status()
    assert (
        "candidates        received 3, 1 messages waiting, "
        f"since {since:%Y-%m-%d %H:%M:%S %Z}\n"
        f"                  parked 0, schema {CANDIDATES} of {CANDIDATES}, consumer seen "
    ) in told
    assert told.endswith("stray messages    0\n")
    candidates, _ = json.loads(status("--json"))["consumer"]["projections"]
    assert [candidates[key] for key in ("name", "received", "waiting")] == ["candidates", 3, 1]
    assert problems(client) == []


def test_a_consumer_that_died_shows(fed: Fed, client: Client) -> None:
    assert problems(client) == [
        f"{name}: no consumer has ever been seen. Start `manage.py consume`."
        for name in projections()
    ]
    consume()
    Checkpoint.objects.update(seen_at="2026-01-01T00:00Z")
    (problem, _) = problems(client)
    assert problem.startswith("candidates: no consumer has been seen since 2026-01-01 00:00:00")
    with pytest.raises(CommandError, match="no consumer has been seen since"):
        status()


def test_a_consumer_that_the_broker_gives_nothing_shows(fed: Fed, client: Client) -> None:
    consume()
    Checkpoint.objects.filter(pk="candidates").update(blocked_by="the broker is out of reach")
    assert problems(client) == [
        "candidates: nothing comes: the broker is out of reach. It is tried again and again."
    ]
    with pytest.raises(CommandError, match="candidates: nothing comes"):
        status()
    consume()
    assert problems(client) == []


def test_rows_of_another_schema_and_parked_streams_show(fed: Fed, client: Client) -> None:
    consume()
    Checkpoint.objects.filter(pk="candidates").update(schema=0)
    ParkedStream.objects.create(
        projection="candidate_spans",
        stream_id=uuid4(),
        version=1,
        event_type="",
        error="",
        parked_at="2026-01-01T00:00Z",
    )
    first, second = problems(client)
    assert first.startswith(
        f"candidates: rows are of schema 0, the code is of {CANDIDATES}. Build them anew"
    )
    assert second.startswith("candidate_spans: 1 stream is parked")


def strays(action: str) -> str:
    out = io.StringIO()
    call_command("strays", action, stdout=out)
    return out.getvalue()


def test_strays_show_and_are_retried_or_discarded(fed: Fed, client: Client) -> None:
    fed.bus.put("readers", 0, b"{")
    consume()
    status_now = consumer_status()
    assert status_now is not None
    assert status_now.strays == 1
    assert [problem[:40] for problem in problems(client)] == [
        "1 message does not say where they belong"
    ]
    with pytest.raises(CommandError, match="What is left"):
        strays("retry")
    assert strays("discard") == "1 discarded\n"
    assert strays("retry") == "0 taken, 0 left\n"
    assert shown() == {}


def test_where_no_messages_come_there_are_no_strays() -> None:
    with pytest.raises(CommandError, match="Messages come only where EVENT_DELIVERY is bus"):
        strays("retry")
    assert consumer_status() is None


@pytest.fixture
def feed(live_server: LiveServer, user_in: Callable[..., User]) -> HTTPEventFeed:
    user = user_in("Operators", name="otto")
    _, token = issue(user, scopes=[Scope.FEED], expires=None)
    return HTTPEventFeed(f"{live_server.url}{FEED}", token=token)


def test_the_feed_gives_one_stream_or_all(feed: HTTPEventFeed) -> None:
    stream_id = appended(added(), noted(), invited(), noted())
    appended(added())
    bodies = feed.stream(stream_id, after=1, until=3)
    assert [json.loads(body)["sequence"] for body in bodies] == ["0000000002", "0000000003"]
    (page,) = feed.pages()
    assert [json.loads(body) for body in page.bodies] == json.loads(
        json.dumps(cloud_events(event_store().read_all(limit=100)))
    )


def test_a_feed_that_cannot_be_read_is_an_error_with_its_reason(live_server: LiveServer) -> None:
    with pytest.raises(FeedUnavailable, match="401"):
        HTTPEventFeed(f"{live_server.url}{FEED}", token="no").stream(uuid4(), after=0, until=1)
    with pytest.raises(FeedUnavailable, match="refused"):
        list(HTTPEventFeed("http://127.0.0.1:1/", token="no").pages())
    with pytest.raises(FeedUnavailable, match=r"malformed|invalid|JSON"):
        list(HTTPEventFeed(f"{live_server.url}/admin/login/", token="no").pages())


def test_a_feed_that_does_not_hold_what_was_read_of_it_says_so(feed: HTTPEventFeed) -> None:
    appended(added())
    for after in (f"1.1.{'a' * 64}", str(10**15)):
        with pytest.raises(FeedUnavailable, match="409") as caught:
            list(feed.pages(after=after))
        assert caught.value.restored
    with pytest.raises(FeedUnavailable, match="400") as caught:
        list(feed.pages(after="x"))
    assert not caught.value.restored


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"nonsense\r\n\r\n", "nonsense"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", "IncompleteRead"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"results": [{"logposition": "0", "sequence": "1"}]}', "gives 0"),
        (
            b'HTTP/1.1 200 OK\r\n\r\n{"results": [{"logposition": "x", "sequence": "1"}]}',
            "matching",
        ),
        # Whoever is named there would be shown the token.
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "302"),
    ],
)
def test_an_answer_that_is_none_is_an_error_with_its_reason(answer: bytes, reason: str) -> None:
    class Answering(StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            self.wfile.write(answer)

    with TCPServer(("127.0.0.1", 0), Answering) as server:
        asked = Thread(target=server.handle_request)
        asked.start()
        feed = HTTPEventFeed(f"http://127.0.0.1:{server.server_address[1]}/", token="secret")
        with pytest.raises(FeedUnavailable, match=reason):
            list(feed.pages())
        asked.join()


def _of_version_1(one: RecordedEvent) -> bytes:
    """As code stored and sent it that knew no second version."""
    old = {"event": {"reason": "too far away"}, "metadata": {"actor": "rita", "door": "api"}}
    return json.dumps(json.loads(body_of(one)) | {"schemaversion": 1, "data": old}).encode()


def _is_mended(poisoned: RecordedEvent, whole: RecordedEvent) -> None:
    """Checks that a retry shows the first stream once its upcaster no longer fails."""
    assert shown() == {poisoned.stream_id: 1, whole.stream_id: 2}
    for name, version, error in ParkedStream.objects.values_list("projection", "version", "error"):
        assert (name in projections(), version) == (True, 2)
        assert f"{poisoned.event_id} at position {poisoned.position}" in error
        assert "raised IndexError at tests.broken_upcasters:" in error
    assert ParkedStream.objects.count() == len(projections())
    out = io.StringIO()
    call_command("parked", "retry", stdout=out)
    assert out.getvalue() == f"{len(projections())} released, 0 still parked\n"
    assert shown() == {poisoned.stream_id: 2, whole.stream_id: 2}
    assert not WaitingMessage.objects.exists()


@pytest.mark.parametrize("broker", [rabbitmq_bus, kafka_bus], ids=["rabbitmq", "kafka"])
def test_a_stream_that_an_upcaster_fails_on_is_parked_and_the_group_goes_on(
    fed: Fed, broker: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    poisoned, whole = fed.stored(added(), rejected()), fed.stored(added(), noted())
    with broker() as bus:
        monkeypatch.setattr("eventstore.wiring.event_bus", lambda: bus)
        with closing(bus.consumer("readers")) as consumer:
            consumer.drained()
        encode = {poisoned[1].event_id: _of_version_1}
        bus._encode = lambda: lambda one: encode.get(one.event_id, body_of)(one)
        with closing(bus.publisher()) as publisher:
            publisher.publish([*poisoned, *whole])
        with upcaster(BROKEN["IndexError"]):
            consume()
        _is_mended(poisoned[1], whole[1])


def _feed_of(*bodies: bytes) -> Iterator[str]:
    """The address of a feed that has these events."""

    class Answering(StreamRequestHandler):
        def handle(self) -> None:
            first = b"after=0&" in self.rfile.readline()
            results = b",".join(bodies) if first else b""
            self.wfile.write(b'HTTP/1.1 200 OK\r\n\r\n{"results": [%s]}' % results)

    with TCPServer(("127.0.0.1", 0), Answering) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


def test_what_the_feed_gives_and_an_upcaster_fails_on_is_parked_and_the_rest_is_read(
    fed: Fed,
) -> None:
    poisoned, whole = fed.stored(added(), rejected()), fed.stored(added(), noted())
    bodies = [body_of(poisoned[0]), _of_version_1(poisoned[1]), *map(body_of, whole)]
    with contextmanager(_feed_of)(*bodies) as url:
        settings = override_settings(EVENT_FEED_URL=url, EVENT_FEED_TOKEN="secret")
        with settings, upcaster(BROKEN["IndexError"]):
            consume("--bootstrap")
            with pytest.raises(CommandError, match="attempt 2"):
                call_command("parked", "retry", stdout=io.StringIO())
        with settings:
            _is_mended(poisoned[1], whole[1])


def test_an_event_of_the_feed_that_does_not_say_where_it_stands_is_kept_as_a_stray(
    fed: Fed,
) -> None:
    first, second = fed.stored(added(), noted())
    damaged = json.loads(body_of(first)) | {"sequence": "x", "logposition": "y\n"}
    bodies = [json.dumps(damaged).encode(), body_of(first), body_of(second)]
    with (
        contextmanager(_feed_of)(*bodies) as url,
        override_settings(EVENT_FEED_URL=url, EVENT_FEED_TOKEN="secret"),
    ):
        consume("--bootstrap")
    assert shown() == {first.stream_id: 2}
    status_now = consumer_status()
    assert status_now is not None
    assert status_now.strays == 1


def test_a_new_system_begins_with_the_feed_and_goes_on_with_messages(
    feed: HTTPEventFeed, fed: Fed
) -> None:
    with override_settings(READ_ONLY=False):
        ids = [appended(*life) for life in LIVES]
        consumption(list(projections()), connect=lambda: fed.bus.consumer("readers")).bootstrap(
            feed
        )
    assert shown() == {id: len(life) for id, life in zip(ids, LIVES, strict=True)}


def test_the_command_begins_with_the_feed_where_it_is_told_to(
    feed: HTTPEventFeed, fed: Fed, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = appended(added(), noted())
    monkeypatch.setattr("eventstore.wiring.event_feed", lambda: feed)
    with override_settings(READ_ONLY=False):
        consume("--bootstrap")
    assert shown() == {stream_id: 2}


def test_a_retry_asks_the_feed_that_the_settings_name(
    live_server: LiveServer, feed: HTTPEventFeed, fed: Fed
) -> None:
    """The system's own log, so that the feed has what never came."""
    stream_id = appended(added(), noted(), invited())
    first, _, third = cloud_events(event_store().read_stream(stream_id))
    given = {"EVENT_FEED_URL": f"{live_server.url}{FEED}", "EVENT_FEED_TOKEN": feed._token}
    with override_settings(READ_ONLY=False, **given):
        for event in (first, third):
            fed.bus.put("readers", 0, json.dumps(event).encode())
        consume()
        assert shown() == {stream_id: 1}
        assert deliveries()["candidates"].retry(stream_id) is None
    assert shown() == {stream_id: 3}


def test_a_retry_takes_nothing_from_the_feed_of_another_log(
    fed: Fed, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, third = fed.stored(added(), noted(), invited())
    fed.sent(first, third)
    consume()
    WaitingMessage.objects.update(kept_at="2026-01-01T00:00Z")
    consume()
    foreign = json.loads(body_of(second)) | {"source": uuid4().urn}

    class Foreign:
        def stream(self, stream_id: UUID, *, after: int, until: int) -> list[bytes]:
            return [json.dumps(foreign).encode()]

    monkeypatch.setattr("eventstore.wiring.event_feed", Foreign)
    with pytest.raises(CommandError, match="A message comes from the log"):
        call_command("parked", "retry", stdout=io.StringIO())
    assert shown() == {first.stream_id: 1}


def test_what_is_imported_is_shown_once_its_messages_have_come(fed: Fed) -> None:
    here = Path(__file__).parent.parent / "candidates"
    files = [str(here / "history.csv"), "--map", str(here / "history_map.json")]
    with override_settings(READ_ONLY=False):
        call_command("import_history", *files, stdout=io.StringIO(), stderr=io.StringIO())
        assert shown() == {}
        recorded = event_store().read_all(limit=100)
        for event in cloud_events(recorded):
            fed.bus.put("readers", 0, json.dumps(event).encode())
        consume()
    assert shown() == {one.stream_id: one.version for one in recorded}


@pytest.fixture
def api(user_in: Callable[..., User], client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(user_in("Operators", name="otto"))


def asked(api: APIClient, subject: object, **terms: Any) -> Any:
    return api.get(FEED, {"subject": str(subject), **terms})


def told(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [event["sequence"].lstrip("0") for event in answer.json()["results"]]


def test_the_feed_of_one_stream_has_its_events_alone(api: APIClient) -> None:
    appended(added())
    stream_id = appended(added(), noted(), invited(), noted())
    appended(added())
    assert told(asked(api, stream_id)) == ["1", "2", "3", "4"]
    page = asked(api, stream_id, limit=3)
    assert told(page) == ["1", "2", "3"]
    assert told(api.get(page.json()["next"])) == ["4"]
    assert told(asked(api, stream_id, types="candidate.noted")) == ["2", "4"]
    assert told(asked(api, uuid4())) == []


def test_the_feed_of_one_stream_takes_no_more_than_the_log_and_ids(api: APIClient) -> None:
    stream_id = appended(added())
    beyond = asked(api, stream_id, after=10**15)
    assert (beyond.status_code, beyond.json()["code"]) == (409, "cursor_beyond_log")
    wrong = asked(api, "ann")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/subject")
