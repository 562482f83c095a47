"""The stored format: what today's code writes, and what it can still read."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, make_dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, get_args
from uuid import UUID

import pytest

from candidates.domain.events import CandidateEvent, CandidateRejected, RejectionReason
from candidates.infrastructure.upcasters import UPCASTERS
from eventstore.domain.events import DomainEvent, Metadata, StreamHead
from eventstore.domain.exceptions import InvalidValue, UndecodableEvent
from eventstore.domain.lost_keys import KeyDeclaredLost
from eventstore.domain.personal import Personal
from eventstore.infrastructure.keys import DataKey
from eventstore.infrastructure.mapper import EventMapper, StorageRow, UnreadableFact

GOLDEN = Path(__file__).parent.parent / "golden"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STREAM = UUID("0190a000-0000-7000-8000-000000000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured(DomainEvent):
    """Every kind of value that an event may declare."""

    event_type: ClassVar[str] = "test.measured"
    schema_version: ClassVar[int] = 3
    amount: Decimal
    at: datetime
    on: date
    by: UUID
    tags: tuple[str, ...] = ()


def measured_1_to_2(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "on": "2026-01-01"}


def measured_2_to_3(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "by": str(STREAM)}


def another(data: Any) -> Any:
    return data


MEASURED_UPCASTERS: Any = {
    ("test.measured", 1): measured_1_to_2,
    ("test.measured", 2): measured_2_to_3,
}


@pytest.fixture
def mapper() -> EventMapper:
    mapper = EventMapper()
    mapper.register([*get_args(CandidateEvent), KeyDeclaredLost], upcasters=UPCASTERS)
    mapper.register([Measured], upcasters=MEASURED_UPCASTERS)
    return mapper


KEY = DataKey(STREAM, bytes(32))


def row(
    event_type: str, schema_version: int, data: str, metadata: str, personal: str | None = None
) -> StorageRow:
    return StorageRow(
        event_id=STREAM,
        stream_type="candidate",
        stream_id=STREAM,
        version=1,
        event_type=event_type,
        schema_version=schema_version,
        data=data,
        metadata=metadata,
        personal=KEY.encrypt(personal.encode(), version=1) if personal else None,
        correlation_id=None,
        occurred_at=NOW,
        recorded_at=NOW,
    )


def written(mapper: EventMapper, event: DomainEvent) -> StorageRow:
    (stored,) = mapper.rows(
        "candidate",
        STREAM,
        [event],
        head=StreamHead(),
        metadata=Metadata(actor="rita", door="api"),
        correlation_id=None,
        occurred_at=None,
        now=NOW,
        key=lambda: KEY,
    )
    return stored


KNOWN = '{"actor":"rita","door":"api"}'


def golden_row(path: Path) -> tuple[dict[str, Any], StorageRow]:
    golden = json.loads(path.read_text())
    columns = ("event_type", "schema_version", "data", "metadata", "personal")
    return golden, row(*(golden[column] for column in columns))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_what_was_ever_stored_can_be_read(mapper: EventMapper, path: Path) -> None:
    golden, stored = golden_row(path)
    assert mapper.data_of(mapper.recorded(stored, 1, KEY).event) == golden["read_today"]
    assert mapper.data_of(mapper.recorded(stored, 1).event) == golden["read_erased"]


def test_every_type_and_version_has_a_golden_file() -> None:
    wanted = {
        f"{cls.event_type}.{version}"
        for cls in (*get_args(CandidateEvent), KeyDeclaredLost)
        for version in range(1, cls.schema_version + 1)
    }
    assert {path.stem for path in GOLDEN.glob("*.json")} == wanted


@pytest.mark.parametrize(
    "cls", [*get_args(CandidateEvent), KeyDeclaredLost], ids=lambda cls: cls.event_type
)
def test_todays_code_still_writes_the_golden_text(mapper: EventMapper, cls: Any) -> None:
    golden, stored = golden_row(GOLDEN / f"{cls.event_type}.{cls.schema_version}.json")
    again = written(mapper, mapper.recorded(stored, 1, KEY).event)
    assert again.data == golden["data"]
    assert (again.personal is None) == (golden["personal"] is None)
    if again.personal is not None:
        private, _ = json.loads(KEY.decrypt(again.personal, version=1))
        assert private == json.loads(golden["personal"])[0]


def test_declared_types_come_back_as_declared(mapper: EventMapper) -> None:
    event = Measured(
        amount=Decimal("1.10"),
        at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        on=date(2026, 1, 2),
        by=STREAM,
        tags=("a", "b"),
    )
    recorded = mapper.recorded(written(mapper, event), 1)
    assert recorded.event == event
    assert repr(recorded.event) == repr(event)


def test_upcasters_lead_from_any_version_to_todays(mapper: EventMapper) -> None:
    data = '{"amount":"2","at":"2026-01-01T00:00:00Z"}'
    recorded = mapper.recorded(row("test.measured", 1, data, KNOWN), 1)
    assert recorded.event == Measured(
        amount=Decimal(2), at=datetime(2026, 1, 1, tzinfo=UTC), on=date(2026, 1, 1), by=STREAM
    )


def test_an_old_rejection_becomes_todays(mapper: EventMapper) -> None:
    old = row("candidate.rejected", 1, '{"reason":"too far away"}', KNOWN)
    assert mapper.recorded(old, 1).event == CandidateRejected(
        reason=RejectionReason.OTHER, note="too far away", score=None, threshold=None
    )


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (row("candidate.promoted", 1, "{}", KNOWN), "candidate.promoted"),
        (row("candidate.added", 2, "{}", KNOWN), "newer code"),
        (row("candidate.added", 1, "{", KNOWN), "truncated"),
        (row("candidate.added", 1, '{"score":"high","profile":{}}', KNOWN), "Expected `float`"),
        (row("candidate.added", 1, "[]", KNOWN), "Expected `object`"),
        (row("candidate.added", 0, "{}", KNOWN), "candidate.added"),
        (row("candidate.noted", 1, '{"text":"t"}', "nonsense"), "metadata"),
        (row("candidate.noted", 1, '{"text":"t"}', "[]"), "metadata"),
        (row("candidate.noted", 1, '{"text":"t"}', "{}"), "metadata"),
    ],
)
def test_what_cannot_be_read_stops_by_name(
    mapper: EventMapper, stored: StorageRow, reason: str
) -> None:
    with pytest.raises(UndecodableEvent) as caught:
        mapper.recorded(stored, 17)
    assert (caught.value.event_type, caught.value.position) == (stored.event_type, 17)
    assert caught.value.event_id == STREAM
    assert reason in str(caught.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosy(DomainEvent):
    """Refuses what it is made of, in words of its own."""

    event_type: ClassVar[str] = "test.choosy"
    schema_version: ClassVar[int] = 2
    name: str
    sizes: list[int]

    def __post_init__(self) -> None:
        if self.name == "Zoë":
            raise ValueError(f"{self.name} will not do")
        if self.name == "Ann":
            raise LookupError(f"{self.name} will not do")
        self.sizes[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ('{"name":"Zoë","sizes":[]}', "ValueError at tests.eventstore.test_mapper:"),
        ('{"name":"Ann","sizes":[]}', "LookupError at tests.eventstore.test_mapper:"),
        ('{"name":"Bo","sizes":[]}', "IndexError at tests.eventstore.test_mapper:"),
        ('{"name":5,"sizes":[]}', "Expected `str`, got `int` - at `$.name`"),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_what_a_class_raises_when_it_is_made_is_named_without_its_words(
    data: str, reason: str, version: int
) -> None:
    mapper = EventMapper()
    mapper.register([Choosy], upcasters={("test.choosy", 1): another})
    stored = row("test.choosy", version, data, KNOWN)
    with pytest.raises(UndecodableEvent) as caught:
        mapper.recorded(stored, 17)
    assert caught.value.reason.startswith(reason)
    assert "will not do" not in str(caught.value)
    with pytest.raises(UnreadableFact) as told:
        mapper.facts([(stored.event_type, stored.schema_version, data)])
    assert told.value.reason == caught.value.reason


def test_a_value_that_no_code_ever_had_is_not_repeated(mapper: EventMapper) -> None:
    data = '{"reason":"Zoë\'s","score":null,"threshold":null}'
    with pytest.raises(UndecodableEvent, match=r"Invalid enum value … - at `\$\.reason`"):
        mapper.recorded(row("candidate.rejected", 2, data, KNOWN), 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Loose(DomainEvent):
    event_type: ClassVar[str] = "test.loose"
    schema_version: ClassVar[int] = 2
    values: Mapping[str, Any]


@pytest.mark.parametrize(
    ("left", "reason"),
    [
        (object(), "what JSON has no type for"),
        ("\x00", "U+0000"),
        ("\ud800", "surrogate"),
        (float("inf"), "infinity"),
        ({1: 2}, "text"),
        ([[]] * 2, ""),
    ],
)
def test_what_upcasters_leave_is_what_could_have_been_stored(left: Any, reason: str) -> None:
    mapper = EventMapper()
    mapper.register([Loose], upcasters={("test.loose", 1): lambda data: {"values": {"left": left}}})
    stored = row("test.loose", 1, "{}", KNOWN)
    if not reason:
        assert mapper.recorded(stored, 1).event == Loose(values={"left": left})
        return
    with pytest.raises(UndecodableEvent, match=re.escape(reason)):
        mapper.recorded(stored, 1)


def test_two_classes_cannot_have_one_name(mapper: EventMapper) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Impostor(DomainEvent):
        event_type: ClassVar[str] = "candidate.added"

    with pytest.raises(ValueError, match=r"both named candidate\.added"):
        mapper.register([Impostor])


def test_registering_again_changes_nothing(mapper: EventMapper) -> None:
    mapper.register(get_args(CandidateEvent), upcasters=UPCASTERS)


def test_a_missing_step_between_versions_is_found_at_once() -> None:
    upcasters = {("test.measured", 2): MEASURED_UPCASTERS["test.measured", 2]}
    with pytest.raises(ValueError, match=r"test\.measured has no upcaster from version 1"):
        EventMapper().register([Measured], upcasters=upcasters)


@pytest.mark.parametrize(
    ("version", "data"),
    [
        (1, '{"amount":"2","at":"2026-01-01T00:00:00Z"}'),
        (2, '{"amount":"2","at":"2026-01-01T00:00:00Z","on":"2026-01-01"}'),
        (3, f'{{"amount":"2","at":"2026-01-01T00:00:00Z","by":"{STREAM}","on":"2026-01-01"}}'),
    ],
)
def test_what_was_stored_under_a_former_name_is_read_and_written_as_todays(
    mapper: EventMapper, version: int, data: str
) -> None:
    mapper.register([], aliases={"test.weighed": "test.measured"})
    recorded = mapper.recorded(row("test.weighed", version, data, KNOWN), 1)
    assert recorded.event == Measured(
        amount=Decimal(2), at=datetime(2026, 1, 1, tzinfo=UTC), on=date(2026, 1, 1), by=STREAM
    )
    again = written(mapper, recorded.event)
    assert (again.event_type, again.schema_version) == ("test.measured", 3)


def test_newer_code_is_named_by_the_name_that_is_stored(mapper: EventMapper) -> None:
    mapper.register([], aliases={"test.weighed": "test.measured"})
    with pytest.raises(UndecodableEvent, match=r"test\.weighed version 4: stored by newer code"):
        mapper.recorded(row("test.weighed", 4, "{}", KNOWN), 1)


@pytest.mark.parametrize(
    ("registered", "complaint"),
    [
        ({"upcasters": {("test.measured", 1): another}}, "test.measured has two upcasters from"),
        ({"upcasters": {("test.measured", 3): another}}, "No class takes the upcaster of test.mea"),
        ({"upcasters": {("test.measured", 0): another}}, "No class takes the upcaster of test.mea"),
        ({"upcasters": {("test.weighed", 1): another}}, "No class takes the upcaster of test.wei"),
        ({"aliases": {"candidate.added": "test.measured"}}, "candidate.added is both an alias and"),
        ({"aliases": {"test.measured": "test.measured"}}, "test.measured is both an alias and"),
        ({"aliases": {"test.weighed": "test.gone"}}, "test.gone, which is not registered"),
        ({"aliases": {"test.old": "candidate.added"}}, "test.old stands for test.measured and can"),
    ],
)
def test_names_and_steps_that_are_not_unique_are_found_at_once(
    mapper: EventMapper, registered: Any, complaint: str
) -> None:
    mapper.register([], aliases={"test.old": "test.measured"})
    with pytest.raises(ValueError, match=re.escape(complaint)):
        mapper.register([], **registered)


def test_a_class_cannot_take_the_name_of_an_alias(mapper: EventMapper) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Late(DomainEvent):
        event_type: ClassVar[str] = "test.old"

    mapper.register([], aliases={"test.old": "test.measured"})
    with pytest.raises(ValueError, match=r"test\.old is both an alias and the name of a class"):
        mapper.register([Late])


def test_an_event_nobody_registered_is_not_stored(mapper: EventMapper) -> None:
    with pytest.raises(ValueError, match="is not registered"):
        written(EventMapper(), Measured(amount=Decimal(1), at=NOW, on=NOW.date(), by=STREAM))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    name: Annotated[str, Personal()] = ""
    height: float = 0.0
    seen: tuple[datetime, ...] = ()


@pytest.mark.parametrize(
    "hint",
    [
        Annotated[str, Personal()] | None,
        list[Annotated[str, Personal()]],
        Mapping[str, Annotated[str, Personal()] | int],
        Place,
        list[Place] | None,
    ],
    ids=str,
)
def test_a_field_is_not_personal_in_a_part(mapper: EventMapper, hint: Any) -> None:
    """Such a mark would be overlooked, and the value stored for all to read."""
    partly = make_dataclass("Partly", [("value", hint, None)], bases=(DomainEvent,), frozen=True)
    partly.event_type = "test.partly"  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"test\.partly\.value is personal in a part"):
        mapper.register([partly])


@pytest.mark.parametrize(
    ("place", "pointer", "rule"),
    [
        (Place(height=float("nan")), "/value/height", "not_finite"),
        (Place(name="\x00"), "/value/name", "nul_character"),
        (Place(seen=(NOW, NOW.replace(tzinfo=None))), "/value/seen/1", "naive_time"),
        (
            Place(seen=(NOW.replace(tzinfo=timezone(timedelta(seconds=1))),)),
            "/value/seen/0",
            "offset_not_kept",
        ),
    ],
)
def test_what_stands_within_an_object_is_checked_too(
    mapper: EventMapper, place: Place, pointer: str, rule: str
) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Located(DomainEvent):
        event_type: ClassVar[str] = "test.located"
        value: Any

    mapper.register([Located])
    with pytest.raises(InvalidValue) as caught:
        written(mapper, Located(value=place))
    assert (caught.value.pointer, caught.value.rule) == (pointer, rule)
