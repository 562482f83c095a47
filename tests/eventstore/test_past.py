"""Which events of a stream count at a moment of the past."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from eventstore.application.past import AsOf, AtVersion, KnownAt, past_of
from eventstore.domain.events import Metadata, RecordedEvent
from eventstore.domain.exceptions import DidNotExistYet, InvalidValue, NoSuchVersion
from tests.factories import noted

STREAM = UUID(int=7)
DAY = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 11)]
NOW = DAY[9]
# Three things happened on the 1st, 2nd and 5th; the first two were written down on the 3rd.
TIMES = [(DAY[0], DAY[2]), (DAY[1], DAY[2]), (DAY[4], DAY[5])]
HISTORY = [
    RecordedEvent(
        event=noted(),
        event_id=UUID(int=version),
        stream_type="candidate",
        stream_id=STREAM,
        version=version,
        position=10 * version,
        occurred_at=occurred_at,
        recorded_at=recorded_at,
        metadata=Metadata(actor="rita", door="api"),
    )
    for version, (occurred_at, recorded_at) in enumerate(TIMES, start=1)
]
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("moment", "events"),
    [
        (AtVersion(1), 1),
        (AtVersion(2), 2),
        (AtVersion(3), 3),
        (AsOf(DAY[0]), 1),
        (AsOf(DAY[1] - TICK), 1),
        (AsOf(DAY[1]), 2),
        (AsOf(DAY[3]), 2),
        (AsOf(DAY[4]), 3),
        (AsOf(NOW), 3),
        (AsOf(datetime(2026, 1, 2, 4, tzinfo=timezone(timedelta(hours=5)))), 1),
        (KnownAt(DAY[2]), 2),
        (KnownAt(DAY[4]), 2),
        (KnownAt(DAY[5] - TICK), 2),
        (KnownAt(DAY[5]), 3),
        (KnownAt(NOW), 3),
    ],
    ids=str,
)
def test_the_past_is_what_came_up_to_then(moment: Any, events: int) -> None:
    assert past_of(HISTORY, moment, now=NOW) == HISTORY[:events]


@pytest.mark.parametrize(
    ("moment", "first"),
    [
        (AsOf(DAY[0] - TICK), DAY[0]),
        (KnownAt(DAY[2] - TICK), DAY[2]),
        (AsOf(datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))), DAY[0]),
    ],
    ids=str,
)
def test_before_the_first_event_there_was_nothing(moment: Any, first: datetime) -> None:
    with pytest.raises(DidNotExistYet, match="did not exist yet") as caught:
        past_of(HISTORY, moment, now=NOW)
    refusal = caught.value
    assert (refusal.stream_id, refusal.asked_for) == (STREAM, moment.at)
    assert refusal.first_event_at == first


def test_a_version_that_is_still_to_come_names_the_newest() -> None:
    with pytest.raises(NoSuchVersion, match="no version 4 yet: its newest is 3") as caught:
        past_of(HISTORY, AtVersion(4), now=NOW)
    assert (caught.value.version, caught.value.newest_version) == (4, 3)


@pytest.mark.parametrize(
    ("moment", "pointer"),
    [
        (AsOf(NOW + TICK), "/as_of"),
        (KnownAt(NOW + TICK), "/known_at"),
        (AsOf(datetime.max.replace(tzinfo=timezone(-timedelta(hours=12)))), "/as_of"),
    ],
    ids=str,
)
def test_nobody_knows_the_future(moment: Any, pointer: str) -> None:
    with pytest.raises(InvalidValue, match="lies in the future") as caught:
        past_of(HISTORY, moment, now=NOW)
    assert (caught.value.pointer, caught.value.rule) == (pointer, "in_future")
