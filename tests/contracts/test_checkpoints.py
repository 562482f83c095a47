"""What the checkpoints of projections promise, wherever they are kept."""

from contextlib import suppress

import pytest
from django.db import connection

from eventstore.application.ports import Checkpoint, Checkpoints
from tests.contracts.conftest import Clock
from tests.threads import together


def test_a_projection_starts_before_the_first_event_and_is_seen_by_nobody(
    checkpoints: Checkpoints,
) -> None:
    assert checkpoints.all() == {}
    checkpoints.start("a", schema=3)
    assert checkpoints.all() == {"a": Checkpoint(position=0, schema=3, seen_at=None)}


def test_starting_again_changes_nothing(checkpoints: Checkpoints) -> None:
    checkpoints.start("a", schema=3)
    checkpoints.move("a", expected=0, position=7)
    checkpoints.start("a", schema=4)
    assert checkpoints.all()["a"] == Checkpoint(position=7, schema=3, seen_at=None)


def test_it_moves_from_where_it_is_expected_and_from_nowhere_else(
    checkpoints: Checkpoints,
) -> None:
    checkpoints.start("a", schema=1)
    checkpoints.start("b", schema=1)
    assert checkpoints.move("a", expected=0, position=7)
    assert not checkpoints.move("a", expected=0, position=9)
    assert not checkpoints.move("none", expected=0, position=9)
    assert {name: kept.position for name, kept in checkpoints.all().items()} == {"a": 7, "b": 0}


def test_the_heartbeat_is_the_time_of_the_last(checkpoints: Checkpoints, clock: Clock) -> None:
    checkpoints.start("a", schema=1)
    checkpoints.seen("a")
    clock.advance(seconds=5)
    checkpoints.seen("a")
    checkpoints.seen("none")
    checkpoints.move("a", expected=0, position=7)
    assert checkpoints.all() == {"a": Checkpoint(position=7, schema=1, seen_at=clock.now)}


def test_what_is_in_its_way_is_kept_until_nothing_is(checkpoints: Checkpoints) -> None:
    checkpoints.start("a", schema=1)
    checkpoints.block("a", "no queue takes it" * 100)
    checkpoints.block("none", "no queue takes it")
    checkpoints.move("a", expected=0, position=7)
    assert checkpoints.all()["a"].blocked_by.startswith("no queue takes it")
    checkpoints.block("a", "")
    assert checkpoints.all() == {"a": Checkpoint(position=7, schema=1, seen_at=None)}


def test_what_it_waits_for_is_kept_until_it_moves(checkpoints: Checkpoints) -> None:
    checkpoints.start("a", schema=1)
    checkpoints.wait("a", at=7, what="of another place")
    checkpoints.wait("none", at=0, what="newer code")
    assert checkpoints.all() == {"a": Checkpoint(position=0, schema=1, seen_at=None)}
    checkpoints.wait("a", at=0, what="newer code" * 100)
    assert not checkpoints.move("a", expected=1, position=7)
    assert checkpoints.all()["a"].waits_for.startswith("newer code")
    checkpoints.move("a", expected=0, position=0)
    assert checkpoints.all() == {"a": Checkpoint(position=0, schema=1, seen_at=None)}
    checkpoints.wait("a", at=0, what="newer code")
    checkpoints.wait("a", at=0, what="")
    assert checkpoints.all()["a"].waits_for == ""
    checkpoints.wait("a", at=0, what="newer code")
    checkpoints.replace("a", position=0, schema=1)
    assert checkpoints.all()["a"].waits_for == ""


def test_rows_that_were_built_anew_have_another_position_and_schema(
    checkpoints: Checkpoints, clock: Clock
) -> None:
    checkpoints.replace("new", position=4, schema=2)
    checkpoints.start("a", schema=1)
    checkpoints.move("a", expected=0, position=7)
    checkpoints.seen("a")
    checkpoints.replace("a", position=5, schema=2)
    assert checkpoints.all() == {
        "new": Checkpoint(position=4, schema=2, seen_at=None),
        "a": Checkpoint(position=5, schema=2, seen_at=clock.now),
    }


@pytest.mark.django_db(transaction=True)
def test_one_alone_has_it_and_the_next_may_have_it_after_that(checkpoints: Checkpoints) -> None:
    checkpoints.start("a", schema=1)
    checkpoints.start("b", schema=1)

    def claim(projection: str) -> Checkpoint | None:
        with checkpoints.claimed(projection) as checkpoint:
            return checkpoint

    with checkpoints.claimed("a") as mine:
        assert mine == Checkpoint(position=0, schema=1, seen_at=None)
        if connection.vendor == "postgresql" or "Memory" in type(checkpoints).__name__:
            # SQLite has one transaction at a time: another would wait for this one.
            assert together(1, lambda _: claim("a")) == [None]
            assert together(1, lambda _: claim("b")) == [mine]
        assert checkpoints.move("a", expected=0, position=7)
    assert together(1, lambda _: claim("a")) == [mine._replace(position=7)]


def test_there_is_nothing_to_claim_where_nothing_was_started(checkpoints: Checkpoints) -> None:
    with checkpoints.claimed("a") as checkpoint:
        assert checkpoint is None


def test_a_claim_that_fails_lets_go(checkpoints: Checkpoints) -> None:
    checkpoints.start("a", schema=1)
    with suppress(RuntimeError), checkpoints.claimed("a"):
        raise RuntimeError
    with checkpoints.claimed("a") as checkpoint:
        assert checkpoint is not None
