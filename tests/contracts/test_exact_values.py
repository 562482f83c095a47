"""Whatever an event may hold comes back equal and of the same type, from every store."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from eventstore.application.ports import EventStore
from eventstore.domain.events import DomainEvent, Metadata
from eventstore.domain.exceptions import InvalidValue
from eventstore.domain.personal import Personal
from eventstore.infrastructure.mapper import EventMapper
from tests.contracts.conftest import Clock
from tests.eventstore.test_mapper import KEY, written

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
NUMBERS = st.one_of(
    st.integers(-(2**1000), 2**1000),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([-0.0, 0.0, 1e16, -1e22, 1.5e300, 5e-324, 75.0, 75, 2**53 + 1, 2**63, 2**64]),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(TEXT, st.sampled_from(["0", "-1", "a.b", "source", ""])), inner),
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.one_of(TEXT, st.just("source")), JSON, max_size=4)
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(
    datetime(1900, 1, 1),  # noqa: DTZ001
    datetime(2999, 1, 1),  # noqa: DTZ001
    timezones=OFFSETS,
).map(lambda time: time.replace(fold=0))  # an offset leaves nothing to tell apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything(DomainEvent):
    event_type: ClassVar[str] = "test.everything"
    schema_version: ClassVar[int] = 2
    text: str
    amount: Decimal
    count: int
    ratio: float
    id: UUID
    at: datetime
    on: date
    tags: tuple[str, ...]
    open: Mapping[str, Any]
    secret: Annotated[Mapping[str, Any], Personal(except_keys=("source",))] = field(
        default_factory=dict
    )


EVENTS = st.builds(
    Everything,
    text=TEXT,
    amount=st.decimals(allow_nan=False, allow_infinity=False),
    count=st.integers(-(2**1000), 2**1000),
    ratio=st.floats(allow_nan=False, allow_infinity=False),
    id=st.uuids(),
    at=TIMES,
    on=st.dates(),
    tags=st.lists(TEXT, max_size=3).map(tuple),
    open=OBJECTS,
    secret=OBJECTS,
)
TYPED = {"a.b": {"0": [[], {}, -0.0, 1e16, 10**30]}, "source": {"": [1, 1.0, True]}}
AWKWARD = Everything(
    text="e\u0301 \\u0000 \u2028 ’ 🧑🏽‍🚀 名前 עברית",
    amount=Decimal("-1.10E+5"),
    count=-(2**70),
    ratio=-0.0,
    id=UUID(int=0),
    at=datetime(2026, 2, 28, 23, 59, 59, 999999, tzinfo=timezone(timedelta(hours=-9, minutes=-30))),
    on=date(1, 1, 1),
    tags=(),
    open=TYPED,
    secret=TYPED,
)


def exactly(value: Any) -> Any:
    """Tells 1 from 1.0 and True, -0.0 from 0.0 and every offset from another."""
    if isinstance(value, Mapping):
        return {key: exactly(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *(exactly(item) for item in value)]
    return repr(value)


def fields_of(event: Any) -> dict[str, Any]:
    return {name: exactly(getattr(event, name)) for name in EVENT_FIELDS}


UPCASTERS: Mapping[tuple[str, int], Any] = {(Everything.event_type, 1): dict}
EVENT_FIELDS = ("text", "amount", "count", "ratio", "id", "at", "on", "tags", "open", "secret")


@pytest.fixture
def store(store: EventStore, mapper: EventMapper) -> EventStore:
    mapper.register([Everything], upcasters=UPCASTERS)
    return store


@contextmanager
def time_zone(name: str) -> Iterator[None]:
    """The session's, which a careless driver would show through."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('timezone', %s, false)", [name])
        yield
        cursor.execute("SELECT set_config('timezone', 'UTC', false)")


@given(event=EVENTS)
@example(event=AWKWARD)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_come_back_equal_and_of_the_same_type(store: EventStore, event: Everything) -> None:
    stream_id = uuid4()
    metadata = Metadata(actor=event.text or "rita", door="api", extra={"any": event.open})
    (appended,) = store.append("test", stream_id, [event], expected=0, metadata=metadata)
    (read,) = store.read_stream(stream_id)
    for recorded in (appended, read):
        assert fields_of(recorded.event) == fields_of(event)
        assert exactly(recorded.metadata.extra) == exactly({"any": event.open})
    assert read == appended


@pytest.mark.parametrize(
    "zone",
    [
        timezone(timedelta(seconds=1234)),
        timezone(-timedelta(hours=23, minutes=59, seconds=59, microseconds=1)),
        ZoneInfo("Europe/Amsterdam"),
    ],
)
def test_an_offset_with_seconds_changes_no_instant(store: EventStore, zone: tzinfo) -> None:
    """As local time had before it was standardised. The text of a time has no room for them."""
    event = replace(AWKWARD, at=datetime(1930, 1, 1, 12, 0, 0, 1, tzinfo=zone))
    metadata = Metadata(actor="rita", door="api")
    (appended,) = store.append("test", uuid4(), [event], expected=0, metadata=metadata)
    (read,) = store.read_stream(appended.stream_id)
    assert appended.event == read.event == event


@dataclass(frozen=True, slots=True, kw_only=True)
class Confided(DomainEvent):
    """Personal fields whose defaults are not the only empty values of their types."""

    event_type: ClassVar[str] = "test.confided"
    text: Annotated[str | None, Personal()] = None
    count: Annotated[int, Personal()] = 5
    ratio: Annotated[float, Personal()] = 0.0
    agreed: Annotated[bool | None, Personal()] = None
    tags: Annotated[tuple[str, ...] | None, Personal()] = None
    more: Annotated[Mapping[str, Any] | None, Personal(except_keys=("source",))] = None
    whole: Annotated[Mapping[str, Any], Personal(except_keys=("source",))] = field(
        default_factory=lambda: {"source": "fair"}
    )


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"text": ""},
        {"count": 0},
        {"ratio": -0.0},
        {"agreed": False},
        {"tags": ()},
        {"more": {}},
        {"more": {"source": None}},
        {"more": {"source": "fair", "name": ""}},
        {"whole": {}},
        {"whole": {"name": "Ann"}},
    ],
    ids=str,
)
def test_an_empty_personal_value_is_told_from_the_default(
    store: EventStore, mapper: EventMapper, given: dict[str, Any]
) -> None:
    mapper.register([Confided])
    event = Confided(**given)
    metadata = Metadata(actor="rita", door="api")
    (appended,) = store.append("test", uuid4(), [event], expected=0, metadata=metadata)
    (read,) = store.read_stream(appended.stream_id)
    assert repr(appended.event) == repr(read.event) == repr(event)
    store.erase_personal_data(appended.stream_id)
    assert store.read_stream(appended.stream_id)


INEXACT = [(1, 2), {1}, b"x", Decimal("1.0"), UUID(int=0), date(2026, 1, 1), AWKWARD.at]


@pytest.mark.parametrize("value", INEXACT, ids=lambda value: type(value).__name__)
def test_a_value_that_would_come_back_as_another_is_refused(store: EventStore, value: Any) -> None:
    """Where any JSON may stand, nothing says what the text of another type was."""
    stream_id, plain = uuid4(), Metadata(actor="rita", door="api")
    typed = plain._replace(extra={"k": [value]})
    for event, metadata, pointer in [
        (replace(AWKWARD, open={"k": [value]}), plain, "/open"),
        (replace(AWKWARD, secret={"k": value}), plain, "/secret"),
        (replace(AWKWARD, ratio=2**60 + 1), plain, "/ratio"),
        (AWKWARD, typed, "/metadata"),
    ]:
        with pytest.raises(InvalidValue) as caught:
            store.append("test", stream_id, [event], expected=0, metadata=metadata)
        assert (caught.value.pointer, caught.value.rule) == (pointer, "not_kept")
    assert store.read_stream(stream_id) == []


@given(event=EVENTS)
@example(event=AWKWARD)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_upcaster_leaves_the_values_it_does_not_change(
    mapper: EventMapper, event: Everything
) -> None:
    mapper.register([Everything], upcasters=UPCASTERS)
    old = written(mapper, event)._replace(schema_version=1)
    assert fields_of(mapper.recorded(old, 1, KEY).event) == fields_of(event)


@pytest.mark.parametrize("name", ["Asia/Kolkata", "America/St_Johns"])
def test_the_time_zone_of_the_database_does_not_show(
    store: EventStore, clock: Clock, name: str
) -> None:
    postgresql = "Django" in type(store).__name__ and connection.vendor == "postgresql"
    session: Callable[[], AbstractContextManager[None]] = (
        (lambda: time_zone(name)) if postgresql else nullcontext
    )
    stream_id, metadata = uuid4(), Metadata(actor="rita", door="api")
    with session():
        (appended,) = store.append("test", stream_id, [AWKWARD], expected=0, metadata=metadata)
        (read,) = store.read_stream(stream_id)
        assert (read, read.occurred_at.utcoffset()) == (appended, timedelta(0))
        assert store.append("test", stream_id, [AWKWARD], expected=1, metadata=metadata)
    assert store.read_stream(stream_id)[0] == appended
