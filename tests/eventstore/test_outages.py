"""What is in the way passes, is told once, and nobody has to start anything again."""

import sqlite3
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from django.db import (
    DataError,
    Error,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)

from eventstore.application.outages import (
    FIRST_RETRY,
    LONGEST_RETRY,
    SETTLED,
    Obstacle,
    Stopped,
    UntilStopped,
)
from eventstore.domain.exceptions import ReadOnlyDatabase, UnsafeLogRead
from eventstore.infrastructure.outages import Outage, outage_of


class Away(Exception):
    pass


class World:
    """A clock that moves only while somebody sleeps, and what was said and done by then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.told: list[str] = []
        self.recovered = 0
        self.at_once = False
        self.stop_at = float("inf")

    def __call__(self) -> bool:
        return self.now >= self.stop_at

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def run(self, work: Callable[[Callable[[], bool]], object]) -> bool:
        return UntilStopped(
            obstacle_of=lambda error: (
                Obstacle(str(error), f"{error} is away.") if isinstance(error, Away) else None
            ),
            recover=self._recover,
            tell=self.told.append,
            monotonic=lambda: self.now,
            sleep=self.sleep,
            stop=self,
        ).run(work)

    def _recover(self) -> None:
        self.recovered += 1


@pytest.fixture
def world() -> World:
    return World()


def test_it_is_tried_ever_less_often_and_told_once(world: World) -> None:
    tries: list[float] = []

    def work(stopped: Callable[[], bool]) -> None:
        tries.append(world.now)
        if len(tries) < 10:
            raise Away("database")

    assert not world.run(work)
    gaps = [round(after - before, 6) for before, after in pairwise(tries)]
    assert gaps[:6] == [FIRST_RETRY, 1, 2, 4, 8, LONGEST_RETRY]
    assert max(gaps) == LONGEST_RETRY
    assert world.told == ["database is away. Waiting for it, and going on by itself."]
    assert world.recovered == 9


def test_that_it_goes_on_is_told_once_it_has_gone_on_for_a_while(world: World) -> None:
    tries: list[float] = []

    def work(stopped: Callable[[], bool]) -> None:
        tries.append(world.now)
        if len(tries) == 5:
            while not stopped():
                world.sleep(0.1)
            return
        # It gets going, and comes upon the same again: that is nothing new.
        assert not stopped()
        raise Away("database")

    world.stop_at = 60
    assert world.run(work)
    assert world.told == [
        "database is away. Waiting for it, and going on by itself.",
        "Nothing is in the way any more: going on.",
    ]


def test_what_comes_after_it_went_on_is_told_anew_and_tried_soon(world: World) -> None:
    tries: list[float] = []

    def work(stopped: Callable[[], bool]) -> None:
        tries.append(world.now)
        if len(tries) in (4, 8):
            assert not stopped()
            world.sleep(SETTLED)
            assert not stopped()
        raise Away("broker" if len(tries) == 6 else "database")

    world.stop_at = 30
    assert not world.run(work)
    assert [one.partition(" ")[0] for one in world.told] == [
        *("database", "Nothing", "database", "broker", "database"),
        *("Nothing", "database"),
    ]
    assert tries[4] - tries[3] == pytest.approx(SETTLED + FIRST_RETRY)


def test_what_does_not_pass_is_raised(world: World) -> None:
    def work(stopped: Callable[[], bool]) -> None:
        raise ValueError("a mistake")

    with pytest.raises(ValueError, match="a mistake"):
        world.run(work)
    assert (world.told, world.at_once) == ([], False)


def test_who_waits_ends_at_once(world: World) -> None:
    def work(stopped: Callable[[], bool]) -> None:
        raise Away("database")

    world.stop_at = 7.3
    assert not world.run(work)
    assert world.now == pytest.approx(7.5, abs=0.2)


def test_it_is_interrupted_until_it_has_got_going_and_not_behind_that(world: World) -> None:
    seen = []

    def work(stopped: Callable[[], bool]) -> None:
        seen.append(world.at_once)
        assert not stopped()
        seen.append(world.at_once)

    assert world.run(work)
    assert seen == [True, False]

    def interrupted(stopped: Callable[[], bool]) -> None:
        raise Stopped

    assert not world.run(interrupted)
    assert not world.at_once


def wrapped(kind: type[Error], cause: Exception | None) -> Error:
    error = kind(str(cause))
    error.__cause__ = cause
    return error


def of_sqlite(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("…")
    error.sqlite_errorcode = code
    return error


pg: Any = psycopg.errors


@pytest.mark.parametrize(
    ("error", "outage"),
    [
        (wrapped(OperationalError, psycopg.OperationalError("refused")), Outage.AWAY),
        (wrapped(OperationalError, pg.AdminShutdown()), Outage.AWAY),
        (wrapped(OperationalError, pg.TooManyConnections()), Outage.AWAY),
        (wrapped(OperationalError, pg.IoError()), Outage.AWAY),
        (wrapped(InterfaceError, psycopg.InterfaceError("closed")), Outage.AWAY),
        (wrapped(InternalError, pg.ReadOnlySqlTransaction()), Outage.READ_ONLY),
        (wrapped(OperationalError, pg.DiskFull()), Outage.FULL),
        (wrapped(OperationalError, pg.LockNotAvailable()), Outage.BUSY),
        (wrapped(OperationalError, pg.QueryCanceled()), Outage.BUSY),
        (wrapped(OperationalError, of_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT)), Outage.BUSY),
        (wrapped(OperationalError, of_sqlite(sqlite3.SQLITE_READONLY)), Outage.READ_ONLY),
        (wrapped(OperationalError, of_sqlite(sqlite3.SQLITE_FULL)), Outage.FULL),
        (wrapped(OperationalError, of_sqlite(sqlite3.SQLITE_IOERR_WRITE)), Outage.AWAY),
        (wrapped(OperationalError, of_sqlite(sqlite3.SQLITE_ERROR)), None),
        (wrapped(ProgrammingError, pg.UndefinedTable()), None),
        (wrapped(InternalError, pg.InFailedSqlTransaction()), None),
        (wrapped(DataError, pg.StringDataRightTruncation()), None),
        (ReadOnlyDatabase(), Outage.READ_ONLY),
        (UnsafeLogRead(reason="a mistake"), None),
        (ValueError(), None),
    ],
)
def test_an_outage_is_told_from_a_mistake(error: Exception, outage: Outage | None) -> None:
    assert outage_of(error) is outage
