"""`GET /api/v1/events/`: whoever follows `next` gets every event once."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from threading import Event
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from rest_framework.test import APIClient

from candidates.wiring import event_data
from eventstore.domain.events import Metadata, RecordedEvent
from eventstore.infrastructure.identity import log_id
from eventstore.models import LogIdentity, StorageEvent
from eventstore.wiring import event_store
from tests.databases import empty_database
from tests.factories import added, invited, noted
from tests.threads import in_flight, together

pytestmark = pytest.mark.django_db(transaction=True)

FEED = "/api/v1/events/"
RITA = Metadata(actor="rita", door="api")


def append(*events: Any, **options: Any) -> list[RecordedEvent]:
    terms = {"expected": 0, "metadata": RITA, **options}
    return event_store().append("candidate", uuid4(), events or (added(),), **terms)


def stored() -> list[int]:
    return list(StorageEvent.objects.order_by("position").values_list("position", flat=True))


def positions(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [int(event["logposition"]) for event in answer.json()["results"]]


@pytest.fixture
def operator(user_in: Callable[..., User]) -> User:
    return user_in("Operators", name="otto")


@pytest.fixture
def api(operator: User, client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(operator)


def test_an_event_comes_as_a_cloudevent(api: APIClient) -> None:
    command, batch = uuid4(), uuid4()
    (event,) = append(
        added(profile={"name": "Ann O’Brien", "big": 1e16}),
        metadata=Metadata(actor="rita", door="api", on_behalf_of="boss", causation_id=command),
        correlation_id=batch,
    )

    answer = api.get(FEED)

    assert answer.status_code == 200
    assert answer.json()["results"] == [
        {
            "specversion": "1.0",
            "id": str(event.event_id),
            "source": f"urn:uuid:{log_id()}",
            "type": "candidate.added",
            "subject": str(event.stream_id),
            "time": event.recorded_at.isoformat().replace("+00:00", "Z"),
            "partitionkey": str(event.stream_id),
            "sequence": "0000000001",
            "logposition": str(event.position),
            "logepoch": 1,
            "streamtype": "candidate",
            "occurredat": event.occurred_at.isoformat().replace("+00:00", "Z"),
            "schemaversion": 1,
            "correlationid": str(batch),
            "causationid": str(command),
            "data": {
                "event": event_data(event.event),
                "metadata": {"actor": "rita", "on_behalf_of": "boss", "door": "api"},
            },
        }
    ]
    assert event_data(event.event)["profile"]["name"] == "Ann O’Brien"


def test_what_was_erased_is_not_told_any_more(api: APIClient) -> None:
    (event, _) = append(added(profile={"name": "Ann", "source": "fair"}), noted(text="called"))
    event_store().erase_personal_data(event.stream_id)
    first, second = api.get(FEED).json()["results"]
    assert first["data"]["event"] == {"profile": {"source": "fair"}, "score": 80.0}
    assert second["data"]["event"] == {"text": ""}


def test_next_goes_on_behind_the_last_event_and_keeps_what_was_asked(api: APIClient) -> None:
    append(added(), noted(), invited(), noted())
    first = api.get(f"{FEED}?limit=2&types=candidate.noted,candidate.invited")
    assert [event["type"] for event in first.json()["results"]] == [
        "candidate.noted",
        "candidate.invited",
    ]
    second = api.get(first.json()["next"])
    assert positions(second) == stored()[3:]


def test_at_the_end_next_gives_what_comes_later(api: APIClient) -> None:
    link = api.get(FEED).json()["next"]
    assert positions(api.get(link)) == []
    append(added(), noted())
    page = api.get(link)
    assert positions(page) == stored()
    for _ in range(2):
        page = api.get(page.json()["next"])
        assert positions(page) == []
    (later,) = append()
    assert positions(api.get(page.json()["next"])) == [later.position]


def test_without_a_limit_a_page_has_a_hundred_events(api: APIClient) -> None:
    append(added(), *[noted()] * 120)
    assert positions(api.get(FEED)) == stored()[:100]
    assert positions(api.get(f"{FEED}?limit=1000")) == stored()


@pytest.mark.parametrize(
    ("query", "pointer", "code"),
    [
        ("limit=0", "/limit", "out_of_range"),
        ("limit=1001", "/limit", "out_of_range"),
        ("limit=-1", "/limit", "out_of_range"),
        ("limit=1.0", "/limit", "out_of_range"),
        ("limit=%C2%B2", "/limit", "out_of_range"),
        (f"limit={'9' * 5000}", "/limit", "out_of_range"),
        ("limit=", "/limit", "invalid_parameter"),
        ("limit=1&limit=2", "/limit", "invalid_parameter"),
        ("after=-1", "/after", "out_of_range"),
        ("after=x", "/after", "out_of_range"),
        ("after=1_0", "/after", "out_of_range"),
        ("after=%20 1", "/after", "out_of_range"),
        (f"after={2**63}", "/after", "out_of_range"),
        ("after=", "/after", "invalid_parameter"),
        ("after=0&after=0", "/after", "invalid_parameter"),
        ("types=", "/types", "invalid_parameter"),
        ("types=candidate.noted&types=candidate.added", "/types", "invalid_parameter"),
        ("types=candidate.added,", "/types", "unknown_event_type"),
        ("types=candidate.added,%20candidate.noted", "/types", "unknown_event_type"),
        ("types=candidate.promoted", "/types", "unknown_event_type"),
        ("types=Candidate.Added", "/types", "unknown_event_type"),
        ("types=%00", "/types", "unknown_event_type"),
        ("types=%ED%A0%80", "/types", "not_utf8"),
        (f"types={'x' * 5000}", "/types", "unknown_event_type"),
        ("type=candidate.added", "/type", "invalid_parameter"),
        ("cursor=1", "/cursor", "invalid_parameter"),
    ],
)
def test_a_parameter_that_will_not_do_is_named(
    api: APIClient, query: str, pointer: str, code: str
) -> None:
    answer = api.get(f"{FEED}?{query}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]
    assert len(answer.content) < 3000


def test_events_before_one_that_this_code_cannot_read_are_given(
    api: APIClient, caplog: pytest.LogCaptureFixture
) -> None:
    """As while newer code is being rolled out."""
    before = [append()[0].position for _ in range(3)]
    newer = stored_by_newer_code()
    append()
    answer = api.get(FEED)
    assert positions(answer) == before
    api.raise_request_exception = False
    assert api.get(answer.json()["next"]).status_code == 503
    assert f"at position {newer}, candidate.added version 9" in caplog.text


def stored_by_newer_code() -> int:
    table = StorageEvent._meta.db_table
    columns = "stream_type, version, event_type, data, metadata, occurred_at, recorded_at, hash"
    ids = [uuid4(), uuid4()]
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (event_id, stream_id, schema_version, {columns}) "
            f"SELECT %s, %s, 9, {columns} FROM {table} ORDER BY position LIMIT 1",
            [one.hex if connection.vendor == "sqlite" else one for one in ids],
        )
    return StorageEvent.objects.get(event_id=ids[0]).position


def test_an_unknown_type_is_named_and_the_known_ones_with_it(api: APIClient) -> None:
    detail = api.get(f"{FEED}?types=candidate.added,candidate.promoted").json()["detail"]
    assert "'candidate.promoted'" in detail
    assert "candidate.moved_to_standby" in detail


@pytest.mark.parametrize("beyond", [1, 2**62])
def test_a_position_that_this_log_never_gave_is_a_conflict_with_advice(
    api: APIClient, beyond: int
) -> None:
    (event,) = append()
    answer = api.get(f"{FEED}?after={event.position + beyond}")
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "cursor_beyond_log")
    assert (problem["after"], problem["last"]) == (event.position + beyond, event.position)
    assert "restored from an older backup" in problem["detail"]


def test_only_who_may_read_the_feed_reads_it(
    user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    assert client_of(None).get(FEED).status_code == 401
    for groups in ([], ["Recruiters"], ["Viewers"], ["Recruiters", "Viewers"]):
        api = client_of(user_in(*groups, name=f"in {groups}"))
        # Also not which parameters it would take.
        for query in ("", "?x=1"):
            answer = api.get(FEED + query)
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    system = user_in(name="payroll")
    system.user_permissions.add(Permission.objects.get(codename="read_feed"))
    assert client_of(system).get(FEED).status_code == 200
    assert client_of(system).get("/api/v1/candidates/").status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options"])
def test_the_feed_is_only_read(api: APIClient, method: str) -> None:
    assert getattr(api, method)(FEED).status_code == 405
    assert api.head(FEED).status_code == 200


def test_a_log_keeps_its_identity_and_another_has_its_own() -> None:
    first = log_id()
    assert log_id() == first
    empty_database()
    assert log_id() != first


def test_all_who_ask_first_get_the_same_identity() -> None:
    found = together(8, lambda _: log_id())
    assert all(isinstance(id, UUID) for id in found)
    assert len(set(found)) == 1
    assert LogIdentity.objects.count() == 1


WRITERS = 4
EVENTS_OF_A_WRITER = 150


class Reader:
    """Keeps nothing but the link, as a process does that is stopped after every page."""

    def __init__(self, operator: User, client_of: Callable[..., APIClient]) -> None:
        self._client: Callable[[], APIClient] = lambda: client_of(operator)
        self._link = f"{FEED}?limit=7"
        self.seen: list[int] = []

    def go_on(self) -> bool:
        """Whether there was something new."""
        page = self._client().get(self._link)
        new = positions(page)
        self.seen += new
        self._link = page.json()["next"]
        return bool(new)


def write_while_reading(reader: Reader, seed: int) -> None:
    """Several writers, with delays and rollbacks; the reader reads until nothing more comes."""
    done = [Event() for _ in range(WRITERS)]

    def write(number: int) -> None:
        chance = random.Random(seed + number)
        written = 0
        try:
            while written < EVENTS_OF_A_WRITER:
                with transaction.atomic():
                    count = chance.randint(1, 10)
                    append(added(), *[noted()] * (count - 1))
                    time.sleep(chance.choice([0, 0, 0.001, 0.003]))
                    kept = chance.random() > 0.2
                    transaction.set_rollback(not kept)
                written += count * kept
        finally:
            done[number].set()

    def read(_: int) -> None:
        last_round = False
        while not last_round:
            last_round = all(event.is_set() for event in done)
            while reader.go_on():
                pass

    results = together(WRITERS + 1, lambda number: (write if number < WRITERS else read)(number))
    assert results == [None] * (WRITERS + 1)


@contextmanager
def a_held_append() -> Iterator[None]:
    """A transaction that has drawn its number and does not end. SQLite's would stop all others."""
    with in_flight(append) if connection.vendor == "postgresql" else nullcontext():
        yield


def test_a_reader_that_stops_and_resumes_misses_and_repeats_nothing(
    operator: User, client_of: Callable[..., APIClient]
) -> None:
    reader = Reader(operator, client_of)
    before = [event.position for event in append(added(), *[noted()] * 9)]

    with a_held_append():
        write_while_reading(reader, seed=0)
        passed_by = len(stored()) - len(reader.seen)
        if connection.vendor == "postgresql":
            assert reader.seen == before
            assert passed_by >= WRITERS * EVENTS_OF_A_WRITER
        else:
            assert passed_by == 0
    write_while_reading(reader, seed=100)

    assert reader.seen == stored()
    assert len(reader.seen) >= 2 * WRITERS * EVENTS_OF_A_WRITER
