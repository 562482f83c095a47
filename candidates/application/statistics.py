"""What statistics say of all candidates together, today or as it was."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeAlias, TypeVar

from candidates.domain.events import RejectionReason, Status

COUNTED = (Status.ADDED, Status.STANDBY, Status.INVITED, Status.REJECTED)
"""A retracted candidate is in no figure. An erased one stays in the status that it had."""
Counts: TypeAlias = Mapping[Status, int]
"""How many candidates, by status. Every counted status is there."""
K = TypeVar("K")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stays:
    """How long the stays in a status took that have ended and were not undone.

    By nearest rank, so each is the length of a stay that was; None where there was none.
    """

    ended: int = 0
    median: timedelta | None = None
    percentile_90: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceCounts:
    source: str
    """As profiles have it; empty where they have none."""
    now: Counts
    ever: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCounts:
    day: date
    """Of business time, in UTC."""
    reached: Counts
    """By being added or by a decision, which has not been undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Says neither when it was asked for nor how far the log reached: equal rows, equal answer."""

    now: Counts
    ever: Counts
    """Who reached the status at any time, and not by a decision that was undone."""
    stays: Mapping[Status, Stays]
    sources: list[SourceCounts]
    """In alphabetical order. A candidate counts under one: the source of its newest stay."""
    reasons: Mapping[RejectionReason, int]
    """Of those who are rejected now. Every reason is there."""
    days: list[DayCounts]
    """The oldest first; a day on which nobody reached anything is left out."""

    @classmethod
    def of(
        cls,
        *,
        now: Mapping[tuple[str, Status], int],
        ever: Mapping[tuple[str, Status], int],
        stays: Mapping[Status, Stays],
        reasons: Mapping[RejectionReason, int],
        reached: Mapping[tuple[date, Status], int],
    ) -> "Statistics":
        """From counts of what occurs: `now` and `ever` by source, `reached` by day."""
        return cls(
            now=_total(now),
            ever=_total(ever),
            stays={status: stays.get(status, Stays()) for status in COUNTED},
            sources=[
                SourceCounts(source=source, now=_part(now, source), ever=_part(ever, source))
                for source in sorted({source for source, _ in (*now, *ever)})
            ],
            reasons={reason: reasons.get(reason, 0) for reason in RejectionReason},
            days=[
                DayCounts(day=day, reached=_part(reached, day))
                for day in sorted({day for day, _ in reached})
            ],
        )


def _total(counted: Mapping[tuple[K, Status], int]) -> Counts:
    total = dict.fromkeys(COUNTED, 0)
    for (_, status), count in counted.items():
        total[status] += count
    return total


def _part(counted: Mapping[tuple[K, Status], int], key: K) -> Counts:
    return {status: counted.get((key, status), 0) for status in COUNTED}
