"""The only door for writes: permissions, repeats, conflicts. No database."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest

from candidates.application import commands
from candidates.application.commands import CandidateCommand
from candidates.application.service import CandidateService
from candidates.domain.events import CandidateEvent, RejectionReason, Status
from candidates.domain.exceptions import (
    AlreadyAdded,
    ExternalIdsNotHere,
    ScoreBelowThreshold,
    WrongStatus,
)
from candidates.infrastructure.upcasters import UPCASTERS
from eventstore.application.commands import CommandContext
from eventstore.domain.events import DomainEvent, event_id_of, stream_id_of
from eventstore.domain.exceptions import (
    AggregateNotFound,
    CommandReused,
    ConcurrencyError,
    InvalidValue,
    NotPermitted,
    OccurredInFuture,
    StaleVersion,
)
from eventstore.infrastructure.mapper import EventMapper
from eventstore.infrastructure.memory import InMemoryEventStore
from tests.factories import add, noted, profile_changed
from tests.scenario import CANDIDATE_ID

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Published:
    """Remembers what was published."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def publish(self, events: Any) -> None:
        self.events += events


@pytest.fixture
def store() -> InMemoryEventStore:
    mapper = EventMapper()
    mapper.register(get_args(CandidateEvent), upcasters=UPCASTERS)
    return InMemoryEventStore(mapper, clock=lambda: NOW)


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
def service(store: InMemoryEventStore, published: Published) -> CandidateService:
    return CandidateService(store=store, publisher=published, threshold=75.0, new_id=uuid4)


def by(allows: Callable[[str], bool] = lambda _: True, **terms: Any) -> CommandContext:
    return CommandContext(actor="rita", door="api", allows=allows, **terms)


def about(command: type[Any], **values: Any) -> Any:
    return command(candidate_id=CANDIDATE_ID, **values)


ON_ONE_CANDIDATE = [
    about(commands.MoveCandidateToStandby),
    about(commands.InviteCandidate),
    about(commands.RejectCandidate, reason=RejectionReason.OTHER),
    about(commands.UndoDecision, version=2),
    about(commands.RescoreCandidate, score=1.0, why="w"),
    about(commands.ChangeProfile, profile={}),
    about(commands.AmendProfile, profile={"name": "B"}),
    about(commands.NoteOnCandidate, text="t"),
    about(commands.RetractCandidate, why="w"),
]

EVERY_COMMAND = [
    add(),
    commands.AddUnlessKnown(profile={"external_id": "x"}, score=1.0),
    *ON_ONE_CANDIDATE,
]


def test_every_command_is_tried_here() -> None:
    assert {type(command) for command in EVERY_COMMAND} == set(get_args(CandidateCommand))


def test_a_candidate_goes_its_way(
    service: CandidateService, store: InMemoryEventStore, published: Published
) -> None:
    service.handle(add(), by())
    steps = [
        (about(commands.MoveCandidateToStandby), Status.STANDBY),
        (about(commands.RescoreCandidate, score=90, why="test"), Status.STANDBY),
        (about(commands.InviteCandidate), Status.INVITED),
        (about(commands.NoteOnCandidate, text="called"), Status.INVITED),
        (about(commands.UndoDecision, version=4), Status.STANDBY),
        (about(commands.ChangeProfile, profile={"name": "B"}), Status.STANDBY),
        (about(commands.RejectCandidate, reason=RejectionReason.WITHDREW), Status.REJECTED),
        (about(commands.UndoDecision, version=8), Status.STANDBY),
        (about(commands.UndoDecision, version=2), Status.ADDED),
        (about(commands.RetractCandidate, why="twice"), Status.RETRACTED),
    ]
    for version, (command, status) in enumerate(steps, start=2):
        result = service.handle(command, by())
        assert (result.candidate_id, result.version, result.status) == (
            CANDIDATE_ID,
            version,
            status,
        )
        assert result.position == result.events[-1].position
    assert published.events == store.read_stream(CANDIDATE_ID)


def test_who_did_it_stands_in_the_event(
    service: CandidateService, store: InMemoryEventStore
) -> None:
    batch = uuid4()
    earlier = NOW - timedelta(days=1)
    terms = by(
        on_behalf_of="boss", correlation_id=batch, occurred_at=earlier, extra={"source_row": 3}
    )
    service.handle(add(), terms)
    (recorded,) = store.read_stream(CANDIDATE_ID)
    metadata = recorded.metadata
    assert (metadata.actor, metadata.door, metadata.on_behalf_of) == ("rita", "api", "boss")
    assert (recorded.correlation_id, recorded.occurred_at) == (batch, earlier)
    assert metadata.extra == {"source_row": 3}


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda c: type(c).__name__)
def test_without_its_permission_no_command_is_looked_at(
    service: CandidateService, store: InMemoryEventStore, command: Any
) -> None:
    asked: list[str] = []

    def nothing(permission: str) -> bool:
        asked.append(permission)
        return False

    with pytest.raises(NotPermitted) as caught:
        service.handle(command, by(nothing))
    assert [caught.value.permission] == asked == [command.permission]
    assert store.read_stream(CANDIDATE_ID) == []


@pytest.mark.parametrize(
    ("terms", "permission"),
    [
        ({"occurred_at": NOW - timedelta(days=1)}, commands.BACKDATE),
        ({"on_behalf_of": "boss"}, commands.ACT_ON_BEHALF),
    ],
)
def test_unusual_terms_need_their_own_permission(
    service: CandidateService, terms: Any, permission: str
) -> None:
    with pytest.raises(NotPermitted) as caught:
        service.handle(add(), by(lambda asked: asked != permission, **terms))
    assert caught.value.permission == permission
    service.handle(add(), by(lambda asked: asked in {permission, commands.ADD}, **terms))


@pytest.mark.parametrize("command", ON_ONE_CANDIDATE, ids=lambda c: type(c).__name__)
def test_nobody_is_decided_about_before_being_added(
    service: CandidateService, command: Any
) -> None:
    with pytest.raises(AggregateNotFound) as caught:
        service.handle(command, by())
    assert caught.value.stream_id == CANDIDATE_ID


def test_a_candidate_is_added_once(service: CandidateService) -> None:
    service.handle(add(), by())
    with pytest.raises(AlreadyAdded):
        service.handle(add(score=1.0), by())


def test_the_threshold_of_the_day_decides_and_is_kept(
    store: InMemoryEventStore, published: Published
) -> None:
    strict = CandidateService(store=store, publisher=published, threshold=90.0, new_id=uuid4)
    strict.handle(add(score=80.0), by())
    with pytest.raises(ScoreBelowThreshold):
        strict.handle(about(commands.InviteCandidate), by())
    mild = CandidateService(store=store, publisher=published, threshold=80.0, new_id=uuid4)
    mild.handle(about(commands.InviteCandidate), by())
    event: Any = store.read_stream(CANDIDATE_ID)[-1].event
    assert (event.score, event.threshold) == (80.0, 80.0)


def test_without_external_ids_nobody_is_looked_up(service: CandidateService) -> None:
    with pytest.raises(ExternalIdsNotHere):
        service.handle(commands.AddUnlessKnown(profile={"external_id": "x"}, score=1.0), by())


def test_a_stale_version_is_refused_and_says_who_changed_it(
    service: CandidateService, store: InMemoryEventStore
) -> None:
    service.handle(add(), by())
    service.handle(about(commands.InviteCandidate), by(expected_version=1))
    for stated in (1, 99):
        with pytest.raises(StaleVersion) as caught:
            service.handle(about(commands.NoteOnCandidate, text="t"), by(expected_version=stated))
        assert (caught.value.expected, caught.value.current_version) == (stated, 2)
        assert (caught.value.changed_by, caught.value.changed_at) == ("rita", NOW)
    assert store.head(CANDIDATE_ID).version == 2


class Overtaken(InMemoryEventStore):
    """Somebody else's event, a note, gets in before each append, `times` times."""

    times = 0
    note: DomainEvent = noted(text="somebody else's")

    def append(self, *args: Any, **terms: Any) -> Any:
        if self.times:
            self.times -= 1
            head = super().head(args[1])
            super().append(args[0], args[1], [self.note], **{**terms, "expected": head})
        return super().append(*args, **terms)


@pytest.fixture
def overtaken(store: InMemoryEventStore) -> Overtaken:
    return Overtaken(store._mapper, clock=lambda: NOW)


def test_without_a_stated_version_the_decision_is_taken_anew(
    overtaken: Overtaken, published: Published
) -> None:
    service = CandidateService(store=overtaken, publisher=published, threshold=75.0, new_id=uuid4)
    service.handle(add(), by())
    overtaken.times = 3
    assert service.handle(about(commands.InviteCandidate), by()).version == 5


def test_a_patch_is_merged_anew_into_what_another_has_stored_meanwhile(
    overtaken: Overtaken, published: Published
) -> None:
    service = CandidateService(store=overtaken, publisher=published, threshold=75.0, new_id=uuid4)
    service.handle(add(profile={"a": 1}), by())
    overtaken.note = profile_changed(profile={"a": 1, "theirs": 2})
    overtaken.times = 1
    result = service.handle(about(commands.AmendProfile, profile={"ours": 3}), by())
    event: Any = result.events[0].event
    assert event.profile == {"a": 1, "theirs": 2, "ours": 3}


def test_with_a_stated_version_it_is_not(overtaken: Overtaken, published: Published) -> None:
    service = CandidateService(store=overtaken, publisher=published, threshold=75.0, new_id=uuid4)
    service.handle(add(), by())
    overtaken.times = 1
    with pytest.raises(StaleVersion) as caught:
        service.handle(about(commands.InviteCandidate), by(expected_version=1))
    assert caught.value.current_version == 2


def test_who_is_overtaken_for_ever_is_told_so(overtaken: Overtaken, published: Published) -> None:
    service = CandidateService(store=overtaken, publisher=published, threshold=75.0, new_id=uuid4)
    service.handle(add(), by())
    overtaken.times = 10**6
    with pytest.raises(ConcurrencyError):
        service.handle(about(commands.InviteCandidate), by())


def test_ids_derive_from_the_command(service: CandidateService) -> None:
    command_id = uuid4()
    result = service.handle(add(candidate_id=None), by(command_id=command_id))
    assert result.candidate_id == stream_id_of(command_id)
    assert [event.event_id for event in result.events] == [event_id_of(command_id, 0)]


def test_a_repeated_command_gets_its_first_answer_also_after_later_events(
    service: CandidateService, store: InMemoryEventStore, published: Published
) -> None:
    adding, inviting = by(command_id=uuid4()), by(command_id=uuid4(), expected_version=1)
    first_add = service.handle(add(candidate_id=None), adding)
    invite = commands.InviteCandidate(candidate_id=first_add.candidate_id)
    first_invite = service.handle(invite, inviting)
    reject = commands.RejectCandidate(
        candidate_id=first_add.candidate_id, reason=RejectionReason.WITHDREW
    )
    service.handle(reject, by())
    del published.events[:]

    again = service.handle(add(candidate_id=None), adding), service.handle(invite, inviting)

    for first, second in zip((first_add, first_invite), again, strict=True):
        assert second.repeated
        assert not first.repeated
        assert (second.candidate_id, second.version, second.status, second.events) == (
            first.candidate_id,
            first.version,
            first.status,
            first.events,
        )
    assert len(store.read_stream(first_add.candidate_id)) == 3
    assert published.events == [*first_add.events, *first_invite.events]


@pytest.mark.parametrize(
    "other",
    [
        about(commands.NoteOnCandidate, text="other words"),
        about(commands.RetractCandidate, why="t"),
        commands.NoteOnCandidate(candidate_id=UUID(int=7), text="t"),
        add(candidate_id=None),
    ],
    ids=["content", "command", "candidate", "add"],
)
def test_an_id_that_was_used_cannot_stand_for_something_else(
    service: CandidateService, store: InMemoryEventStore, other: Any
) -> None:
    service.handle(add(), by())
    terms = by(command_id=uuid4())
    service.handle(about(commands.NoteOnCandidate, text="t"), terms)
    with pytest.raises(CommandReused) as caught:
        service.handle(other, terms)
    assert caught.value.command_id == terms.command_id
    assert store.head(CANDIDATE_ID).version == 2


def test_a_refused_command_leaves_nothing_and_is_decided_anew(
    service: CandidateService, store: InMemoryEventStore
) -> None:
    service.handle(add(score=10.0), by())
    terms = by(command_id=uuid4())
    with pytest.raises(ScoreBelowThreshold):
        service.handle(about(commands.InviteCandidate), terms)
    service.handle(about(commands.RescoreCandidate, score=90.0, why="test"), by())
    assert service.handle(about(commands.InviteCandidate), terms).status is Status.INVITED
    with pytest.raises(WrongStatus):
        service.handle(about(commands.InviteCandidate), by(command_id=uuid4()))


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize(
    ("command", "pointer"),
    [
        (add(profile={"name": "\x00"}), "/profile/name"),
        (add(score=float("nan")), "/score"),
        (about(commands.NoteOnCandidate, text="\ud800"), "/text"),
    ],
)
def test_hostile_content_is_named_with_and_without_a_command_id(
    service: CandidateService, command: Any, pointer: str, keyed: bool
) -> None:
    if not isinstance(command, commands.AddCandidate):
        service.handle(add(), by())
    with pytest.raises(InvalidValue) as caught:
        service.handle(command, by(command_id=uuid4() if keyed else None))
    assert caught.value.pointer == pointer


def test_nothing_occurs_in_the_future(service: CandidateService) -> None:
    with pytest.raises(OccurredInFuture):
        service.handle(add(), by(occurred_at=NOW + timedelta(seconds=1)))
