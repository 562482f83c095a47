"""What every adapter of a read model's rows promises, inside a transaction and outside."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DataError, IntegrityError, connection, models, transaction

from candidates.models import CandidateProjection, StatusSpan
from eventstore.application.folding import Columns, FoldedStream, NextRow, Step
from eventstore.application.ports import ProjectionRows
from eventstore.infrastructure.mapper import EventMapper
from eventstore.infrastructure.memory import InMemoryEventStore, InMemoryProjectionRows
from eventstore.infrastructure.rows import DjangoProjectionRows
from tests.contracts.conftest import Clock

AT = [datetime(2026, 1, day, 8, 30, tzinfo=UTC) for day in range(1, 10)]
FIRST: Columns = {
    "status": "ADDED",
    "source": "fair",
    "by_undo": False,
    "since": AT[0],
    "recorded_since": AT[0],
}
in_the_database = pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])


@pytest.fixture(
    params=[
        "memory",
        pytest.param("database", marks=pytest.mark.django_db(transaction=True)),
        pytest.param("database in a transaction", marks=pytest.mark.django_db),
    ]
)
def spans(request: pytest.FixtureRequest, mapper: EventMapper, clock: Clock) -> ProjectionRows:
    if request.param == "memory":
        return InMemoryProjectionRows(InMemoryEventStore(mapper, clock=clock))
    return DjangoProjectionRows(StatusSpan)


def look(rows: ProjectionRows, stream_id: UUID, *names: str) -> list[Any]:
    if isinstance(rows, InMemoryProjectionRows):
        return [
            (opened, *(columns.get(name) for name in names))
            for opened, columns in rows.streams[stream_id].rows
        ]
    found = StatusSpan.objects.filter(candidate=stream_id).order_by("version")
    return list(found.values_list("version", *names))


def decided(n: int, status: str, **marks: Any) -> NextRow:
    """An event of day n that closes a stay."""
    return NextRow({"status": status, "since": AT[n]}, {"until": AT[n]}, **marks)


@pytest.fixture
def stream(spans: ProjectionRows) -> UUID:
    """Four stays, opened at versions 1, 2, 4 and 5, the second of them marked."""
    id = uuid4()
    assert spans.advance(id, expected=0, version=1, changes=FIRST)
    assert spans.advance(id, expected=1, version=2, changes=decided(1, "STANDBY"))
    assert spans.advance(id, expected=2, version=3, changes={"source": "referral"})
    undone = {"marking": {"undone_at": AT[3]}, "marked_from": 2}
    assert spans.advance(id, expected=3, version=4, changes=decided(3, "ADDED", **undone))
    assert spans.advance(id, expected=4, version=5, changes=decided(4, "INVITED"))
    return id


def test_a_stream_of_which_somebody_has_begun_the_rows_is_left_to_them(
    spans: ProjectionRows,
) -> None:
    theirs, ours = uuid4(), uuid4()
    spans.advance(theirs, expected=0, version=1, changes=FIRST)
    two = FoldedStream(2, [(1, {**FIRST}), (2, {**FIRST, "status": "INVITED"})])
    spans.add_missing([(theirs, two), (ours, two)])
    assert look(spans, theirs, "status") == [(1, "ADDED")]
    assert look(spans, ours, "status") == [(1, "ADDED"), (2, "INVITED")]
    assert spans.versions([theirs, ours, uuid4()]) == {theirs: 1, ours: 2}


def test_many_streams_advance_at_once_and_who_is_elsewhere_is_left_alone(
    spans: ProjectionRows,
) -> None:
    near, far, late = uuid4(), uuid4(), uuid4()
    for stream_id in (near, far, late):
        spans.advance(stream_id, expected=0, version=1, changes=FIRST)
    spans.advance(late, expected=1, version=2, changes={"source": "late"})
    with transaction.atomic() if isinstance(spans, DjangoProjectionRows) else nullcontext():
        refused = spans.advance_many(
            {
                near: [Step(1, 2, {"source": "near"}), Step(2, 3, decided(1, "INVITED"))],
                far: [
                    Step(1, 2, decided(1, "STANDBY")),
                    Step(2, 4, {"source": "far"}),
                    Step(4, 5, decided(2, "REJECTED")),
                ],
                late: [Step(1, 2, {"source": "never"}), Step(2, 3, decided(1, "INVITED"))],
            }
        )
    assert refused == {late}
    assert look(spans, near, "status", "source") == [(1, "ADDED", "near"), (3, "INVITED", "near")]
    assert look(spans, far, "status", "source") == [
        (1, "ADDED", "fair"),
        (2, "STANDBY", "far"),
        (5, "REJECTED", "far"),
    ]
    assert look(spans, late, "status", "source") == [(1, "ADDED", "late")]


def test_a_next_row_takes_over_what_it_does_not_name(spans: ProjectionRows, stream: UUID) -> None:
    assert look(spans, stream, "status", "source", "since", "until", "undone_at") == [
        (1, "ADDED", "fair", AT[0], AT[1], None),
        (2, "STANDBY", "referral", AT[1], AT[3], AT[3]),
        (4, "ADDED", "referral", AT[3], AT[4], None),
        (5, "INVITED", "referral", AT[4], None, None),
    ]
    assert spans.version(stream) == 5


def test_a_mark_is_set_once_and_never_on_the_new_row(spans: ProjectionRows, stream: UUID) -> None:
    for n, first in ((5, 5), (6, 2), (7, 0)):
        undone = {"marking": {"undone_at": AT[n]}, "marked_from": first}
        changes = decided(n, "ADDED", **undone)
        assert spans.advance(stream, expected=n, version=n + 1, changes=changes)
    marks = [at and at.day for _, at in look(spans, stream, "undone_at")]
    assert marks == [8, 4, 7, 6, 7, 8, None]


def test_what_is_refused_writes_nothing(spans: ProjectionRows, stream: UUID) -> None:
    names = ("status", "source", "until", "undone_at")
    before = look(spans, stream, *names)
    mark = {"marking": {"undone_at": AT[8]}, "marked_from": 0}
    for expected in (0, 1, 4, 6):
        for changes in (FIRST, decided(8, "REJECTED", **mark)):
            assert not spans.advance(stream, expected=expected, version=9, changes=changes)
    assert look(spans, stream, *names) == before
    assert spans.version(stream) == 5


def test_an_event_that_changes_nothing_is_shown(spans: ProjectionRows, stream: UUID) -> None:
    assert spans.advance(stream, expected=5, version=6, changes={})
    assert spans.version(stream) == 6


ZONED = datetime(2026, 1, 1, 8, 30, 0, 120, tzinfo=UTC).astimezone()
CANDIDATE: Columns = {
    "position": 2**40,
    "status": "ADDED",
    "status_since": ZONED,
    "score": 1e16,
    "profile": {"b": [1.0, 2, None, True], "a": "Ω 'quoted' %s ? \\ 💡", "nested": {"-0": -0.0}},
    "name": 'O’Brien; "x" %s',
    "tags": ["b", "a"],
    "added_at": ZONED,
    "added_position": 7,
    "due_on": (ZONED + timedelta(days=3)).date(),
    "changed_at": ZONED,
}


@pytest.mark.django_db(transaction=True)
@in_the_database
def test_values_are_stored_as_the_fields_store_them(inside: bool) -> None:
    ours, theirs, id = DjangoProjectionRows(CandidateProjection), uuid4(), uuid4()
    nothing: Columns = {"due_on": None, "profile": {}, "tags": [], "name": ""}
    with transaction.atomic() if inside else nullcontext():
        ours.add_missing([(theirs, FoldedStream(2, [(1, {**CANDIDATE})]))])
        assert ours.advance(id, expected=0, version=1, changes={**CANDIDATE, **nothing})
        assert ours.advance(id, expected=1, version=2, changes=CANDIDATE)
    assert _raw_row(CandidateProjection, id) == _raw_row(CandidateProjection, theirs)


@pytest.mark.django_db(transaction=True)
@in_the_database
@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (0, {"status": "ADDED"}),
        (1, {"since": None}),
        (1, NextRow({"since": None}, {"until": AT[1]})),
        (1, NextRow({"since": AT[1]}, {"since": None})),
    ],
)
def test_what_cannot_be_stored_raises_and_leaves_nothing(
    inside: bool, expected: int, changes: Any
) -> None:
    rows, id, other = DjangoProjectionRows(StatusSpan), uuid4(), uuid4()
    if expected:
        rows.advance(id, expected=0, version=1, changes=FIRST)
    before = list(StatusSpan.objects.order_by("pk").values())
    with transaction.atomic() if inside else nullcontext():
        # What takes several statements has a savepoint of its own.
        alone = inside and expected and not isinstance(changes, NextRow)
        with pytest.raises(IntegrityError), transaction.atomic() if alone else nullcontext():
            rows.advance(id, expected=expected, version=2, changes=changes)
        assert list(StatusSpan.objects.order_by("pk").values()) == before
    # The connection is as good as before.
    assert rows.advance(other, expected=0, version=1, changes=FIRST)


@pytest.mark.django_db(transaction=True)
def test_a_value_that_is_too_long_is_never_cut_off() -> None:
    rows, id = DjangoProjectionRows(StatusSpan), uuid4()
    try:
        rows.advance(id, expected=0, version=1, changes={**FIRST, "source": "x" * 201})
    except DataError:
        assert not StatusSpan.objects.exists()
    else:
        assert StatusSpan.objects.get().source == "x" * 201


def _raw_row(model: type[models.Model], id: UUID) -> tuple[Any, ...]:
    """As the database has it, without the key."""
    key = id.hex if connection.vendor == "sqlite" else id
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {model._meta.db_table} WHERE id = %s", [key])
        assert cursor.description[0][0] == "id"
        found: tuple[Any, ...] = cursor.fetchone()
    return found[1:]
