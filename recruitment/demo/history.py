"""Plans what happened to the demo's candidates: the same for the same first day."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from operator import attrgetter
from random import Random
from uuid import NAMESPACE_URL, UUID, uuid5

from candidates.application.commands import CandidateCommand
from eventstore.application.commands import CommandContext
from eventstore.domain.events import stream_id_of
from recruitment.demo.journey import Journey

WORKDAYS = 63
"""As many as always lie within 90 days."""
_OPENS = time(8, tzinfo=UTC)
_WORKDAY = 10 * 60 * 60
"""Seconds. Working time is counted without nights and weekends."""
_PAUSE = 2.5 * _WORKDAY
"""Between two steps, on average."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A command, and who gave it when."""

    command: CandidateCommand
    context: CommandContext


def first_day(today: date) -> date:
    """The workday that begins a history which ends before `today`."""
    day, workdays = today, 0
    while workdays < WORKDAYS:
        day -= timedelta(days=1)
        workdays += day.weekday() < 5
    return day


def planned(start: date, *, count: int, threshold: float) -> list[Step]:
    """What happened to this many candidates, in the order of time.

    The first step falls on `start`: so the plan of a history can be told from its log.
    """
    steps = [step for i in range(count) for step in _steps(i, start, threshold=threshold)]
    return sorted(steps, key=attrgetter("context.occurred_at"))


def command_id_of(number: int, *, version: int) -> UUID:
    """Of the command that brings candidate `number` to this version."""
    return uuid5(uuid5(NAMESPACE_URL, "demo:candidates"), f"{number}/{version}")


def _steps(number: int, start: date, *, threshold: float) -> Iterator[Step]:
    """Those that have happened: a late candidate's journey has only begun."""
    rng = Random(number)  # noqa: S311  # believable, not secret
    candidate_id = stream_id_of(command_id_of(number, version=1))
    journey = Journey(rng, number, candidate_id=candidate_id, threshold=threshold)
    worked = rng.uniform(1, WORKDAYS * _WORKDAY) if number else 0.0
    for version in range(1, len(journey.tasks) + 1):
        if worked >= WORKDAYS * _WORKDAY:
            return
        occurred_at = _moment(start, int(worked))
        yield Step(
            command=journey.command(version, occurred_at.date()),
            context=CommandContext(
                actor=journey.actor(version),
                door="command line",
                allows=lambda _: True,
                on_behalf_of=journey.on_behalf_of(version),
                command_id=command_id_of(number, version=version),
                occurred_at=occurred_at,
            ),
        )
        worked += 60 + rng.expovariate(1 / _PAUSE)


def _moment(start: date, worked: int) -> datetime:
    """When so many seconds of working time have passed since the morning of `start`."""
    workday, seconds = divmod(worked, _WORKDAY)
    weeks, weekday = divmod(start.weekday() + workday, 5)
    day = start + timedelta(weeks=weeks, days=weekday - start.weekday())
    return datetime.combine(day, _OPENS) + timedelta(seconds=seconds)
