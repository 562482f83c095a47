"""Text that one database would keep and the other refuse is refused by name, before any row."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, make_dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import models

from candidates.application.projector import LIFTED_LENGTH, CandidateProjector
from candidates.models import CandidateProjection, StatusSpan
from eventstore import wiring
from eventstore.application.ports import (
    Checkpoints,
    EventStore,
    ParkedStreams,
    SnapshotStore,
    WaitingMessage,
    WaitingRoom,
)
from eventstore.domain.content import (
    EVENT_TYPE_LENGTH,
    LARGEST_SCHEMA,
    PROJECTION_LENGTH,
    STREAM_TYPE_LENGTH,
)
from eventstore.domain.events import DomainEvent, Metadata
from eventstore.domain.exceptions import InvalidValue
from eventstore.infrastructure.mapper import EventMapper
from eventstore.infrastructure.memory import InMemoryParkedStreams, InMemoryWaitingRoom
from eventstore.infrastructure.messaging.message import cloud_event, decode
from eventstore.infrastructure.waiting import DjangoWaitingRoom
from eventstore.models import StorageEvent
from tests.contracts.conftest import Clock
from tests.contracts.test_snapshot_store import snapshot
from tests.factories import add, added
from tests.given import given

RITA = Metadata(actor="rita", door="api")
LETTER = "🚀"
"""One character, four bytes, and two units of UTF-16."""


def no_names(longest: int) -> list[str]:
    return ["", LETTER * (longest + 1), "a\x00", "a\ud800", "a\n", "\x7f"]


def named(event_type: str, version: int = 1) -> type[DomainEvent]:
    return make_dataclass(
        "Named",
        [("values", Mapping[str, Any], field(default_factory=dict))],
        bases=(DomainEvent,),
        namespace={"event_type": event_type, "schema_version": version},
        frozen=True,
        slots=True,
        kw_only=True,
    )


@pytest.mark.parametrize("name", no_names(EVENT_TYPE_LENGTH))
def test_an_event_type_that_no_column_keeps_is_refused_when_it_is_registered(name: str) -> None:
    mapper = EventMapper()
    with pytest.raises(ValueError, match=r"is no name of an event: "):
        mapper.register([named(name)])
    with pytest.raises(ValueError, match=r"is no name of an event: "):
        mapper.register([named("test.named")], aliases={name: "test.named"})
    assert mapper.classes == {}


@pytest.mark.parametrize("version", [0, -1, LARGEST_SCHEMA + 1])
def test_a_schema_version_that_no_column_keeps_is_refused_when_it_is_registered(
    version: int,
) -> None:
    with pytest.raises(ValueError, match=rf"test\.named has version {version}: it is from 1 to"):
        EventMapper().register([named("test.named", version)])


def test_the_longest_names_are_stored_and_read_and_sent(
    store: EventStore, mapper: EventMapper
) -> None:
    event_type, stream_type = LETTER * EVENT_TYPE_LENGTH, LETTER * STREAM_TYPE_LENGTH
    cls = named(event_type)
    mapper.register([cls])
    stream = uuid4()
    (stored,) = store.append(stream_type, stream, [cls()], expected=0, metadata=RITA)
    assert store.read_stream(stream) == [stored]
    assert (stored.stream_type, stored.event.event_type) == (stream_type, event_type)
    log = uuid4()
    body = json.dumps(cloud_event(stored, source=log, data=mapper.data_of(stored.event)))
    message = decode(body.encode(), mapper)
    assert message.recorded.event == stored.event
    assert message.recorded.stream_type == stream_type


@pytest.mark.parametrize("name", no_names(STREAM_TYPE_LENGTH))
def test_a_stream_type_that_no_column_keeps_is_refused_before_any_row(
    store: EventStore, name: str
) -> None:
    stream = uuid4()
    with pytest.raises(InvalidValue) as caught:
        store.append(name, stream, [added()], expected=0, metadata=RITA)
    assert caught.value.pointer == "/stream_type"
    assert store.head(stream).version == 0
    store.append("candidate", stream, [added()], expected=0, metadata=RITA)


@pytest.mark.parametrize("text", ["a\x00", "a\ud800"])
@pytest.mark.parametrize("where", ["actor", "door", "on_behalf_of", "extra", "key"])
def test_metadata_that_no_column_keeps_is_refused_before_any_row(
    store: EventStore, where: str, text: str
) -> None:
    changes: dict[str, Any] = {
        "extra": {"extra": {"note": text}},
        "key": {"extra": {text: "note"}},
    }.get(where, {where: text})
    stream = uuid4()
    metadata = RITA._replace(**changes)
    with pytest.raises(InvalidValue) as caught:
        store.append("candidate", stream, [added()], expected=0, metadata=metadata)
    assert caught.value.pointer.startswith("/metadata/")
    assert store.head(stream).version == 0


def test_metadata_is_as_long_as_it_likes_on_every_database(store: EventStore) -> None:
    long = LETTER * 10_000
    metadata = Metadata(actor=long, door=long, on_behalf_of=long, extra={long[:500]: long})
    stored = store.append("candidate", uuid4(), [added()], expected=0, metadata=metadata)
    assert store.read_stream(stored[0].stream_id)[0].metadata == metadata


@pytest.mark.parametrize("name", no_names(PROJECTION_LENGTH))
def test_a_projection_that_no_column_keeps_is_refused_before_any_row(
    checkpoints: Checkpoints, parked_streams: ParkedStreams, clock: Clock, name: str
) -> None:
    room: WaitingRoom = (
        InMemoryWaitingRoom(parked=parked_streams)
        if isinstance(parked_streams, InMemoryParkedStreams)
        else DjangoWaitingRoom(clock=clock)
    )
    message = WaitingMessage(1, b"{", False, clock.now)
    acts: list[Callable[[], object]] = [
        lambda: checkpoints.start(name, schema=1),
        lambda: checkpoints.replace(name, position=0, schema=1),
        lambda: parked_streams.park(name, uuid4(), version=1, event_type="", error=ValueError()),
        lambda: room.keep(name, uuid4(), [message]),
        lambda: room.keep_unreadable(name, uuid4(), message, instead_of=None),
    ]
    for act in acts:
        with pytest.raises(InvalidValue) as caught:
            act()
        assert caught.value.pointer == "/projection"
    assert (checkpoints.all(), parked_streams.listed(), room.count()) == ({}, [], {})


def test_the_longest_name_of_a_projection_is_kept(
    checkpoints: Checkpoints, parked_streams: ParkedStreams
) -> None:
    name, event_type, stream = LETTER * PROJECTION_LENGTH, LETTER * EVENT_TYPE_LENGTH, uuid4()
    checkpoints.start(name, schema=LARGEST_SCHEMA)
    assert checkpoints.all()[name].schema == LARGEST_SCHEMA
    parked_streams.park(name, stream, version=1, event_type=event_type, error=ValueError())
    found = parked_streams.find(name, stream)
    assert found is not None
    assert found.event_type == event_type


@pytest.mark.parametrize("event_type", no_names(EVENT_TYPE_LENGTH)[1:])
def test_a_parked_event_type_that_no_column_keeps_is_refused(
    parked_streams: ParkedStreams, event_type: str
) -> None:
    with pytest.raises(InvalidValue) as caught:
        parked_streams.park(
            "candidates", uuid4(), version=1, event_type=event_type, error=ValueError()
        )
    assert caught.value.pointer == "/event_type"
    assert parked_streams.listed() == []


def test_the_class_of_an_error_may_be_called_anything(parked_streams: ParkedStreams) -> None:
    class Named(Exception):
        pass

    Named.__module__, Named.__qualname__ = "m", LETTER * 1000
    parked = parked_streams.park("candidates", uuid4(), version=1, event_type="", error=Named())
    assert parked.error == f"m.{LETTER * 498}"


@pytest.mark.parametrize("schema", [0, LARGEST_SCHEMA + 1])
def test_a_projections_schema_that_no_column_keeps_is_refused(
    checkpoints: Checkpoints, schema: int
) -> None:
    acts: list[Callable[[], object]] = [
        lambda: checkpoints.start("candidates", schema=schema),
        lambda: checkpoints.replace("candidates", position=0, schema=schema),
    ]
    for act in acts:
        with pytest.raises(InvalidValue) as caught:
            act()
        assert caught.value.pointer == "/schema"
    assert checkpoints.all() == {}


def test_whatever_a_broker_says_is_kept_as_far_as_a_column_goes(checkpoints: Checkpoints) -> None:
    checkpoints.start("candidates", schema=1)
    for said, kept in (
        ("away\x00", "away\\x00"),
        ("away\ud800", "away\\ud800"),
        (LETTER * 501, LETTER * 500),
    ):
        checkpoints.block("candidates", said)
        assert checkpoints.all()["candidates"].blocked_by == kept


@pytest.mark.parametrize(
    "changes",
    [
        *({"stream_type": name} for name in no_names(STREAM_TYPE_LENGTH)),
        {"schema": 0},
        {"schema": LARGEST_SCHEMA + 1},
    ],
)
def test_a_snapshot_that_no_column_keeps_is_not_even_made(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        replace(snapshot(), **changes)


def test_the_longest_stream_type_of_a_snapshot_is_kept(snapshot_store: SnapshotStore) -> None:
    longest = replace(snapshot(), stream_type=LETTER * STREAM_TYPE_LENGTH, schema=LARGEST_SCHEMA)
    snapshot_store.save(longest)
    assert snapshot_store.load(longest.stream_id) == longest


@dataclass
class Named(CandidateProjector):
    name: str = "named"  # type: ignore[misc]
    schema: int = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    "projector",
    [
        *(Named(name) for name in no_names(PROJECTION_LENGTH)),
        Named("named", 0),
        Named("named", LARGEST_SCHEMA + 1),
        Named("publisher"),
    ],
)
def test_a_projection_that_no_column_keeps_is_refused_when_it_is_registered(
    projector: Any,
) -> None:
    before = dict(wiring.projections())
    with pytest.raises(ImproperlyConfigured):
        wiring.register_projection(projector, CandidateProjection)
    assert wiring.projections() == before


KNOWN_KEYS = (
    "name",
    "email",
    "phone",
    "position",
    "source",
    "location",
    "owner",
    "external_id",
    "resume_url",
)


@pytest.mark.django_db
def test_a_row_shows_as_much_of_a_long_value_as_its_column_keeps() -> None:
    """Profiles and actors may be longer than any column; the log has all of it."""
    long = LETTER * (LIFTED_LENGTH + 1)
    profile = {**dict.fromkeys(KNOWN_KEYS, long), "tags": [long]}
    done = given(add(profile=profile), actor=long)
    row = CandidateProjection.objects.get()
    cut = LETTER * LIFTED_LENGTH
    shown = [getattr(row, "applied_position" if key == "position" else key) for key in KNOWN_KEYS]
    assert shown == [cut] * len(KNOWN_KEYS)
    assert (row.changed_by, row.tags, row.profile) == (cut, [cut], profile)
    assert StatusSpan.objects.get().source == cut
    (stored,) = wiring.event_store().read_stream(done.candidate_id)
    assert stored.metadata.actor == long


@pytest.mark.django_db
def test_a_user_whose_name_is_no_text_is_not_there() -> None:
    for name in ("a\x00", "a\ud800"):
        with pytest.raises(CommandError, match="There is no user"):
            call_command("issue_token", name)


def test_every_text_column_beside_the_log_has_its_limit_in_one_place() -> None:
    limits = {
        "stream_type": STREAM_TYPE_LENGTH,
        "event_type": EVENT_TYPE_LENGTH,
        "projection": PROJECTION_LENGTH,
        "error": 500,
        "blocked_by": 500,
        "waits_for": 500,
        "digest": 64,
    }
    app = StorageEvent._meta.app_config
    found = {
        (model.__name__, column.name): column.max_length
        for model in app.get_models()
        for column in model._meta.concrete_fields
        if isinstance(column, models.CharField) and column.name in limits
    }
    assert found == {(model, name): limits[name] for model, name in found}
